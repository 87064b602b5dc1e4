import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import { PredictionLog } from '../../../db/entities/serving/prediction-log.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';
import { setInTransaction } from '../../../db/transaction-setting.js';

const tables = tablesOf(Endpoint, PredictionLog);

/** A lock that is not free within this time is tried again at the next turn: writers of the log wait behind it. */
const LOCK_TIMEOUT_MS = 1_000;

/**
 * A time before which the log gets no more rows: a row has the time of its statement, which may commit later, and the
 * lock waits for all statements that have begun.
 */
export async function settledLogTime(em: EntityManager): Promise<Date> {
  await setInTransaction(em, 'lock_timeout', String(LOCK_TIMEOUT_MS));
  const database = em.getKysely();
  await sql`lock table prediction_log in share mode`.execute(database);
  const { now } = await database.selectNoFrom(sql<Date>`clock_timestamp()`.as('now')).executeTakeFirstOrThrow();
  return now;
}

// Hours in UTC. Rows that the log no longer keeps are due at once, whatever the delay.
const hoursToArchive = statement({
  name: 'hours_to_archive',
  text: `select e.tenant, e.id as "endpointId", e.log_archived_until as "archivedUntil", c.closed, o.hour
    from endpoint e
    cross join lateral (
      select date_trunc('hour', $1::timestamptz
        - least(e.log_archive_delay_hours, e.log_retention_days * 24) * interval '1 hour', 'UTC') as closed) c
    cross join lateral (
      select date_trunc('hour', min(p.created_at), 'UTC') as hour
      from deployment d
      join prediction_log p on p.tenant = d.tenant and p.deployment_id = d.id
      where d.tenant = e.tenant and d.endpoint_id = e.id and p.created_at < c.closed
        and p.created_at >= coalesce(e.log_archived_until, '-infinity')) o
    where e.log_archive_days > 0 and coalesce(e.log_archived_until, '-infinity') < c.closed
    order by e.log_archived_until nulls first, e.id
    limit $2`,
  row: {
    ...{ tenant: 'text', endpointId: 'uuid', archivedUntil: 'timestamp with time zone?' },
    ...{ closed: 'timestamp with time zone', hour: 'timestamp with time zone?' },
  },
});

/** The oldest hour of each endpoint that is complete and not in the archive; null where nothing was logged. */
export function hoursDue(em: EntityManager, settled: Date, limit: number) {
  return hoursToArchive(em, [settled, limit]);
}

/** The deployments that have rows in the hour. */
export function deploymentsInHour({ em, tenant }: Session, endpointId: string, from: Date, to: Date) {
  return tables(em)
    .selectFrom('prediction_log')
    .select(['deployment_id as deploymentId', 'model_version_id as modelVersionId'])
    .distinct()
    .where('tenant', '=', tenant)
    .where('endpoint_id', '=', endpointId)
    .where('created_at', '>=', from)
    .where('created_at', '<', to)
    .orderBy('deployment_id')
    .execute();
}

/** False when the archive of the endpoint does not end there any more: somebody else has written the hour. */
export async function moveArchiveEnd(
  { em, tenant }: Session,
  endpointId: string,
  { from, to }: { from: Date | null; to: Date },
  redactedFields: readonly string[] | null,
): Promise<boolean> {
  const moved = await tables(em)
    .updateTable('endpoint')
    .set({ log_archived_until: to })
    .where('tenant', '=', tenant)
    .where('id', '=', endpointId)
    .where('log_archive_days', '>', 0)
    .where(sql<boolean>`log_archived_until is not distinct from ${from}::timestamptz`)
    .$if(redactedFields !== null, (query) =>
      query.where(sql<boolean>`redacted_fields = ${JSON.stringify(redactedFields)}::jsonb`),
    )
    .returning('id')
    .execute();
  return moved.length > 0;
}
