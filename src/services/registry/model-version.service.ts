import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { raw } from '@mikro-orm/core';
import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { ObjectStore } from '../../adapters/object-store/port.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Run } from '../../db/entities/tracking/run.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { EventType } from '../../domain/events.js';
import { checkTags } from '../../domain/names.js';
import { Role } from '../../domain/principal.js';
import { nextSemanticVersion, signaturesDiffer, type VersionChange } from '../../domain/semver.js';
import type { Stage } from '../../domain/stages.js';
import { TASK_OF } from '../../domain/training-config.js';
import { AppError, conflict, ErrorCode, notFound } from '../../errors.js';
import type { ModelChecker } from '../../inference/port.js';
import { requireOwn } from '../platform/ownership.js';
import type { StagedObjects } from '../platform/staged-objects.js';
import { audit, emitEvent } from '../platform/use-case.js';
import type { ArtifactService } from '../tracking/artifact.service.js';
import type { TagEntry } from '../tracking/experiment.service.js';
import type { UploadService } from '../tracking/upload.service.js';
import type { ModelService } from './model.service.js';
import { trainingOf } from './training-source.js';
import { cardFactsOf, storeVersionFiles, versionKeys } from './version-files.js';
import type { VersionRemoval } from './version-removal.js';

export interface VersionAttributes {
  description?: string | null;
  tags?: TagEntry[] | null;
}

export interface ModelVersionFilter {
  modelId?: string | null;
  runId?: string | null;
  stage?: Stage[] | null;
  status?: ModelVersion['status'] | null;
  framework?: string | null;
  modelType?: string | null;
  tags?: TagEntry[] | null;
}

/** What a version is made from. */
type VersionSource = Pick<ModelVersion, 'sourceKey' | 'sizeBytes' | 'sha256' | 'signature'> &
  Partial<Pick<ModelVersion, 'runId' | 'metrics' | 'reference' | 'agreementMaxAbsDiff'>>;

interface Dependencies {
  db: Database;
  live: LiveEvents;
  objects: ObjectStore;
  uploads: UploadService;
  models: ModelService;
  removal: VersionRemoval;
  staged: StagedObjects;
  artifacts: ArtifactService;
  checkModel: ModelChecker;
  logger: Logger;
}

/** A PENDING version that nobody stored for so long was left by a crash. */
const STORE_AFTER_MS = 60_000;
const MAX_WAITING_CHECKS = 20;

/** Versions of models: registered PENDING, then READY once their files are stored. */
export class ModelVersionService {
  private readonly storing = new Map<string, Promise<void>>();
  private lastCheck: Promise<void> = Promise.resolve();
  private waitingChecks = 0;

  constructor(private readonly deps: Dependencies) {}

  /** A PENDING version of the model that the run trained; its files follow after the commit. */
  async registerFromRun(session: Session, input: { modelId: string; runId: string } & VersionAttributes): Promise<ModelVersion> {
    const model = await this.deps.models.lock(session, input.modelId);
    const run = await session.em.findOne(Run, { id: input.runId, tenant: session.tenant });
    if (!run) throw notFound('run', input.runId);
    const training = await trainingOf(session, input.runId);
    if (!training) {
      throw conflict('The run has no finished training to register.', { field: 'input.runId', expected: 'a run whose TRAINING job SUCCEEDED', got: input.runId });
    }
    const { modelKey, sizeBytes, sha256, signature, metrics, reference, agreementMaxAbsDiff, config } = training.result;
    const task = TASK_OF[config.modelType];
    if (model.task !== 'OTHER' && model.task !== task) {
      throw conflict(`Model "${model.name}" is for ${model.task}; the run trained a ${task}.`, { field: 'input.runId', expected: model.task, got: task });
    }
    const source = { sourceKey: modelKey, sizeBytes, sha256, signature, metrics, reference, agreementMaxAbsDiff, runId: input.runId };
    return this.register(session, model, source, input);
  }

  /** Tries the uploaded file in a process of its own first. Errors: INVALID_MODEL with what is wrong and what to do. */
  async registerFromUpload(actor: Actor, input: { modelId: string; uploadId: string } & VersionAttributes): Promise<ModelVersion> {
    const { db, models, uploads, objects, checkModel } = this.deps;
    const upload = await db.transact(actor, async (session) => {
      await models.get(session, input.modelId);
      return uploads.get(session, input.uploadId);
    });
    const path = await objects.localPath(upload.objectKey);
    const { signature } = await this.inTurn(() => checkModel(path));
    const { objectKey, sizeBytes, sha256 } = upload;
    return db.transact(actor, async (session) =>
      this.register(session, await models.lock(session, input.modelId), { sourceKey: objectKey, sizeBytes, sha256, signature }, input),
    );
  }

