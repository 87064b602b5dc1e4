import { LockMode, type FilterQuery } from '@mikro-orm/core';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { EventType } from '../../domain/events.js';
import { FULL_WEIGHT_BPS, requireFullWeights, rescaleWeights } from '../../domain/traffic.js';
import { badInput, conflict, notFound } from '../../errors.js';
import { requireOwn } from '../platform/ownership.js';
import { audit, emitEvent } from '../platform/use-case.js';
import type { StageFollower } from '../registry/stage-follower.js';

export interface DeployInput {
  endpointId: string;
  modelVersionId: string;
  mode: Deployment['mode'];
  weightBps?: number | null;
}

export interface DeploymentFilter {
  endpointId?: string | null;
  modelVersionId?: string | null;
  status?: Deployment['status'][] | null;
  mode?: Deployment['mode'] | null;
}

export interface DeploymentWeight {
  deploymentId: string;
  weightBps: number;
}

/** Topic on which every process that serves hears that a deployment waits to be loaded. */
export const DEPLOYMENTS_WAITING = 'deployments-waiting';

/** Topic on which every process hears that an endpoint is served otherwise than before. */
export const routeTopic = (endpointId: string) => `route:${endpointId}`;

const ACTIVE: Deployment['status'][] = ['PENDING', 'READY'];

/** Which versions serve an endpoint, with which share of its traffic. Every change locks the endpoint first. */
export class DeploymentService implements StageFollower {
  constructor(
    private readonly live: LiveEvents,
    private readonly engineName: string,
  ) {}

  /** Takes effect once the model is loaded: the deployment is PENDING until then. */
  async deploy(session: Session, input: DeployInput): Promise<Deployment> {
    const endpoint = await this.lock(session, input.endpointId);
    const version = await session.em.findOne(ModelVersion, { id: input.modelVersionId, tenant: session.tenant });
    if (!version) throw notFound('model version', input.modelVersionId);
    if (version.modelId !== endpoint.modelId) {
      throw badInput('input.modelVersionId', `a version of the endpoint's model (${endpoint.modelId})`, `a version of model ${version.modelId}`);
    }
    if (version.status !== 'READY') throw conflict(`Version ${version.version} is ${version.status} and cannot be deployed.`, { expected: 'READY', got: version.status });
    if (input.mode === 'LIVE') this.requireManual(endpoint);
    const weightBps = checkWeight(input);
    const active = await this.active(session, endpoint);
    const same = active.find((deployment) => deployment.modelVersionId === version.id);
    if (same) {
      throw conflict(`Version ${version.version} is deployed at this endpoint already (${same.mode}, ${same.status}).`, {
        field: 'input.modelVersionId',
        expected: 'a version that is not deployed here',
        got: same.id,
      });
    }
    const deployment = this.create(session, endpoint, version, input.mode, weightBps);
    await session.em.flush();
    audit(session, 'deployModelVersion', { type: 'deployment', id: deployment.id }, null, { endpointId: endpoint.id, modelVersionId: version.id, mode: input.mode, weightBps });
    return deployment;
  }

  /** Splits the traffic among all live deployments anew. */
  async setWeights(session: Session, input: { endpointId: string; weights: DeploymentWeight[] }): Promise<Endpoint> {
    const endpoint = await this.lock(session, input.endpointId);
    this.requireManual(endpoint);
    await requireOwn(session, Deployment, 'deployment', input.weights.map(({ deploymentId }) => deploymentId));
    requireFullWeights(input.weights.map(({ deploymentId, weightBps }) => ({ id: deploymentId, weightBps })), 'input.weights');
    const live = (await this.active(session, endpoint)).filter(({ mode, status }) => mode === 'LIVE' && status === 'READY');
    const wanted = new Map(input.weights.map(({ deploymentId, weightBps }) => [deploymentId.toLowerCase(), weightBps]));
    if (wanted.size !== input.weights.length) throw badInput('input.weights', 'each deployment once', input.weights.length);
    const missing = live.find(({ id }) => !wanted.has(id));
    if (missing) throw badInput('input.weights', 'a weight for every live, ready deployment of the endpoint', `none for ${missing.id}`);
    if (wanted.size > live.length) throw conflict('Only live, ready deployments of this endpoint carry traffic.', { field: 'input.weights', expected: live.map(({ id }) => id).join(', ') });
    const before = weightsOf(live);
    for (const deployment of live) deployment.weightBps = wanted.get(deployment.id)!;
    audit(session, 'setTrafficWeights', { type: 'endpoint', id: endpoint.id }, before, weightsOf(live));
    this.emit(session, EventType.TRAFFIC_CHANGED, endpoint, { type: 'endpoint', id: endpoint.id }, { weightsBps: weightsOf(live) });
    this.routeChanged(session, endpoint.id);
    return endpoint;
  }

