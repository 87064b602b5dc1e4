import type { ForestColumn, Tree } from './regression-forest.js';

/** A fraction of a function's variance: the mean over the trees, and its standard deviation between the trees. */
export interface VarianceShare {
  share: number;
  standardDeviation: number;
}

export interface PairShare extends VarianceShare {
  columns: [number, number];
}

export interface VarianceDecomposition {
  /** By column. */
  mainEffects: VarianceShare[];
  /** The effect that two columns have only together, for the requested pairs. */
  interactions: PairShare[];
}

/** The box of a leaf: its place in the cells of each column, and the fraction of the domain that it covers. */
interface Leaf {
  value: number;
  volume: number;
  ranges: Float64Array;
  sets: Int32Array;
}

/**
 * Functional ANOVA of regression trees (Hutter, Hoos and Leyton-Brown 2014, An Efficient Approach for Assessing
 * Hyperparameter Importance). A tree is constant on boxes, so its marginal over any columns is an exact sum over its
 * leaves. The variance of a marginal divided by the variance of the tree is the part that these columns explain.
 * Columns are independent; an ORDERED column is uniform over its domain, categories are equally likely. The fractions
 * are means over the trees that vary at all.
 */
export function decomposeVariance(
  trees: readonly Tree[],
  columns: readonly ForestColumn[],
  pairs: readonly [number, number][],
): VarianceDecomposition {
  const main = columns.map((): number[] => []);
  const joint = pairs.map((): number[] => []);
  for (const tree of trees) {
    const leaves = leavesOf(tree, columns);
    const mean = leaves.reduce((total, { volume, value }) => total + volume * value, 0);
    const variance = leaves.reduce((total, { volume, value }) => total + volume * (value - mean) ** 2, 0);
    if (!(variance > 0)) continue;
    const cells = columns.map((column, c) => cellsOf(tree, column, c));
    const effects = cells.map((own) => own && marginalVariance(leaves, mean, own, null));
    effects.forEach((effect, c) => main[c]!.push((effect ?? 0) / variance));
    pairs.forEach(([a, b], i) => {
      const [first, second] = [cells[a], cells[b]];
      if (!first || !second) return joint[i]!.push(0);
      const both = marginalVariance(leaves, mean, first, second);
      return joint[i]!.push(Math.max(0, both - effects[a]! - effects[b]!) / variance);
    });
  }
  return {
    mainEffects: main.map(summary),
    interactions: pairs.map((pair, i) => ({ columns: pair, ...summary(joint[i]!) })),
  };
}

function summary(shares: readonly number[]): VarianceShare {
  const n = Math.max(1, shares.length);
  const share = shares.reduce((total, value) => total + value, 0) / n;
  return { share, standardDeviation: Math.sqrt(shares.reduce((total, value) => total + (value - share) ** 2, 0) / n) };
}

function leavesOf(tree: Tree, columns: readonly ForestColumn[]): Leaf[] {
  const leaves: Leaf[] = [];
  const ranges = new Float64Array(columns.length * 2);
  const sets = new Int32Array(columns.length);
  columns.forEach((column, c) => {
    if (column.kind === 'ORDERED') ranges.set([column.low, column.high], 2 * c);
    else sets[c] = allOf(column.count);
  });
  const open: { node: number; ranges: Float64Array; sets: Int32Array; volume: number }[] = [
    { node: 0, ranges, sets, volume: 1 },
  ];
  for (let part = open.pop(); part; part = open.pop()) {
    const c = tree.column[part.node]!;
    if (c < 0) {
      leaves.push({ value: tree.value[part.node]!, volume: part.volume, ranges: part.ranges, sets: part.sets });
      continue;
    }
    const cut = tree.cut[part.node]!;
    for (const isLeft of [true, false]) {
      const next = {
        node: (isLeft ? tree.left : tree.right)[part.node]!,
        ranges: part.ranges.slice(),
        sets: part.sets.slice(),
        volume: 0,
      };
      let share: number;
      if (columns[c]!.kind === 'ORDERED') {
        const [low, high] = [part.ranges[2 * c]!, part.ranges[2 * c + 1]!];
        next.ranges[2 * c + (isLeft ? 1 : 0)] = cut;
        share = (next.ranges[2 * c + 1]! - next.ranges[2 * c]!) / (high - low);
      } else {
        next.sets[c] = part.sets[c]! & (isLeft ? cut : ~cut);
        share = bits(next.sets[c]!) / bits(part.sets[c]!);
      }
      next.volume = part.volume * share;
      if (next.volume > 0) open.push(next);
    }
  }
  return leaves;
}

