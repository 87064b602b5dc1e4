import { LRUCache } from 'lru-cache';
import type { Logger } from 'pino';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { ModelVersion, type OnnxVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Database, Session } from '../../db/database.js';
import { Role } from '../core/index.js';
import { predictionSpreads } from '../registry/index.js';
import { VALUE_TOLERANCE_STDS } from './rules/shadow.js';
import { trafficPolicy, type TrafficPolicy } from './rules/traffic-policy.js';
import { AppError, ErrorCode, notFound, notFoundByName } from '../../errors.js';
import { routeTopic } from './deployment-rows.js';
import type { Runtimes } from './runtimes.js';

/** A deployment that is READY, with everything that a call of it needs. */
export interface Target {
  id: string;
  weightBps: number;
  deployment: Deployment;
  /** Without its reference profile, which is large. */
  version: OnnxVersion;
  /**
   * The largest difference between a shadow's value and this one's that still counts as equal; 0 without a reference
   * profile.
   */
  valueTolerance: number;
  /** Whether its version is in PRODUCTION, so that viewers may call it. */
  isProduction: boolean;
}

/** The current deployments of an endpoint, for predictions. */
export interface Route {
  tenant: string;
  endpoint: Endpoint;
  /** Deployments that may get traffic. */
  live: Target[];
  /** The same and those without traffic, which only a request that names their version reaches. */
  ready: Target[];
  /** Which of them answers a request. */
  policy: TrafficPolicy<Target>;
  shadows: Target[];
  /** Whether every live version is in PRODUCTION. */
  viewersMayCall: boolean;
}

/** Whether the endpoint or the deployment says that its requests never run in one batch. */
export function runsAlone({ endpoint }: Route, { deployment }: Target): boolean {
  return endpoint.batching === 'NEVER' || deployment.batching === 'NEVER';
}

export type EndpointRef = { id: string } | { name: string };

interface Entry {
  route: Route;
  /** When it was last read from the database, by Date.now(). */
  checkedAt: number;
  /** How many times it was reported as outdated. */
  changes: number;
  /**
   * How many of these reports the present route includes: a read that began before a change does not show the change.
   */
  seenChanges: number;
  reading: Promise<Route> | null;
  /** New versions that are being loaded while the old ones still serve. */
  warming: Promise<unknown> | null;
  /** Deployments whose models this process has tried to load; it does not wait for them again. */
  warmed: Set<string>;
  unsubscribe: () => void;
}

const MAX_ROUTES = 1_000;
/** After this time a used route is read again in the background. */
const REFRESH_AFTER_MS = 500;
/** When a route is older than this, requests wait for the read: a lost wake-up delays a change by no more. */
const MAX_AGE_MS = 1_000;
/** While the database does not answer, the last known routes are used for this time. */
const MAX_AGE_WITHOUT_DATABASE_MS = 60_000;
/** A database that hangs delays no prediction by more than this. */
const READING_PATIENCE_MS = 500;

/**
 * The routes that this process serves, in memory: a prediction makes no database query. The key contains the tenant.
 */
