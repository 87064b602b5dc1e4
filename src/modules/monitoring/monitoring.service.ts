import { DEFAULT_SIGNAL_POLICY } from './rules/signals.js';
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Alert } from '../../db/entities/alerts/alert.entity.js';
import { MonitoringWindow } from '../../db/entities/monitoring/monitoring-window.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import { paginate, type Page, type PageRequest } from '../../db/pagination.js';
import type { AlertService } from '../alerts/index.js';
import { type ReferenceProfile, knownCategories } from '../model-contract/index.js';
import { compareWindow } from './rules/drift-window.js';
import { Role } from '../core/index.js';
import {
  countedSince,
  toTrafficWindow,
  type TrafficCounts,
  trafficReport,
  windowSignals,
} from './rules/traffic-window.js';
import { conflict, notFound } from '../../errors.js';
import { audit } from '../platform/index.js';
import {
  answeringDeployments,
  countersSince,
  deleteOldPredictions,
  newestAnswered,
  type LogCursor,
  slaOf,
} from '../serving/index.js';
import { deleteOldRows, lockCursor, moveCursor, stoppedWithAlerts } from './stores/windows.js';

/** The result of monitoring a deployment once. */
export interface MonitoringOutcome {
  /** Null when there was too little data; `reason` says why. */
  window: MonitoringWindow | null;
  reason: string | null;
  /** Alerts that the window opened, updated or resolved. */
  alerts: Alert[];
}

/** The newest logged rows that a window compares; more would change no result. */
const MAX_WINDOW_ROWS = 5_000;
/** Limit of rows times features of a window, because the comparison holds them in memory and sorts them in one step. */
const MAX_WINDOW_CELLS = 1_000_000;
/** Counters are written with a delay: minutes younger than this may still grow. */
const COUNTERS_SETTLE_MINUTES = 2;
/** The least number of requests that allows a statement about latency or errors. */
const MIN_REQUESTS = Math.min(DEFAULT_SIGNAL_POLICY.latency.minRequests, DEFAULT_SIGNAL_POLICY.errorRate.minRequests);
/** How long the data of monitoring is kept. */
const RETENTION_DAYS = [
  ['monitoring_window', 90],
  ['ground_truth', 400],
] as const;
const PRUNED_AT_ONCE = 20_000;

/**
 * Windows of live traffic. Each is compared with the version's reference profile, the endpoint's latency limit and the
 * limit of errors.
 */
export class MonitoringService {
  constructor(
    private readonly db: Database,
    private readonly alerts: AlertService,
    private readonly logger: Logger,
    private readonly minRows: number,
  ) {}

  /**
   * Monitors every live deployment of every tenant. Several processes may do this at the same time: each deployment is
   * monitored by one of them.
   */
  async tick(): Promise<void> {
    for (const { tenant, id } of await this.db.asSystem(answeringDeployments)) {
      await this.as(tenant, id, (session) => this.evaluate(session, id, false));
    }
    for (const { tenant, id } of await this.db.asSystem(stoppedWithAlerts)) {
      await this.as(tenant, id, (session) => this.alerts.resolveStopped(session, id));
    }
  }

  /** Deletes old logged predictions and old windows, a limited number at a time. */
  async prune(): Promise<void> {
    await this.db.asSystem((em) => deleteOldPredictions(em, PRUNED_AT_ONCE));
    for (const [table, days] of RETENTION_DAYS)
      await this.db.asSystem((em) => deleteOldRows(em, table, days, PRUNED_AT_ONCE));
  }

  /** A failure in one deployment does not stop the monitoring of others. */
  private async as(tenant: string, deploymentId: string, work: (session: Session) => Promise<unknown>): Promise<void> {
    await this.db
      .transact(monitoringActor(tenant), work)
      .catch((error: unknown) => this.logger.error({ err: error, deploymentId }, 'deployment not monitored'));
  }

  /** Monitors one deployment now. CONFLICT when it has no live traffic. */
  async run(session: Session, deploymentId: string): Promise<MonitoringOutcome> {
    const deployment = await this.deployment(session, deploymentId);
    if (deployment.mode !== 'LIVE' || deployment.status !== 'READY') {
      throw conflict('Only a live, ready deployment has traffic to judge.', {
        expected: 'LIVE, READY',
        got: `${deployment.mode}, ${deployment.status}`,
      });
    }
    const outcome = await this.evaluate(session, deploymentId, true);
    audit(session, 'runMonitoring', { type: 'deployment', id: deploymentId }, null, {
      windowId: outcome.window?.id ?? null,
      reason: outcome.reason,
    });
    return outcome;
  }

  async windows(session: Session, deploymentId: string, page: PageRequest): Promise<Page<MonitoringWindow>> {
    await this.deployment(session, deploymentId);
    return paginate(session, MonitoringWindow, { tenant: session.tenant, deploymentId }, page, {
      field: 'createdAt',
      direction: 'DESC',
    });
  }

  private async deployment(session: Session, id: string): Promise<Deployment> {
    const deployment = await session.em.findOne(Deployment, { id, tenant: session.tenant });
    if (!deployment) throw notFound('deployment', id);
    return deployment;
  }

