// One file, because growing a tree, its splits and its predictions share one set of arrays.
import { SeededRandom } from './random.js';

/**
 * A column of a forest's table. ORDERED: numbers from `low` to `high`; a tree cuts at the midpoints between neighbours.
 * With `present`, smaller numbers mean "absent" and are separated exactly there. With `grid`, all are whole, and cuts
 * are halfway between whole numbers. CATEGORIES: codes from 0 to count − 1, at most 31; a tree splits them into two
 * sets.
 */
export type ForestColumn =
  | { kind: 'ORDERED'; values: Float64Array; low: number; high: number; present?: number; grid?: boolean }
  | { kind: 'CATEGORIES'; values: Float64Array; count: number };

export const MAX_CATEGORIES = 31;

export interface ForestOptions {
  trees: number;
  seed: number;
}

/** Node 0 is the root; a leaf has column −1. Rows with values below `cut`, or in the set `cut` (bits), go to `left`. */
export interface Tree {
  column: Int32Array;
  cut: Float64Array;
  left: Int32Array;
  right: Int32Array;
  value: Float64Array;
}

export interface Forest {
  trees: Tree[];
  /**
   * 1 − Σ(y − ŷ)² / Σ(y − ȳ)² over rows that some tree has not seen, predicted by these trees only; null when there are
   * too few.
   */
  outOfBagR2: number | null;
  /**
   * By column: how much the mean squared out-of-bag error grows when the column is shuffled, divided by the variance of
   * the target.
   */
  permutation: Float64Array;
}

/**
 * A random forest of regression trees (Breiman 2001): bootstrap samples; every column is a candidate at every node;
 * trees grow until the rows of a leaf have one value. The best split is by squared error; categories are split in the
 * order of their means, which includes the best partition (Fisher 1958). The same table and seed give the same forest.
 */
export function growForest(
  columns: readonly ForestColumn[],
  target: Float64Array,
  { trees, seed }: ForestOptions,
): Forest {
  const rows = target.length;
  const random = new SeededRandom(seed);
  const order = columns.map(({ values }) =>
    Int32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]! || a - b),
  );
  const sums = new Float64Array(rows);
  const votes = new Int32Array(rows);
  const extraError = new Float64Array(columns.length);
  let evaluated = 0;
  const grown: Tree[] = [];
  for (let n = 0; n < trees; n++) {
    const counts = new Int32Array(rows);
    for (let i = 0; i < rows; i++) counts[random.below(rows)]!++;
    const tree = new Growth(columns, target, order, counts).grow();
    grown.push(tree);
    const unseen = [...counts.keys()].filter((row) => counts[row] === 0);
    for (const row of unseen) {
      sums[row]! += predict(tree, columns, row, -1, row);
      votes[row]!++;
    }
    evaluated += unseen.length;
    addShuffledErrors(tree, columns, target, unseen, random, extraError);
  }
  const spread = sumOfSquares(target) / rows;
  return {
    trees: grown,
    outOfBagR2: outOfBagR2(target, sums, votes),
    permutation: extraError.map((error) => (evaluated > 0 && spread > 0 ? error / evaluated / spread : 0)),
  };
}

/** The prediction of a tree for a row, with the value of one column taken from another row. */
function predict(tree: Tree, columns: readonly ForestColumn[], row: number, shuffled: number, other: number): number {
  let node = 0;
  for (let column = tree.column[0]!; column >= 0; column = tree.column[node]!) {
    const x = columns[column]!.values[column === shuffled ? other : row]!;
    node = goesLeft(columns[column]!, tree.cut[node]!, x) ? tree.left[node]! : tree.right[node]!;
  }
  return tree.value[node]!;
}

function goesLeft(column: ForestColumn, cut: number, x: number): boolean {
  return column.kind === 'ORDERED' ? x < cut : ((cut >>> x) & 1) === 1;
}

function cutBetween({ present, grid }: Extract<ForestColumn, { kind: 'ORDERED' }>, x: number, next: number): number {
  if (present !== undefined && x < present) return present;
  const middle = (x + next) / 2;
  if (grid) return Math.floor(middle) + 0.5;
  // The midpoint of two neighbouring floats can be the lower one itself.
  return middle > x ? middle : next;
}

function addShuffledErrors(
  tree: Tree,
  columns: readonly ForestColumn[],
  target: Float64Array,
  unseen: readonly number[],
  random: SeededRandom,
  extraError: Float64Array,
): void {
  const used = new Set(tree.column);
  const shuffled = Int32Array.from(unseen);
  for (let column = 0; column < columns.length; column++) {
    if (!used.has(column)) continue;
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    for (let i = 0; i < unseen.length; i++) {
      const row = unseen[i]!;
      const plain = predict(tree, columns, row, -1, row) - target[row]!;
      const mixed = predict(tree, columns, row, column, shuffled[i]!) - target[row]!;
      extraError[column]! += mixed * mixed - plain * plain;
    }
  }
}

function outOfBagR2(target: Float64Array, sums: Float64Array, votes: Int32Array): number | null {
  const known = [...votes.keys()].filter((row) => votes[row]! > 0);
  const total = sumOfSquares(Float64Array.from(known, (row) => target[row]!));
  if (known.length < 2 || total === 0) return null;
  return 1 - known.reduce((error, row) => error + (target[row]! - sums[row]! / votes[row]!) ** 2, 0) / total;
}