export class Routes {
  private readonly entries = new LRUCache<string, Entry>({ max: MAX_ROUTES, dispose: (entry) => entry.unsubscribe() });
  private readonly opening = new Map<string, Promise<Route>>();

  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    private readonly runtimes: Runtimes,
    private readonly logger: Logger,
  ) {}

  /** Without waiting when it is known; NOT_FOUND when the tenant has no such endpoint. */
  find(tenant: string, ref: EndpointRef): Route | Promise<Route> {
    const key = 'id' in ref ? `id:${ref.id}\u0000${tenant}` : `name:${ref.name}\u0000${tenant}`;
    const entry = this.entries.get(key);
    if (!entry) return this.open(key, tenant, ref);
    const ageMs = entry.seenChanges < entry.changes ? Infinity : Date.now() - entry.checkedAt;
    if (ageMs < REFRESH_AFTER_MS) return entry.route;
    const reading = this.refresh(key, entry);
    return ageMs < MAX_AGE_MS ? entry.route : soon(reading, () => entry.route);
  }

  close(): void {
    this.entries.clear();
  }

  private open(key: string, tenant: string, ref: EndpointRef): Promise<Route> {
    let opening = this.opening.get(key);
    if (!opening) {
      opening = this.read(tenant, ref)
        .then((route) => {
          const entry: Entry = {
            route,
            checkedAt: Date.now(),
            changes: 0,
            seenChanges: 0,
            reading: null,
            warming: null,
            warmed: new Set(),
            unsubscribe: () => undefined,
          };
          entry.unsubscribe = this.live.subscribe(routeTopic(route.endpoint.id), () => this.invalidate(key, entry));
          this.entries.set(key, entry);
          return route;
        })
        .finally(() => this.opening.delete(key));
      this.opening.set(key, opening);
    }
    return opening;
  }

  private invalidate(key: string, entry: Entry): void {
    entry.changes++;
    this.refresh(key, entry).catch(() => undefined);
  }

  private refresh(key: string, entry: Entry): Promise<Route> {
    if (!entry.reading) {
      const reading = this.reread(key, entry).finally(() => {
        entry.reading = null;
      });
      // A failed refresh that nobody awaits must not become an unhandled rejection.
      reading.catch(() => undefined);
      entry.reading = reading;
    }
    return entry.reading;
  }

  private async reread(key: string, entry: Entry): Promise<Route> {
    const knownSince = entry.checkedAt;
    const startedAt = Date.now();
    const { changes } = entry;
    try {
      const next = await this.read(entry.route.tenant, { id: entry.route.endpoint.id });
      entry.checkedAt = startedAt;
      entry.seenChanges = changes;
      const cold =
        entry.route.live.length > 0
          ? next.live.filter((target) => !this.runtimes.isLoaded(target) && !entry.warmed.has(target.id))
          : [];
      if (cold.length === 0) entry.route = next;
      else {
        // The old versions answer until the new ones are loaded.
        entry.route = { ...entry.route, endpoint: next.endpoint, viewersMayCall: next.viewersMayCall };
        entry.warming ??= this.warm(key, entry, cold);
      }
    } catch (error) {
      entry.changes++;
      const isGone = error instanceof AppError && error.code === ErrorCode.NOT_FOUND;
      if (isGone || Date.now() - knownSince > MAX_AGE_WITHOUT_DATABASE_MS) {
        this.entries.delete(key);
        throw error;
      }
      this.logger.warn(
        { err: error, endpointId: entry.route.endpoint.id },
        'route not read again, the last one serves on',
      );
    }
    return entry.route;
  }

  private async warm(key: string, entry: Entry, cold: Target[]): Promise<void> {
    await Promise.allSettled(cold.map((target) => this.runtimes.load(target)));
    for (const { id } of cold) entry.warmed.add(id);
    entry.warming = null;
    this.invalidate(key, entry);
  }

  private read(tenant: string, ref: EndpointRef): Promise<Route> {
    const principal = { subject: 'serving', tenant, role: Role.VIEWER, expiresAt: new Date(Date.now() + MAX_AGE_MS) };
    return this.db.transact({ principal, requestId: 'route' }, async (session) => {
      const endpoint = await session.em.findOne(Endpoint, { tenant, ...ref });
      if (!endpoint) throw 'id' in ref ? notFound('endpoint', ref.id) : notFoundByName('endpoint', ref.name);
      const targets = await readTargets(session, endpoint);
      const ready = targets.filter(({ deployment }) => deployment.mode === 'LIVE');
      const ruled = new Set(endpoint.trafficRules.map(({ deploymentId }) => deploymentId));
      const live = ready.filter(({ weightBps, id }) => weightBps > 0 || ruled.has(id));
      const shadows = targets.filter(({ deployment }) => deployment.mode === 'SHADOW');
      return {
        tenant,
        endpoint,
        live,
        ready,
        policy: trafficPolicy(live, endpoint.trafficRules),
        shadows,
        viewersMayCall: live.every((target) => target.isProduction),
      };
    });
  }
}

/** The result of the running read, or the known route when the read takes long. */
async function soon(reading: Promise<Route>, known: () => Route): Promise<Route> {
  const late = Promise.withResolvers<Route>();
  const timer = setTimeout(() => late.resolve(known()), READING_PATIENCE_MS);
  try {
    return await Promise.race([reading, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function readTargets(session: Session, endpoint: Endpoint): Promise<Target[]> {
  const { tenant, em } = session;
  const deployments = await em.find(
    Deployment,
    { tenant, endpointId: endpoint.id, status: 'READY' },
    { orderBy: { id: 'ASC' } },
  );
  const ids = [...new Set(deployments.map(({ modelVersionId }) => modelVersionId))];
  const versions = await em.find(ModelVersion, { tenant, id: { $in: ids } });
  // Only shadows are compared, so the reference profile is not read without one.
  const hasShadow = deployments.some(({ mode }) => mode === 'SHADOW');
  const spreads = hasShadow ? await predictionSpreads(session, ids) : new Map<string, number>();
  return deployments.map((deployment) => {
    const version = versions.find(({ id }) => id === deployment.modelVersionId) as OnnxVersion;
    return {
      id: deployment.id,
      weightBps: deployment.weightBps,
      deployment,
      version,
      valueTolerance: VALUE_TOLERANCE_STDS * (spreads.get(deployment.modelVersionId) ?? 0),
      isProduction: isProduction(endpoint, deployment, version),
    };
  });
}

/**
 * Whether viewers may call it. For an endpoint that follows PRODUCTION: while a promotion moves its traffic, the
 * leaving version is no longer in that stage but still serves, until the new one is loaded.
 */
function isProduction(endpoint: Endpoint, deployment: Deployment, version: OnnxVersion): boolean {
  return (
    version.stage === 'PRODUCTION' ||
    deployment.forViewers ||
    (endpoint.followStage === 'PRODUCTION' && deployment.followedStage === 'PRODUCTION')
  );
}
