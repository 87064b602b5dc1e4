import { sql, type ExpressionBuilder } from 'kysely';
import { RunLog } from '../../../db/entities/experiments/run-log.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { anyOf, tablesOf, type TablesOf } from '../../../db/tables.js';

const tables = tablesOf(RunLog);

export type LogStream = RunLog['stream'];

export interface LogLine {
  runId: string;
  seq: number;
  line: string;
  stream: LogStream;
  loggedAt: Date;
}

/** Selects lines of a run; all conditions must hold. */
export interface LineCondition {
  after?: number | null | undefined;
  before?: number | null | undefined;
  /** A pattern for ILIKE. */
  pattern?: string | null | undefined;
  streams?: readonly LogStream[] | null | undefined;
}

const insertLines = statement({
  name: 'append_run_log',
  // Locks the run's row first, so that sequence numbers are committed in order.
  text: `with counter as (
      update run set last_log_seq = last_log_seq + $3::bigint where tenant = $1 and id = $2 and state = 'ACTIVE'
        returning id, last_log_seq),
    added as (
      insert into run_log (tenant, run_id, seq, logged_at, stream, line)
      select $1, counter.id, counter.last_log_seq - $3::bigint + n, l.logged_at, l.stream, l.line
      from counter, unnest($4::timestamptz[], $5::text[], $6::text[]) with ordinality as l(logged_at, stream, line, n))
    select last_log_seq as last from counter`,
  row: { last: 'bigint' },
});

/** Appends lines and returns the sequence number of the last one; null when the run does not exist or is deleted. */
export async function appendLines(
  { em, tenant }: Session,
  runId: string,
  lines: readonly { loggedAt: Date; stream: LogStream; line: string }[],
): Promise<number | null> {
  const [appended] = await insertLines(em, [
    ...[tenant, runId, lines.length, lines.map(({ loggedAt }) => loggedAt)],
    ...[lines.map(({ stream }) => stream), lines.map(({ line }) => line)],
  ]);
  return appended?.last ?? null;
}

const COLUMNS = ['run_id as runId', 'seq', 'logged_at as loggedAt', 'stream', 'line'] as const;

/** Lines after a sequence number, in the given order. */
export function linesAfter(
  { em, tenant }: Session,
  runId: string,
  seq: number,
  limit: number,
  direction: 'asc' | 'desc',
): Promise<LogLine[]> {
  return tables(em)
    .selectFrom('run_log')
    .select(COLUMNS)
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('seq', '>', seq)
    .orderBy('seq', direction)
    .limit(limit)
    .execute();
}

/** At most `limit` lines of each run, ordered by sequence number in one direction. */
export function linesOfRuns(
  { em, tenant }: Session,
  runIds: readonly string[],
  condition: LineCondition,
  limit: number,
  direction: 'asc' | 'desc',
): Promise<LogLine[]> {
  const runs = sql<{ id: string }>`unnest(${runIds}::uuid[])`.as<'r'>(sql`r(id)`);
  return tables(em)
    .selectFrom(runs)
    .innerJoinLateral(
      (from) =>
        from
          .selectFrom('run_log')
          .select(COLUMNS)
          .where('tenant', '=', tenant)
          .whereRef('run_id', '=', 'r.id')
          .where(holds(condition))
          .orderBy('seq', direction)
          .limit(limit)
          .as('l'),
      (on) => on.onTrue(),
    )
    .select(['l.runId', 'l.seq', 'l.loggedAt', 'l.stream', 'l.line'])
    .execute();
}

export async function countLines({ em, tenant }: Session, runId: string, condition: LineCondition): Promise<number> {
  const counted = await tables(em)
    .selectFrom('run_log')
    .select((select) => select.fn.countAll<number>().as('lines'))
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where(holds(condition))
    .executeTakeFirst();
  return counted?.lines ?? 0;
}

type Lines = ExpressionBuilder<TablesOf<typeof RunLog>, 'run_log'>;

const holds =
  ({ after, before, pattern, streams }: LineCondition) =>
  (where: Lines) =>
    where.and([
      ...(after == null ? [] : [where('seq', '>', after)]),
      ...(before == null ? [] : [where('seq', '<', before)]),
      ...(streams?.length ? [where('stream', '=', anyOf('text', streams))] : []),
      ...(pattern == null ? [] : [where('line', 'ilike', pattern)]),
    ]);
