import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, type QueryCreator, type RawBuilder } from 'kysely';
import { AbTest } from '../../../db/entities/ab-tests/ab-test.entity.js';
import { AbTestAnswer, AbTestKey, AbTestOutcome } from '../../../db/entities/ab-tests/ab-test-counts.entity.js';
import { GroundTruth } from '../../../db/entities/monitoring/ground-truth.entity.js';
import type { Session } from '../../../db/database.js';
import { tablesOf, unnested, type TablesOf } from '../../../db/tables.js';
import type { KeyMoments, RankSums } from '../../statistics/index.js';
import type { TestMetric } from '../rules/design.js';

const tables = tablesOf(AbTest, AbTestAnswer, AbTestKey, AbTestOutcome, GroundTruth);
type Tables = TablesOf<
  typeof AbTest | typeof AbTestAnswer | typeof AbTestKey | typeof AbTestOutcome | typeof GroundTruth
>;

/** What one key did in a test since the last time, during it or before its start. */
export interface KeyCounts {
  tenant: string;
  testId: string;
  key: string;
  /** Null before the start. */
  deploymentId: string | null;
  isMixed: boolean;
  requests: number;
  errors: number;
  latencyMs: number;
  rows: number;
  output: number;
}

const SUMS = ['requests', 'errors', 'latency_ms', 'rows', 'output'] as const;
type Sum = (typeof SUMS)[number];

/**
 * Adds counts, each key of a test at most once. In a fixed order, so that two processes cannot deadlock. `period`:
 * before the start or since then. A test that has `maxRows` keys gets no new ones. Returns the test of each new key.
 */
export async function addKeyCounts(
  em: EntityManager,
  period: 'PAST' | 'TEST',
  counts: readonly KeyCounts[],
  maxRows: number,
): Promise<string[]> {
  const given = counts
    .toSorted((a, b) => (a.testId + a.key < b.testId + b.key ? -1 : 1))
    .map((one) => ({
      ...{ tenant: one.tenant, test_id: one.testId, key: one.key, deployment_id: one.deploymentId ?? '' },
      ...{ mixed: one.isMixed ? 1 : 0, requests: one.requests, errors: one.errors, latency_ms: one.latencyMs },
      ...{ rows: one.rows, output: one.output },
    }));
  const types = { tenant: 'text', test_id: 'uuid', key: 'text', deployment_id: 'text', mixed: 'float8' } as const;
  const sums = {
    requests: 'float8',
    errors: 'float8',
    latency_ms: 'float8',
    rows: 'float8',
    output: 'float8',
  } as const;
  const value = (sum: Sum, own: 'PAST' | 'TEST') =>
    sql<number>`case when ${own === period} then ${sql.ref(`g.${sum}`)} else 0 end`;
  const written = await tables(em)
    .insertInto('ab_test_key')
    .columns([
      'tenant',
      'test_id',
      'key',
      'deployment_id',
      'is_mixed',
      ...SUMS,
      ...SUMS.map((sum) => `past_${sum}` as const),
    ])
    .expression((from) =>
      from
        .selectFrom(unnested('g', { ...types, ...sums }, given))
        // A test may have been deleted with its endpoint meanwhile.
        .innerJoin('ab_test as t', (on) => on.onRef('t.tenant', '=', 'g.tenant').onRef('t.id', '=', 'g.test_id'))
        .select([
          'g.tenant',
          'g.test_id',
          'g.key',
          sql<string | null>`nullif(g.deployment_id, '')::uuid`.as('deployment_id'),
        ])
        .select(sql<boolean>`g.mixed > 0`.as('is_mixed'))
        .select(SUMS.map((sum) => value(sum, 'TEST').as(sum)))
        .select(SUMS.map((sum) => value(sum, 'PAST').as(`past_${sum}`)))
        .where((where) =>
          where.or([
            where('t.key_rows', '<', maxRows),
            where.exists(
              where
                .selectFrom('ab_test_key as known')
                .select('known.key')
                .whereRef('known.test_id', '=', 'g.test_id')
                .whereRef('known.key', '=', 'g.key'),
            ),
          ]),
        ),
    )
    .onConflict((conflict) =>
      conflict.columns(['test_id', 'key']).doUpdateSet({
        deployment_id: sql<string | null>`coalesce(ab_test_key.deployment_id, excluded.deployment_id)`,
        is_mixed: sql<boolean>`ab_test_key.is_mixed or excluded.is_mixed or
          coalesce(ab_test_key.deployment_id <> excluded.deployment_id, false)`,
        ...Object.fromEntries(
          [...SUMS, ...SUMS.map((sum) => `past_${sum}` as const)].map((sum) => [
            sum,
            sql<number>`${sql.ref(`ab_test_key.${sum}`)} + ${sql.ref(`excluded.${sum}`)}`,
          ]),
        ),
      }),
    )
    .returning(['test_id', IS_NEW])
    .execute();
  return written.flatMap((row) => (row.is_new ? [row.test_id] : []));
}

