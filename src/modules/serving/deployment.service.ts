import type { FilterQuery } from '@mikro-orm/core';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { requireOwn, audit } from '../platform/index.js';
import { requireRules, type TrafficRule } from './rules/traffic-policy.js';
import { rowsToTensors } from '../model-contract/index.js';
import { combinedMembersOf } from '../ensembles/index.js';
import { type GivenFanOut, readFanOut, type StoredFanOut } from './fan-out.js';
import { type GivenLimits, readLimits, WARM_UP_ROWS } from './rules/limits.js';
import { type GivenScaling, readScaling } from './rules/scaling.js';
import { FULL_WEIGHT_BPS } from '../core/index.js';
import type { DeclaredSla } from './sla.js';
import { requireFullWeights, rescaleWeights } from './rules/traffic.js';
import { badInput, conflict, notFound } from '../../errors.js';
import { answersTexts, RUNTIME_KINDS, type RuntimeName } from '../../inference/port.js';
import { keepVersion, requireStored } from '../registry/index.js';
import { ACTIVE, type DeploymentRows } from './deployment-rows.js';
import { type Runtimes, usualRuntime } from './runtimes.js';
import { DEPLOYMENT_STATUS } from './rules/deployment-status.js';
import { changeDeploymentStatus } from './stores/deployments.js';
import { SERVING_EVENTS } from './events.js';

export interface DeployInput {
  endpointId: string;
  modelVersionId: string;
  mode: Deployment['mode'];
  /** When absent: VLLM for a language model, ONNX for any other version. */
  runtime?: RuntimeName | null;
  weightBps?: number | null;
  batching?: Deployment['batching'] | null;
  /** See the entity. */
  forViewers?: boolean;
  /** For the runtime FAN_OUT. */
  fanOut?: GivenFanOut | null;
  limits?: GivenLimits | null;
  scaling?: GivenScaling | null;
  sla?: DeclaredSla | null;
  warmUpRows?: Record<string, unknown>[] | null;
}

export interface DeploymentFilter {
  endpointId?: string | null;
  modelVersionId?: string | null;
  status?: Deployment['status'][] | null;
  mode?: Deployment['mode'] | null;
  runtime?: RuntimeName | null;
}

export interface DeploymentWeight {
  deploymentId: string;
  weightBps: number;
}

/** Absent rules stay as they are; null removes them. */
export interface TrafficWeights {
  endpointId: string;
  weights: DeploymentWeight[];
  rules?: TrafficRule[] | null;
}

/** What sets the weights of an endpoint instead of people, e.g. `canary 0193…`. */
export type TrafficHolder = `${string} ${string}`;

/** Which versions serve an endpoint, and with which fraction of its traffic. Every change locks the endpoint first. */
export class DeploymentService {
  constructor(
    private readonly rows: DeploymentRows,
    private readonly runtimes: Runtimes,
  ) {}

  /**
   * Takes effect when the model is loaded; until then the deployment is PENDING. `by`: the holder of the endpoint's
   * traffic, for its own deployments.
   */
  async deploy(session: Session, input: DeployInput, by: TrafficHolder | null = null): Promise<Deployment> {
    const endpoint = await this.rows.lock(session, input.endpointId);
    // A version cannot be deleted while it is being deployed, but its stage may change.
    await keepVersion(session, input.modelVersionId);
    const version = await session.em.findOne(ModelVersion, { id: input.modelVersionId, tenant: session.tenant });
    if (!version) throw notFound('model version', input.modelVersionId);
    if (version.modelId !== endpoint.modelId) {
      throw badInput(
        'input.modelVersionId',
        `a version of the endpoint's model (${endpoint.modelId})`,
        `a version of model ${version.modelId}`,
      );
    }
    requireStored(version);
    const runtime = input.runtime ?? usualRuntime(version);
    this.runtimes.require(runtime, version);
    if (input.mode === 'SHADOW') requireShadowable(runtime);
    const fanOut = await this.fanOutOf(session, input, runtime, version);
    const limits = readLimits(input.limits, 'input.limits');
    const honours = RUNTIME_KINDS[runtime].scaling;
    const scaling = readScaling(input.scaling, { runtime, honours, field: 'input.scaling' });
    const warmUpRows = checkWarmUp(input.warmUpRows, version);
    if (input.mode === 'LIVE') this.requireFree(endpoint, by);
    const weightBps = checkWeight(input);
    const active = await this.rows.active(session, endpoint);
    const same = active.find(
      (deployment) =>
        deployment.modelVersionId === version.id && deployment.runtime === runtime && !deployment.isControl,
    );
    if (same) {
      throw conflict(
        `Version ${version.version} is deployed at this endpoint already (${same.mode}, ${same.status}, ${runtime}).`,
        {
          field: 'input.modelVersionId',
          expected: 'a version that is not deployed here on this runtime',
          got: same.id,
        },
      );
    }
    const deployment = this.rows.create(session, endpoint, version, input.mode, weightBps);
    const sla = declared(input.sla);
    Object.assign(deployment, { runtime, fanOut, limits, scaling, warmUpRows, sla });
    if (input.batching) deployment.batching = input.batching;
    if (input.forViewers) deployment.forViewers = true;
    await session.em.flush();
    audit(session, 'deployModelVersion', { type: 'deployment', id: deployment.id }, null, {
      endpointId: endpoint.id,
      modelVersionId: version.id,
      mode: input.mode,
      runtime,
      weightBps,
      batching: deployment.batching,
      fanOut,
      limits,
      scaling,
      sla,
      warmUpRows: warmUpRows?.length ?? 0,
    });
    return deployment;
  }

