import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Session } from '../../db/database.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { AppError, conflict, ErrorCode } from '../../errors.js';
import { requireEndpoint } from '../core/index.js';
import { latencyTotalMs } from '../model-contract/index.js';
import { MAX_WAIT_MS, type Waiter } from '../platform/index.js';
import { ACTIVE } from './deployment-rows.js';
import type { DeploymentService } from './deployment.service.js';
import type { EndpointService } from './endpoint.service.js';
import { noVersion, type PredictService } from './predict.service.js';
import type { RolloutService } from './rollout.service.js';
import { trafficSums } from './stores/traffic.js';

/** A deployment as model repositories list it. An endpoint without one has neither version nor state. */
export interface RepositoryEntry {
  name: string;
  version: number | null;
  state: 'READY' | 'LOADING' | 'UNAVAILABLE' | null;
  reason: string;
}

/** What a deployment has answered, by its counters. */
export interface DeploymentStatistics {
  name: string;
  version: number;
  rows: number;
  answered: number;
  failed: number;
  /** Of answered and failed requests, estimated from the histogram of latencies. */
  latencyMs: number;
}

const LISTED: Deployment['status'][] = ['PENDING', 'READY', 'FAILED'];
/** More endpoints or deployments than one answer shows. */
const MAX_LISTED = 10_000;
/** A loaded version is known to this process after this time, unless the database does not answer. */
const KNOWN_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 20;

/** Endpoints and their deployments as a model repository, whose load and unload deploy and undeploy. */
export class ModelRepositoryService {
  constructor(
    private readonly db: Database,
    private readonly endpoints: EndpointService,
    private readonly deployments: DeploymentService,
    private readonly rollouts: RolloutService,
    private readonly predictions: PredictService,
  ) {}

  /** Every endpoint of the tenant with its deployments, by name and version. */
  async index(session: Session): Promise<RepositoryEntry[]> {
    const { em, tenant } = session;
    const endpoints = await em.find(Endpoint, { tenant }, { orderBy: { name: 'ASC' }, limit: MAX_LISTED });
    const deployments = await em.find(
      Deployment,
      { tenant, mode: 'LIVE', status: { $in: LISTED } },
      { orderBy: { createdAt: 'DESC', id: 'DESC' }, limit: MAX_LISTED },
    );
    const versions = await versionsOf(session, deployments);
    return endpoints.flatMap(({ id, name }) => {
      const newest = new Map<number, RepositoryEntry>();
      for (const { endpointId, modelVersionId, status, error } of deployments) {
        const version = endpointId === id ? versions.get(modelVersionId) : undefined;
        if (version === undefined || newest.has(version)) continue;
        const state = status === 'READY' ? 'READY' : status === 'PENDING' ? 'LOADING' : 'UNAVAILABLE';
        newest.set(version, { name, version, state, reason: error ?? '' });
      }
      const entries = [...newest.values()].sort((a, b) => a.version! - b.version!);
      return entries.length > 0 ? entries : [{ name, version: null, state: null, reason: '' }];
    });
  }

  /**
   * Deploys these versions of the endpoint's model, or the newest one that is stored; a deployed one stays as it is.
   * Returns when they are loaded. Errors: those of `DeploymentService.deploy`; INVALID_MODEL when one cannot be loaded,
   * DEADLINE_EXCEEDED when that takes longer than a minute.
   */
  async load(who: Waiter, name: string, versions: readonly number[]): Promise<void> {
    const { endpointId, wanted } = await this.db.transact(who, (session) => this.toLoad(session, name, versions));
    for (const { modelVersionId, version, deploymentId } of wanted) {
      const { deployment } = deploymentId
        ? await this.rollouts.settled(who, MAX_WAIT_MS, { id: deploymentId, endpointId })
        : await this.rollouts.deploy(who, MAX_WAIT_MS, { endpointId, modelVersionId, mode: 'LIVE' });
      if (deployment.status === 'READY') await this.untilKnown(who, name, version);
      else throw notLoaded(name, version, deployment);
    }
  }

  /** Undeploys these versions of an endpoint, or all. Versions that are not deployed are left out. */
  async unload(session: Session, name: string, versions: readonly number[]): Promise<void> {
    const endpoint = await this.endpoints.getByName(session, name);
    const active = await this.activeOf(session, endpoint);
    const numbers = await versionsOf(session, active);
    for (const { id, modelVersionId } of active) {
      const isWanted = versions.length === 0 || versions.includes(numbers.get(modelVersionId)!);
      if (isWanted) await this.deployments.undeploy(session, id);
    }
  }

