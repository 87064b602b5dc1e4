import { LockMode } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { type EventType, emitEvent } from '../platform/index.js';
import { notFound } from '../../errors.js';
import { SERVING_EVENTS } from './events.js';
import { usualRuntime } from './runtimes.js';
import { changeDeploymentStatus } from './stores/deployments.js';

/** The topic on which every process that serves learns that a deployment waits to be loaded. */
export const DEPLOYMENTS_WAITING = 'deployments-waiting';

/** The topic on which every process learns that the deployments of an endpoint have changed. */
export const routeTopic = (endpointId: string) => `route:${endpointId}`;

export const ACTIVE: Deployment['status'][] = ['PENDING', 'READY'];

/**
 * Writes the deployments of an endpoint, with the events and wake-ups of their changes. The caller has locked the
 * endpoint.
 */
export class DeploymentRows {
  constructor(private readonly live: LiveEvents) {}

  /** Locks the endpoint: others who want to change it or its deployments wait. */
  async lock(session: Session, endpointId: string): Promise<Endpoint> {
    const endpoint = await this.find(session, endpointId);
    if (!endpoint) throw notFound('endpoint', endpointId);
    return endpoint;
  }

  /** The same; null when it does not exist. */
  async find({ em, tenant }: Session, endpointId: string): Promise<Endpoint | null> {
    const lock = { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true };
    return await em.findOne(Endpoint, { id: endpointId, tenant }, lock);
  }

  active(session: Session, endpoint: Endpoint): Promise<Deployment[]> {
    const where = { tenant: session.tenant, endpointId: endpoint.id, status: { $in: ACTIVE } };
    return session.em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' } });
  }

  create(
    session: Session,
    endpoint: Endpoint,
    version: ModelVersion,
    mode: Deployment['mode'],
    weightBps: number,
  ): Deployment {
    session.afterCommit(() => this.live.publish(DEPLOYMENTS_WAITING));
    return session.em.create(Deployment, {
      tenant: session.tenant,
      endpointId: endpoint.id,
      modelVersionId: version.id,
      mode,
      weightBps,
      runtime: usualRuntime(version),
      createdBy: session.principal.subject,
    });
  }

  /** CONFLICT for a deployment that has ended. */
  async stop(session: Session, endpoint: Endpoint, deployment: Deployment): Promise<void> {
    await changeDeploymentStatus(session, deployment, 'STOPPED');
    const rules = endpoint.trafficRules.filter(({ deploymentId }) => deploymentId !== deployment.id);
    if (rules.length < endpoint.trafficRules.length) endpoint.trafficRules = rules;
    const payload = { deploymentId: deployment.id, modelVersionId: deployment.modelVersionId, mode: deployment.mode };
    this.emit(session, SERVING_EVENTS.MODEL_UNDEPLOYED, endpoint, { type: 'deployment', id: deployment.id }, payload);
    this.routeChanged(session, endpoint.id);
  }

  routeChanged(session: Session, endpointId: string): void {
    session.afterCommit(() => this.live.publish(routeTopic(endpointId)));
  }

  async emitDeployment(
    session: Session,
    type: EventType,
    endpoint: Endpoint,
    deployment: Deployment,
    more: object,
  ): Promise<void> {
    const version = await session.em.findOneOrFail(ModelVersion, {
      id: deployment.modelVersionId,
      tenant: session.tenant,
    });
    const { mode, weightBps, modelVersionId } = deployment;
    const payload = {
      deploymentId: deployment.id,
      modelVersionId,
      version: version.version,
      endpoint: endpoint.name,
      mode,
      weightBps,
      ...more,
    };
    this.emit(session, type, endpoint, { type: 'deployment', id: deployment.id }, payload);
  }

  emit(
    session: Session,
    type: EventType,
    endpoint: Endpoint,
    subject: { type: string; id: string },
    payload: Record<string, unknown>,
  ): void {
    emitEvent(session, this.live, type, subject, payload, { modelId: endpoint.modelId, endpointId: endpoint.id });
  }
}