/** Of a row that was inserted, and not updated: nobody has locked it before. */
const IS_NEW = sql<boolean>`xmax = 0`.as('is_new');

/** Counts new keys of tests. After all keys, so that two processes cannot deadlock. */
export async function addKeyRows(em: EntityManager, newKeys: ReadonlyMap<string, number>): Promise<void> {
  for (const [testId, keys] of [...newKeys].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    await tables(em)
      .updateTable('ab_test')
      .set({ key_rows: sql<number>`key_rows + ${keys}` })
      .where('id', '=', testId)
      .execute();
}

export interface OutcomeSums {
  metric: string;
  key: string;
  count: number;
  total: number;
  pastCount: number;
  pastTotal: number;
}

/** Adds outcomes of a test, each key of a metric at most once. Returns how many of them are new. */
export async function addOutcomes(
  { em, tenant }: Session,
  testId: string,
  sums: readonly OutcomeSums[],
): Promise<number> {
  if (sums.length === 0) return 0;
  const rows = sums
    .toSorted((a, b) => (a.metric + a.key < b.metric + b.key ? -1 : 1))
    .map(({ metric, key, count, total, pastCount, pastTotal }) => ({
      ...{ tenant, test_id: testId, metric, key, count, total, past_count: pastCount, past_total: pastTotal },
    }));
  const added = (column: 'count' | 'total' | 'past_count' | 'past_total') =>
    sql<number>`${sql.ref(`ab_test_outcome.${column}`)} + ${sql.ref(`excluded.${column}`)}`;
  const types = { tenant: 'text', test_id: 'uuid', metric: 'text', key: 'text' } as const;
  const numbers = { count: 'float8', total: 'float8', past_count: 'float8', past_total: 'float8' } as const;
  const written = await tables(em)
    .insertInto('ab_test_outcome')
    .columns(['tenant', 'test_id', 'metric', 'key', 'count', 'total', 'past_count', 'past_total'])
    .expression((from) =>
      from
        .selectFrom(unnested('g', { ...types, ...numbers }, rows))
        .select(['g.tenant', 'g.test_id', 'g.metric', 'g.key', 'g.count', 'g.total', 'g.past_count', 'g.past_total']),
    )
    .onConflict((conflict) =>
      conflict.columns(['test_id', 'metric', 'key']).doUpdateSet({
        ...{ count: added('count'), total: added('total') },
        ...{ past_count: added('past_count'), past_total: added('past_total') },
      }),
    )
    .returning(IS_NEW)
    .execute();
  return written.filter((row) => row.is_new).length;
}

/** Counts new rows of outcomes; returns how many there are now. Other calls for the test wait until this one ends. */
export async function addOutcomeRows({ em, tenant }: Session, testId: string, rows: number): Promise<number> {
  const { outcome_rows } = await tables(em)
    .updateTable('ab_test')
    .set({ outcome_rows: sql<number>`outcome_rows + ${rows}` })
    .where('tenant', '=', tenant)
    .where('id', '=', testId)
    .returning('outcome_rows')
    .executeTakeFirstOrThrow();
  return Number(outcome_rows);
}

/** The names of the metrics for which outcomes were recorded. */
export async function recordedMetrics({ em, tenant }: Session, testId: string): Promise<string[]> {
  const rows = await tables(em)
    .selectFrom('ab_test_outcome')
    .select('metric')
    .distinct()
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .execute();
  return rows.map(({ metric }) => metric);
}

/** How many keys each variant has, those of several variants apart. */
export async function countKeys(
  { em, tenant }: Session,
  testId: string,
): Promise<{ byDeployment: Map<string, number>; mixed: number }> {
  const rows = await tables(em)
    .selectFrom('ab_test_key')
    .select(['deployment_id as deploymentId', 'is_mixed as isMixed', sql<number>`count(*)::float8`.as('keys')])
    .where('tenant', '=', tenant)
    .where('test_id', '=', testId)
    .where('deployment_id', 'is not', null)
    .groupBy(['deployment_id', 'is_mixed'])
    .execute();
  const byDeployment = new Map<string, number>();
  let mixed = 0;
  for (const { deploymentId, isMixed, keys } of rows) {
    if (isMixed) mixed += keys;
    else byDeployment.set(deploymentId!, keys);
  }
  return { byDeployment, mixed };
}

const PARTS = ['y', 'x', 'py', 'px'] as const;

/** The errors of the kept answers whose truth is known now, before the start and since then. */
function errorsOf(from: QueryCreator<Tables>) {
  const error = sql`case when g.label is null then (g.value - g.predicted_value) ^ 2
    else (g.label is distinct from g.predicted_label)::int::float8 end`;
  const isPast = sql`coalesce(a.answered_at < t.started_at, true)`;
  const count = (when: RawBuilder<unknown>) => sql<number>`(count(${error}) filter (where ${when}))::float8`;
  const total = (when: RawBuilder<unknown>) => sql<number>`coalesce(sum(${error}) filter (where ${when}), 0)`;
  return from
    .selectFrom('ab_test_answer as a')
    .innerJoin('ab_test as t', (on) => on.onRef('t.tenant', '=', 'a.tenant').onRef('t.id', '=', 'a.test_id'))
    .innerJoin('ground_truth as g', (on) => on.onRef('g.tenant', '=', 'a.tenant').onRef('g.prediction_id', '=', 'a.id'))
    .select(['a.key', count(sql`not ${isPast}`).as('count'), total(sql`not ${isPast}`).as('total')])
    .select([count(isPast).as('past_count'), total(isPast).as('past_total')])
    .groupBy('a.key');
}

/** The values of a metric, one row for each key. With `past`, those of the keys that were seen before the start. */
function keyValues(
  from: QueryCreator<Tables>,
  { tenant }: Session,
  testId: string,
  metric: TestMetric,
  { past }: { past: boolean },
) {
  const { y, x, py, px } = columnsOf(metric);
  const zero = sql<number>`0::float8`;
  const outcomes =
    metric.source === 'GROUND_TRUTH'
      ? errorsOf(from).where('a.test_id', '=', testId).as('o')
      : from
          .selectFrom('ab_test_outcome')
          .select(['key', 'count', 'total', 'past_count', 'past_total'])
          .where('test_id', '=', testId)
          .where('metric', '=', metric.name)
          .as('o');
  return from
    .selectFrom('ab_test_key as k')
    .leftJoin(outcomes, (on) => on.onRef('o.key', '=', 'k.key'))
    .select([(past ? sql<string>`''` : sql<string>`k.deployment_id::text`).as('variant')])
    .select([
      (past ? py : y).as('y'),
      (past ? px : x).as('x'),
      (past ? zero : py).as('py'),
      (past ? zero : px).as('px'),
    ])
    .where('k.tenant', '=', tenant)
    .where('k.test_id', '=', testId)
    .where('k.is_mixed', '=', false)
    .$if(past, (query) => query.where('k.past_requests', '>', 0))
    .$if(!past, (query) => query.where('k.deployment_id', 'is not', null));
}

/**
 * Means and covariances of a metric by deployment, computed by the database over one row per key. With `past`, those of
 * the time before the start over all keys that were seen then, under the name ''. Winsorised values have limits from
 * the keys of all variants together, those of the past limits of their own.
 */
export async function momentsOf(
  session: Session,
  testId: string,
  metric: TestMetric,
  period: { past: boolean } = { past: false },
): Promise<Map<string, KeyMoments>> {
  const pairs = PARTS.flatMap((a) => PARTS.map((b) => [a, b] as const));
  const { winsorPercentile: percentile = null } = metric;
  const share = (percentile ?? 100) / 100;
  const limits = (part: 'y' | 'py', known: 'x' | 'px') => sql<number[] | null>`
    percentile_cont(array[${1 - share}, ${share}]::float8[]) within group (order by ${sql.ref(part)})
    filter (where ${sql.ref(known)} > 0)`;
  const limited = (part: 'y' | 'py', known: 'x' | 'px') => {
    const of = (end: 1 | 2) => sql`${sql.ref(`limits.${part}`)}[${sql.lit(end)}]`;
    const value = sql.ref(`keys.${part}`);
    return sql<number>`case when ${sql.ref(`keys.${known}`)} > 0 then least(greatest(${value}, ${of(1)}), ${of(2)})
      else ${value} end`;
  };
  const rows = await tables(session.em)
    .with('keys', (cte) => keyValues(cte, session, testId, metric, period))
    .with('limits', (cte) => cte.selectFrom('keys').select([limits('y', 'x').as('y'), limits('py', 'px').as('py')]))
    .with('counted', (cte) =>
      percentile === null
        ? cte.selectFrom('keys').select(['variant', 'y', 'x', 'py', 'px'])
        : cte
            .selectFrom(['keys', 'limits'])
            .select(['keys.variant', limited('y', 'x').as('y'), 'keys.x', limited('py', 'px').as('py'), 'keys.px']),
    )
    .selectFrom('counted')
    .select(['variant', sql<number>`count(*)::float8`.as('keys')])
    .select(sql<number>`(count(*) filter (where x > 0))::float8`.as('measuredKeys'))
    .select(sql<number[]>`array[${sql.join(PARTS.map((part) => sql`avg(${sql.ref(part)})`))}]`.as('means'))
    .select(
      sql<number[]>`array[${sql.join(
        pairs.map(([a, b]) => sql`coalesce(covar_samp(${sql.ref(a)}, ${sql.ref(b)}), 0)`),
      )}]`.as('covariances'),
    )
    .groupBy('variant')
    .execute();
  return new Map(rows.map(({ variant, ...moments }) => [variant, moments]));
}

/** Ranks of the values of two variants, one value for each key that has one; null when a variant has none. */
export async function ranksOf(
  session: Session,
  testId: string,
  metric: TestMetric,
  deployments: { control: string; treatment: string },
): Promise<RankSums | null> {
  const { control, treatment } = deployments;
  const midRank = (within: RawBuilder<unknown>) =>
    sql<number>`rank() over (${within} order by value) + (count(*) over (${within}, value) - 1) / 2.0`;
  const rows = await tables(session.em)
    .with('keys', (cte) => keyValues(cte, session, testId, metric, { past: false }))
    .with('ranked', (cte) =>
      cte
        .selectFrom((from) =>
          from
            .selectFrom('keys')
            .select(['variant', sql<number>`y / x`.as('value')])
            .where('variant', 'in', [control, treatment])
            .where('x', '>', 0)
            .as('own'),
        )
        .select('variant')
        .select(midRank(sql`partition by 1::int`).as('overall'))
        .select(midRank(sql`partition by variant`).as('within'))
        .select(sql<number>`count(*) over (partition by value)`.as('ties')),
    )
    .selectFrom('ranked')
    .select(['variant', sql<number>`count(*)::float8`.as('keys')])
    .select(sql<number>`sum(overall)::float8`.as('rankSum'))
    .select(sql<number>`sum(ties::float8 * ties - 1)`.as('tieTerm'))
    .select(sql<number>`coalesce(var_samp((overall - "within")::float8), 0)`.as('placementVariance'))
    .groupBy('variant')
    .execute();
  const [own, other] = [control, treatment].map((id) => rows.find(({ variant }) => variant === id));
  if (!own || !other) return null;
  return {
    ...{ n: own.keys, m: other.keys, rankSum: other.rankSum, tieTerm: own.tieTerm + other.tieTerm },
    placementVariances: [own.placementVariance, other.placementVariance],
  };
}

/** Numerator and denominator of a key, now and before the start. */
function columnsOf({ source, aggregation }: TestMetric): Record<(typeof PARTS)[number], RawBuilder<number>> {
  const [value, count] = (
    {
      OUTPUT: ['output', 'rows'],
      LATENCY: ['latency_ms', 'requests'],
      ERRORS: ['errors', 'requests'],
      OUTCOME: ['total', 'count'],
      GROUND_TRUTH: ['total', 'count'],
    } as const
  )[source];
  const table = source === 'OUTCOME' || source === 'GROUND_TRUTH' ? 'o' : 'k';
  const column = (name: string) => sql<number>`coalesce(${sql.ref(`${table}.${name}`)}, 0)`;
  const one = sql<number>`1::float8`;
  const hadPast = sql<number>`(k.past_requests > 0)::int::float8`;
  switch (aggregation) {
    case 'MEAN':
      return { y: column(value), x: column(count), py: column(`past_${value}`), px: column(`past_${count}`) };
    case 'SUM':
      return { y: column(value), x: one, py: column(`past_${value}`), px: hadPast };
    case 'ANY': {
      const any = (name: string) => sql<number>`(${column(name)} > 0)::int::float8`;
      return { y: any(value), x: one, py: any(`past_${value}`), px: hadPast };
    }
  }
}
