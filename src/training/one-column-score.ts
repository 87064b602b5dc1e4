import type { Target } from './port.js';

/** Leaves of the tree of one column, and rows of a leaf. */
const MAX_LEAVES = 32;
const MIN_LEAF_ROWS = 3;

/** What a column has at a row: a number (NaN when missing), or a category's text. */
export type ColumnValues = { kind: 'NUMBER'; at(row: number): number } | { kind: 'CATEGORY'; at(row: number): string };

/**
 * How much of the target one column explains alone: a small tree over its numbers, or the mean of each category, is
 * fitted on some rows and measured on others. Of the log loss of the class fractions for classes, of the variance for
 * values (R²); 1 is all, 0 or less is nothing.
 */
export function oneColumnScore(values: ColumnValues, target: Target, fit: Int32Array, measured: Int32Array): number {
  return target.kind === 'CLASSES'
    ? classScore(values, target.labels, target.classes.length, fit, measured)
    : valueScore(values, target.values, fit, measured);
}

function classScore(
  values: ColumnValues,
  labels: Int32Array,
  classes: number,
  fit: Int32Array,
  measured: Int32Array,
): number {
  const counts = (rows: Iterable<number>): Float64Array => {
    const of = new Float64Array(classes);
    for (const row of rows) of[labels[row]!]! += 1;
    return of;
  };
  // Half a row for a class that only measured rows have.
  const base = counts(fit).map((count) => (count || 0.5) / fit.length);
  const leafOf = leaves(values, fit, () => new EntropySplit(labels, classes));
  const inLeaf = new Map<number, { counts: Float64Array; rows: number }>();
  for (const row of fit) {
    const leaf = leafOf(row);
    const known = inLeaf.get(leaf) ?? { counts: new Float64Array(classes), rows: 0 };
    known.counts[labels[row]!]! += 1;
    known.rows += 1;
    inLeaf.set(leaf, known);
  }
  let [loss, baseLoss] = [0, 0];
  for (const row of measured) {
    const label = labels[row]!;
    const leaf = inLeaf.get(leafOf(row));
    // One row of the base rate in each leaf, so that a leaf of few rows is not sure.
    loss -= Math.log(leaf ? (leaf.counts[label]! + base[label]!) / (leaf.rows + 1) : base[label]!);
    baseLoss -= Math.log(base[label]!);
  }
  return baseLoss > 0 ? 1 - loss / baseLoss : 0;
}

function valueScore(values: ColumnValues, targets: Float64Array, fit: Int32Array, measured: Int32Array): number {
  const base = fit.reduce((sum, row) => sum + targets[row]!, 0) / fit.length;
  const leafOf = leaves(values, fit, () => new VarianceSplit(targets));
  const inLeaf = new Map<number, { sum: number; rows: number }>();
  for (const row of fit) {
    const leaf = leafOf(row);
    const known = inLeaf.get(leaf) ?? { sum: 0, rows: 0 };
    known.sum += targets[row]!;
    known.rows += 1;
    inLeaf.set(leaf, known);
  }
  let [squares, baseSquares] = [0, 0];
  for (const row of measured) {
    const leaf = inLeaf.get(leafOf(row));
    squares += (targets[row]! - (leaf ? leaf.sum / leaf.rows : base)) ** 2;
    baseSquares += (targets[row]! - base) ** 2;
  }
  return baseSquares > 0 ? 1 - squares / baseSquares : 0;
}

/** Missing numbers have a leaf of their own; so has each category. */
const MISSING_LEAF = -1;

