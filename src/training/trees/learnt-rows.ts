import { totalmem } from 'node:os';
import { AppError, ErrorCode } from '../../errors.js';
import { rowWeightsOf } from '../class-weights.js';
import { truthOf, weightsAt } from '../problem.js';
import type { RowBatch, RowStream } from '../row-stream.js';
import type { Layout } from './booster.js';
import { type TreeFeature, writeBins } from './features.js';
import { Arena, sharedDoubles } from './memory.js';

/** The training rows as the trees see them, in shared memory. */
export interface LearntRows {
  arena: Arena;
  /** The bins: a word per row in each column. */
  words: Uint32Array[];
  /** The target's value or class. */
  goal: Float64Array;
  /** What each row counts; empty when all count the same. */
  weights: Float64Array;
}

interface TreeRows {
  features: readonly TreeFeature[];
  layout: Layout;
  classWeights: Float64Array | undefined;
}

/** Bins rows that are in memory, or those of a stream, batch by batch. */
export async function learntRows(
  { features, layout, classWeights }: TreeRows,
  source: RowBatch | RowStream,
): Promise<LearntRows> {
  const rows = 'batches' in source ? source.rows : source.positions.length;
  const arena = new Arena();
  const words = layout.columns.map(() => arena.words(rows));
  const goal = sharedDoubles(rows);
  let weights: Float64Array = new Float64Array();
  let at = 0;
  for await (const batch of 'batches' in source ? source.batches() : [source]) {
    const { columns, target, positions } = batch;
    const end = at + positions.length;
    writeBins(
      features,
      layout.columns,
      columns,
      positions,
      words.map((column) => column.subarray(at, end)),
    );
    const truth = truthOf(target, positions);
    const own = weightsAt(batch, positions);
    if (truth.kind === 'CLASSES') goal.set(truth.labels, at);
    if (truth.kind === 'VALUE') goal.set(truth.values, at);
    const counts = truth.kind === 'CLASSES' ? rowWeightsOf(truth.labels, classWeights, own) : own;
    if (counts) {
      if (weights.length === 0) weights = sharedDoubles(rows);
      weights.set(counts, at);
    }
    at = end;
  }
  return { arena, words, goal, weights };
}

/** Scores, gradients, and the places of a row in a node; the target and a weight. */
const BYTES_PER_OUTPUT = 16;
const BYTES_PER_ROW = 36;
const BYTES_PER_COLUMN = 4;
const MEMORY_SHARE = 0.8;

/** Errors: RESOURCE_EXHAUSTED when the trees of so many rows do not fit this machine's memory. */
export function checkTreeMemory(rows: number, { columns }: Layout, outputs: number): void {
  const bytesPerRow = BYTES_PER_ROW + outputs * BYTES_PER_OUTPUT + columns.length * BYTES_PER_COLUMN;
  const affordable = Math.floor((totalmem() * MEMORY_SHARE) / bytesPerRow);
  if (rows <= affordable) return;
  throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The bins of ${rows} rows do not fit this machine's memory.`, {
    field: 'config.sampleRows',
    expected: `at most ${affordable}`,
    got: String(rows),
  });
}
