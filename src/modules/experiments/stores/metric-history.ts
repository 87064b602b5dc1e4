import type { Session } from '../../../db/database.js';
import { sql } from 'kysely';
import { MetricPoint } from '../../../db/entities/experiments/metric-point.entity.js';
import { statement } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';
import { blocksOfPoints, joinBlocks, thin, type Blocks } from '../rules/thinning.js';
import { extendBlocks, isBehind, readBlocks, readNumbers, type Summary } from './metric-blocks.js';
import { metricKeys, type MetricRow } from './metrics.js';
import type { InputRange } from '../../core/index.js';

export interface HistoryKey {
  runId: string;
  key: string;
  maxPoints: number;
}

/** A history with up to this many points, or this many per requested point, is read as a whole. */
const MAX_DIRECT = 65_536;
const DIRECT_PER_POINT = 32;
/** Histories that one statement reads as a whole. */
const HISTORIES_PER_STATEMENT = 8;
/** Points of a thinned history. */
export const HISTORY_POINTS = { min: 2, max: 10_000, unit: 'points' } satisfies InputRange;
const ORDER = 'step, logged_at, seq';

const tables = tablesOf(MetricPoint);

interface State {
  lastSeq: number | null;
  width: number | null;
  nextSeq: number | null;
}

/**
 * Histories of metrics in step order, each reduced to at most `maxPoints` points: the least and the greatest of every
 * interval, the first, the last, and points with NaN. A long history is read from blocks that never change, so its cost
 * does not grow with its length; its intervals then contain points that were logged one after another.
 */
export async function readHistories(session: Session, keys: readonly HistoryKey[]): Promise<MetricRow[][]> {
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
 * Sequence numbers of the points that show each history, at most `maxPoints`; null for a history that is short enough
 * to be read as a whole.
 */
export async function thinLong(session: Session, keys: readonly HistoryKey[]): Promise<(ReadonlySet<number> | null)[]> {
  const states = await readStates(session, keys);
  const found: (ReadonlySet<number> | null)[] = [];
  for (const [i, history] of keys.entries()) {
    found.push(states[i]!.lastSeq === null ? new Set() : await readLong(session, history, states[i]!));
  }
  return found;
}

/** Makes the blocks of a run that has ended, so that no later reader has to wait for them. */
export async function prepareHistories(session: Session, runId: string): Promise<void> {
  const keys = (await metricKeys(session, runId)).map((key) => ({ runId, key, maxPoints: HISTORY_POINTS.min }));
  const states = await readStates(session, keys);
  for (const [i, history] of keys.entries()) await readSummary(session, history, states[i]!);
}

const statesOf = statement({
  name: 'metric_history_states',
  text: `select c.last_seq as "lastSeq", s.width, s.next_seq as "nextSeq"
    from unnest($1::uuid[], $2::text[]) with ordinality as k(run_id, key, n)
    left join (run_counter c join run r on r.id = c.run_id and r.collection_began_at is null)
      on c.tenant = $3 and c.run_id = k.run_id
    left join metric_summary s on s.tenant = $3 and s.run_id = k.run_id and s.key = k.key order by k.n`,
  row: { lastSeq: 'bigint?', width: 'bigint?', nextSeq: 'bigint?' },
});

function readStates({ em, tenant }: Session, keys: readonly HistoryKey[]): Promise<State[]> {
  return statesOf(em, [keys.map(({ runId }) => runId), keys.map(({ key }) => key), tenant]);
}

/**
 * The part of a long history that blocks cover, updated; null for a history that is short enough to be read as a whole.
 */
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

async function countPoints({ em, tenant }: Session, runId: string, key: string): Promise<number> {
  const counted = await ofMetric(em, tenant, runId, key)
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirst();
  return counted?.count ?? 0;
}

const ofMetric = (em: Session['em'], tenant: string, runId: string, key: string) =>
  tables(em).selectFrom('metric_point').where('tenant', '=', tenant).where('run_id', '=', runId).where('key', '=', key);

async function readTail({ em, tenant }: Session, runId: string, key: string, nextSeq: number): Promise<Blocks> {
  const found = await ofMetric(em, tenant, runId, key)
    .where('seq', '>=', nextSeq)
    .select([
      sql<string | null>`array_agg(seq order by seq)::text`.as('seqs'),
      sql<string | null>`array_agg(value order by seq)::text`.as('points'),
    ])
    .executeTakeFirst();
  return blocksOfPoints(readNumbers(found?.seqs ?? null), readNumbers(found?.points ?? null));
}

/** The first and the last point in step order. */
async function readEnds({ em, tenant }: Session, runId: string, key: string): Promise<number[]> {
  const end = (direction: 'asc' | 'desc') =>
    ofMetric(em, tenant, runId, key)
      .select('seq')
      .orderBy('step', direction)
      .orderBy('logged_at', direction)
      .orderBy('value', direction)
      .limit(1);
  const rows = await tables(em)
    .selectFrom(end('asc').as('first'))
    .select('seq')
    .unionAll((from) => from.selectFrom(end('desc').as('last')).select('seq'))
    .execute();
  return rows.map(({ seq }) => seq);
}

const pointsOfHistories = statement({
  name: 'metric_histories',
  text: `select p.seqs, p.points from unnest($1::uuid[], $2::text[]) with ordinality as k(run_id, key, n),
      lateral (select array_agg(seq order by ${ORDER})::text as seqs, array_agg(value order by ${ORDER})::text as points
        from metric_point where tenant = $3 and run_id = k.run_id and key = k.key) p order by k.n`,
  row: { seqs: 'text?', points: 'text?' },
});

async function readWhole({ em, tenant }: Session, keys: readonly HistoryKey[]): Promise<Blocks[]> {
  const rows = await pointsOfHistories(em, [keys.map(({ runId }) => runId), keys.map(({ key }) => key), tenant]);
  return rows.map(({ seqs, points }) => blocksOfPoints(readNumbers(seqs), readNumbers(points)));
}

function choose(points: Blocks, maxPoints: number): Iterable<number> {
  const seqs = points.lowSeqs;
  if (seqs.length <= maxPoints) return seqs;
  return new Set([seqs[0]!, ...thin(points, maxPoints - 2), seqs.at(-1)!]);
}

const pointsBySeq = statement({
  name: 'metric_points_by_seq',
  text: `select k.n, p.run_id as "runId", p.key, p.value, p.step, p.logged_at as "loggedAt", p.seq
    from unnest($1::int[], $2::uuid[], $3::bigint[]) as k(n, run_id, seq)
    join metric_point p on p.run_id = k.run_id and p.seq = k.seq
    where p.tenant = $4 order by k.n, p.step, p.logged_at, p.seq`,
  row: {
    ...{ n: 'integer', runId: 'uuid', key: 'text', value: 'double precision', step: 'bigint' },
    ...{ loggedAt: 'timestamp with time zone', seq: 'bigint' },
  },
});

async function readPoints(
  { em, tenant }: Session,
  wanted: readonly { runId: string; seqs: readonly number[] }[],
): Promise<MetricRow[][]> {
  const places = wanted.flatMap(({ seqs }, n) => seqs.map(() => n));
  if (places.length === 0) return wanted.map(() => []);
  const runIds = wanted.flatMap(({ runId, seqs }) => seqs.map(() => runId));
  const rows = await pointsBySeq(em, [places, runIds, wanted.flatMap(({ seqs }) => seqs), tenant]);
  const byHistory = Map.groupBy(rows, ({ n }) => n);
  return wanted.map((_history, n) => byHistory.get(n) ?? []);
}
