import { text } from 'node:stream/consumers';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import type { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import type { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { type LoggedFiles, readMlmodel, type SourceFolder } from './rules/mlmodel.js';
import { withKnownColumns } from '../model-contract/index.js';
import { toHexId, freeArtifactPath } from '../core/index.js';
import { AppError, conflict, ErrorCode, notFound, quote } from '../../errors.js';
import type { ArtifactFolderService, FolderOwner } from '../artifacts/index.js';
import type { ConversionService } from './conversion.service.js';
import type { ModelVersionService, NewVersionAttributes, VersionSource } from './model-version.service.js';
import type { ModelService } from './model.service.js';
import { parseYaml } from './yaml-text.js';

/** Files that a client has logged, or that are stored elsewhere. */
export interface LoggedSource {
  /** The address of the files, as the client gave it. */
  uri: string;
  runId?: string | null;
  runLink?: string | null;
  loggedModelId?: string | null;
  /** The folder with the MLmodel file, when this service stores it. */
  folder: SourceFolder | null;
  /** A version whose model.onnx the new version reuses. */
  copyOf?: ModelVersion;
}

interface Dependencies {
  db: Database;
  objects: ObjectStore;
  folders: ArtifactFolderService;
  models: ModelService;
  versions: ModelVersionService;
  conversions: ConversionService;
}

/** Larger than any file that a client writes; reading a file of this size takes less than a second. */
const MAX_MLMODEL_BYTES = 256 * 1024;
/** Framework names that say nothing; the framework of the version replaces them. */
const UNSPECIFIC_FRAMEWORKS = ['mlflow'];

/**
 * Versions that are made from files of any framework. The files stay where they were logged; if one is a model.onnx,
 * the version uses it.
 */
export class SourcedVersionService {
  constructor(private readonly deps: Dependencies) {}

  /** `also` runs in the transaction that makes the version. */
  async register(
    actor: Actor,
    input: { modelId: string; source: LoggedSource } & NewVersionAttributes,
    also?: (session: Session, version: ModelVersion) => Promise<void>,
  ): Promise<ModelVersion> {
    const { db, models, versions, conversions } = this.deps;
    const { folder, uri, copyOf, ...ids } = input.source;
    const files = folder && (await this.read(actor, folder));
    const onnx = copyOf?.objectKey
      ? onnxOf(copyOf)
      : folder && files?.onnxPath
        ? await this.onnx(actor, folder, files)
        : null;
    const { id } = await db.transact(actor, async (session) => {
      const model = await models.lock(session, input.modelId);
      const framework = copyOf?.framework ?? files?.framework ?? null;
      if (framework !== null && UNSPECIFIC_FRAMEWORKS.includes(model.framework)) model.framework = framework;
      const source: VersionSource = {
        ...ids,
        sourceUri: uri,
        sourceFolder: folder,
        signature: files?.signature ?? null,
        ...onnx,
      };
      const version = await versions.register(session, model, source, {
        ...input,
        framework: input.framework ?? framework,
      });
      const signature = onnx?.signature ?? null;
      await models.guessTask(session, model.id, { signature, logged: files?.signature ?? null, framework });
      if (files && !onnx) await conversions.offer(session, version, framework);
      await also?.(session, version);
      return version;
    });
    return versions.settled(actor, id);
  }

  /** Registers a logged model or a folder of a run's artifacts. CONFLICT when it has no MLmodel file. */
  async registerLogged(
    actor: Actor,
    input: {
      modelId: string;
      logged: { loggedModelId: string } | { runId: string; path: string };
    } & NewVersionAttributes,
  ): Promise<ModelVersion> {
    const { logged, ...attributes } = input;
    const source = await this.deps.db.transact(actor, async (session): Promise<LoggedSource> => {
      await this.deps.models.get(session, input.modelId);
      if ('loggedModelId' in logged) {
        const { loggedModelId } = logged;
        const model = await session.em.findOne(LoggedModel, { id: loggedModelId, tenant: session.tenant });
        if (!model) throw notFound('logged model', loggedModelId);
        if (model.state === 'DELETED') {
          const details = {
            field: 'input.loggedModelId',
            expected: 'one in use',
            got: `one deleted ${model.deletedAt?.toISOString()}`,
          };
          throw conflict(`Logged model "${model.name}" was deleted.`, details);
        }
        const folder = { owner: { loggedModelId }, path: '' };
        return { uri: `models:/m-${toHexId(loggedModelId)}`, runId: model.runId, loggedModelId, folder };
      }
      const owner = { runId: logged.runId };
      await this.deps.folders.experimentOf(session, owner);
      const path = freeArtifactPath(logged.path);
      if (!path) throw leadsElsewhere(logged.path);
      return { uri: `runs:/${toHexId(logged.runId)}/${path}`, ...owner, folder: { owner, path } };
    });
    const mlmodel = join(source.folder?.path ?? '', 'MLmodel');
    if (source.folder && !(await this.find(actor, source.folder.owner, mlmodel))) {
      throw conflict('There is no MLmodel file to register.', {
        field: 'input',
        expected: `an artifact at ${mlmodel}`,
        got: source.uri,
      });
    }
    return this.register(actor, { ...attributes, source });
  }

  /** Null when there is no MLmodel file, or when it cannot be read. */
  private async read(actor: Actor, { owner, path }: SourceFolder): Promise<LoggedFiles | null> {
    const file = await this.find(actor, owner, join(path, 'MLmodel'));
    if (!file || file.sizeBytes > MAX_MLMODEL_BYTES) return null;
    const content = await text(await this.deps.objects.get(file.objectKey));
    try {
      return readMlmodel(parseYaml(content));
    } catch {
      return null;
    }
  }

  /** The model.onnx after the same checks as an upload; if it fails them, the reason. */
  private async onnx(
    actor: Actor,
    { owner, path }: SourceFolder,
    { onnxPath, columns }: LoggedFiles,
  ): Promise<Partial<VersionSource>> {
    const inFolder = freeArtifactPath(onnxPath ?? '');
    const file = inFolder ? await this.find(actor, owner, join(path, inFolder)) : null;
    if (!file) return { error: 'The MLmodel file names a model.onnx that is not there.' };
    try {
      using local = await this.deps.objects.localFile(file.objectKey);
      const { signature } = await this.deps.versions.check(actor.principal.tenant, local.path);
      const named = withKnownColumns(signature, columns ?? []);
      return { sourceKey: file.objectKey, sizeBytes: file.sizeBytes, sha256: file.sha256, signature: named };
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.INVALID_MODEL)
        return { error: `Its model.onnx was not taken: ${error.message}` };
      throw error;
    }
  }

  private find(actor: Actor, owner: FolderOwner, path: string): Promise<Artifact | null> {
    return this.deps.db.transact(actor, (session) => this.deps.folders.find(session, owner, path));
  }
}

function onnxOf({ objectKey, sizeBytes, sha256, signature }: ModelVersion): Partial<VersionSource> {
  return { sourceKey: objectKey, sizeBytes, sha256, signature };
}

function leadsElsewhere(path: string): AppError {
  const expected = 'the path of a folder below the run’s artifacts, such as model';
  const details = { field: 'input.artifactPath', expected, got: quote(path) };
  return new AppError(ErrorCode.INVALID_PATH, `input.artifactPath: expected ${expected}, got ${quote(path)}.`, details);
}

const join = (folder: string, path: string) => (folder === '' ? path : `${folder}/${path}`);
