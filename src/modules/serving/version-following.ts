import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { ModelAlias } from '../../db/entities/registry/model-alias.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { FULL_WEIGHT_BPS } from '../core/index.js';
import type { VersionFollower } from '../registry/index.js';
import type { DeploymentRows } from './deployment-rows.js';

/**
 * Moves the live traffic of endpoints with the stage or alias that they follow. Each old version serves until the new
 * one is loaded.
 */
export class VersionFollowing implements VersionFollower {
  constructor(private readonly rows: DeploymentRows) {}

  async stageChanged(session: Session, modelId: string): Promise<void> {
    for (const endpoint of await this.locked(session, { modelId })) {
      if (endpoint.followStage) await this.follow(session, endpoint);
      // The stage of its live version decides who may call an endpoint, whether it follows something or not.
      this.rows.routeChanged(session, endpoint.id);
    }
  }

  async aliasChanged(session: Session, modelId: string, alias: string): Promise<void> {
    for (const endpoint of await this.locked(session, { modelId, followAlias: alias }))
      await this.follow(session, endpoint);
  }

  async lock(session: Session, modelId: string): Promise<void> {
    await session.em.find(Model, { id: modelId, tenant: session.tenant }, { lockMode: LockMode.PESSIMISTIC_WRITE });
    await this.locked(session, { modelId, followAlias: { $ne: null } });
  }

  async versionStored(session: Session, { id, modelId }: Pick<ModelVersion, 'id' | 'modelId'>): Promise<void> {
    const aliases = await session.em.find(
      ModelAlias,
      { tenant: session.tenant, modelId, modelVersionId: id },
      { orderBy: { alias: 'ASC' } },
    );
    for (const { alias } of aliases) await this.aliasChanged(session, modelId, alias);
  }

  /** Moves a locked endpoint to the version in the stage, or of the alias, that it follows. */
  async follow(session: Session, endpoint: Endpoint): Promise<void> {
    const { followStage, followAlias } = endpoint;
    const version = followStage
      ? await this.versionInStage(session, endpoint.modelId, followStage)
      : await this.versionOfAlias(session, endpoint);
    // When the stage is empty, the deployment stops. When the alias is deleted, or its version's files are not stored
    // yet, the deployment continues.
    if (!followStage && !version) return;
    const active = await this.rows.active(session, endpoint);
    const wanted =
      version && active.find(({ modelVersionId, mode }) => mode === 'LIVE' && modelVersionId === version.id);
    for (const deployment of active) {
      if (deployment === wanted) continue;
      const isReplaced =
        deployment.mode === 'LIVE' && (deployment.status === 'PENDING' || !version || wanted?.status === 'READY');
      const isPromotedShadow = deployment.mode === 'SHADOW' && deployment.modelVersionId === version?.id;
      if (isReplaced || isPromotedShadow) await this.rows.stop(session, endpoint, deployment);
    }
    // A version has one deployment only, so the row of the old one must be written before the new one.
    await session.em.flush();
    const followed: Partial<Deployment> = { followedStage: followStage ?? null, followedAlias: followAlias ?? null };
    if (wanted) {
      Object.assign(wanted, followed, { weightBps: FULL_WEIGHT_BPS });
    } else if (version) {
      Object.assign(this.rows.create(session, endpoint, version, 'LIVE', FULL_WEIGHT_BPS), followed);
      await session.em.flush();
    }
    this.rows.routeChanged(session, endpoint.id);
  }

  private versionInStage(
    session: Session,
    modelId: string,
    stage: ModelVersion['stage'],
  ): Promise<ModelVersion | null> {
    const where = { tenant: session.tenant, modelId, stage, status: 'READY' as const };
    return session.em.findOne(ModelVersion, where, { orderBy: { version: 'DESC' } });
  }

  /** Null while the alias, or what its version needs to be served, does not exist. */
  private async versionOfAlias(
    session: Session,
    { modelId, followAlias: alias }: Endpoint,
  ): Promise<ModelVersion | null> {
    if (!alias) return null;
    const present = await session.em.findOne(ModelAlias, { tenant: session.tenant, modelId, alias });
    if (!present) return null;
    const where = {
      id: present.modelVersionId,
      tenant: session.tenant,
      status: 'READY' as const,
      $or: [{ objectKey: { $ne: null } }, { languageModel: { $ne: null } }],
    };
    return session.em.findOne(ModelVersion, where, { refresh: true });
  }

  private async locked(session: Session, where: FilterQuery<Endpoint>): Promise<Endpoint[]> {
    await session.em.flush();
    return session.em.find(Endpoint, { $and: [{ tenant: session.tenant }, where] } as FilterQuery<Endpoint>, {
      orderBy: { id: 'ASC' },
      lockMode: LockMode.PESSIMISTIC_WRITE,
      refresh: true,
    });
  }
}