  /** The version once this process has stored its files, or has failed to for now. */
  async settled(actor: Actor, id: string): Promise<ModelVersion> {
    await this.storing.get(id);
    return this.deps.db.transact(actor, (session) => this.get(session, id));
  }

  async update(session: Session, input: { id: string } & VersionAttributes): Promise<ModelVersion> {
    const version = await this.get(session, input.id);
    const before = { description: version.description, tags: version.tags };
    if (input.description != null) version.description = input.description;
    if (input.tags != null) version.tags = checkTags('input.tags', input.tags);
    audit(session, 'updateModelVersion', { type: 'modelVersion', id: version.id }, before, { description: version.description, tags: version.tags });
    return version;
  }

  async delete(session: Session, id: string): Promise<ModelVersion> {
    const { modelId } = await this.get(session, id);
    await this.deps.models.lock(session, modelId);
    const version = await session.em.findOne(ModelVersion, { id, tenant: session.tenant }, { refresh: true });
    if (!version) throw notFound('model version', id);
    await this.deps.removal.remove(session, [version]);
    audit(session, 'deleteModelVersion', { type: 'modelVersion', id }, { modelId, version: version.version, stage: version.stage, sha256: version.sha256 }, null);
    return version;
  }

  async get(session: Session, id: string): Promise<ModelVersion> {
    const version = await session.em.findOne(ModelVersion, { id, tenant: session.tenant });
    if (!version) throw notFound('model version', id);
    return version;
  }

  /** A version whose files are stored. */
  async getReady(session: Session, id: string): Promise<ModelVersion> {
    const version = await this.get(session, id);
    if (version.status !== 'READY') throw conflict(`Version ${version.version} is ${version.status}.`, { expected: 'a READY version', got: version.status });
    return version;
  }

  /** A readable local file with the model. */
  modelPath(version: ModelVersion): Promise<string> {
    return this.deps.objects.localPath(version.objectKey);
  }

  async list(session: Session, filter: ModelVersionFilter, page: PageRequest, order: Order<'createdAt' | 'updatedAt' | 'version'>): Promise<Page<ModelVersion>> {
    const { tenant } = session;
    await requireOwn(session, Model, 'model', [filter.modelId]);
    await requireOwn(session, Run, 'run', [filter.runId]);
    const conditions: FilterQuery<ModelVersion>[] = [{ tenant }];
    for (const field of ['modelId', 'runId', 'status'] as const) {
      if (filter[field] != null) conditions.push({ [field]: filter[field] } as FilterQuery<ModelVersion>);
    }
    if (filter.stage?.length) conditions.push({ stage: { $in: filter.stage } });
    if (filter.framework != null) conditions.push({ [raw('model_id in (select id from model where tenant = ? and framework = ?)', [tenant, filter.framework])]: [] });
    if (filter.modelType != null) conditions.push({ [raw('model_id in (select id from model where tenant = ? and model_type = ?)', [tenant, filter.modelType])]: [] });
    if (filter.tags?.length) conditions.push({ [raw('tags @> ?::jsonb', [JSON.stringify(checkTags('filter.tags', filter.tags))])]: [] });
    return paginate(session, ModelVersion, { $and: conditions } as FilterQuery<ModelVersion>, page, order);
  }

  /** Stores the files of versions that a crash left PENDING, or gives them up. */
  async sweep(olderThanMs = STORE_AFTER_MS): Promise<number> {
    const left = await this.deps.db.asSystem((em) =>
      em.find(ModelVersion, { status: 'PENDING', createdAt: { $lte: new Date(Date.now() - olderThanMs) } }, { fields: ['id', 'tenant', 'createdBy'], limit: 100 }),
    );
    for (const { id, tenant, createdBy } of left) await this.startStoring(id, systemActor(tenant, createdBy, id));
    return left.length;
  }

  async idle(): Promise<void> {
    await Promise.all(this.storing.values());
  }

