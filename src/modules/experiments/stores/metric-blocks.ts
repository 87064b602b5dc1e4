import type { Session } from '../../../db/database.js';
import { MetricBlock, MetricSummary } from '../../../db/entities/experiments/metric-block.entity.js';
import { statement, type RowOf } from '../../../db/statement.js';
import { tablesOf } from '../../../db/tables.js';
import type { Blocks } from '../rules/thinning.js';

const tables = tablesOf(MetricSummary, MetricBlock);

/** About how many points of one key a block holds: the other keys of the run use numbers of the same sequence. */
const POINTS_PER_BLOCK = 64;
/** The points of a run after the last block are read one by one. When there are more than this, new blocks are made. */
const MAX_TAIL = 32_768;

/** The part of a run's metric that blocks cover. */
export interface Summary {
  /** How many sequence numbers of the run one block covers. */
  width: number;
  /** The first sequence number that no block covers. */
  nextSeq: number;
}

/** Reads PostgreSQL's text of an array of numbers in one step. */
export const readNumbers = (text: string | null): number[] =>
  text === null || text === '{}' ? [] : text.slice(1, -1).split(',').map(Number);
const listOf = (numbers: readonly number[]) => `{${numbers.join(',')}}`;

const BLOCK_ARRAYS = `array_agg(low order by block)::text as lows, array_agg(low_seq order by block)::text as "lowSeqs",
  array_agg(high order by block)::text as highs, array_agg(high_seq order by block)::text as "highSeqs",
  array_agg(nan_seq order by block)::text as "nanSeqs"`;

const BLOCK_TEXTS = { lows: 'text?', lowSeqs: 'text?', highs: 'text?', highSeqs: 'text?', nanSeqs: 'text?' } as const;

type BlockTexts = RowOf<typeof BLOCK_TEXTS>;

const allBlocks = statement({
  name: 'metric_blocks',
  text: `select ${BLOCK_ARRAYS} from metric_block where tenant = $1 and run_id = $2 and key = $3`,
  row: BLOCK_TEXTS,
});

const blocksFromPoints = statement({
  name: 'metric_blocks_from_points',
  text: `select array_agg(block order by block)::text as blocks, ${BLOCK_ARRAYS} from (
      select block, coalesce(low[1], 'NaN') as low, coalesce(low[2], 0)::bigint as low_seq, coalesce(high[1],
        'NaN') as high,
        coalesce(-high[2], 0)::bigint as high_seq, coalesce(nan_seq, 0) as nan_seq
      from (
        select seq / $1::bigint as block, min(array[value, seq]) filter (where value < 'NaN') as low,
          max(array[value, -seq]) filter (where value < 'NaN') as high, min(seq) filter (where value = 'NaN') as nan_seq
        from metric_point where tenant = $2 and run_id = $3 and key = $4 and seq >= $5 and seq < $6
          group by 1) grouped) made`,
  row: { blocks: 'text?', ...BLOCK_TEXTS },
});

const insertBlocks = statement({
  name: 'insert_metric_blocks',
  text: `insert into metric_block (tenant, run_id, key, block, low, low_seq, high, high_seq, nan_seq)
    select $1, $2, $3, b.* from unnest($4::bigint[], $5::float8[], $6::bigint[], $7::float8[], $8::bigint[],
      $9::bigint[]) b
    on conflict do nothing`,
  row: {},
});

const toBlocks = (texts: BlockTexts | undefined): Blocks => ({
  lows: readNumbers(texts?.lows ?? null),
  lowSeqs: readNumbers(texts?.lowSeqs ?? null),
  highs: readNumbers(texts?.highs ?? null),
  highSeqs: readNumbers(texts?.highSeqs ?? null),
  nanSeqs: readNumbers(texts?.nanSeqs ?? null),
});

/** Whether new blocks are needed when the run's last sequence number is `lastSeq`. */
export function isBehind({ width, nextSeq }: Summary, lastSeq: number): boolean {
  return lastSeq - nextSeq >= Math.max(MAX_TAIL, width);
}

export async function readBlocks(session: Session, runId: string, key: string): Promise<Blocks> {
  const [texts] = await allBlocks(session.em, [session.tenant, runId, key]);
  return toBlocks(texts);
}

/**
 * Makes blocks of the points since the last block, when somebody reads a long history. A block never changes, because
 * points never change and their numbers are committed in order. Two readers at the same time take turns, and the second
 * finds the blocks of the first.
 */
export async function extendBlocks(
  session: Session,
  runId: string,
  key: string,
  lastSeq: number,
  count: number,
): Promise<Summary> {
  const { em, tenant } = session;
  const wanted = Math.max(POINTS_PER_BLOCK, Math.round((POINTS_PER_BLOCK * lastSeq) / count));
  await tables(em)
    .insertInto('metric_summary')
    .values({ tenant, run_id: runId, key, width: wanted, next_seq: 0 })
    .onConflict((on) => on.columns(['tenant', 'run_id', 'key']).doNothing())
    .execute();
  const locked = await tables(em)
    .selectFrom('metric_summary')
    .select(['width', 'next_seq as nextSeq'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .forUpdate()
    .executeTakeFirst();
  if (!locked) throw new Error('the summary that was just made is gone');
  const { width, nextSeq } = locked;
  const end = Math.floor((lastSeq + 1) / width) * width;
  if (end <= nextSeq) return locked;
  // A separate select, not part of the insert: PostgreSQL can run a plain select in parallel.
  const [made] = await blocksFromPoints(em, [width, tenant, runId, key, nextSeq, end]);
  const { lows, lowSeqs, highs, highSeqs, nanSeqs } = toBlocks(made);
  const columns = [readNumbers(made?.blocks ?? null), lows, lowSeqs, highs, highSeqs, nanSeqs].map(listOf);
  await insertBlocks(em, [tenant, runId, key, ...columns]);
  await tables(em)
    .updateTable('metric_summary')
    .set({ next_seq: end })
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('key', '=', key)
    .execute();
  return { width, nextSeq: end };
}