  /** `wait`: waits for another process that monitors the same deployment; without it, does nothing in this case. */
  private async evaluate(session: Session, deploymentId: string, wait: boolean): Promise<MonitoringOutcome> {
    const cursor = await lockCursor(session, deploymentId, wait);
    if (!cursor) return nothing('Another process is looking at this deployment.');
    const deployment = await this.deployment(session, deploymentId);
    const endpoint = await session.em.findOneOrFail(Endpoint, { id: deployment.endpointId, tenant: session.tenant });
    const versions = { id: deployment.modelVersionId, tenant: session.tenant };
    const version = await session.em.findOneOrFail(ModelVersion, versions, { populate: ['reference'] });

    const reference = version.reference ?? null;
    const now = new Date();
    const { total, settled, settledFrom } = await this.counters(session, deploymentId, cursor.countedSince);
    const counts = countedSince(total, cursor.counted);
    const log = reference ? await this.newestLogged(session, deploymentId, cursor, reference) : [];
    const loggedRows = log.reduce((sum, { rows }) => sum + rows, 0);

    const traffic = counts.requests >= MIN_REQUESTS ? trafficReport(counts, toIso(cursor.countedSince)) : null;
    const comparedLog = () => toTrafficWindow(log, reference!, endpoint.redactedFields);
    const drift =
      reference && loggedRows >= this.minRows
        ? {
            ...compareWindow(reference, comparedLog(), knownCategories(version.signature)),
            from: toIso(cursor.loggedAfter),
          }
        : null;
    if (!traffic && !drift) return nothing(this.tooLittle(counts.requests, reference ? loggedRows : null));

    const froms = [traffic?.from, drift?.from].filter((from) => from !== undefined);
    const window = session.em.create(MonitoringWindow, {
      tenant: session.tenant,
      deploymentId,
      windowFrom: new Date(froms.sort()[0]!),
      windowTo: now,
      rows: drift?.rows ?? 0,
      requests: traffic?.requests ?? 0,
      report: { traffic, drift },
    });
    await session.em.flush();
    const newest = drift ? log.at(-1) : undefined;
    await moveCursor(session, deploymentId, {
      ...(traffic ? { countedSince: settledFrom, counted: settled } : cursor),
      loggedAfter: newest?.createdAtText ?? cursor.loggedAfter,
      loggedAfterId: newest?.id ?? cursor.loggedAfterId,
    });
    return { window, reason: null, alerts: await this.raise(session, window, deployment, endpoint) };
  }

  private async raise(
    session: Session,
    window: MonitoringWindow,
    deployment: Deployment,
    endpoint: Endpoint,
  ): Promise<Alert[]> {
    const subject = { modelId: endpoint.modelId, endpointId: endpoint.id, deploymentId: deployment.id };
    const { drift } = window.report;
    const alerts: Alert[] = [];
    for (const signal of windowSignals(window.report, slaOf(deployment, endpoint))) {
      const details: Record<string, unknown> = { windowId: window.id };
      if (signal.kind === 'DRIFT' && drift) {
        details['features'] = drift.features
          .filter((feature) => feature.drifted)
          .map(({ feature, psi, adjustedPValue }) => ({ feature, psi, adjustedPValue }));
        details['predictionSigmas'] = drift.prediction.sigmas;
      }
      const alert = await this.alerts.advance(session, subject, signal, details);
      if (alert) alerts.push(alert);
    }
    return alerts;
  }

  private tooLittle(requests: number, loggedRows: number | null): string {
    const traffic = `${requests} new requests of the ${MIN_REQUESTS} that latency and errors need`;
    const drift =
      loggedRows === null
        ? 'the version has no reference profile to compare with'
        : `${loggedRows} new logged rows of the ${this.minRows} that drift needs`;
    return `Too little to judge yet: ${traffic}; ${drift}.`;
  }

  /** The counters since a minute. Also those that may still grow, which the next window subtracts. */
  private async counters(
    session: Session,
    deploymentId: string,
    since: string,
  ): Promise<{ total: TrafficCounts; settled: TrafficCounts; settledFrom: string }> {
    const rows = await countersSince(session, deploymentId, since, COUNTERS_SETTLE_MINUTES);
    const counted = rows.flatMap(({ requests, errors, latencyCounts, isYoung }) =>
      requests === null || errors === null || latencyCounts === null
        ? []
        : [{ requests, errors, latencyCounts, isYoung }],
    );
    return {
      total: addUp(counted),
      settled: addUp(counted.filter(({ isYoung }) => isYoung)),
      settledFrom: rows[0]!.settledFrom,
    };
  }

  /** The newest logged requests after the cursor, oldest first. */
  private newestLogged(
    session: Session,
    deploymentId: string,
    cursor: LogCursor,
    reference: ReferenceProfile,
  ): ReturnType<typeof newestAnswered> {
    const features = Math.max(1, Object.keys(reference.features).length);
    const maxRows = Math.max(this.minRows, Math.min(MAX_WINDOW_ROWS, Math.floor(MAX_WINDOW_CELLS / features)));
    return newestAnswered(session, deploymentId, cursor, maxRows);
  }
}

/** The actor when the service itself monitors a tenant's deployments. */
export function monitoringActor(tenant: string): Actor {
  return {
    principal: { subject: 'monitoring', tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) },
    requestId: randomUUID(),
  };
}

/** A PostgreSQL text of a time as ISO 8601. */
function toIso(instant: string): string {
  return new Date(instant).toISOString();
}

function nothing(reason: string): MonitoringOutcome {
  return { window: null, reason, alerts: [] };
}

function addUp(rows: readonly TrafficCounts[]): TrafficCounts {
  const latencyCounts: number[] = [];
  for (const row of rows)
    row.latencyCounts.forEach((count, bucket) => (latencyCounts[bucket] = (latencyCounts[bucket] ?? 0) + count));
  return {
    requests: rows.reduce((sum, { requests }) => sum + requests, 0),
    errors: rows.reduce((sum, { errors }) => sum + errors, 0),
    latencyCounts,
  };
}
