import type { Loops } from './loops.js';
import { addGradients } from './losses.js';
import {
  type BinnedRows,
  CHUNK_ROWS,
  isInSet,
  PER_BIN,
  type SharedMemory,
  SPLIT,
  SPLIT_FIELDS,
  type TreeArrays,
} from './memory.js';

/** What threads do together; each has tasks that may run in any order, on any thread, with the same result. */
export const OPERATION = {
  /** Task: a chunk of training rows. */
  GRADIENTS: 0,
  /** Task: a chunk of the node's rows; those that go left and right come side by side within the chunk. */
  DIVIDE: 1,
  /** Task: a chunk; its rows come to their place in the children. */
  PLACE: 2,
  /** Task: a chunk of the node whose histograms are made. */
  GATHER: 3,
  /** Task: a column. Histograms of a node and of its sibling, and the best split of each, for its features. */
  HISTOGRAM: 4,
  /** Task: a leaf; its value is added to its rows. */
  ADD_LEAF: 5,
  /** Task: a chunk of rows, which go through the tree. */
  APPLY: 6,
} as const;
export type Operation = (typeof OPERATION)[keyof typeof OPERATION];

/** Positions in `args`. */
export const ARGUMENT = {
  output: 0,
  /** Rows of the node, in `index`. */
  start: 1,
  end: 2,
  feature: 3,
  /** Rows of the node that go left. */
  leftRows: 4,
  /** Where the histograms of the node lie, and those of its parent, which become its sibling's; −1: no parent. */
  slot: 5,
  parentSlot: 6,
  /** Of the two children: sum of gradients, sum of hessians, rows, value, least and greatest value. */
  first: 8,
  second: 14,
  /** 1: to the validation rows. */
  isValidation: 20,
} as const;
export const ARGUMENTS = 21;

/** Categories with less support than this many rows always go right; as in scikit-learn. */
const MIN_CATEGORY_ROWS = 10;
const MIN_HESSIAN = 1e-3;

export function runTask(memory: SharedMemory, loops: Loops, operation: Operation, task: number): void {
  switch (operation) {
    case OPERATION.GRADIENTS:
      return addGradients(memory, task * CHUNK_ROWS, Math.min(memory.train.rows, (task + 1) * CHUNK_ROWS));
    case OPERATION.DIVIDE:
      return divide(memory, loops, task);
    case OPERATION.PLACE:
      return place(memory, task);
    case OPERATION.GATHER:
      return gather(memory, loops, task);
    case OPERATION.HISTOGRAM:
      return histogram(memory, loops, task);
    case OPERATION.ADD_LEAF:
      return addLeaf(memory, task);
    case OPERATION.APPLY:
      return applyTree(memory, task);
  }
}

function chunkOf({ args }: SharedMemory, task: number): { from: number; to: number } {
  const from = args[ARGUMENT.start]! + task * CHUNK_ROWS;
  return { from, to: Math.min(args[ARGUMENT.end]!, from + CHUNK_ROWS) };
}

function divide(memory: SharedMemory, loops: Loops, task: number): void {
  const { args, index, lefts, rights, leftCounts, leftBits, features, columns, train } = memory;
  const { from, to } = chunkOf(memory, task);
  const { shift, column } = features[args[ARGUMENT.feature]!]!;
  leftCounts[task] = loops.divide(
    train.columns[column]!.byteOffset,
    index.byteOffset + from * 4,
    leftBits.byteOffset,
    shift,
    columns[column]!.mask,
    lefts.byteOffset + from * 4,
    rights.byteOffset + from * 4,
    to - from,
  );
}

function place(memory: SharedMemory, task: number): void {
  const { args, index, lefts, rights, leftCounts } = memory;
  const { from, to } = chunkOf(memory, task);
  const start = args[ARGUMENT.start]!;
  let leftBefore = 0;
  for (let chunk = 0; chunk < task; chunk++) leftBefore += leftCounts[chunk]!;
  const left = leftCounts[task]!;
  index.set(lefts.subarray(from, from + left), start + leftBefore);
  const rightStart = start + args[ARGUMENT.leftRows]! + (from - start - leftBefore);
  index.set(rights.subarray(from, to - left), rightStart);
}

function gather(memory: SharedMemory, loops: Loops, task: number): void {
  const { args, index, train, pairs, orderedPairs } = memory;
  const { from, to } = chunkOf(memory, task);
  const all = pairs.byteOffset + args[ARGUMENT.output]! * train.rows * 8;
  loops.gather(index.byteOffset + from * 4, all, orderedPairs.byteOffset + from * 8, to - from);
}