  /** A second deployment of the version that `stable` runs, without traffic, so that a test counts it apart. */
  async deployControl(session: Session, stable: Deployment, by: TrafficHolder): Promise<Deployment> {
    const endpoint = await this.rows.lock(session, stable.endpointId);
    this.requireFree(endpoint, by);
    const version = await session.em.findOneOrFail(ModelVersion, { id: stable.modelVersionId, tenant: session.tenant });
    const control = this.rows.create(session, endpoint, version, 'LIVE', 0);
    const { batching, runtime, fanOut, limits, scaling, sla, forViewers } = stable;
    Object.assign(control, { batching, runtime, fanOut, limits, scaling, sla, forViewers, isControl: true });
    await session.em.flush();
    audit(session, 'deployModelVersion', { type: 'deployment', id: control.id }, null, {
      ...{ endpointId: endpoint.id, modelVersionId: version.id, mode: 'LIVE', weightBps: 0, isControl: true },
    });
    return control;
  }

  /** Locks the endpoint: others who want to change it or its deployments wait. */
  async lockEndpoint(session: Session, endpointId: string): Promise<Endpoint> {
    return await this.rows.lock(session, endpointId);
  }

  /** False when the endpoint does not exist any more. */
  async tryLockEndpoint(session: Session, endpointId: string): Promise<boolean> {
    return (await this.rows.find(session, endpointId)) !== null;
  }

  async activeShadow({ em, tenant }: Session, endpointId: string, modelVersionId: string): Promise<Deployment | null> {
    const where = { tenant, endpointId, modelVersionId, mode: 'SHADOW' as const, status: { $in: ACTIVE } };
    return await em.findOne(Deployment, where);
  }

  /** The live deployments of an endpoint that are loaded, also those without weight. */
  async liveOf(session: Session, endpointId: string): Promise<Deployment[]> {
    const where = { tenant: session.tenant, endpointId, mode: 'LIVE' as const, status: 'READY' as const };
    return await session.em.find(Deployment, where, { orderBy: { createdAt: 'ASC', id: 'ASC' }, refresh: true });
  }