  /** The statistics of one endpoint, or of all, whose deployments are ready. NOT_FOUND for an absent version. */
  async statistics(session: Session, name: string | null, version: number | null): Promise<DeploymentStatistics[]> {
    const { em, tenant } = session;
    if (name !== null) requireEndpoint(session.principal.scope, { name });
    const endpoints =
      name === null
        ? await em.find(Endpoint, { tenant }, { orderBy: { name: 'ASC' }, limit: MAX_LISTED })
        : [await this.endpoints.getByName(session, name)];
    const where = {
      tenant,
      endpointId: { $in: endpoints.map(({ id }) => id) },
      mode: 'LIVE',
      status: 'READY',
    } as const;
    const ready = await em.find(Deployment, where, { orderBy: { endpointId: 'ASC', id: 'ASC' }, limit: MAX_LISTED });
    const versions = await versionsOf(session, ready);
    const wanted = ready.filter(({ modelVersionId }) => version === null || versions.get(modelVersionId) === version);
    if (version !== null && wanted.length === 0) throw noVersion(endpoints[0]!.name, version, [...versions.values()]);
    const ids = wanted.map(({ id }) => id);
    const sums = new Map(
      (await trafficSums(session, ids, { from: null, to: null })).map((sum) => [sum.deploymentId, sum]),
    );
    return wanted.map(({ id, endpointId, modelVersionId }) => {
      const { requests = 0, errors = 0, rows = 0, latencyCounts } = sums.get(id) ?? {};
      return {
        name: endpoints.find((endpoint) => endpoint.id === endpointId)!.name,
        version: versions.get(modelVersionId)!,
        rows,
        answered: requests - errors,
        failed: errors,
        latencyMs: latencyTotalMs(latencyCounts ?? []),
      };
    });
  }

  private async toLoad(session: Session, name: string, versions: readonly number[]) {
    const endpoint = await this.endpoints.getByName(session, name);
    const active = await this.activeOf(session, endpoint);
    const { id: endpointId, modelId } = endpoint;
    const stored = { tenant: session.tenant, modelId, status: 'READY', objectKey: { $ne: null } } as const;
    const found = await session.em.find(
      ModelVersion,
      versions.length > 0 ? { tenant: session.tenant, modelId, version: { $in: [...versions] } } : stored,
      { orderBy: { version: 'DESC' }, limit: versions.length || 1 },
    );
    const missing = versions.find((number) => !found.some(({ version }) => version === number));
    if (missing !== undefined)
      throw new AppError(ErrorCode.NOT_FOUND, `The model of endpoint "${name}" has no version ${missing}.`);
    if (found.length === 0)
      throw conflict(`The model of endpoint "${name}" has no stored version to load: register one.`);
    const wanted = found.map(({ id, version }) => ({
      modelVersionId: id,
      version,
      deploymentId: active.find(({ modelVersionId }) => modelVersionId === id)?.id ?? null,
    }));
    return { endpointId, wanted };
  }

  private activeOf({ em, tenant }: Session, { id }: Endpoint): Promise<Deployment[]> {
    return em.find(Deployment, { tenant, endpointId: id, mode: 'LIVE', status: { $in: ACTIVE } });
  }

  /** So that the next request at this process finds the version. */
  private async untilKnown(who: Waiter, name: string, version: number): Promise<void> {
    for (const until = Date.now() + KNOWN_WITHIN_MS; Date.now() < until && !who.isGone(); await sleep(LOOK_EVERY_MS)) {
      const { ready } = await this.predictions.describe(who.principal, name);
      if (ready.some((target) => target.version.version === version)) return;
    }
  }
}

async function versionsOf({ em, tenant }: Session, deployments: readonly Deployment[]): Promise<Map<string, number>> {
  const ids = [...new Set(deployments.map(({ modelVersionId }) => modelVersionId))];
  const found = await em.find(ModelVersion, { tenant, id: { $in: ids } }, { fields: ['id', 'version'] });
  return new Map(found.map(({ id, version }) => [id, version]));
}

function notLoaded(name: string, version: number, { status, error }: Deployment): AppError {
  if (status === 'PENDING')
    return new AppError(
      ErrorCode.DEADLINE_EXCEEDED,
      `Version ${version} is still being loaded at endpoint "${name}": ask for its readiness.`,
    );
  const reason = error ?? 'it was undeployed meanwhile.';
  return new AppError(ErrorCode.INVALID_MODEL, `Version ${version} was not loaded at endpoint "${name}": ${reason}`);
}
