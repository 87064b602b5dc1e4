import { sql } from 'kysely';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { checkName, checkTimeMs } from '../../core/index.js';
import { checkStep } from '../rules/logged-values.js';
import { refuseWrite } from '../run-pairs.js';

export interface MetricInput {
  key: string;
  value: number;
  step?: number | null;
  loggedAt?: Date | null;
}

/**
 * Points as columns, because one statement takes thousands of them. A key is an index into the list of distinct keys.
 */
interface Columns {
  keys: string[];
  keyNumbers: number[];
  steps: number[];
  timesMs: number[];
  values: number[];
  /** Index of the greatest (step, time, value) of each key. */
  latest: number[];
}

/**
 * Appends metric points in one statement, and returns how many are new. A point is identified by (run, key, step, time,
 * value): the same point again adds nothing. The statement locks the run's counter row first, so that sequence numbers
 * are committed in order.
 */
export async function appendMetrics(
  session: Session,
  runId: string,
  metrics: MetricInput[],
  minStep: number,
): Promise<number> {
  const columns = toColumns(metrics, minStep);
  session.touch('run', runId);
  // Most calls bring only new points. Checking the index for each point costs half as much again, so it is done only
  // after the plain insert has failed.
  const db = session.em.getKysely();
  await sql`savepoint append_metrics`.execute(db);
  try {
    return await insert(session, runId, columns, false);
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    await sql`rollback to savepoint append_metrics`.execute(db);
    return insert(session, runId, columns, true);
  }
}

const UNIQUE_VIOLATION = '23505';

async function insert(session: Session, runId: string, columns: Columns, mayBeThere: boolean): Promise<number> {
  const { keys, keyNumbers, steps, timesMs, values, latest } = columns;
  const pick = (column: number[]) => list(latest.map((at) => column[at] ?? 0));
  const append = mayBeThere ? appendNewPoints : appendPoints;
  const [appended] = await append(session.em, [
    ...[session.tenant, runId, values.length],
    ...[keys, list(keyNumbers), list(steps), list(timesMs), list(values)],
    ...[pick(steps), pick(timesMs), pick(values)],
  ]);
  if (!appended?.run) return refuseWrite(session, runId);
  return appended.added;
}

/** Milliseconds since 1970 as a timestamp: for the server, reading a number is much cheaper than reading a date. */
const TIME = `timestamptz 'epoch' + ms * interval '1 millisecond'`;

/** $4 are the distinct keys, $5 to $8 all points, $9 to $11 the latest point of each key. */
const appendText = (onConflict: string) => `
  with counter as (
    update run_counter set last_seq = last_seq + $3::bigint
    where tenant = $1 and run_id = (select id from run where tenant = $1 and id = $2 and state = 'ACTIVE')
    returning tenant, run_id, last_seq - $3::bigint as base),
  added as (
    insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
    select tenant, run_id, ($4::text[])[k], step, ${TIME}, value, base + n
    from counter, unnest($5::int[], $6::bigint[], $7::float8[], $8::float8[]) with ordinality as p(k, step, ms,
      value, n)
    ${onConflict} returning 1),
  latest as (
    insert into metric_latest (tenant, run_id, key, step, logged_at, value)
    select tenant, run_id, key, step, ${TIME}, value
    from counter, unnest($4::text[], $9::bigint[], $10::float8[], $11::float8[]) as p(key, step, ms, value)
    on conflict (run_id, key) do update set step = excluded.step, logged_at = excluded.logged_at, value = excluded.value
    where (excluded.step, excluded.logged_at, excluded.value) > (metric_latest.step, metric_latest.logged_at,
      metric_latest.value))
  select (select count(*) from counter)::int as run, (select count(*) from added)::int as added`;

const appendPoints = statement({
  name: 'append_metrics',
  text: appendText(''),
  row: { run: 'integer', added: 'integer' },
  isPrepared: true,
});

/** The same statement for points that may exist already. */
const appendNewPoints = statement({
  name: 'append_new_metrics',
  text: appendText('on conflict do nothing'),
  row: { run: 'integer', added: 'integer' },
  isPrepared: true,
});

/** A PostgreSQL array of numbers, built in one step; the driver would quote each number. */
const list = (numbers: number[]) => `{${numbers.join(',')}}`;

function toColumns(metrics: MetricInput[], minStep: number): Columns {
  const now = Date.now();
  const numbers = new Map<string, number>();
  const columns: Columns = { keys: [], keyNumbers: [], steps: [], timesMs: [], values: [], latest: [] };
  const { steps, timesMs, values, latest } = columns;
  metrics.forEach(({ key, value, step, loggedAt }, i) => {
    steps.push(step == null ? 0 : checkStep(`input.metrics[${i}].step`, step, minStep));
    timesMs.push(loggedAt == null ? now : checkTimeMs(`input.metrics[${i}].loggedAt`, loggedAt.getTime()));
    values.push(value);
    let number = numbers.get(key);
    if (number === undefined) {
      number = columns.keys.push(checkName(`input.metrics[${i}].key`, key));
      numbers.set(key, number);
      latest.push(i);
    } else if (isLater(columns, i, latest[number - 1] ?? 0)) latest[number - 1] = i;
    columns.keyNumbers.push(number);
  });
  return columns;
}

/** The order of the database: by step, time and value, with NaN above all numbers. */
function isLater({ steps, timesMs, values }: Columns, a: number, b: number): boolean {
  for (const column of [steps, timesMs, values]) {
    const [x, y] = [column[a] ?? 0, column[b] ?? 0];
    if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    return Number.isNaN(x) || x > y;
  }
  return false;
}