  /** Divides the traffic among all live deployments: the only way in which weights and rules change. */
  async setWeights(session: Session, input: TrafficWeights, by: TrafficHolder | null = null): Promise<Endpoint> {
    const endpoint = await this.rows.lock(session, input.endpointId);
    this.requireFree(endpoint, by);
    await requireOwn(
      session,
      Deployment,
      'deployment',
      input.weights.map(({ deploymentId }) => deploymentId),
    );
    requireFullWeights(
      input.weights.map(({ deploymentId, weightBps }) => ({ id: deploymentId, weightBps })),
      'input.weights',
    );
    const live = (await this.rows.active(session, endpoint)).filter(
      ({ mode, status }) => mode === 'LIVE' && status === 'READY',
    );
    const wanted = new Map(input.weights.map(({ deploymentId, weightBps }) => [deploymentId, weightBps]));
    if (wanted.size !== input.weights.length)
      throw badInput('input.weights', 'each deployment once', input.weights.length);
    const missing = live.find(({ id }) => !wanted.has(id));
    if (missing)
      throw badInput(
        'input.weights',
        'a weight for every live, ready deployment of the endpoint',
        `none for ${missing.id}`,
      );
    if (wanted.size > live.length)
      throw conflict('Only live, ready deployments of this endpoint carry traffic.', {
        field: 'input.weights',
        expected: live.map(({ id }) => id).join(', '),
      });
    const before = policyOf(endpoint, live);
    if (input.rules !== undefined)
      endpoint.trafficRules = input.rules === null ? [] : await this.checkedRules(session, input.rules, live);
    for (const deployment of live) deployment.weightBps = wanted.get(deployment.id)!;
    audit(session, 'setTrafficWeights', { type: 'endpoint', id: endpoint.id }, before, policyOf(endpoint, live));
    this.rows.emit(
      session,
      SERVING_EVENTS.TRAFFIC_CHANGED,
      endpoint,
      { type: 'endpoint', id: endpoint.id },
      { weightsBps: weightsOf(live), rules: endpoint.trafficRules },
    );
    this.rows.routeChanged(session, endpoint.id);
    return endpoint;
  }

  /**
   * From now on, only `holder` changes weights, rules and live deployments. CONFLICT when another one does already, or
   * when the endpoint follows something.
   */
  async holdTraffic(session: Session, endpointId: string, holder: TrafficHolder): Promise<Endpoint> {
    const endpoint = await this.rows.lock(session, endpointId);
    this.requireFree(endpoint, null);
    endpoint.trafficHeldBy = holder;
    await session.em.flush();
    return endpoint;
  }

  /** People set the weights again. */
  async releaseTraffic(session: Session, endpointId: string, holder: TrafficHolder): Promise<void> {
    const endpoint = await this.rows.lock(session, endpointId);
    if (endpoint.trafficHeldBy === holder) endpoint.trafficHeldBy = null;
    await session.em.flush();
  }

  /** Changes what a deployment promises; alerts compare with it from the next window on. */
  async setSla(session: Session, id: string, given: DeclaredSla | null): Promise<Deployment> {
    const { endpointId } = await this.get(session, id);
    await this.rows.lock(session, endpointId);
    const deployment = await session.em.findOneOrFail(Deployment, { id, tenant: session.tenant }, { refresh: true });
    const before = deployment.sla ?? null;
    deployment.sla = declared(given);
    await session.em.flush();
    audit(session, 'setDeploymentSla', { type: 'deployment', id }, { sla: before }, { sla: deployment.sla });
    this.rows.routeChanged(session, endpointId);
    return deployment;
  }

  /**
   * Viewers may call these deployments whatever their stage, when they may call `like`, with which they share its
   * traffic. Returns those that this opened.
   */
  async openToViewers(session: Session, like: Deployment, others: readonly Deployment[]): Promise<string[]> {
    const { em, tenant } = session;
    const version = await em.findOneOrFail(ModelVersion, { id: like.modelVersionId, tenant });
    if (!like.forViewers && version.stage !== 'PRODUCTION') return [];
    const closed = others.filter(({ forViewers }) => !forViewers);
    for (const deployment of closed) deployment.forViewers = true;
    await em.flush();
    this.rows.routeChanged(session, like.endpointId);
    return closed.map(({ id }) => id);
  }

  /** Takes `openToViewers` back where no traffic is left; a deployment with traffic would take it from viewers. */
  async closeToViewers(session: Session, endpointId: string, ids: readonly string[]): Promise<void> {
    const where = { tenant: session.tenant, endpointId, id: { $in: [...ids] }, weightBps: 0 };
    for (const deployment of await session.em.find(Deployment, where, { refresh: true })) deployment.forViewers = false;
    await session.em.flush();
    this.rows.routeChanged(session, endpointId);
  }