function leaves(values: ColumnValues, fit: Int32Array, split: () => Split): (row: number) => number {
  if (values.kind === 'CATEGORY') {
    const codes = new Map<string, number>();
    for (const row of fit) if (!codes.has(values.at(row))) codes.set(values.at(row), codes.size);
    return (row) => codes.get(values.at(row)) ?? codes.size;
  }
  const known = fit.filter((row) => !Number.isNaN(values.at(row)));
  const cuts = cutsOf(values, known, split);
  return (row) => {
    const value = values.at(row);
    if (Number.isNaN(value)) return MISSING_LEAF;
    let [low, high] = [0, cuts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= cuts[middle]!) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Moves rows one by one from the right side of a cut to the left one, and says how good the cut is there. */
interface Split {
  begin(rows: Int32Array): void;
  /** Returns the gain of a cut after this row. */
  move(row: number): number;
}

interface Cut {
  from: number;
  to: number;
  /** The first index of the right side. */
  at: number;
  gain: number;
}

/** The upper ends of all leaves but the last, ascending: always the leaf with the best cut is cut. */
function cutsOf(values: Extract<ColumnValues, { kind: 'NUMBER' }>, rows: Int32Array, split: () => Split): Float64Array {
  const sorted = rows.slice().sort((a, b) => values.at(a) - values.at(b) || a - b);
  const sortedNumbers = Float64Array.from(sorted, values.at);
  const bestCut = (from: number, to: number): Cut => {
    const best: Cut = { from, to, at: from, gain: 0 };
    const state = split();
    state.begin(sorted.subarray(from, to));
    for (let i = from; i < to - 1; i++) {
      const gain = state.move(sorted[i]!);
      if (sortedNumbers[i] === sortedNumbers[i + 1]) continue;
      if (i + 1 - from < MIN_LEAF_ROWS || to - i - 1 < MIN_LEAF_ROWS) continue;
      if (gain > best.gain) Object.assign(best, { at: i + 1, gain });
    }
    return best;
  };
  const open = [bestCut(0, sorted.length)];
  const cuts: number[] = [];
  while (cuts.length < MAX_LEAVES - 1) {
    const best = open.reduce((a, b) => (b.gain > a.gain ? b : a));
    if (!(best.gain > 0)) break;
    cuts.push((sortedNumbers[best.at - 1]! + sortedNumbers[best.at]!) / 2);
    open.splice(open.indexOf(best), 1, bestCut(best.from, best.at), bestCut(best.at, best.to));
  }
  return Float64Array.from(cuts).sort();
}

/** The gain in nats: of rows · entropy. */
class EntropySplit implements Split {
  private readonly left: Float64Array;
  private readonly right: Float64Array;
  private leftRows = 0;
  private rightRows = 0;
  /** Σ c · log c of each side, kept up to date. */
  private leftSum = 0;
  private rightSum = 0;
  private whole = 0;

  constructor(
    private readonly labels: Int32Array,
    classes: number,
  ) {
    this.left = new Float64Array(classes);
    this.right = new Float64Array(classes);
  }

  begin(rows: Int32Array): void {
    for (const row of rows) this.right[this.labels[row]!]! += 1;
    this.rightRows = rows.length;
    this.rightSum = this.right.reduce((sum, count) => sum + timesLog(count), 0);
    this.whole = timesLog(rows.length) - this.rightSum;
  }

  move(row: number): number {
    const label = this.labels[row]!;
    const [before, there] = [this.left[label]!, this.right[label]!];
    this.leftSum += timesLog(before + 1) - timesLog(before);
    this.rightSum += timesLog(there - 1) - timesLog(there);
    this.left[label] = before + 1;
    this.right[label] = there - 1;
    this.leftRows += 1;
    this.rightRows -= 1;
    return this.whole - (timesLog(this.leftRows) - this.leftSum) - (timesLog(this.rightRows) - this.rightSum);
  }
}

function timesLog(count: number): number {
  return count > 0 ? count * Math.log(count) : 0;
}

/** The gain is that of the sum of squared differences to the mean of the side. */
class VarianceSplit implements Split {
  private leftRows = 0;
  private rows = 0;
  private leftSum = 0;
  private sum = 0;
  private mean = 0;

  constructor(private readonly targets: Float64Array) {}

  begin(rows: Int32Array): void {
    this.rows = rows.length;
    this.mean = rows.reduce((sum, row) => sum + this.targets[row]!, 0) / Math.max(1, rows.length);
    this.sum = rows.reduce((sum, row) => sum + this.targets[row]! - this.mean, 0);
  }

  move(row: number): number {
    // Differences to the mean keep their digits when the mean is large.
    this.leftSum += this.targets[row]! - this.mean;
    this.leftRows += 1;
    const right = this.sum - this.leftSum;
    return this.leftSum ** 2 / this.leftRows + right ** 2 / (this.rows - this.leftRows) - this.sum ** 2 / this.rows;
  }
}