  /** Stops a deployment; what traffic it had goes to the other live ones in their proportions. */
  async undeploy(session: Session, id: string): Promise<Deployment> {
    const { endpointId } = await this.get(session, id);
    const endpoint = await this.lock(session, endpointId);
    const deployment = await session.em.findOneOrFail(Deployment, { id, tenant: session.tenant }, { refresh: true });
    if (!ACTIVE.includes(deployment.status)) throw conflict(`The deployment is ${deployment.status} already.`, { expected: ACTIVE.join(' or '), got: deployment.status });
    if (deployment.mode === 'LIVE') this.requireManual(endpoint);
    const before = { status: deployment.status, weightBps: deployment.weightBps };
    this.stop(session, endpoint, deployment);
    const others = (await this.active(session, endpoint)).filter((other) => other.id !== id && other.mode === 'LIVE' && other.status === 'READY');
    spread(others, FULL_WEIGHT_BPS);
    audit(session, 'undeploy', { type: 'deployment', id }, before, { status: deployment.status });
    return deployment;
  }

  async get(session: Session, id: string): Promise<Deployment> {
    const deployment = await session.em.findOne(Deployment, { id, tenant: session.tenant });
    if (!deployment) throw notFound('deployment', id);
    return deployment;
  }

  async list(session: Session, filter: DeploymentFilter, page: PageRequest, order: Order<'createdAt' | 'updatedAt'>): Promise<Page<Deployment>> {
    await requireOwn(session, Endpoint, 'endpoint', [filter.endpointId]);
    await requireOwn(session, ModelVersion, 'model version', [filter.modelVersionId]);
    const where: FilterQuery<Deployment> = { tenant: session.tenant };
    for (const field of ['endpointId', 'modelVersionId', 'mode'] as const) if (filter[field] != null) Object.assign(where, { [field]: filter[field] });
    if (filter.status?.length) Object.assign(where, { status: { $in: filter.status } });
    return paginate(session, Deployment, where, page, order);
  }

