import { LockMode } from '@mikro-orm/core';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { FULL_WEIGHT_BPS } from '../../domain/serving/traffic.js';
import type { StageFollower } from '../registry/stage-follower.js';
import type { DeploymentRows } from './deployment-rows.js';

/** Moves the live traffic of endpoints with the stage that they follow. */
export class StageFollowing implements StageFollower {
  constructor(private readonly rows: DeploymentRows) {}

  /** Endpoints that follow a stage go with it. Each old version serves until the new one is loaded. */
  async stageChanged(session: Session, modelId: string): Promise<void> {
    await session.em.flush();
    const endpoints = await session.em.find(
      Endpoint,
      { tenant: session.tenant, modelId },
      { orderBy: { id: 'ASC' }, lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    for (const endpoint of endpoints) {
      await this.follow(session, endpoint);
      // Who may call an endpoint depends on the stage of its live version, followed or not.
      this.rows.routeChanged(session, endpoint.id);
    }
  }

  /** Brings a locked endpoint to the version in the stage that it follows. */
  async follow(session: Session, endpoint: Endpoint): Promise<void> {
    const stage = endpoint.followStage;
    if (!stage) return;
    const version = await session.em.findOne(
      ModelVersion,
      { tenant: session.tenant, modelId: endpoint.modelId, stage, status: 'READY' },
      { orderBy: { version: 'DESC' } },
    );
    const active = await this.rows.active(session, endpoint);
    const wanted = version && active.find(({ modelVersionId, mode }) => mode === 'LIVE' && modelVersionId === version.id);
    for (const deployment of active) {
      if (deployment === wanted) continue;
      const isReplaced = deployment.mode === 'LIVE' && (deployment.status === 'PENDING' || !version || wanted?.status === 'READY');
      const isPromotedShadow = deployment.mode === 'SHADOW' && deployment.modelVersionId === version?.id;
      if (isReplaced || isPromotedShadow) this.rows.stop(session, endpoint, deployment);
    }
    // One version is deployed once: the row that ends goes before the one that begins.
    await session.em.flush();
    if (wanted) {
      wanted.followedStage = stage;
      wanted.weightBps = FULL_WEIGHT_BPS;
    } else if (version) {
      this.rows.create(session, endpoint, version, 'LIVE', FULL_WEIGHT_BPS).followedStage = stage;
      await session.em.flush();
    }
    this.rows.routeChanged(session, endpoint.id);
  }
}
