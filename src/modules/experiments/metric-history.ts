import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';
import { blocksOfPoints, joinBlocks, thin, type Blocks } from './rules/thinning.js';
import { badInput } from '../../errors.js';
import { extendBlocks, isBehind, readBlocks, readNumbers, type Summary } from './metric-blocks.js';
import type { MetricRow } from './run.service.js';

export interface HistoryKey {
  runId: string;
  key: string;
  maxPoints: number;
}

/** Shorter histories are read whole, and so are those with fewer than so many points for each that is asked for. */
const MAX_DIRECT = 65_536;
const DIRECT_PER_POINT = 32;
/** Histories that one statement reads whole. */
const HISTORIES_PER_STATEMENT = 8;
const MIN_POINTS = 2;
const MAX_POINTS = 10_000;
const ORDER = 'step, logged_at, seq';

interface State {
  lastSeq: number | null;
  width: number | null;
  nextSeq: number | null;
}

/**
 * Histories of metrics in step order, each thinned to at most `maxPoints` points by keeping the least and the greatest
 * of every stretch, with the first, the last, and NaN where it is. A long history is read as blocks that hold for ever
 * once they are made, and so costs the same however many points it has had; its stretches are then of points that were
 * logged one after another.
 */
export async function readHistories(session: Session, keys: readonly HistoryKey[]): Promise<MetricRow[][]> {
  for (const { maxPoints } of keys) {
    if (maxPoints < MIN_POINTS || maxPoints > MAX_POINTS) {
      throw badInput('maxPoints', `an integer from ${MIN_POINTS} to ${MAX_POINTS}`, maxPoints);
    }
  }
  const long = await thinLong(session, keys);
  const chosen = new Map<HistoryKey, Iterable<number>>();
  const direct: HistoryKey[] = [];
  for (const [i, history] of keys.entries()) {
    const seqs = long[i];
    if (seqs) chosen.set(history, seqs);
    else direct.push(history);
  }
  for (let i = 0; i < direct.length; i += HISTORIES_PER_STATEMENT) {
    const some = direct.slice(i, i + HISTORIES_PER_STATEMENT);
    const points = await readWhole(session, some);
    some.forEach((history, n) => chosen.set(history, choose(points[n]!, history.maxPoints)));
  }
  return readPoints(
    session,
    keys.map((history) => ({ runId: history.runId, seqs: [...chosen.get(history)!] })),
  );
}

/**
 * Sequence numbers of the points that show each history, at most `maxPoints`; null for one that is short enough to be
 * read whole.
 */
export async function thinLong(session: Session, keys: readonly HistoryKey[]): Promise<(ReadonlySet<number> | null)[]> {
  const states = await readStates(session, keys);
  const found: (ReadonlySet<number> | null)[] = [];
  for (const [i, history] of keys.entries()) {
    found.push(states[i]!.lastSeq === null ? new Set() : await readLong(session, history, states[i]!));
  }
  return found;
}

/** Makes the blocks of a run that has ended, so that no reader of its long histories waits for them. */
export async function prepareHistories(session: Session, runId: string): Promise<void> {
  const metrics = await sql<{ key: string }>(
    session.em,
    'select key from metric_latest where tenant = ? and run_id = ?',
    [session.tenant, runId],
  );
  const keys = metrics.map(({ key }) => ({ runId, key, maxPoints: MIN_POINTS }));
  const states = await readStates(session, keys);
  for (const [i, history] of keys.entries()) await readSummary(session, history, states[i]!);
}

async function readStates(session: Session, keys: readonly HistoryKey[]): Promise<State[]> {
  return sql<State>(
    session.em,
    `select c.last_seq::float8 as "lastSeq", s.width::float8 as width, s.next_seq::float8 as "nextSeq"
     from unnest(?::uuid[], ?::text[]) with ordinality as k(run_id, key, n)
     left join run_counter c on c.tenant = ? and c.run_id = k.run_id
     left join metric_summary s on s.tenant = ? and s.run_id = k.run_id and s.key = k.key order by k.n`,
    [keys.map(({ runId }) => runId), keys.map(({ key }) => key), session.tenant, session.tenant],
  );
}