  private async register(session: Session, model: Model, source: VersionSource, attributes: VersionAttributes): Promise<ModelVersion> {
    const [previous] = await session.em.find(ModelVersion, { tenant: session.tenant, modelId: model.id, status: { $ne: 'FAILED' } }, { orderBy: { version: 'DESC' }, limit: 1 });
    const objectKey = await this.reserveVersion(session, model);
    const version = session.em.create(ModelVersion, {
      ...source,
      tenant: session.tenant,
      modelId: model.id,
      version: model.lastVersion,
      semanticVersion: nextSemanticVersion(previous?.semanticVersion ?? null, previous ? changeFrom(previous, source) : 'TRAINING'),
      description: attributes.description ?? '',
      tags: checkTags('input.tags', attributes.tags ?? []),
      objectKey,
      createdBy: session.principal.subject,
    });
    audit(session, 'registerModelVersion', { type: 'modelVersion', id: version.id }, null, {
      modelId: model.id,
      version: version.version,
      semanticVersion: version.semanticVersion,
      runId: source.runId ?? null,
      sha256: source.sha256,
    });
    const actor = { principal: session.principal, requestId: session.requestId };
    session.afterCommit(() => void this.startStoring(version.id, actor));
    return version;
  }

  /** Tries one uploaded file after the other: each may take seconds and a gigabyte. */
  private async inTurn<T>(check: () => Promise<T>): Promise<T> {
    if (this.waitingChecks >= MAX_WAITING_CHECKS) {
      throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, `${MAX_WAITING_CHECKS} uploaded models are waiting to be checked; try again in a minute.`);
    }
    this.waitingChecks += 1;
    const turn = this.lastCheck.then(check);
    this.lastCheck = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn.finally(() => {
      this.waitingChecks -= 1;
    });
  }

  private startStoring(id: string, actor: Actor): Promise<void> {
    const stored =
      this.storing.get(id) ??
      this.store(id, actor)
        .catch((error: unknown) => this.deps.logger.warn({ err: error, modelVersionId: id }, 'model version not stored yet'))
        .finally(() => this.storing.delete(id));
    this.storing.set(id, stored);
    return stored;
  }

  /** The next number whose place in the store no deletion under way holds. */
  private async reserveVersion(session: Session, model: Model): Promise<string> {
    for (;;) {
      model.lastVersion += 1;
      const objectKey = `${session.tenant}/models/${model.name}/${model.lastVersion}/model.onnx`;
      if (await this.deps.staged.stage(session, objectKey)) return objectKey;
    }
  }

  private async store(id: string, actor: Actor): Promise<void> {
    const { db, live, objects, staged, artifacts } = this.deps;
    const pending = await db.transact(actor, async (session) => {
      const version = await this.lockPending(session, id);
      if (!version) return null;
      const keys = versionKeys(version);
      for (const key of Object.values(keys)) await staged.stage(session, key);
      return { version, keys, facts: await cardFactsOf(session, version) };
    });
    if (!pending) return;
    const { version, keys, facts } = pending;
    try {
      const files = await storeVersionFiles(objects, version, facts);
      await db.transact(actor, async (session) => {
        const stored = await this.lockPending(session, id);
        if (!stored) return;
        stored.status = 'READY';
        for (const [path, file] of Object.entries(files)) await artifacts.record(session, { modelVersionId: id }, path, keys[path]!, file);
        const payload = { modelName: facts.modelName, version: version.version, semanticVersion: version.semanticVersion, runId: version.runId ?? null };
        emitEvent(session, live, EventType.MODEL_REGISTERED, { type: 'modelVersion', id }, payload, { modelId: version.modelId });
      });
    } catch (error) {
      // What will not be otherwise next time is given up; the rest is the sweeper's.
      const lost = error instanceof AppError && (error.code === ErrorCode.NOT_FOUND || error.code === ErrorCode.INVALID_MODEL);
      if (!lost) throw error;
      await db.transact(actor, async (session) => {
        const failed = await this.lockPending(session, id);
        if (!failed) return;
        Object.assign(failed, { status: 'FAILED', error: error.message });
        await staged.release(session, Object.values(keys));
      });
    }
  }

  /** Null when the version is stored, given up or gone. */
  private lockPending(session: Session, id: string): Promise<ModelVersion | null> {
    return session.em.findOne(ModelVersion, { id, tenant: session.tenant, status: 'PENDING' }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  }
}

function changeFrom(previous: ModelVersion, source: VersionSource): VersionChange {
  if (signaturesDiffer(previous.signature, source.signature)) return 'SIGNATURE';
  const again = previous.sha256 === source.sha256 || (source.runId != null && previous.runId === source.runId);
  return again ? 'EXPORT' : 'TRAINING';
}

/** The one who asked for what a crash left undone. */
function systemActor(tenant: string, subject: string, requestId: string): Actor {
  return { principal: { subject, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + STORE_AFTER_MS) }, requestId };
}