  /** Endpoints that follow a stage go with it. Each old version serves until the new one is loaded. */
  async stageChanged(session: Session, modelId: string): Promise<void> {
    await session.em.flush();
    const endpoints = await session.em.find(Endpoint, { tenant: session.tenant, modelId }, { orderBy: { id: 'ASC' }, lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
    for (const endpoint of endpoints) {
      await this.follow(session, endpoint);
      // Who may call an endpoint depends on the stage of its live version, followed or not.
      this.routeChanged(session, endpoint.id);
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
    const active = await this.active(session, endpoint);
    const wanted = version && active.find(({ modelVersionId, mode }) => mode === 'LIVE' && modelVersionId === version.id);
    for (const deployment of active) {
      if (deployment === wanted) continue;
      const isReplaced = deployment.mode === 'LIVE' && (deployment.status === 'PENDING' || !version || wanted?.status === 'READY');
      const isPromotedShadow = deployment.mode === 'SHADOW' && deployment.modelVersionId === version?.id;
      if (isReplaced || isPromotedShadow) this.stop(session, endpoint, deployment);
    }
    // One version is deployed once: the row that ends goes before the one that begins.
    await session.em.flush();
    if (wanted) {
      wanted.followedStage = stage;
      wanted.weightBps = FULL_WEIGHT_BPS;
    } else if (version) {
      this.create(session, endpoint, version, 'LIVE', FULL_WEIGHT_BPS).followedStage = stage;
      await session.em.flush();
    }
    this.routeChanged(session, endpoint.id);
  }

  /** Its model is loaded. False when it was stopped, or made ready by another process, meanwhile. */
  async markReady(session: Session, id: string): Promise<boolean> {
    const found = await this.lockPending(session, id);
    if (!found) return false;
    const { deployment, endpoint } = found;
    deployment.status = 'READY';
    if (deployment.mode === 'LIVE') {
      const others = (await this.active(session, endpoint)).filter((other) => other.id !== id && other.mode === 'LIVE' && other.status === 'READY');
      if (deployment.followedStage && endpoint.followStage) for (const other of others) this.stop(session, endpoint, other);
      else if (others.length === 0) deployment.weightBps = FULL_WEIGHT_BPS;
      else spread(others, FULL_WEIGHT_BPS - deployment.weightBps);
    }
    await this.emitDeployment(session, EventType.MODEL_DEPLOYED, endpoint, deployment, {});
    this.routeChanged(session, endpoint.id);
    return true;
  }

  async markFailed(session: Session, id: string, error: string): Promise<void> {
    const found = await this.lockPending(session, id);
    if (!found) return;
    const { deployment, endpoint } = found;
    Object.assign(deployment, { status: 'FAILED', error, endedAt: new Date() });
    await this.emitDeployment(session, EventType.MODEL_DEPLOYMENT_FAILED, endpoint, deployment, { error });
  }

  /** Before the endpoint goes. */
  async stopAll(session: Session, endpoint: Endpoint): Promise<void> {
    for (const deployment of await this.active(session, endpoint)) this.stop(session, endpoint, deployment);
    await session.em.flush();
  }

  /** The endpoint, with everyone else who would change it or its deployments waiting. */
  async lock(session: Session, endpointId: string): Promise<Endpoint> {
    const endpoint = await session.em.findOne(Endpoint, { id: endpointId, tenant: session.tenant }, { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true });
    if (!endpoint) throw notFound('endpoint', endpointId);
    return endpoint;
  }

  routeChanged(session: Session, endpointId: string): void {
    session.afterCommit(() => this.live.publish(routeTopic(endpointId)));
  }

  private create(session: Session, endpoint: Endpoint, version: ModelVersion, mode: Deployment['mode'], weightBps: number): Deployment {
    session.afterCommit(() => this.live.publish(DEPLOYMENTS_WAITING));
    return session.em.create(Deployment, {
      tenant: session.tenant,
      endpointId: endpoint.id,
      modelVersionId: version.id,
      mode,
      weightBps,
      engine: this.engineName,
      createdBy: session.principal.subject,
    });
  }

  private stop(session: Session, endpoint: Endpoint, deployment: Deployment): void {
    Object.assign(deployment, { status: 'STOPPED', weightBps: 0, endedAt: new Date() });
    const payload = { deploymentId: deployment.id, modelVersionId: deployment.modelVersionId, mode: deployment.mode };
    this.emit(session, EventType.MODEL_UNDEPLOYED, endpoint, { type: 'deployment', id: deployment.id }, payload);
    this.routeChanged(session, endpoint.id);
  }

  private async lockPending(session: Session, id: string): Promise<{ deployment: Deployment; endpoint: Endpoint } | null> {
    const { endpointId } = await this.get(session, id);
    const endpoint = await this.lock(session, endpointId);
    const deployment = await session.em.findOneOrFail(Deployment, { id, tenant: session.tenant }, { refresh: true });
    return deployment.status === 'PENDING' ? { deployment, endpoint } : null;
  }

  private active(session: Session, endpoint: Endpoint): Promise<Deployment[]> {
    const where = { tenant: session.tenant, endpointId: endpoint.id, status: { $in: ACTIVE } };
    return session.em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' }, refresh: false });
  }

  private requireManual(endpoint: Endpoint): void {
    if (!endpoint.followStage) return;
    throw conflict(`The live traffic of "${endpoint.name}" follows ${endpoint.followStage}: promote a version, or set followStage to null first.`, {
      expected: 'an endpoint that follows no stage',
      got: endpoint.followStage,
    });
  }

  private async emitDeployment(session: Session, type: EventType, endpoint: Endpoint, deployment: Deployment, more: object): Promise<void> {
    const version = await session.em.findOneOrFail(ModelVersion, { id: deployment.modelVersionId, tenant: session.tenant });
    const { mode, weightBps, modelVersionId } = deployment;
    const payload = { deploymentId: deployment.id, modelVersionId, version: version.version, endpoint: endpoint.name, mode, weightBps, ...more };
    this.emit(session, type, endpoint, { type: 'deployment', id: deployment.id }, payload);
  }

  private emit(session: Session, type: EventType, endpoint: Endpoint, subject: { type: string; id: string }, payload: Record<string, unknown>): void {
    emitEvent(session, this.live, type, subject, payload, { modelId: endpoint.modelId, endpointId: endpoint.id });
  }
}

/** A shadow answers nobody, and a live deployment without a wish takes over only where nothing serves yet. */
function checkWeight({ mode, weightBps }: DeployInput): number {
  if (weightBps == null) return 0;
  if (mode === 'SHADOW') throw badInput('input.weightBps', 'no weight for a shadow, which answers nobody', weightBps);
  if (weightBps < 0 || weightBps > FULL_WEIGHT_BPS) throw badInput('input.weightBps', `an integer from 0 to ${FULL_WEIGHT_BPS} basis points`, weightBps);
  return weightBps;
}

function spread(deployments: Deployment[], totalBps: number): void {
  const scaled = rescaleWeights(deployments.map(({ weightBps }) => weightBps), totalBps);
  deployments.forEach((deployment, i) => {
    deployment.weightBps = scaled[i]!;
  });
}

function weightsOf(deployments: readonly Deployment[]): Record<string, number> {
  return Object.fromEntries(deployments.map(({ id, weightBps }) => [id, weightBps]));
}