function sumOfSquares(values: Float64Array): number {
  const center = values.reduce((total, value) => total + value, 0) / values.length;
  return values.reduce((total, value) => total + (value - center) ** 2, 0);
}

interface Split {
  column: number;
  cut: number;
  gain: number;
}

/** One tree. The rows of every column are sorted once; a split partitions each list in place. */
class Growth {
  private readonly sorted: Int32Array[];
  private readonly toLeft: Uint8Array;
  private readonly spare: Int32Array;
  private readonly column: number[] = [];
  private readonly cut: number[] = [];
  private readonly left: number[] = [];
  private readonly right: number[] = [];
  private readonly value: number[] = [];

  constructor(
    private readonly columns: readonly ForestColumn[],
    private readonly target: Float64Array,
    order: readonly Int32Array[],
    private readonly counts: Int32Array,
  ) {
    this.sorted = order.map((rows) => rows.filter((row) => counts[row]! > 0));
    this.toLeft = new Uint8Array(target.length);
    this.spare = new Int32Array(target.length);
  }

  grow(): Tree {
    const open = [{ node: this.addNode(), from: 0, to: this.sorted[0]!.length }];
    for (let part = open.pop(); part; part = open.pop()) {
      const { node, from, to } = part;
      const split = this.bestSplit(node, from, to);
      if (!split) continue;
      const middle = this.part(split, from, to);
      this.column[node] = split.column;
      this.cut[node] = split.cut;
      this.left[node] = this.addNode();
      this.right[node] = this.addNode();
      open.push({ node: this.right[node], from: middle, to }, { node: this.left[node], from, to: middle });
    }
    return {
      column: Int32Array.from(this.column),
      cut: Float64Array.from(this.cut),
      left: Int32Array.from(this.left),
      right: Int32Array.from(this.right),
      value: Float64Array.from(this.value),
    };
  }

  private addNode(): number {
    for (const list of [this.cut, this.left, this.right, this.value]) list.push(0);
    return this.column.push(-1) - 1;
  }

  private bestSplit(node: number, from: number, to: number): Split | null {
    const rows = this.sorted[0]!;
    let count = 0;
    let total = 0;
    let isMixed = false;
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      count += this.counts[row]!;
      total += this.counts[row]! * this.target[row]!;
      if (this.target[row] !== this.target[rows[from]!]) isMixed = true;
    }
    this.value[node] = total / count;
    if (!isMixed) return null;
    const best: Split = { column: -1, cut: 0, gain: 0 };
    for (let column = 0; column < this.columns.length; column++) {
      const { kind } = this.columns[column]!;
      if (kind === 'ORDERED') this.tryCuts(column, from, to, count, total, best);
      else this.tryPartitions(column, from, to, count, total, best);
    }
    return best.column < 0 ? null : best;
  }

  /** The gain of a split is Σ n·mean² over its sides, with targets centred on the node's mean. */
  private tryCuts(column: number, from: number, to: number, count: number, total: number, best: Split): void {
    const source = this.columns[column] as Extract<ForestColumn, { kind: 'ORDERED' }>;
    const { values } = source;
    const rows = this.sorted[column]!;
    const center = total / count;
    let below = 0;
    let sum = 0;
    for (let i = from; i < to - 1; i++) {
      const row = rows[i]!;
      below += this.counts[row]!;
      sum += this.counts[row]! * (this.target[row]! - center);
      const x = values[row]!;
      const next = values[rows[i + 1]!]!;
      if (next === x) continue;
      const gain = (sum * sum) / below + (sum * sum) / (count - below);
      if (!(gain > best.gain)) continue;
      best.gain = gain;
      best.column = column;
      best.cut = cutBetween(source, x, next);
    }
  }

  private tryPartitions(column: number, from: number, to: number, count: number, total: number, best: Split): void {
    const { values, count: categories } = this.columns[column] as Extract<ForestColumn, { kind: 'CATEGORIES' }>;
    const rows = this.sorted[column]!;
    const center = total / count;
    const sums = new Float64Array(categories);
    const counts = new Float64Array(categories);
    for (let i = from; i < to; i++) {
      const row = rows[i]!;
      sums[values[row]!]! += this.counts[row]! * (this.target[row]! - center);
      counts[values[row]!]! += this.counts[row]!;
    }
    const byMean = [...counts.keys()]
      .filter((category) => counts[category]! > 0)
      .sort((a, b) => sums[a]! / counts[a]! - sums[b]! / counts[b]! || a - b);
    let below = 0;
    let sum = 0;
    let set = 0;
    for (const category of byMean.slice(0, -1)) {
      below += counts[category]!;
      sum += sums[category]!;
      set |= 1 << category;
      const gain = (sum * sum) / below + (sum * sum) / (count - below);
      if (gain > best.gain) Object.assign(best, { column, cut: set, gain });
    }
  }

  private part({ column, cut }: Split, from: number, to: number): number {
    const source = this.columns[column]!;
    for (let i = from; i < to; i++) {
      const row = this.sorted[column]![i]!;
      this.toLeft[row] = goesLeft(source, cut, source.values[row]!) ? 1 : 0;
    }
    let middle = from;
    for (const rows of this.sorted) {
      middle = from;
      let kept = 0;
      for (let i = from; i < to; i++) {
        const row = rows[i]!;
        if (this.toLeft[row] === 1) rows[middle++] = row;
        else this.spare[kept++] = row;
      }
      for (let i = 0; i < kept; i++) rows[middle + i] = this.spare[i]!;
    }
    return middle;
  }
}