function histogram(memory: SharedMemory, loops: Loops, column: number): void {
  const { args, allowed, columns } = memory;
  const used = columns[column]!.features.filter((feature) => allowed[feature] === 1);
  const slot = args[ARGUMENT.slot]!;
  const parentSlot = args[ARGUMENT.parentSlot]!;
  for (const feature of used) binsOf(memory, slot, feature).fill(0);
  sumBins(memory, loops, column, used, slot);
  for (const feature of used) {
    const bins = binsOf(memory, slot, feature);
    bestSplit(memory, feature, bins, 0);
    if (parentSlot < 0) continue;
    const siblings = binsOf(memory, parentSlot, feature);
    for (let i = 0; i < siblings.length; i++) siblings[i]! -= bins[i]!;
    bestSplit(memory, feature, siblings, 1);
  }
}

function sumBins(memory: SharedMemory, loops: Loops, column: number, used: readonly number[], slot: number): void {
  const { args, index, orderedPairs, features, columns, train } = memory;
  const start = args[ARGUMENT.start]!;
  const rows = args[ARGUMENT.end]! - start;
  const words = train.columns[column]!.byteOffset;
  const indexAt = index.byteOffset + start * 4;
  const pairsAt = orderedPairs.byteOffset + start * 8;
  const binsAt = used.map((feature) => binsOf(memory, slot, feature).byteOffset);
  if (used.length === 4) {
    loops.addFour(words, indexAt, pairsAt, binsAt[0]!, binsAt[1]!, binsAt[2]!, binsAt[3]!, rows);
    return;
  }
  used.forEach((feature, i) =>
    loops.addOne(words, indexAt, pairsAt, binsAt[i]!, features[feature]!.shift, columns[column]!.mask, rows),
  );
}

function binsOf({ histograms, features, totalBins }: SharedMemory, slot: number, feature: number): Float64Array {
  const { offset, binCount } = features[feature]!;
  const from = (slot * totalBins + offset) * PER_BIN;
  return histograms.subarray(from, from + binCount * PER_BIN);
}

/** The best value of a leaf (Newton's step), within its bounds. */
export function leafValue(gradient: number, hessian: number, l2: number, least: number, greatest: number): number {
  return Math.min(greatest, Math.max(least, -gradient / (hessian + l2 + 1e-15)));
}

/** What a node is before it is split, as `args` has it. */
class Node {
  constructor(
    private readonly args: Float64Array,
    private readonly at: number,
  ) {}
  get gradient(): number {
    return this.args[this.at]!;
  }
  get hessian(): number {
    return this.args[this.at + 1]!;
  }
  get rows(): number {
    return this.args[this.at + 2]!;
  }
  get value(): number {
    return this.args[this.at + 3]!;
  }
  get least(): number {
    return this.args[this.at + 4]!;
  }
  get greatest(): number {
    return this.args[this.at + 5]!;
  }
}

function bestSplit(memory: SharedMemory, feature: number, bins: Float64Array, child: 0 | 1): void {
  const { splits, features, args } = memory;
  const at = (child * features.length + feature) * SPLIT_FIELDS;
  splits[at + SPLIT.gain] = 0;
  const node = new Node(args, child === 0 ? ARGUMENT.first : ARGUMENT.second);
  if (node.rows < 2 * memory.options.minLeafRows) return;
  if (features[feature]!.isCategory) bestSet(memory, feature, bins, child, node, at);
  else bestThreshold(memory, feature, bins, node, at);
}

/** How much the loss falls, or 0 where a child is too small or the order is against the constraint. */
function gainOf(
  { options: { minLeafRows, l2 } }: SharedMemory,
  node: Node,
  monotone: -1 | 0 | 1,
  gradient: number,
  hessian: number,
  rows: number,
): number {
  if (rows < minLeafRows || node.rows - rows < minLeafRows) return 0;
  const rightGradient = node.gradient - gradient;
  const rightHessian = node.hessian - hessian;
  if (hessian < MIN_HESSIAN || rightHessian < MIN_HESSIAN) return 0;
  const left = leafValue(gradient, hessian, l2, node.least, node.greatest);
  const right = leafValue(rightGradient, rightHessian, l2, node.least, node.greatest);
  if ((monotone === 1 && left > right) || (monotone === -1 && left < right)) return 0;
  return node.gradient * node.value - gradient * left - rightGradient * right;
}

function bestThreshold(memory: SharedMemory, feature: number, bins: Float64Array, node: Node, at: number): void {
  const { splits, features } = memory;
  const { binCount, monotone } = features[feature]!;
  const missing = binCount - 1;
  const missingRows = bins[missing * PER_BIN + 2]!;
  let best = 0;
  for (const missingLeft of missingRows > 0 ? [0, 1] : [0]) {
    let gradient = missingLeft * bins[missing * PER_BIN]!;
    let hessian = missingLeft * bins[missing * PER_BIN + 1]!;
    let rows = missingLeft * missingRows;
    // With missing values on the right, all others may go left.
    const last = missingRows > 0 && missingLeft === 0 ? missing : missing - 1;
    for (let bin = 0; bin < last; bin++) {
      gradient += bins[bin * PER_BIN]!;
      hessian += bins[bin * PER_BIN + 1]!;
      rows += bins[bin * PER_BIN + 2]!;
      const gain = gainOf(memory, node, monotone, gradient, hessian, rows);
      if (gain <= best) continue;
      best = gain;
      splits[at + SPLIT.gain] = gain;
      splits[at + SPLIT.bin] = bin;
      // A value that no training row of the node lacks goes where most rows go.
      splits[at + SPLIT.missingLeft] = missingRows > 0 ? missingLeft : Number(rows > node.rows - rows);
      splits[at + SPLIT.leftGradient] = gradient;
      splits[at + SPLIT.leftHessian] = hessian;
      splits[at + SPLIT.leftRows] = rows;
      splits[at + SPLIT.isSet] = 0;
    }
  }
}

