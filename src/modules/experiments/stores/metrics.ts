import { sql } from 'kysely';
import { MetricLatest } from '../../../db/entities/experiments/metric-latest.entity.js';
import { MetricPoint } from '../../../db/entities/experiments/metric-point.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(MetricPoint, MetricLatest);

export interface MetricRow {
  runId: string;
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
  seq: number;
}

export type LatestValue = Pick<MetricRow, 'runId' | 'key' | 'value' | 'step'>;

/** The newest value of each metric of each run. */
export function newestValuesOf({ em, tenant }: Session, runIds: readonly string[]) {
  return tables(em)
    .selectFrom('metric_latest')
    .select(['run_id as ownerId', 'key', 'value', 'step', 'logged_at as loggedAt'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .orderBy('key')
    .execute();
}

/** The keys that have a point at this step. */
export async function keysAtStep({ em, tenant }: Session, runId: string, step: number): Promise<Set<string>> {
  const rows = await tables(em)
    .selectFrom('metric_point')
    .select('key')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('step', '=', step)
    .execute();
  return new Set(rows.map(({ key }) => key));
}

/** Metrics whose keys begin with a prefix, by step. */
export function metricsByStep(
  { em, tenant }: Session,
  runId: string,
  prefixes: readonly string[],
): Promise<{ step: number; metrics: Record<string, number> }[]> {
  return tables(em)
    .selectFrom('metric_point')
    .select(['step', sql<Record<string, number>>`jsonb_object_agg(key, value)`.as('metrics')])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where((where) => where.or(prefixes.map((prefix) => where('key', 'like', `${prefix}%`))))
    .groupBy('step')
    .orderBy('step')
    .execute();
}

/** At most `limit` points after a sequence number, in the given order. */
export function pointsAfter(
  { em, tenant }: Session,
  runId: string,
  seq: number,
  limit: number,
  direction: 'asc' | 'desc',
): Promise<MetricRow[]> {
  return tables(em)
    .selectFrom('metric_point')
    .select(['run_id as runId', 'key', 'value', 'step', 'logged_at as loggedAt', 'seq'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('seq', '>', seq)
    .orderBy('seq', direction)
    .limit(limit)
    .execute();
}

export async function metricKeys({ em, tenant }: Session, runId: string): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('metric_latest')
    .select('key')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .execute();
  return rows.map(({ key }) => key);
}

/** The highest step among the newest points of some metrics; -1 when there are none. */
export async function lastStepOf({ em, tenant }: Session, runId: string, keys: readonly string[]): Promise<number> {
  const latest = await tables(em)
    .selectFrom('metric_latest')
    .select((select) => select.fn.max('step').as('step'))
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('key', '=', anyOf('text', keys))
    .executeTakeFirst();
  return latest?.step ?? -1;
}

/** Newest values of one metric. */
export function latestOfKey({ em, tenant }: Session, runIds: readonly string[], key: string) {
  return tables(em)
    .selectFrom('metric_latest')
    .select(['run_id as runId', 'value'])
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .where('run_id', '=', anyOf('uuid', runIds))
    .execute();
}

/** Newest values of some metrics, or of the first `limit` by name. */
export function latestOfRuns(
  { em, tenant }: Session,
  runIds: readonly string[],
  keys: readonly string[] | null,
  limit: number,
): Promise<LatestValue[]> {
  return tables(em)
    .with('chosen', (from) =>
      from
        .selectFrom('metric_latest')
        .select('key')
        .where('tenant', '=', tenant)
        .where('run_id', '=', anyOf('uuid', runIds))
        .$if(keys !== null, (query) => query.where('key', '=', anyOf('text', keys ?? [])))
        .groupBy('key')
        .orderBy(sql`key collate "C"`)
        .limit(limit),
    )
    .selectFrom('metric_latest as m')
    .innerJoin('chosen as c', 'c.key', 'm.key')
    .select(['m.run_id as runId', 'm.key', 'm.value', 'm.step'])
    .where('m.tenant', '=', tenant)
    .where('m.run_id', '=', anyOf('uuid', runIds))
    .execute();
}

export type PointPosition = Pick<MetricRow, 'key' | 'step' | 'loggedAt' | 'value'>;

/**
 * At most `limit` points of a run after a given one, in the order of the primary key. Sorting by the columns
 * themselves, not by the selected expressions, makes each page one range of the index.
 */
export async function pointsInOrder(
  { em, tenant }: Session,
  runId: string,
  after: PointPosition | null,
  limit: number,
): Promise<PointPosition[]> {
  const db = tables(em);
  // PostgreSQL's planner would treat a new run as small and sort all its remaining points for every page.
  await db
    .selectNoFrom([
      sql`set_config('enable_sort', 'off', true)`.as('sort'),
      sql`set_config('enable_bitmapscan', 'off', true)`.as('scan'),
    ])
    .execute();
  return db
    .selectFrom('metric_point as p')
    .select(['p.key', 'p.step', 'p.logged_at as loggedAt', 'p.value'])
    .where('p.tenant', '=', tenant)
    .where('p.run_id', '=', runId)
    .$if(after !== null, (query) => query.where(isAfter(after!)))
    .orderBy('p.key')
    .orderBy('p.step')
    .orderBy('p.logged_at')
    .orderBy('p.value')
    .limit(limit)
    .execute();
}

const isAfter = ({ key, step, loggedAt, value }: PointPosition) =>
  sql<boolean>`(p.key, p.step, p.logged_at, p.value) > (${key}, ${step}::bigint, ${loggedAt}::timestamptz, ${String(value)}::float8)`;
