import { z } from 'zod';
import { jsonNumber, recordOf } from '../../core/index.js';
import { loggedText } from './logged-text.js';

/** Reference distribution of a numeric column. */
const numericReferenceSchema = z.object({
  kind: z.literal('NUMERIC'),
  /** Inner edges of the quantile bins, ascending and distinct; k edges make k + 1 bins. */
  edges: z.array(jsonNumber),
  /** Fraction of the non-missing rows in each bin; the sum is 1. */
  shares: z.array(z.number()),
  missingShare: z.number(),
  mean: jsonNumber,
  std: jsonNumber,
  /** Up to 2,000 values, evenly spaced in the sorted column, for Kolmogorov–Smirnov. */
  sample: z.array(z.number()),
  rows: z.int(),
});
export type NumericReference = z.infer<typeof numericReferenceSchema>;

/**
 * Reference distribution of a categorical column. Only the 200 most frequent categories are kept; the others count as
 * `other`.
 */
const categoricalReferenceSchema = z.object({
  kind: z.literal('CATEGORICAL'),
  counts: recordOf(z.int()),
  otherCount: z.int(),
  missingShare: z.number(),
  rows: z.int(),
});
export type CategoricalReference = z.infer<typeof categoricalReferenceSchema>;

/**
 * Predictions (class-1 probability, top-class probability or value) over contiguous reference rows in their time order.
 */
const predictionReferenceSchema = z.object({
  /** Number of rows per block; every block is full. */
  blockRows: z.int(),
  blockMeans: z.array(jsonNumber),
  mean: jsonNumber,
  std: jsonNumber,
});
export type PredictionReference = z.infer<typeof predictionReferenceSchema>;

/** The data with which live traffic is compared. */
export const referenceProfileSchema = z.object({
  features: recordOf(z.discriminatedUnion('kind', [numericReferenceSchema, categoricalReferenceSchema])),
  prediction: predictionReferenceSchema,
});
export type ReferenceProfile = z.infer<typeof referenceProfileSchema>;

const QUANTILE_BINS = 10;
const MAX_SAMPLE = 2000;
const MAX_CATEGORIES = 200;
/** Half a million rows at 50 a block keep the profile below a few hundred kilobytes. */
const MAX_BLOCKS = 10_000;

/** NaN and infinite values count as missing. */
export function buildNumericReference(values: Float64Array): NumericReference {
  const sorted = values.filter((value) => Number.isFinite(value)).sort();
  const present = sorted.length;
  const edges = quantileEdges(sorted);
  const counts = countBins(sorted, edges);
  const sampleSize = Math.min(present, MAX_SAMPLE);
  const { mean, std } = moments(sorted);
  return {
    kind: 'NUMERIC',
    edges,
    shares: counts.map((count) => (present > 0 ? count / present : 0)),
    missingShare: values.length > 0 ? 1 - present / values.length : 0,
    mean,
    std,
    sample: Array.from({ length: sampleSize }, (_, i) => sorted[Math.floor(((i + 0.5) * present) / sampleSize)]!),
    rows: values.length,
  };
}

/**
 * Deciles without repetition. Bin i holds the values in (edge i−1, edge i], so an edge at the maximum would make an
 * empty bin.
 */
function quantileEdges(sorted: Float64Array): number[] {
  const present = sorted.length;
  if (present === 0) return [];
  const lowest = sorted[0]!;
  const highest = sorted[present - 1]!;
  // A constant column gets one bin below and one above its value, also in single precision. Otherwise no other value
  // could be told from it.
  if (lowest === highest) return [lowest - Math.max(1e-9, Math.abs(lowest) * 1e-6), highest];
  const edges: number[] = [];
  for (let bin = 1; bin < QUANTILE_BINS; bin++) {
    const edge = sorted[Math.ceil((bin * present) / QUANTILE_BINS) - 1] ?? lowest;
    if (edge < highest && edge !== edges.at(-1)) edges.push(edge);
  }
  return edges;
}

/** Number of values in each bin of a reference; bin i holds (edge i−1, edge i]. */
export function countBins(values: Float64Array, edges: readonly number[]): number[] {
  const counts = new Array<number>(edges.length + 1).fill(0);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (edges[middle]! < value) low = middle + 1;
      else high = middle;
    }
    counts[low]!++;
  }
  return counts;
}

/** Null is a missing value. */
export function buildCategoricalReference(values: readonly (string | null)[]): CategoricalReference {
  const counts = new Map<string, number>();
  let missing = 0;
  for (const value of values) {
    if (value === null) missing++;
    else {
      const text = loggedText(value);
      counts.set(text, (counts.get(text) ?? 0) + 1);
    }
  }
  const byFrequency = [...counts].sort(([nameA, a], [nameB, b]) => b - a || (nameA < nameB ? -1 : 1));
  const kept = byFrequency.slice(0, MAX_CATEGORIES);
  return {
    kind: 'CATEGORICAL',
    // With `fromEntries`, `__proto__` is an ordinary key.
    counts: Object.fromEntries(kept),
    otherCount: byFrequency.slice(MAX_CATEGORIES).reduce((sum, [, count]) => sum + count, 0),
    missingShare: values.length > 0 ? missing / values.length : 0,
    rows: values.length,
  };
}

/**
 * `scores` are in the time order of their rows. Rows that do not fill a last block are left out, and at most the latest
 * 10,000 blocks are kept. If there are fewer rows than one block, they make one block.
 */
export function buildPredictionReference(scores: Float64Array, blockRows = 50): PredictionReference {
  const size = Math.max(1, Math.min(blockRows, scores.length));
  const blocks = Math.min(Math.floor(scores.length / size), MAX_BLOCKS);
  const used = scores.subarray(
    Math.floor(scores.length / size) * size - blocks * size,
    Math.floor(scores.length / size) * size,
  );
  const blockMeans = Array.from({ length: blocks }, (_, b) => moments(used.subarray(b * size, (b + 1) * size)).mean);
  return { blockRows: size, blockMeans, ...moments(used) };
}

/** Mean and sample standard deviation; zeros when there are no values. */
function moments(values: Float64Array): { mean: number; std: number } {
  const count = values.length;
  if (count === 0) return { mean: 0, std: 0 };
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i]!;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (values[i]! - mean) ** 2;
  return { mean, std: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 };
}