/**
 * The best division of categories into two sets is one of those that keep their order by gradient over hessian (Fisher,
 * "On Grouping for Maximum Homogeneity", 1958).
 */
function bestSet(
  memory: SharedMemory,
  feature: number,
  bins: Float64Array,
  child: 0 | 1,
  node: Node,
  at: number,
): void {
  const { splits, splitSets, setWords, features } = memory;
  const { binCount } = features[feature]!;
  const support = node.rows / node.hessian;
  const codes: number[] = [];
  for (let code = 0; code < binCount; code++)
    if (bins[code * PER_BIN + 1]! * support >= MIN_CATEGORY_ROWS) codes.push(code);
  const orderOf = (code: number): number => bins[code * PER_BIN]! / (bins[code * PER_BIN + 1]! + MIN_CATEGORY_ROWS);
  codes.sort((a, b) => orderOf(a) - orderOf(b) || a - b);
  let best = 0;
  let members: number[] = [];
  // From both ends, so that the set that is written down is the smaller one.
  for (const ordered of [codes, codes.toReversed()]) {
    let gradient = 0;
    let hessian = 0;
    let rows = 0;
    const most = Math.ceil(ordered.length / 2);
    for (let i = 0; i < most; i++) {
      const bin = ordered[i]! * PER_BIN;
      gradient += bins[bin]!;
      hessian += bins[bin + 1]!;
      rows += bins[bin + 2]!;
      const gain = gainOf(memory, node, 0, gradient, hessian, rows);
      if (gain <= best) continue;
      best = gain;
      members = ordered.slice(0, i + 1);
      splits[at + SPLIT.gain] = gain;
      splits[at + SPLIT.leftGradient] = gradient;
      splits[at + SPLIT.leftHessian] = hessian;
      splits[at + SPLIT.leftRows] = rows;
      splits[at + SPLIT.isSet] = 1;
    }
  }
  const set = (child * features.length + feature) * setWords;
  splitSets.fill(0, set, set + setWords);
  for (const code of members) splitSets[set + (code >>> 5)]! |= 1 << (code & 31);
}

function addLeaf(memory: SharedMemory, task: number): void {
  const { args, index, train, tree, leaves } = memory;
  const value = tree.value[leaves.nodes[task]!]!;
  const base = args[ARGUMENT.output]! * train.rows;
  const end = leaves.ends[task]!;
  for (let i = leaves.starts[task]!; i < end; i++) train.scores[base + index[i]!]! += value;
}

function applyTree(memory: SharedMemory, task: number): void {
  const { args, train, validation } = memory;
  const to = args[ARGUMENT.isValidation] === 1 ? validation : train;
  const from = task * CHUNK_ROWS;
  addTree(memory, memory.tree, to, args[ARGUMENT.output]!, from, Math.min(to.rows, from + CHUNK_ROWS));
}

/** Adds the tree's values to the scores of these rows. */
export function addTree(
  { features, columns, setWords }: Pick<SharedMemory, 'features' | 'columns' | 'setWords'>,
  tree: TreeArrays,
  rows: BinnedRows,
  output: number,
  from: number,
  to: number,
): void {
  const { feature, bin, missingLeft, isSet, left, right, value, sets } = tree;
  const nodes = feature.length;
  const asked = Array.from(feature, (at) => features[Math.max(0, at)]!);
  const shift = Int32Array.from(asked, (one) => one.shift);
  const mask = Int32Array.from(asked, (one) => columns[one.column]!.mask);
  const missing = Int32Array.from(asked, (one) => one.binCount - 1);
  const words = asked.map((one) => rows.columns[one.column]!);
  const base = output * rows.rows;
  for (let row = from; row < to; row++) {
    let node = 0;
    for (let step = 0; step < nodes && feature[node]! >= 0; step++) {
      const code = (words[node]![row]! >>> shift[node]!) & mask[node]!;
      const goesLeft =
        isSet[node] === 1
          ? isInSet(sets, node * setWords, code)
          : code === missing[node]
            ? missingLeft[node] === 1
            : code <= bin[node]!;
      node = goesLeft ? left[node]! : right[node]!;
    }
    rows.scores[base + row]! += value[node]!;
  }
}
