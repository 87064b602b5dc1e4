import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../db/database.js';
import {
  sourceWithin,
  stageOfRemote,
  type RemoteModel,
  type RemoteVersion,
  visibleName,
} from './rules/mlflow-records.js';
import { Role, freeArtifactPath, timeOf } from '../core/index.js';
import {
  type SourceFolder,
  stepsTo,
  type Stage,
  type AliasService,
  type ModelService,
  type ModelVersionService,
  type RegistryTagService,
  type LoggedSource,
  type SourcedVersionService,
  type StageService,
} from '../registry/index.js';
import type { TagEntry } from '../experiments/index.js';
import { inGroups, type ImportWork, fingerprintOf } from './import-work.js';
import { bind } from './stores/external-refs.js';

export interface ModelImportServices {
  models: ModelService;
  modelVersions: ModelVersionService;
  sourcedVersions: SourcedVersionService;
  registryTags: RegistryTagService;
  aliases: AliasService;
  stages: StageService;
}

interface Synced {
  print: string;
}

interface SyncedVersion extends Synced {
  /** What happened to its stage on the other server. */
  stage: string;
}

/** The stage of a version on the server from which it was imported. This is history, not a stage of this service. */
const STAGE_TAG = 'matih.importedStage';

/**
 * Imports registered models with their versions and aliases, and with their stages when an administrator asks for it.
 */
export class ModelImport {
  constructor(
    private readonly services: ModelImportServices,
    private readonly work: ImportWork,
  ) {}

  async importModel(remote: RemoteModel): Promise<void> {
    const { work, services } = this;
    const { aliases, ...told } = remote;
    const print = fingerprintOf(remote);
    const known = await work.find<Synced>('MODEL', remote.name);
    const modelId = known?.localId ?? (await this.create(remote));
    const versions = new Map<string, string>();
    for await (const version of work.reader.versions(remote.name)) {
      work.attempt.signal.throwIfAborted();
      await work.leniently(`version ${version.version} of model ${remote.name}`, async () => {
        versions.set(String(version.version), await this.importVersion(modelId, version));
      });
    }
    if (known?.synced.print === print) return work.unchanged('MODEL');
    // Aliases are set before the model counts as imported: if this attempt ends in between, the next one sets them.
    for (const { alias, version } of aliases) {
      const modelVersionId = versions.get(version);
      if (modelVersionId === undefined) continue;
      await work.leniently(`alias ${alias} of model ${remote.name}`, async () => {
        await work.attempt.write((session) => services.aliases.set(session, { modelId, alias, modelVersionId }));
        work.tally.aliases += 1;
      });
    }
    const outcome = known?.synced.print === undefined ? 'added' : 'changed';
    await work.finish('MODEL', remote.name, outcome, { print }, async (session) => {
      await services.models.update(session, { id: modelId, description: told.description });
      await session.em.flush();
      await inGroups(session, told.tags, (tags) => services.registryTags.setOnModel(session, { modelId, tags }));
    });
  }

  private create(remote: RemoteModel): Promise<string> {
    const { models } = this.services;
    return this.work.make('MODEL', remote.name, async (session) => {
      const name = visibleName(remote.name, 'model').replaceAll(/[/:]/g, '_');
      const isTaken = (await session.em.count(Model, { tenant: session.tenant, name })) > 0;
      const free = isTaken ? `${name} (from ${this.work.origin.replaceAll(':', ' ')})` : name;
      const model = await models.create(session, { name: free, modelType: 'MLFLOW', framework: 'mlflow' });
      if (remote.creation_timestamp !== undefined)
        model.createdAt = timeOf('creation_timestamp', remote.creation_timestamp);
      return model.id;
    });
  }