/** Where one column of a tree is cut: its cells with their weights, and which of them a leaf covers. */
interface Cells {
  weights: Float64Array;
  /** Ranges of cells, as from, to, from, to, … */
  covered(leaf: Leaf): number[];
  shareOf(leaf: Leaf): number;
}

/** Null for a column that the tree does not use, which has no effect. */
function cellsOf(tree: Tree, column: ForestColumn, c: number): Cells | null {
  const own = [...tree.column.keys()].filter((node) => tree.column[node] === c);
  if (own.length === 0) return null;
  if (column.kind === 'CATEGORIES') {
    const weights = new Float64Array(column.count).fill(1 / column.count);
    return {
      weights,
      covered: (leaf) => stretches(leaf.sets[c]!, column.count),
      shareOf: (leaf) => bits(leaf.sets[c]!) / column.count,
    };
  }
  const { low, high } = column;
  const edges = [...new Set([low, ...own.map((node) => tree.cut[node]!), high])].sort((a, b) => a - b);
  const at = new Map(edges.map((edge, i) => [edge, i]));
  return {
    weights: Float64Array.from({ length: edges.length - 1 }, (_, i) => (edges[i + 1]! - edges[i]!) / (high - low)),
    covered: (leaf) => [at.get(leaf.ranges[2 * c]!)!, at.get(leaf.ranges[2 * c + 1]!)!],
    shareOf: (leaf) => (leaf.ranges[2 * c + 1]! - leaf.ranges[2 * c]!) / (high - low),
  };
}

/**
 * The variance of the tree's mean over all columns except one or two: each leaf adds its part to the cells that it
 * covers.
 */
function marginalVariance(leaves: readonly Leaf[], mean: number, first: Cells, second: Cells | null): number {
  const width = second ? second.weights.length : 1;
  // Stores differences between neighbouring cells, so that a leaf costs the same however many cells it covers.
  const stride = width + 1;
  const marginal = new Float64Array((first.weights.length + 1) * stride);
  for (const leaf of leaves) {
    const part = ((leaf.value - mean) * leaf.volume) / (first.shareOf(leaf) * (second ? second.shareOf(leaf) : 1));
    const rows = first.covered(leaf);
    const others = second ? second.covered(leaf) : [0, 1];
    for (let i = 0; i < rows.length; i += 2) {
      for (let j = 0; j < others.length; j += 2) {
        const [top, bottom, left, right] = [rows[i]! * stride, rows[i + 1]! * stride, others[j]!, others[j + 1]!];
        marginal[top + left]! += part;
        marginal[top + right]! -= part;
        marginal[bottom + left]! -= part;
        marginal[bottom + right]! += part;
      }
    }
  }
  let variance = 0;
  for (let row = 0; row < first.weights.length; row++) {
    let value = 0;
    for (let i = 0; i < width; i++) {
      const at = row * stride + i;
      value += marginal[at]!;
      // Adds the sum down to this row to the next row.
      marginal[at + stride]! += marginal[at]!;
      variance += first.weights[row]! * (second ? second.weights[i]! : 1) * value * value;
    }
  }
  return variance;
}

function allOf(count: number): number {
  return count >= 31 ? 0x7fffffff : (1 << count) - 1;
}

function bits(set: number): number {
  let count = 0;
  for (let rest = set; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/** Ranges of consecutive members of a set. */
function stretches(set: number, count: number): number[] {
  const found: number[] = [];
  for (let i = 0; i <= count; i++) {
    const isMember = i < count && ((set >>> i) & 1) === 1;
    if (isMember !== (found.length % 2 === 1)) found.push(i);
  }
  return found;
}
