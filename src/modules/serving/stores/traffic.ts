import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { DeploymentMinute } from '../../../db/entities/serving/deployment-minute.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(DeploymentMinute);

/** The counters of a deployment for one minute. */
export interface Minute {
  tenant: string;
  deploymentId: string;
  /** The start of the minute, by Date.now(). */
  minute: number;
  requests: number;
  rows: number;
  errors: number;
  latencyCounts: number[];
  comparedRows: number;
  disagreements: number;
  scoreSum: number;
  /** Sampled requests that the log lost. */
  unlogged: number;
}

// In a fixed order, so that two processes cannot deadlock. Minutes of deleted deployments are skipped.
const addCounts = statement({
  name: 'add_deployment_minutes',
  text: `insert into deployment_minute as m
      (tenant, deployment_id, minute, requests, rows, errors, latency_counts, disagreements, compared_rows, score_sum,
        unlogged)
    select p.tenant, p.deployment_id, p.minute, p.requests, p.rows, p.errors, p.latency_counts::bigint[],
      p.disagreements, p.compared_rows, p.score_sum, p.unlogged
    from unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[],
        $8::bigint[], $9::bigint[], $10::float8[], $11::bigint[])
      as p(tenant, deployment_id, minute, requests, rows, errors, latency_counts, disagreements, compared_rows,
        score_sum, unlogged)
    join deployment d on d.tenant = p.tenant and d.id = p.deployment_id
    order by p.deployment_id, p.minute
    on conflict (deployment_id, minute) do update set
      requests = m.requests + excluded.requests, rows = m.rows + excluded.rows, errors = m.errors + excluded.errors,
      latency_counts = (select array_agg(a + b order by n)
        from unnest(m.latency_counts, excluded.latency_counts) with ordinality as u(a, b, n)),
      disagreements = m.disagreements + excluded.disagreements,
      compared_rows = m.compared_rows + excluded.compared_rows, score_sum = m.score_sum + excluded.score_sum,
      unlogged = m.unlogged + excluded.unlogged`,
  row: {},
});

/** Adds counts to the minutes of all tenants, each minute of a deployment at most once. */
export async function addMinutes(em: EntityManager, minutes: readonly Minute[]): Promise<void> {
  const column = <K extends keyof Minute>(key: K) => minutes.map((minute) => minute[key]);
  await addCounts(em, [
    ...[column('tenant'), column('deploymentId'), minutes.map(({ minute }) => new Date(minute))],
    ...[column('requests'), column('rows'), column('errors')],
    minutes.map(({ latencyCounts }) => `{${latencyCounts.join(',')}}`),
    ...[column('disagreements'), column('comparedRows'), column('scoreSum'), column('unlogged')],
  ]);
}

/** The sums for each deployment with traffic, over minutes that begin at or after `from` and before `to`. */
export function trafficSums(
  { em, tenant }: Session,
  deploymentIds: readonly string[],
  { from, to }: { from: Date | null; to: Date | null },
) {
  const sum = (column: 'requests' | 'rows' | 'errors' | 'compared_rows' | 'disagreements' | 'unlogged') =>
    sql<number>`sum(${sql.ref(column)})::float8`;
  return tables(em)
    .with('minutes', (cte) =>
      cte
        .selectFrom('deployment_minute')
        .selectAll()
        .where('tenant', '=', tenant)
        .where('deployment_id', '=', anyOf('uuid', deploymentIds))
        .$if(from !== null, (query) => query.where('minute', '>=', from))
        .$if(to !== null, (query) => query.where('minute', '<', to)),
    )
    .with('buckets', (cte) =>
      cte
        .selectFrom([
          'minutes',
          sql<{ count: number; n: number }>`unnest(minutes.latency_counts) with ordinality`.as<'u'>(sql`u(count, n)`),
        ])
        .select(['deployment_id', 'n', sql<number>`sum(count)::float8`.as('count')])
        .groupBy(['deployment_id', 'n']),
    )
    .selectFrom('minutes')
    .select(['deployment_id as deploymentId', sum('requests').as('requests'), sum('rows').as('rows')])
    .select([sum('errors').as('errors'), sum('compared_rows').as('comparedRows'), sum('unlogged').as('unlogged')])
    .select((select) => [
      sum('disagreements').as('disagreements'),
      select
        .selectFrom('buckets as b')
        .select(sql<number[]>`array_agg(b.count order by b.n)`.as('counts'))
        .whereRef('b.deployment_id', '=', 'minutes.deployment_id')
        .as('latencyCounts'),
    ])
    .groupBy('deployment_id')
    .execute();
}

/** The counters of the minutes that begin at or after `from` and before `to`, oldest first. */
export function minuteCounters({ em, tenant }: Session, deploymentId: string, from: Date, to: Date) {
  return tables(em)
    .selectFrom('deployment_minute')
    .select(['minute', 'requests', 'errors', 'latency_counts as latencyCounts'])
    .where('tenant', '=', tenant)
    .where('deployment_id', '=', deploymentId)
    .where('minute', '>=', from)
    .where('minute', '<', to)
    .orderBy('minute')
    .execute();
}

/**
 * The counters of the minutes since a time. Minutes that may still grow, because they are younger than `settleMinutes`,
 * are `isYoung`; `settledFrom` is the first of them. Without traffic there is one row, without counters.
 */
export function countersSince({ em, tenant }: Session, deploymentId: string, since: string, settleMinutes: number) {
  const edge = sql<{ edge: Date }>`(select greatest(${since}::timestamptz,
    date_trunc('minute', now()) - ${settleMinutes} * interval '1 minute') as edge)`;
  return tables(em)
    .selectFrom(edge.as('settled'))
    .leftJoin('deployment_minute as m', (on) =>
      on
        .on('m.tenant', '=', tenant)
        .on('m.deployment_id', '=', deploymentId)
        .on('m.minute', '>=', sql<Date>`${since}::timestamptz`),
    )
    .select(['m.requests', 'm.errors', 'm.latency_counts as latencyCounts'])
    .select((select) => select('m.minute', '>=', select.ref('settled.edge')).as('isYoung'))
    .select(sql<string>`settled.edge::text`.as('settledFrom'))
    .execute();
}