  /** Imports a version and returns its id. */
  private async importVersion(modelId: string, remote: RemoteVersion): Promise<string> {
    const { work, services } = this;
    const externalId = `${remote.name}/${remote.version}`;
    const print = fingerprintOf(remote);
    const known = await work.find<SyncedVersion>('MODEL_VERSION', externalId);
    const stage = work.config.keepStages ? remote.current_stage : '';
    if (known?.synced.print === print && (stage === '' || known.synced.stage === stage)) {
      work.unchanged('MODEL_VERSION');
      return known.localId;
    }
    const id = known?.localId ?? (await this.register(modelId, remote, externalId));
    const tags: TagEntry[] = [...remote.tags];
    if (remote.current_stage !== 'None') tags.push({ key: STAGE_TAG, value: remote.current_stage });
    const outcome =
      known?.synced.print === undefined ? 'added' : known.synced.print === print ? 'unchanged' : 'changed';
    let steps = 0;
    const moved = stage !== '' && known?.synced.stage !== stage;
    await work.finish('MODEL_VERSION', externalId, outcome, { print, stage }, async (session) => {
      await services.modelVersions.update(session, { id, description: remote.description });
      await session.em.flush();
      await inGroups(session, tags, (group) =>
        services.registryTags.setOnVersion(session, { modelVersionId: id, tags: group }),
      );
      if (moved) steps = await this.moveTo(session, modelId, id, stageOfRemote(stage), remote);
    });
    if (steps > 0) work.tally.stages += 1;
    return id;
  }

  private async register(modelId: string, remote: RemoteVersion, externalId: string): Promise<string> {
    const { work, services } = this;
    const source = await this.sourceOf(remote);
    await work.attempt.write(async (session) => {
      const model = await services.models.lock(session, modelId);
      // Version numbers stay the same as on the other server: numbers that were deleted there are not used here.
      model.lastVersion = Math.max(model.lastVersion, remote.version - 1);
    });
    const { id } = await services.sourcedVersions.register(
      work.actor,
      { modelId, source },
      async (session, version: ModelVersion) => {
        if (remote.creation_timestamp !== undefined)
          version.createdAt = timeOf('creation_timestamp', remote.creation_timestamp);
        await session.em.flush();
        await bind(session, work.nameOf('MODEL_VERSION', externalId), version.id);
      },
    );
    return id;
  }

  /** The version's files on this service, when they were imported. */
  private async sourceOf(remote: RemoteVersion): Promise<LoggedSource> {
    const { work } = this;
    const modelId = remote.model_id || /^models:\/(m-[^/]+)\/?$/.exec(remote.source)?.[1];
    const model = modelId ? await work.find('LOGGED_MODEL', modelId) : null;
    const run = remote.run_id ? await work.find('RUN', remote.run_id) : null;
    const uri =
      remote.source || `${work.config.server}#/models/${encodeURIComponent(remote.name)}/versions/${remote.version}`;
    const ids = { uri, runId: run?.localId ?? null, runLink: remote.run_link ?? null };
    if (model)
      return { ...ids, loggedModelId: model.localId, folder: { owner: { loggedModelId: model.localId }, path: '' } };
    return { ...ids, folder: run && remote.run_id ? await this.folderOfRun(remote, run.localId, remote.run_id) : null };
  }

  private async folderOfRun(
    { source }: RemoteVersion,
    runId: string,
    externalId: string,
  ): Promise<SourceFolder | null> {
    const remote = await this.work.reader.run(externalId);
    const within = sourceWithin(source, remote.info.artifact_uri, externalId);
    const path = within === null ? null : freeArtifactPath(within);
    return path === null ? null : { owner: { runId }, path };
  }

  /** Acts for the administrator who asked for it. The history and the audit log show every gate that was not passed. */
  private async moveTo(
    session: Session,
    modelId: string,
    id: string,
    to: Stage,
    remote: RemoteVersion,
  ): Promise<number> {
    const { stages, modelVersions } = this.services;
    const asAdmin: Session = { ...session, principal: { ...session.principal, role: Role.ADMIN } };
    const reason = `Imported from ${this.work.config.server}, where it is in ${remote.current_stage}`;
    const version = await modelVersions.get(session, id);
    const steps = stepsTo(version.stage, to);
    for (const toStage of steps) {
      if (toStage === 'STAGING' || toStage === 'PRODUCTION') {
        const present = await session.em.findOne(ModelVersion, {
          tenant: session.tenant,
          modelId,
          stage: 'PRODUCTION',
        });
        const given = {
          modelVersionId: id,
          toStage,
          override: true,
          reason,
          expectedProductionVersionId: present?.id ?? null,
        };
        await stages.promote(asAdmin, given);
      } else await stages.demote(asAdmin, { modelVersionId: id, toStage, reason });
      await session.em.flush();
    }
    return steps.length;
  }
}
