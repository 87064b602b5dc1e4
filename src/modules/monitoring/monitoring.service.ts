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
import { sql } from '../../db/sql.js';
import type { AlertService } from '../alerts/index.js';
import { type ReferenceProfile, knownCategories } from '../model-contract/index.js';
import { compareWindow } from './rules/drift-window.js';
import { Role } from '../core/index.js';
import {
  countedSince,
  type LoggedRequest,
  toTrafficWindow,
  type TrafficCounts,
  trafficReport,
  windowSignals,
} from './rules/traffic-window.js';
import { conflict, notFound } from '../../errors.js';
import { audit } from '../platform/index.js';
import { PREDICTION_LOG_DAYS } from '../serving/index.js';

/** The result of monitoring a deployment once. */
export interface MonitoringOutcome {
  /** Null when there was too little data; `reason` says why. */
  window: MonitoringWindow | null;
  reason: string | null;
  /** Alerts that the window opened, updated or resolved. */
  alerts: Alert[];
}

interface Cursor {
  loggedAfter: string;
  loggedAfterId: string;
  countedSince: string;
  counted: TrafficCounts;
}

interface LogRow extends LoggedRequest {
  id: string;
  createdAtText: string;
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
const RETENTION_DAYS = { prediction_log: PREDICTION_LOG_DAYS, monitoring_window: 90, ground_truth: 400 };
const PRUNED_AT_ONCE = 20_000;
const NIL_UUID = '00000000-0000-0000-0000-000000000000';

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
    for (const { tenant, id } of await this.liveDeployments()) {
      await this.as(tenant, id, (session) => this.evaluate(session, id, false));
    }
    for (const { tenant, id } of await this.stoppedWithAlerts()) {
      await this.as(tenant, id, (session) => this.alerts.resolveStopped(session, id));
    }
  }

  /** Deletes old logged predictions and old windows, a limited number at a time. */
  async prune(): Promise<void> {
    for (const [table, days] of Object.entries(RETENTION_DAYS)) {
      await this.db.asSystem((em) =>
        sql(
          em,
          `delete from ${table} where id in (select id from ${table} where created_at < now() - ? * interval ` +
            `'1 day' limit ?)`,
          [days, PRUNED_AT_ONCE],
        ),
      );
    }
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
    const cursor = await this.lockCursor(session, deploymentId, wait);
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
    const drift =
      reference && loggedRows >= this.minRows
        ? {
            ...compareWindow(reference, toTrafficWindow(log, reference), knownCategories(version.signature)),
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
    await this.moveCursor(session, deploymentId, {
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
    for (const signal of windowSignals(window.report, endpoint.slaLatencyP95Ms)) {
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

  private async lockCursor(session: Session, deploymentId: string, wait: boolean): Promise<Cursor | null> {
    await sql(
      session.em,
      `insert into monitoring_cursor (tenant, deployment_id, logged_after, logged_after_id, counted_since, counted)
       select tenant, id, created_at, ?::uuid, date_trunc('minute', created_at),
         '{"requests": 0, "errors": 0, "latencyCounts": []}'
       from deployment where tenant = ? and id = ? on conflict do nothing`,
      [NIL_UUID, session.tenant, deploymentId],
    );
    const [cursor] = await sql<Cursor>(
      session.em,
      `select logged_after::text as "loggedAfter", logged_after_id as "loggedAfterId",
        counted_since::text as "countedSince", counted
       from monitoring_cursor where tenant = ? and deployment_id = ? for update ${wait ? '' : 'skip locked'}`,
      [session.tenant, deploymentId],
    );
    return cursor ?? null;
  }

  private async moveCursor(session: Session, deploymentId: string, cursor: Cursor): Promise<void> {
    await sql(
      session.em,
      `update monitoring_cursor set logged_after = ?::timestamptz, logged_after_id = ?,
        counted_since = ?::timestamptz, counted = ?
       where tenant = ? and deployment_id = ?`,
      [
        cursor.loggedAfter,
        cursor.loggedAfterId,
        cursor.countedSince,
        JSON.stringify(cursor.counted),
        session.tenant,
        deploymentId,
      ],
    );
  }

  /** The counters since a minute. Also those that may still grow, which the next window subtracts. */
  private async counters(
    session: Session,
    deploymentId: string,
    since: string,
  ): Promise<{ total: TrafficCounts; settled: TrafficCounts; settledFrom: string }> {
    const rows = await sql<{
      requests: number;
      errors: number;
      latencyCounts: number[];
      young: boolean;
      settledFrom: string;
    }>(
      session.em,
      `select m.requests::float8 as requests, m.errors::float8 as errors, to_jsonb(m.latency_counts) as "latencyCounts",
         m.minute >= settled.edge as young, settled.edge::text as "settledFrom"
       from (select greatest(?::timestamptz, date_trunc('minute', now()) - ? * interval '1 minute') as edge) settled
       left join deployment_minute m on m.tenant = ? and m.deployment_id = ? and m.minute >= ?::timestamptz`,
      [since, COUNTERS_SETTLE_MINUTES, session.tenant, deploymentId, since],
    );
    const counted = rows.filter((row) => row.requests !== null);
    return {
      total: addUp(counted),
      settled: addUp(counted.filter((row) => row.young)),
      settledFrom: rows[0]!.settledFrom,
    };
  }

  /** The newest logged requests after the cursor, oldest first. */
  private newestLogged(
    session: Session,
    deploymentId: string,
    cursor: Cursor,
    reference: ReferenceProfile,
  ): Promise<LogRow[]> {
    const features = Math.max(1, Object.keys(reference.features).length);
    const maxRows = Math.max(this.minRows, Math.min(MAX_WINDOW_ROWS, Math.floor(MAX_WINDOW_CELLS / features)));
    return sql<LogRow>(
      session.em,
      `select id, created_at::text as "createdAtText", rows, inputs, scores from (
         select id, created_at, rows, inputs, scores, sum(rows) over (order by created_at desc,
           id desc) - rows as newer_rows
         from prediction_log
         where tenant = ? and deployment_id = ? and mode = 'LIVE' and error_code is null and (created_at,
           id) > (?::timestamptz, ?::uuid)
         order by created_at desc, id desc limit ?) newest
       where newer_rows < ? order by created_at, id`,
      [session.tenant, deploymentId, cursor.loggedAfter, cursor.loggedAfterId, maxRows, maxRows],
    );
  }

  private liveDeployments(): Promise<{ tenant: string; id: string }[]> {
    return this.db.asSystem((em) =>
      sql(em, `select tenant, id from deployment where mode = 'LIVE' and status = 'READY' order by tenant, id`),
    );
  }

  private stoppedWithAlerts(): Promise<{ tenant: string; id: string }[]> {
    return this.db.asSystem((em) =>
      sql(
        em,
        `select distinct d.tenant, d.id from alert a join deployment d on d.tenant = a.tenant and d.id = a.deployment_id
         where a.status = 'OPEN' and not (d.mode = 'LIVE' and d.status = 'READY')`,
      ),
    );
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
