import { LockMode } from '@mikro-orm/core';
import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { ObjectStore, StoredObject } from '../../adapters/object-store/port.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { emitEvent } from '../platform/index.js';
import type { ModelCardFacts } from './rules/model-card.js';
import { Role } from '../core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { StagedObjects } from '../uploads/index.js';
import type { ArtifactService } from '../artifacts/index.js';
import { changeVersionStatus } from './stores/states.js';
import { requireOnnx } from './onnx-version.js';
import { cardFactsOf, storeVersionFiles, versionKeys } from './version-files.js';
import type { VersionFollower } from './version-follower.js';
import { REGISTRY_EVENTS } from './events.js';

/** A PENDING version that is older than this was left by a crash. */
const STORE_AFTER_MS = 60_000;

/** A version whose files are being stored. */
interface PendingVersion {
  version: OnnxVersion;
  keys: Record<string, string>;
  facts: ModelCardFacts;
}

/**
 * Moves PENDING versions to READY: stores their files, then writes their artifacts and the event. Or moves them to
 * FAILED, with the reason.
 */
export class VersionStorage {
  private readonly underWay = new Map<string, Promise<void>>();

  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    private readonly objects: ObjectStore,
    private readonly staged: StagedObjects,
    private readonly artifacts: ArtifactService,
    private readonly follower: VersionFollower,
    private readonly logger: Logger,
  ) {}

  /**
   * The next version number of the model, and a key that no running deletion uses. The caller holds the model's lock.
   */
  async reserve(session: Session, model: Model): Promise<{ version: number; objectKey: string }> {
    for (;;) {
      model.lastVersion += 1;
      const objectKey = `${session.tenant}/models/${model.folder}/${model.lastVersion}/model.onnx`;
      if (await this.staged.stage(session, objectKey)) return { version: model.lastVersion, objectKey };
    }
  }

  /** Resolves when the version is stored, has failed, or is left to the sweeper. */
  begin(id: string, actor: Actor): Promise<void> {
    const begun = this.underWay.get(id);
    if (begun) return begun;
    const storing = this.store(id, actor)
      .catch((error: unknown) => this.logger.warn({ err: error, modelVersionId: id }, 'model version not stored yet'))
      .finally(() => this.underWay.delete(id));
    this.underWay.set(id, storing);
    return storing;
  }

  /** Resolves when this process has done what it can for now. */
  async settled(id: string): Promise<void> {
    await this.underWay.get(id);
  }

  async idle(): Promise<void> {
    await Promise.all(this.underWay.values());
  }

  /** Continues work that a crash left. */
  async sweep(olderThanMs = STORE_AFTER_MS): Promise<number> {
    const before = new Date(Date.now() - olderThanMs);
    const left = await this.db.asSystem((em) =>
      em.find(ModelVersion, { status: 'PENDING', createdAt: { $lte: before } }, { limit: 100 }),
    );
    for (const { id, tenant, createdBy: subject } of left) {
      const expiresAt = new Date(Date.now() + STORE_AFTER_MS);
      await this.begin(id, { principal: { subject, tenant, role: Role.ENGINEER, expiresAt }, requestId: id });
    }
    return left.length;
  }

  private async store(id: string, actor: Actor): Promise<void> {
    const pending = await this.db.transact(actor, (session) => this.prepare(session, id));
    if (!pending) return;
    try {
      const files = await storeVersionFiles(this.objects, pending.version, pending.facts);
      await this.db.transact(actor, (session) => this.finish(session, pending, files));
    } catch (error) {
      // A failure that would happen again is final; anything else is left to the sweeper.
      const lost =
        error instanceof AppError && (error.code === ErrorCode.NOT_FOUND || error.code === ErrorCode.INVALID_MODEL);
      if (!lost) throw error;
      await this.db.transact(actor, (session) => this.giveUp(session, pending, error.message));
    }
  }

  private async prepare(session: Session, id: string): Promise<PendingVersion | null> {
    const found = await this.lockPending(session, id);
    if (!found) return null;
    const version = requireOnnx(found);
    const keys = versionKeys(version);
    for (const key of Object.values(keys)) await this.staged.stage(session, key);
    return { version, keys, facts: await cardFactsOf(session, version) };
  }

  private async finish(
    session: Session,
    { version, keys, facts }: PendingVersion,
    files: Record<string, StoredObject>,
  ): Promise<void> {
    await this.follower.lock(session, version.modelId);
    const stored = await this.lockPending(session, version.id);
    if (!stored) return;
    await changeVersionStatus(session, stored, 'READY');
    for (const [path, file] of Object.entries(files))
      await this.artifacts.record(session, { modelVersionId: version.id }, path, keys[path]!, file);
    this.announce(session, stored, facts.modelName);
    await this.follower.versionStored(session, stored);
  }

  /** Writes the event that a version is READY, in the transaction that makes it so. */
  announce(session: Session, registered: ModelVersion, modelName: string): void {
    const { id, modelId, version, semanticVersion, runId, sourceUri, description, tags } = registered;
    session.touch('modelVersion', id);
    const payload = {
      modelName,
      version,
      semanticVersion,
      runId: runId ?? null,
      sourceUri: sourceUri ?? null,
      description,
      tags,
    };
    emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_REGISTERED, { type: 'modelVersion', id }, payload, { modelId });
  }

  private async giveUp(session: Session, { version, keys }: PendingVersion, error: string): Promise<void> {
    const failed = await this.lockPending(session, version.id);
    if (!failed) return;
    await changeVersionStatus(session, failed, 'FAILED', error);
    await this.staged.release(session, Object.values(keys));
  }

  /** Null when the version is stored, has failed or does not exist. */
  private lockPending(session: Session, id: string): Promise<ModelVersion | null> {
    const where = { id, tenant: session.tenant, status: 'PENDING' as const };
    return session.em.findOne(ModelVersion, where, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
  }
}