/** Where the blocks of a long history stand, brought up to date; null for one that is short enough to be read whole. */
async function readSummary(
  session: Session,
  { runId, key, maxPoints }: HistoryKey,
  state: State,
): Promise<Summary | null> {
  const { lastSeq, width, nextSeq } = state;
  const limit = Math.max(MAX_DIRECT, DIRECT_PER_POINT * maxPoints);
  if (lastSeq === null || lastSeq <= limit) return null;
  const known = width === null || nextSeq === null ? null : { width, nextSeq };
  if (known && !isBehind(known, lastSeq)) return known;
  const count = known ? lastSeq : await countPoints(session, runId, key);
  return count <= limit ? null : extendBlocks(session, runId, key, lastSeq, count);
}

async function readLong(session: Session, history: HistoryKey, state: State): Promise<Set<number> | null> {
  const { runId, key, maxPoints } = history;
  const summary = await readSummary(session, history, state);
  if (!summary) return null;
  const blocks = await readBlocks(session, runId, key);
  const tail = await readTail(session, runId, key, summary.nextSeq);
  const seqs = thin(joinBlocks(blocks, tail), maxPoints - 2);
  for (const end of await readEnds(session, runId, key)) seqs.add(end);
  return seqs;
}

async function countPoints(session: Session, runId: string, key: string): Promise<number> {
  const [counted] = await sql<{ count: number }>(
    session.em,
    'select count(*)::float8 as count from metric_point where tenant = ? and run_id = ? and key = ?',
    [session.tenant, runId, key],
  );
  return counted?.count ?? 0;
}

async function readTail(session: Session, runId: string, key: string, nextSeq: number): Promise<Blocks> {
  const [found] = await sql<{ seqs: string | null; points: string | null }>(
    session.em,
    `select array_agg(seq order by seq)::text as seqs, array_agg(value order by seq)::text as points from metric_point
     where tenant = ? and run_id = ? and key = ? and seq >= ?`,
    [session.tenant, runId, key, nextSeq],
  );
  return blocksOfPoints(readNumbers(found?.seqs ?? null), readNumbers(found?.points ?? null));
}

/** The first and the last point in step order. */
async function readEnds(session: Session, runId: string, key: string): Promise<number[]> {
  const end = (direction: string) =>
    `(select seq::float8 as seq from metric_point where tenant = ? and run_id = ? and key = ?
      order by step ${direction}, logged_at ${direction}, value ${direction} limit 1)`;
  const params = [session.tenant, runId, key];
  const rows = await sql<{ seq: number }>(session.em, `${end('asc')} union all ${end('desc')}`, [...params, ...params]);
  return rows.map(({ seq }) => seq);
}

async function readWhole(session: Session, keys: readonly HistoryKey[]): Promise<Blocks[]> {
  const rows = await sql<{ seqs: string | null; points: string | null }>(
    session.em,
    `select p.seqs, p.points from unnest(?::uuid[], ?::text[]) with ordinality as k(run_id, key, n),
       lateral (select array_agg(seq order by ${ORDER})::text as seqs, array_agg(value order by ${ORDER})::text as points
         from metric_point where tenant = ? and run_id = k.run_id and key = k.key) p order by k.n`,
    [keys.map(({ runId }) => runId), keys.map(({ key }) => key), session.tenant],
  );
  return rows.map(({ seqs, points }) => blocksOfPoints(readNumbers(seqs), readNumbers(points)));
}

function choose(points: Blocks, maxPoints: number): Iterable<number> {
  const seqs = points.lowSeqs;
  if (seqs.length <= maxPoints) return seqs;
  return new Set([seqs[0]!, ...thin(points, maxPoints - 2), seqs.at(-1)!]);
}

async function readPoints(
  session: Session,
  wanted: readonly { runId: string; seqs: readonly number[] }[],
): Promise<MetricRow[][]> {
  const places = wanted.flatMap(({ seqs }, n) => seqs.map(() => n));
  if (places.length === 0) return wanted.map(() => []);
  const rows = await sql<MetricRow & { n: number }>(
    session.em,
    `select k.n, p.run_id as "runId", p.key, p.value, p.step::float8 as step, p.logged_at as "loggedAt", p.seq::float8 as seq
     from unnest(?::int[], ?::uuid[], ?::bigint[]) as k(n, run_id, seq) join metric_point p on p.run_id = k.run_id and p.seq = k.seq
     where p.tenant = ? order by k.n, p.step, p.logged_at, p.seq`,
    [
      places,
      wanted.flatMap(({ runId, seqs }) => seqs.map(() => runId)),
      wanted.flatMap(({ seqs }) => seqs),
      session.tenant,
    ],
  );
  const byHistory = Map.groupBy(rows, ({ n }) => n);
  return wanted.map((_history, n) => byHistory.get(n) ?? []);
}
