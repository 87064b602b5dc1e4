import { isDeepStrictEqual } from 'node:util';
import { LockMode, raw, type FilterQuery } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { LocalFile, ObjectStore } from '../../adapters/object-store/port.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { checkName, checkTags, registryTags, tagChanges } from '../core/index.js';
import { checkLanguageModel, type NamedLanguageModel } from './rules/language-model.js';
import { signaturesDiffer, type VersionChange } from './rules/semver.js';
import { requireRenumberable, type Stage } from './rules/stages.js';
import { taskOf } from '../algorithms/index.js';
import { AppError, conflict, ErrorCode, notFound } from '../../errors.js';
import type { ModelChecker } from '../../inference/port.js';
import { requireOwn, RoundRobinQueue, likePattern, audit } from '../platform/index.js';
import type { TagEntry } from '../experiments/index.js';
import type { UploadService } from '../uploads/index.js';
import type { ModelService } from './model.service.js';
import { requireReady } from './onnx-version.js';
import { freeSemanticVersion, semanticVersionAfter } from './semantic-versions.js';
import { taggedVersion, emitTagEvents } from './tag-events.js';
import { trainedModelOf } from '../training/index.js';
import {
  describedSignature,
  describesSignature,
  requireDescribable,
  type SignatureDescription,
} from './version-description.js';
import type { VersionRemoval } from './version-removal.js';
import type { VersionStorage } from './version-storage.js';

export interface VersionAttributes extends SignatureDescription {
  description?: string | null;
  tags?: TagEntry[] | null;
  /** When absent, the service counts by what changed. */
  semanticVersion?: string | null;
}

export interface NewVersionAttributes extends VersionAttributes {
  /** The framework; when absent, the one of its model. */
  framework?: string | null;
}

export interface ModelVersionFilter {
  search?: string | null;
  modelId?: string | null;
  runId?: string | null;
  stage?: Stage[] | null;
  status?: ModelVersion['status'] | null;
  framework?: string | null;
  modelType?: string | null;
  tags?: TagEntry[] | null;
}

/** The source of a version: a model.onnx, or the files of another framework, which stay where they are. */
export type VersionSource = Partial<
  Pick<
    ModelVersion,
    | 'id'
    | 'sourceKey'
    | 'sizeBytes'
    | 'sha256'
    | 'signature'
    | 'runId'
    | 'metrics'
    | 'reference'
    | 'agreementMaxAbsDiff'
  > &
    Pick<ModelVersion, 'sourceUri' | 'sourceFolder' | 'runLink' | 'loggedModelId' | 'languageModel' | 'error'>
>;

interface Dependencies {
  db: Database;
  live: LiveEvents;
  objects: ObjectStore;
  uploads: UploadService;
  models: ModelService;
  removal: VersionRemoval;
  storage: VersionStorage;
  checkModel: ModelChecker;
}

const MAX_WAITING_CHECKS = 20;
/** The columns in which a text is searched. */
const SEARCHED = `(description ilike ? or semantic_version ilike ? or exists (select 1 from jsonb_each_text(tags) t
  where t.key ilike ? or t.value ilike ?)
  or model_id in (select m.id from model m where m.tenant = ? and m.name ilike ?))`;

/** Versions of models: PENDING when registered, READY when their files are stored. */
export class ModelVersionService {
  /** Each check may take seconds and a gigabyte of memory. */
  private readonly checks = new RoundRobinQueue('uploaded models to be checked', MAX_WAITING_CHECKS);

  constructor(private readonly deps: Dependencies) {}

