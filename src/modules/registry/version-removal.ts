import { LockMode } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { ModelAlias } from '../../db/entities/registry/model-alias.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { StageTransition } from '../../db/entities/registry/stage-transition.entity.js';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../db/database.js';
import { emitEvent } from '../platform/index.js';
import { requireDeletable } from './rules/stages.js';
import { conflict } from '../../errors.js';
import type { StagedObjects } from '../uploads/index.js';
import { REGISTRY_EVENTS } from './events.js';

/** Deletes versions with their rows and files. The caller holds the model's lock. */
export class VersionRemoval {
  constructor(
    private readonly staged: StagedObjects,
    private readonly live: LiveEvents,
  ) {}

  /** CONFLICT, with nothing changed, when one of them must stay. */
  async remove(session: Session, versions: readonly ModelVersion[]): Promise<void> {
    if (versions.length === 0) return;
    const ids = versions.map(({ id }) => id);
    // Waits for a deployment that is being created, and prevents new ones.
    await session.em.find(
      ModelVersion,
      { tenant: session.tenant, id: { $in: ids } },
      { lockMode: LockMode.PESSIMISTIC_WRITE },
    );
    for (const { stage } of versions) requireDeletable(stage);
    const pending = versions.find(({ status }) => status === 'PENDING');
    if (pending) throw mustStay(versions, pending.id, 'is still being stored');
    const served = await session.em.findOne(StageTransition, {
      tenant: session.tenant,
      modelVersionId: { $in: ids },
      toStage: 'PRODUCTION',
    });
    if (served) throw mustStay(versions, served.modelVersionId, 'was in PRODUCTION and belongs to its history');
    const deployed = await session.em.findOne(Deployment, {
      tenant: session.tenant,
      modelVersionId: { $in: ids },
      status: { $in: ['PENDING', 'READY'] },
    });
    if (deployed) throw mustStay(versions, deployed.modelVersionId, 'is deployed: stop its deployments first');
    const asking = await session.em.find(Deployment, {
      ...{ tenant: session.tenant, runtime: 'FAN_OUT', status: { $in: ['PENDING', 'READY'] } },
    });
    const member = ids.find((id) =>
      asking.some(({ fanOut }) => fanOut?.members.some(({ versionId }) => versionId === id)),
    );
    if (member) throw mustStay(versions, member, 'is asked by a deployed ensemble: stop that deployment first');
    const busy = await session.em.findOne(Job, {
      tenant: session.tenant,
      modelVersionId: { $in: ids },
      status: { $in: ['QUEUED', 'RUNNING'] },
    });
    if (busy) throw mustStay(versions, busy.modelVersionId!, 'has a job under way: cancel it first');
    await this.emitAliasEvents(session, versions);
    const files = await session.em.find(Artifact, { tenant: session.tenant, modelVersionId: { $in: ids } });
    await session.em.nativeDelete(Deployment, { tenant: session.tenant, modelVersionId: { $in: ids } });
    await session.em.nativeDelete(ModelVersion, { tenant: session.tenant, id: { $in: ids } });
    await this.staged.release(
      session,
      files.map(({ objectKey }) => objectKey),
    );
  }

  /**
   * Aliases are deleted with their version; their followers are told. The database deletes approvals, comments and
   * history.
   */
  private async emitAliasEvents(session: Session, versions: readonly ModelVersion[]): Promise<void> {
    const where = { tenant: session.tenant, modelVersionId: { $in: versions.map(({ id }) => id) } };
    for (const { alias, modelId, modelVersionId } of await session.em.find(ModelAlias, where, {
      orderBy: { alias: 'ASC' },
    })) {
      const { name: modelName } = await session.em.findOneOrFail(Model, { id: modelId, tenant: session.tenant });
      const payload = {
        modelName,
        alias,
        version: null,
        previousVersionId: modelVersionId,
        by: session.principal.subject,
      };
      const subject = { type: 'modelVersion', id: modelVersionId };
      emitEvent(session, this.live, REGISTRY_EVENTS.MODEL_ALIAS_CHANGED, subject, payload, { modelId });
    }
  }
}

function mustStay(versions: readonly ModelVersion[], id: string, reason: string): Error {
  const version = versions.find((candidate) => candidate.id === id)?.version;
  return conflict(`Version ${version} cannot be deleted: it ${reason}.`, { got: id });
}