  /** Stops a deployment. Its traffic goes to the other live ones, in proportion to their weights. */
  async undeploy(session: Session, id: string, by: TrafficHolder | null = null): Promise<Deployment> {
    const { endpointId } = await this.get(session, id);
    const endpoint = await this.rows.lock(session, endpointId);
    const deployment = await session.em.findOneOrFail(Deployment, { id, tenant: session.tenant }, { refresh: true });
    DEPLOYMENT_STATUS.require(deployment.status, 'STOPPED');
    if (deployment.mode === 'LIVE') this.requireFree(endpoint, by);
    const before = { status: deployment.status, weightBps: deployment.weightBps };
    await this.rows.stop(session, endpoint, deployment);
    const others = (await this.rows.active(session, endpoint)).filter(
      (other) => other.id !== id && other.mode === 'LIVE' && other.status === 'READY',
    );
    spread(others, FULL_WEIGHT_BPS);
    audit(session, 'undeploy', { type: 'deployment', id }, before, { status: deployment.status });
    return deployment;
  }

  async get(session: Session, id: string): Promise<Deployment> {
    const deployment = await session.em.findOne(Deployment, { id, tenant: session.tenant });
    if (!deployment) throw notFound('deployment', id);
    return deployment;
  }

  async list(
    session: Session,
    filter: DeploymentFilter,
    page: PageRequest,
    order: Order<'createdAt' | 'updatedAt'>,
  ): Promise<Page<Deployment>> {
    await requireOwn(session, Endpoint, 'endpoint', [filter.endpointId]);
    await requireOwn(session, ModelVersion, 'model version', [filter.modelVersionId]);
    const where: FilterQuery<Deployment> = { tenant: session.tenant };
    for (const field of ['endpointId', 'modelVersionId', 'mode', 'runtime'] as const)
      if (filter[field] != null) Object.assign(where, { [field]: filter[field] });
    if (filter.status?.length) Object.assign(where, { status: { $in: filter.status } });
    return paginate(session, Deployment, where, page, order);
  }

  /** Records that its model is loaded. False when it was stopped, or another process made it ready, meanwhile. */
  async markReady(session: Session, id: string): Promise<boolean> {
    const found = await this.lockPending(session, id);
    if (!found) return false;
    const { deployment, endpoint } = found;
    await changeDeploymentStatus(session, deployment, 'READY');
    // While something else sets the weights, a new deployment waits without any.
    if (deployment.mode === 'LIVE' && endpoint.trafficHeldBy) deployment.weightBps = 0;
    else if (deployment.mode === 'LIVE') {
      const others = (await this.rows.active(session, endpoint)).filter(
        (other) => other.id !== id && other.mode === 'LIVE' && other.status === 'READY',
      );
      if (isFollowing(deployment, endpoint)) for (const other of others) await this.rows.stop(session, endpoint, other);
      else if (others.length === 0) deployment.weightBps = FULL_WEIGHT_BPS;
      else spread(others, FULL_WEIGHT_BPS - deployment.weightBps);
    }
    await this.rows.emitDeployment(session, SERVING_EVENTS.MODEL_DEPLOYED, endpoint, deployment, {});
    this.rows.routeChanged(session, endpoint.id);
    return true;
  }

  async markFailed(session: Session, id: string, error: string): Promise<void> {
    const found = await this.lockPending(session, id);
    if (!found) return;
    const { deployment, endpoint } = found;
    await changeDeploymentStatus(session, deployment, 'FAILED', error);
    await this.rows.emitDeployment(session, SERVING_EVENTS.MODEL_DEPLOYMENT_FAILED, endpoint, deployment, { error });
    this.rows.routeChanged(session, endpoint.id);
  }

  private async lockPending(
    session: Session,
    id: string,
  ): Promise<{ deployment: Deployment; endpoint: Endpoint } | null> {
    const { endpointId } = await this.get(session, id);
    const endpoint = await this.rows.lock(session, endpointId);
    const deployment = await session.em.findOneOrFail(Deployment, { id, tenant: session.tenant }, { refresh: true });
    return deployment.status === 'PENDING' ? { deployment, endpoint } : null;
  }

  private async checkedRules(session: Session, rules: TrafficRule[], live: Deployment[]): Promise<TrafficRule[]> {
    requireRules(rules, 'input.rules');
    const ids = rules.map(({ deploymentId }) => deploymentId);
    await requireOwn(session, Deployment, 'deployment', ids);
    const ready = live.map(({ id }) => id);
    const index = ids.findIndex((id) => !ready.includes(id));
    if (index >= 0)
      throw conflict('A rule sends requests only to a live, ready deployment of this endpoint.', {
        field: `input.rules[${index}].deploymentId`,
        expected: ready.join(', '),
        got: ids[index]!,
      });
    return rules.map(({ attribute, values, deploymentId }) => ({ attribute, values, deploymentId }));
  }