  /** Registers a PENDING version of the model that the run trained. Its files are stored after the commit. */
  async registerFromRun(
    session: Session,
    input: { modelId: string; runId: string } & NewVersionAttributes,
  ): Promise<ModelVersion> {
    const model = await this.deps.models.lock(session, input.modelId);
    const run = await session.em.findOne(Run, { id: input.runId, tenant: session.tenant });
    if (!run) throw notFound('run', input.runId);
    const training = await trainedModelOf(session, input.runId);
    if (!training) {
      throw conflict('The run has no finished training to register.', {
        field: 'input.runId',
        expected: 'a run whose TRAINING job SUCCEEDED',
        got: input.runId,
      });
    }
    const { files, signature, metrics, reference, agreementMaxAbsDiff, config } = training;
    const task = taskOf(config.algorithm);
    if (model.taskGuessed) Object.assign(model, { task, taskGuessed: false });
    if (model.task !== 'OTHER' && model.task !== task) {
      throw conflict(`Model "${model.name}" is for ${model.task}; the run trained a ${task}.`, {
        field: 'input.runId',
        expected: model.task,
        got: task,
      });
    }
    const source = {
      sourceKey: files.model.key,
      sizeBytes: files.model.sizeBytes,
      sha256: files.model.sha256,
      signature,
      // JSON has no NaN and no infinity.
      metrics: Object.fromEntries(
        Object.entries(metrics).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const])),
      ),
      reference,
      agreementMaxAbsDiff,
      runId: input.runId,
    };
    return this.register(session, model, source, input);
  }

  /**
   * Tries the uploaded file in a child process first. Errors: INVALID_MODEL, which says what is wrong and what to do.
   */
  async registerFromUpload(
    actor: Actor,
    input: { modelId: string; uploadId: string } & NewVersionAttributes,
  ): Promise<ModelVersion> {
    const { db, models, uploads, objects } = this.deps;
    const upload = await db.transact(actor, async (session) => {
      await models.get(session, input.modelId);
      return uploads.get(session, input.uploadId);
    });
    using file = await objects.localFile(upload.objectKey);
    const { signature } = await this.check(actor.principal.tenant, file.path);
    const { objectKey, sizeBytes, sha256 } = upload;
    return db.transact(actor, async (session) =>
      this.register(
        session,
        await models.lock(session, input.modelId),
        { sourceKey: objectKey, sizeBytes, sha256, signature },
        input,
      ),
    );
  }

  /** Registers a READY version that has no files here: the server of language models knows it by its name. */
  async registerLanguageModel(
    session: Session,
    input: { modelId: string; languageModel: NamedLanguageModel } & NewVersionAttributes,
  ): Promise<ModelVersion> {
    const languageModel = checkLanguageModel(input.languageModel);
    const model = await this.deps.models.lock(session, input.modelId);
    if (model.taskGuessed) Object.assign(model, { task: 'TEXT_GENERATION', taskGuessed: false });
    if (model.task !== 'TEXT_GENERATION') {
      throw conflict(`Model "${model.name}" is for ${model.task}: create another one for language models.`, {
        field: 'input.modelId',
        expected: 'a model for TEXT_GENERATION',
        got: model.task,
      });
    }
    return this.register(session, model, { languageModel }, input);
  }

  /**
   * Tries a model file in a child process, one file at a time; tenants take turns. INVALID_MODEL says what is wrong and
   * what to do.
   */
  check(tenant: string, path: string): ReturnType<ModelChecker> {
    return this.checks.run(tenant, () => this.deps.checkModel(path));
  }

  /** Waits until this process has stored the version's files or has failed, and returns the version. */
  async settled(actor: Actor, id: string): Promise<ModelVersion> {
    await this.deps.storage.settled(id);
    return this.deps.db.transact(actor, (session) => this.get(session, id));
  }

  async update(session: Session, input: { id: string } & VersionAttributes): Promise<ModelVersion> {
    const { modelId } = await this.get(session, input.id);
    if (input.semanticVersion != null) await this.deps.models.lock(session, modelId);
    const version = await this.lock(session, input.id);
    const shown = ({ description, semanticVersion, tags, signature }: ModelVersion) => ({
      description,
      semanticVersion,
      tags,
      ...(describesSignature(input) && { signature }),
    });
    const before = shown(version);
    if (input.description != null) version.description = input.description;
    if (input.tags != null) version.tags = registryTags('input.tags', input.tags);
    if (input.semanticVersion != null && input.semanticVersion !== version.semanticVersion) {
      requireRenumberable(version.stage);
      version.semanticVersion = await freeSemanticVersion(session, modelId, input.semanticVersion);
    }
    await this.describe(session, version, input);
    audit(session, 'updateModelVersion', { type: 'modelVersion', id: version.id }, before, shown(version));
    if (input.tags != null) {
      const { name } = await this.deps.models.get(session, modelId);
      emitTagEvents(session, this.deps.live, taggedVersion(version, name), tagChanges(before.tags, version.tags));
    }
    return version;
  }

  /** Results that were measured with other columns or classes do not count any more. */
  private async describe(session: Session, version: ModelVersion, attributes: VersionAttributes): Promise<void> {
    if (!describesSignature(attributes)) return;
    const signature = await describedSignature(session, version, attributes);
    if (isDeepStrictEqual(signature, version.signature)) return;
    requireDescribable(version);
    version.signature = signature;
    version.evidenceFrom = new Date();
  }

  async delete(session: Session, id: string): Promise<ModelVersion> {
    const { modelId } = await this.get(session, id);
    const model = await this.deps.models.lock(session, modelId);
    model.updatedAt = new Date();
    const version = await this.getFresh(session, id);
    await this.deps.removal.remove(session, [version]);
    audit(
      session,
      'deleteModelVersion',
      { type: 'modelVersion', id },
      { modelId, version: version.version, stage: version.stage, sha256: version.sha256 },
      null,
    );
    return version;
  }

  async get(session: Session, id: string): Promise<ModelVersion> {
    const version = await session.em.findOne(ModelVersion, { id, tenant: session.tenant });
    if (!version) throw notFound('model version', id);
    return version;
  }

  /**
   * The version with this number, or the one with the highest number in a stage. NOT_FOUND when the model has no such
   * version.
   */
  async ofModel(
    session: Session,
    of: { modelId: string } | { modelName: string },
    which: { version: number } | { stage: Stage },
  ): Promise<ModelVersion> {
    const { models } = this.deps;
    const model =
      'modelId' in of ? await models.get(session, of.modelId) : await models.getByName(session, of.modelName);
    const where = { tenant: session.tenant, modelId: model.id, ...which };
    const version = await session.em.findOne(ModelVersion, where, { orderBy: { version: 'DESC' } });
    if (version) return version;
    const wanted = 'stage' in which ? `version in ${which.stage}` : `version ${which.version}`;
    throw new AppError(ErrorCode.NOT_FOUND, `Model "${model.name}" has no ${wanted}.`, {
      field: 'stage' in which ? 'stage' : 'version',
      got: String('stage' in which ? which.stage : which.version),
    });
  }

  /** Reads the current state again: the transaction may have read it before it got the model's lock. */
  async getFresh(session: Session, id: string): Promise<ModelVersion> {
    const version = await session.em.findOne(ModelVersion, { id, tenant: session.tenant }, { refresh: true });
    if (!version) throw notFound('model version', id);
    return version;
  }

  /** Locks the version; others who want to change it wait. */
  async lock(session: Session, id: string): Promise<ModelVersion> {
    const where = { id, tenant: session.tenant };
    const version = await session.em.findOne(ModelVersion, where, {
      lockMode: LockMode.PESSIMISTIC_WRITE,
      refresh: true,
    });
    if (!version) throw notFound('model version', id);
    return version;
  }

  /** A version whose model.onnx is stored. */
  async getReady(session: Session, id: string): Promise<OnnxVersion> {
    return requireReady(await this.get(session, id));
  }

  /** A local file with the model. */
  modelFile(version: OnnxVersion): Promise<LocalFile> {
    return this.deps.objects.localFile(version.objectKey);
  }

  async list(
    session: Session,
    filter: ModelVersionFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt' | 'version'>,
  ): Promise<Page<ModelVersion>> {
    const { tenant } = session;
    await requireOwn(session, Model, 'model', [filter.modelId]);
    await requireOwn(session, Run, 'run', [filter.runId]);
    const conditions: FilterQuery<ModelVersion>[] = [{ tenant }];
    if (filter.search) {
      const like = likePattern(filter.search);
      conditions.push({ [raw(SEARCHED, [like, like, like, like, tenant, like])]: [] });
    }
    for (const field of ['modelId', 'runId', 'status'] as const) {
      if (filter[field] != null) conditions.push({ [field]: filter[field] } as FilterQuery<ModelVersion>);
    }
    if (filter.stage?.length) conditions.push({ stage: { $in: filter.stage } });
    if (filter.framework != null)
      conditions.push({
        [raw('coalesce(framework, (select m.framework from model m where m.tenant = ? and m.id = model_id)) = ?', [
          tenant,
          filter.framework,
        ])]: [],
      });
    if (filter.modelType != null)
      conditions.push({
        [raw('model_id in (select id from model where tenant = ? and model_type = ?)', [tenant, filter.modelType])]: [],
      });
    if (filter.tags?.length)
      conditions.push({ [raw('tags @> ?::jsonb', [JSON.stringify(checkTags('filter.tags', filter.tags))])]: [] });
    return paginate(session, ModelVersion, { $and: conditions } as FilterQuery<ModelVersion>, page, order);
  }

  /**
   * Registers a version; the caller holds the model's lock. PENDING until its model.onnx is stored; READY at once when
   * it has none.
   */
  async register(
    session: Session,
    model: Model,
    source: VersionSource,
    attributes: NewVersionAttributes,
  ): Promise<ModelVersion> {
    const [previous] = await session.em.find(
      ModelVersion,
      { tenant: session.tenant, modelId: model.id, status: { $ne: 'FAILED' } },
      { orderBy: { version: 'DESC' }, limit: 1 },
    );
    const semanticVersion =
      attributes.semanticVersion == null
        ? await semanticVersionAfter(session, model.id, previous ? changeFrom(previous, source) : 'TRAINING')
        : await freeSemanticVersion(session, model.id, attributes.semanticVersion);
    const { storage } = this.deps;
    await this.deps.models.setTaskFromTags(session, model, attributes.tags ?? []);
    const hasOnnx = source.sourceKey != null;
    const reserved = hasOnnx
      ? await storage.reserve(session, model)
      : { version: (model.lastVersion += 1), status: 'READY' as const };
    if (describesSignature(attributes)) source.signature = await describedSignature(session, source, attributes);
    const version = session.em.create(ModelVersion, {
      ...source,
      tenant: session.tenant,
      ...reserved,
      modelId: model.id,
      semanticVersion,
      framework: attributes.framework == null ? null : checkName('input.framework', attributes.framework),
      description: attributes.description ?? '',
      tags: registryTags('input.tags', attributes.tags ?? []),
      createdBy: session.principal.subject,
    });
    audit(session, 'registerModelVersion', { type: 'modelVersion', id: version.id }, null, {
      modelId: model.id,
      version: version.version,
      semanticVersion: version.semanticVersion,
      runId: source.runId ?? null,
      sha256: source.sha256 ?? null,
      sourceUri: source.sourceUri ?? null,
      ...(source.languageModel && { languageModel: source.languageModel }),
    });
    const actor = { principal: session.principal, requestId: session.requestId };
    if (hasOnnx) session.afterCommit(() => void storage.begin(version.id, actor));
    else storage.announce(session, version, model.name);
    return version;
  }
}

function changeFrom(previous: ModelVersion, source: VersionSource): VersionChange {
  if (previous.signature && source.signature && signaturesDiffer(previous.signature, source.signature))
    return 'SIGNATURE';
  if (source.sha256 != null && previous.sha256 === source.sha256) return 'EXPORT';
  // The same run may log many models.
  const again =
    source.loggedModelId != null && previous.loggedModelId != null
      ? previous.loggedModelId === source.loggedModelId
      : source.runId != null && previous.runId === source.runId;
  return again ? 'EXPORT' : 'TRAINING';
}
