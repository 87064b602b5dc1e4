import type { Session } from '../../../db/database.js';
import { sql } from 'kysely';
import { MetricPoint as Point } from '../../../db/entities/experiments/metric-point.entity.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import { badInput } from '../../../errors.js';

/** A point of a metric's history. */
export interface MetricPoint {
  runId: string;
  value: number;
  step: number;
  timeMs: number;
}

export interface MetricPage {
  points: MetricPoint[];
  /** The cursor of the next page; null on the last page. */
  next: string | null;
}

const tables = tablesOf(Point);

/** Milliseconds since 1970: for the client, reading a number is much cheaper than reading a date. */
const TIME_MS = sql<number>`(extract(epoch from logged_at) * 1000)::float8`.as('timeMs');

/** One page of a metric's history in the order of time, step and value. */
export async function readMetricPage(
  session: Session,
  runId: string,
  key: string,
  page: { limit: number; after: string | null },
): Promise<MetricPage> {
  const { limit } = page;
  const after = page.after === null ? null : decodePosition(page.after);
  const points = await tables(session.em)
    .selectFrom('metric_point')
    .select(['run_id as runId', 'value', 'step', TIME_MS])
    .where('tenant', '=', session.tenant)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .$if(after !== null, (query) => query.where(isAfter(after!)))
    .orderBy('logged_at')
    .orderBy('step')
    .orderBy('value')
    .limit(limit + 1)
    .execute();
  if (points.length <= limit) return { points, next: null };
  const shown = points.slice(0, limit);
  return { points: shown, next: encodePosition(shown.at(-1)) };
}

/** The first points of each run, run by run. */
export async function readMetricOfRuns(
  session: Session,
  runIds: string[],
  key: string,
  limit: number,
): Promise<MetricPoint[]> {
  return tables(session.em)
    .selectFrom('metric_point')
    .select(['run_id as runId', 'value', 'step', TIME_MS])
    .where('tenant', '=', session.tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .where('key', '=', key)
    .orderBy('run_id')
    .orderBy('logged_at')
    .orderBy('step')
    .orderBy('value')
    .limit(limit)
    .execute();
}

/**
 * At most `count` points of each run, evenly spread over its history (or over the part between two steps). The first
 * and the last point are always included.
 */
export async function sampleMetricOfRuns(
  session: Session,
  runIds: string[],
  key: string,
  count: number,
  steps: { from: number; to: number } | null,
): Promise<MetricPoint[]> {
  const inOrder = sql`(partition by run_id order by step, logged_at, value)`;
  return (
    tables(session.em)
      .with('points', (from) =>
        from
          .selectFrom('metric_point')
          .select(['run_id', 'logged_at', 'step', 'value'])
          .select([
            sql<number>`row_number() over ${inOrder}`.as('n'),
            sql<number>`count(*) over (partition by run_id)`.as('total'),
            sql<number>`ntile(${count}::int) over ${inOrder}`.as('bucket'),
          ])
          .where('tenant', '=', session.tenant)
          .where('run_id', '=', anyOf('uuid', runIds))
          .where('key', '=', key)
          .$if(steps !== null, (query) => query.where('step', '>=', steps!.from).where('step', '<=', steps!.to)),
      )
      .with('firsts', (from) =>
        from
          .selectFrom('points')
          .selectAll()
          .select(sql<number>`row_number() over (partition by run_id, bucket order by n)`.as('place')),
      )
      .selectFrom('firsts')
      .select(['run_id as runId', 'value', 'step', TIME_MS])
      // When there are more points than buckets, the last bucket returns its last point and not its first.
      .where(
        sql<boolean>`case when total <= ${count} then true when bucket < ${count} then place = 1 else n = total end`,
      )
      .orderBy(sql`array_position(${runIds}::uuid[], run_id)`)
      .orderBy('step')
      .orderBy('logged_at')
      .orderBy('value')
      .execute()
  );
}

/** The condition for points after a point, in the order of time, step and value. */
const isAfter = ([timeMs, step, value]: [number, number, string]) =>
  sql<boolean>`(logged_at, step, value) > (timestamptz 'epoch' + ${timeMs}::float8 * interval '1 millisecond', ${step}::bigint, ${value}::float8)`;

const encodePosition = (point: MetricPoint | undefined) =>
  Buffer.from(JSON.stringify([point?.timeMs, point?.step, String(point?.value)])).toString('base64');

function decodePosition(token: string): [number, number, string] {
  let position: unknown;
  try {
    position = JSON.parse(Buffer.from(token, 'base64').toString());
  } catch {
    position = null;
  }
  const [timeMs, step, value] = Array.isArray(position) ? (position as unknown[]) : [];
  const isPosition = Number.isSafeInteger(timeMs) && Number.isSafeInteger(step) && typeof value === 'string';
  if (!isPosition || (Number.isNaN(Number(value)) && value !== 'NaN'))
    throw badInput('page_token', 'the next_page_token of a page', token);
  return [timeMs as number, step as number, value as string];
}