  /** How the members of an ensemble are asked; null on other runtimes. They cannot be deleted meanwhile. */
  private async fanOutOf(
    session: Session,
    { fanOut }: DeployInput,
    runtime: RuntimeName,
    version: ModelVersion,
  ): Promise<StoredFanOut | null> {
    if (runtime !== 'FAN_OUT') {
      if (fanOut) throw badInput('input.fanOut', 'nothing, except on the runtime FAN_OUT', runtime);
      return null;
    }
    const found = readFanOut(fanOut ?? {}, await combinedMembersOf(session, version.id));
    for (const [i, { versionId, runtime: own }] of found.members.entries()) {
      await keepVersion(session, versionId);
      const member = await session.em.findOneOrFail(ModelVersion, { id: versionId, tenant: session.tenant });
      this.runtimes.require(own, member, `input.fanOut.memberRuntimes[${i}]`);
    }
    return found;
  }

  private requireFree(endpoint: Endpoint, by: TrafficHolder | null): void {
    const { name, followStage, followAlias, trafficHeldBy } = endpoint;
    if (trafficHeldBy && trafficHeldBy !== by)
      throw conflict(`The live traffic of "${name}" is set by ${trafficHeldBy}: end it first.`, {
        expected: 'an endpoint whose traffic nothing else sets',
        got: trafficHeldBy,
      });
    if (!followStage && !followAlias) return;
    const instead = followStage
      ? `follows ${followStage}: promote a version, or set followStage to null first.`
      : `follows alias "${followAlias}": set the alias to a version (setModelAlias), or followAlias to null first.`;
    throw conflict(`The live traffic of "${name}" ${instead}`, {
      expected: 'an endpoint that follows neither a stage nor an alias',
      got: followStage ?? followAlias ?? '',
    });
  }
}

/** True for a deployment that was made for what its endpoint still follows. */
function isFollowing({ followedStage, followedAlias }: Deployment, { followStage, followAlias }: Endpoint): boolean {
  return Boolean((followedStage && followStage) || (followedAlias && followAlias));
}

/** Null when nothing is declared. */
function declared(sla: DeclaredSla | null | undefined): DeclaredSla | null {
  const given = Object.entries(sla ?? {}).filter(([, value]) => value != null);
  return given.length > 0 ? Object.fromEntries(given) : null;
}

/** Two texts are hardly ever equal, and each costs seconds of a GPU. */
function requireShadowable(runtime: RuntimeName): void {
  if (answersTexts(runtime))
    throw badInput('input.mode', 'LIVE for a language model, whose answers no shadow is compared with', 'SHADOW');
}

/** INVALID_TENSOR for rows that are none of the model's. */
function checkWarmUp(
  rows: Record<string, unknown>[] | null | undefined,
  { signature }: ModelVersion,
): Record<string, unknown>[] | null {
  if (!rows || !signature) return null;
  rowsToTensors(signature, rows, { maxRows: WARM_UP_ROWS.max });
  return rows;
}

/** A shadow has no weight. A live deployment without a given weight gets all traffic only when nothing serves yet. */
function checkWeight({ mode, weightBps }: DeployInput): number {
  if (weightBps == null) return 0;
  if (mode === 'SHADOW')
    throw badInput('input.weightBps', 'no weight for a shadow, whose answers are not returned', weightBps);
  return weightBps;
}

function spread(deployments: Deployment[], totalBps: number): void {
  const scaled = rescaleWeights(
    deployments.map(({ weightBps }) => weightBps),
    totalBps,
  );
  deployments.forEach((deployment, i) => {
    deployment.weightBps = scaled[i]!;
  });
}

function policyOf({ trafficRules }: Endpoint, live: readonly Deployment[]): object {
  return trafficRules.length === 0 ? weightsOf(live) : { weightsBps: weightsOf(live), rules: trafficRules };
}

function weightsOf(deployments: readonly Deployment[]): Record<string, number> {
  return Object.fromEntries(deployments.map(({ id, weightBps }) => [id, weightBps]));
}
