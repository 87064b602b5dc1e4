import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Alert } from '../../../db/entities/alerts/alert.entity.js';
import { GroundTruth } from '../../../db/entities/monitoring/ground-truth.entity.js';
import { MonitoringCursor } from '../../../db/entities/monitoring/monitoring-cursor.entity.js';
import { MonitoringWindow } from '../../../db/entities/monitoring/monitoring-window.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, toJson } from '../../../db/tables.js';
import type { LogCursor } from '../../serving/index.js';
import type { TrafficCounts } from '../rules/traffic-window.js';

const tables = tablesOf(Alert, Deployment, GroundTruth, MonitoringCursor, MonitoringWindow);

/** How much of a deployment's traffic monitoring has analysed. Times have microseconds, so they are texts. */
export interface Cursor extends LogCursor {
  countedSince: string;
  /** The part of the minutes from `countedSince` on that earlier windows have analysed. */
  counted: TrafficCounts;
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const NOTHING_COUNTED: TrafficCounts = { requests: 0, errors: 0, latencyCounts: [] };

/**
 * Locks the cursor; creates it when it does not exist. Null when another transaction has locked it and `wait` is false.
 */
export async function lockCursor({ em, tenant }: Session, deploymentId: string, wait: boolean): Promise<Cursor | null> {
  await tables(em)
    .insertInto('monitoring_cursor')
    .columns(['tenant', 'deployment_id', 'logged_after', 'logged_after_id', 'counted_since', 'counted'])
    .expression((from) =>
      from
        .selectFrom('deployment')
        .select(['tenant', 'id', 'created_at', sql<string>`${NIL_UUID}::uuid`.as('logged_after_id')])
        .select(sql<Date>`date_trunc('minute', created_at)`.as('counted_since'))
        .select(sql<object>`${JSON.stringify(NOTHING_COUNTED)}::jsonb`.as('counted'))
        .where('tenant', '=', tenant)
        .where('id', '=', deploymentId),
    )
    .onConflict((on) => on.doNothing())
    .execute();
  const query = tables(em)
    .selectFrom('monitoring_cursor')
    .select([sql<string>`logged_after::text`.as('loggedAfter'), 'logged_after_id as loggedAfterId'])
    .select([sql<string>`counted_since::text`.as('countedSince'), 'counted'])
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', deploymentId)
    .forUpdate();
  return (await (wait ? query : query.skipLocked()).executeTakeFirst()) ?? null;
}

export async function moveCursor({ em, tenant }: Session, deploymentId: string, cursor: Cursor): Promise<void> {
  await tables(em)
    .updateTable('monitoring_cursor')
    .set({
      logged_after: sql<Date>`${cursor.loggedAfter}::timestamptz`,
      logged_after_id: cursor.loggedAfterId,
      counted_since: sql<Date>`${cursor.countedSince}::timestamptz`,
      counted: toJson(cursor.counted),
    })
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', deploymentId)
    .execute();
}

/** The deployments of all tenants that no longer answer requests and have open alerts. */
export function stoppedWithAlerts(em: EntityManager): Promise<{ tenant: string; id: string }[]> {
  return tables(em)
    .selectFrom('alert as a')
    .innerJoin('deployment as d', (on) => on.onRef('d.tenant', '=', 'a.tenant').onRef('d.id', '=', 'a.deployment_id'))
    .select(['d.tenant', 'd.id'])
    .distinct()
    .where('a.status', '=', 'OPEN')
    .where((where) => where.not(where.and([where('d.mode', '=', 'LIVE'), where('d.status', '=', 'READY')])))
    .execute();
}

/** Deletes old rows of all tenants, at most `limit` of them. */
export async function deleteOldRows(
  em: EntityManager,
  table: 'monitoring_window' | 'ground_truth',
  olderThanDays: number,
  limit: number,
): Promise<void> {
  await tables(em)
    .deleteFrom(table)
    .where('id', 'in', (from) =>
      from
        .selectFrom(table)
        .select('id')
        .where('created_at', '<', sql<Date>`now() - ${olderThanDays} * interval '1 day'`)
        .limit(limit),
    )
    .execute();
}
