/** Bins of a numeric column, at most: one byte holds them, with one for missing values. */
export const MAX_BINS = 255;
/** Rows among which the edges of bins are looked for. */
const EDGE_ROWS = 200_000;

/** How the values of one feature become bins. The last bin is for missing values. */
export type Binning =
  | {
      kind: 'NUMERIC';
      /** Ascending. Bin b holds values with edges[b − 1] < value ≤ edges[b]; the bin after the last edge, all above. */
      edges: Float64Array;
    }
  /** A category's code is its bin. */
  | { kind: 'CATEGORY'; codes: number };

/** All bins of a feature, the one for missing values included. */
export function binCountOf(binning: Binning): number {
  return binning.kind === 'NUMERIC' ? binning.edges.length + 2 : binning.codes + 1;
}

/**
 * Puts edges half way between the distinct values of these rows or, when there are more than MAX_BINS, at quantiles of
 * equal shares. NaN is missing.
 */
export function numericBinning(valueAt: (row: number) => number, rows: Int32Array): Binning {
  const step = Math.max(1, rows.length / EDGE_ROWS);
  const sampled = new Float64Array(Math.ceil(rows.length / step));
  let count = 0;
  for (let at = 0; at < rows.length; at += step) {
    const value = valueAt(rows[Math.floor(at)]!);
    if (!Number.isNaN(value)) sampled[count++] = value;
  }
  const sorted = sampled.subarray(0, count).sort();
  const distinct = new Float64Array(count);
  let kept = 0;
  for (const value of sorted) if (kept === 0 || value !== distinct[kept - 1]) distinct[kept++] = value;
  if (kept <= MAX_BINS) return binningOf(distinct.subarray(0, kept));
  const edges: number[] = [];
  for (let quantile = 1; quantile < MAX_BINS; quantile++) {
    // The inverse of the distribution function, averaged where it steps, as in scikit-learn.
    const at = (quantile * count) / MAX_BINS;
    const below = sorted[Math.ceil(at) - 1]!;
    const edge = Number.isInteger(at) ? between(below, sorted[at]!) : below;
    if (edges.length === 0 || edge > edges.at(-1)!) edges.push(edge);
  }
  return { kind: 'NUMERIC', edges: Float64Array.from(edges) };
}

/** A bin for each of these ascending values; the greatest share one when there are too many. */
export function binningOf(distinct: Float64Array): Binning {
  return { kind: 'NUMERIC', edges: halfWay(distinct.subarray(0, MAX_BINS)) };
}

function halfWay(distinct: Float64Array): Float64Array {
  return Float64Array.from({ length: Math.max(0, distinct.length - 1) }, (_, i) =>
    between(distinct[i]!, distinct[i + 1]!),
  );
}

/** A number in [below, above), however near they are: what is `below` or less stays on the left of it. */
function between(below: number, above: number): number {
  const middle = below + (above - below) / 2;
  return middle < above ? middle : below;
}

/** The bin of a number; NaN is missing. */
export function binOfNumber(edges: Float64Array, value: number): number {
  if (Number.isNaN(value)) return edges.length + 1;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value <= edges[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}
