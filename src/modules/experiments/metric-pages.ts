import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { badInput } from '../../errors.js';

/** A point of a metric's history. */
export interface MetricPoint {
  runId: string;
  value: number;
  step: number;
  timeMs: number;
}

export interface MetricPage {
  points: MetricPoint[];
  /** Where the next one begins; null for the last. */
  next: string | null;
}

const POINT =
  'run_id as "runId", value, step::float8 as step, (extract(epoch from logged_at) * 1000)::float8 as "timeMs"';
const INSTANT = `timestamptz 'epoch' + ?::float8 * interval '1 millisecond'`;

/** One page of a metric's history in the order of time, step and value. */
export async function readMetricPage(
  session: Session,
  runId: string,
  key: string,
  page: { limit: number; after: string | null },
): Promise<MetricPage> {
  const { limit } = page;
  const after = page.after === null ? null : decodePlace(page.after);
  const points = await sql<MetricPoint>(
    session.em,
    `select ${POINT} from metric_point where tenant = ? and run_id = ? and key = ?
     ${after ? `and (logged_at, step, value) > (${INSTANT}, ?::bigint, ?::float8)` : ''}
     order by logged_at, step, value limit ?`,
    [session.tenant, runId, key, ...(after ?? []), limit + 1],
  );
  if (points.length <= limit) return { points, next: null };
  const shown = points.slice(0, limit);
  return { points: shown, next: encodePlace(shown.at(-1)) };
}

/** The first points of each of some runs, run by run. */
export async function readMetricOfRuns(
  session: Session,
  runIds: string[],
  key: string,
  limit: number,
): Promise<MetricPoint[]> {
  return sql<MetricPoint>(
    session.em,
    `select ${POINT} from metric_point where tenant = ? and run_id = any(?::uuid[]) and key = ? order by ` +
      'run_id, logged_at, step, value limit ?',
    [session.tenant, runIds, key, limit],
  );
}

/**
 * At most `count` points of each run, evenly spread over its history (or the part of it between two steps), the first
 * and the last among them.
 */
export async function sampleMetricOfRuns(
  session: Session,
  runIds: string[],
  key: string,
  count: number,
  steps: { from: number; to: number } | null,
): Promise<MetricPoint[]> {
  // The last bucket gives the last point in place of its first where there are more points than buckets.
  return sql<MetricPoint>(
    session.em,
    `with points as (
       select *, row_number() over w as n, count(*) over (partition by run_id) as total, ntile(?::int) over w as bucket
       from metric_point where tenant = ? and run_id = any(?::uuid[]) and key = ? ${steps ? 'and step between ? and ?' : ''}
       window w as (partition by run_id order by step, logged_at, value)),
     firsts as (select *, row_number() over (partition by run_id, bucket order by n) as place from points)
     select ${POINT} from firsts
     where case when total <= ? then true when bucket < ? then place = 1 else n = total end
     order by array_position(?::uuid[], run_id), step, logged_at, value`,
    [count, session.tenant, runIds, key, ...(steps ? [steps.from, steps.to] : []), count, count, runIds],
  );
}

const encodePlace = (point: MetricPoint | undefined) =>
  Buffer.from(JSON.stringify([point?.timeMs, point?.step, String(point?.value)])).toString('base64');

function decodePlace(token: string): [number, number, string] {
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(token, 'base64').toString());
  } catch {
    place = null;
  }
  const [timeMs, step, value] = Array.isArray(place) ? (place as unknown[]) : [];
  const isPlace = Number.isSafeInteger(timeMs) && Number.isSafeInteger(step) && typeof value === 'string';
  if (!isPlace || (Number.isNaN(Number(value)) && value !== 'NaN'))
    throw badInput('page_token', 'the next_page_token of a page', token);
  return [timeMs as number, step as number, value as string];
}
