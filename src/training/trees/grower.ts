import { ARGUMENT, leafValue, OPERATION } from './kernel.js';
import { CHUNK_ROWS, type SharedMemory, SPLIT, SPLIT_FIELDS } from './memory.js';
import type { Threads } from './threads.js';

/** A node while a tree grows: its rows are `index[start … end)`. */
interface GrowingNode {
  id: number;
  depth: number;
  start: number;
  end: number;
  gradient: number;
  hessian: number;
  value: number;
  least: number;
  greatest: number;
  /** Where its histograms lie; −1 when it has none. */
  slot: number;
  split?: BestSplit;
}

interface BestSplit {
  gain: number;
  feature: number;
  bin: number;
  missingLeft: boolean;
  isSet: boolean;
  leftGradient: number;
  leftHessian: number;
  leftRows: number;
  /** Where its set lies in `splitSets`, copied since they are made anew for the next nodes. */
  set?: Uint32Array;
}

export interface GrownTree {
  nodes: number;
  leaves: number;
}

/**
 * Grows one tree, leaf by leaf: always the leaf whose best split lowers the loss most (Shi, "Best-first decision tree
 * learning", 2007), over histograms, of which the larger child's is its parent's less its sibling's. The tree is in
 * `memory.tree`, with values that the learning rate has shrunk; the rows of its leaves stand side by side in
 * `memory.index`.
 */
export function growTree(memory: SharedMemory, threads: Threads, output: number, rows: number): GrownTree {
  const { args, options } = memory;
  args[ARGUMENT.output] = output;
  const free = Array.from({ length: options.maxLeaves + 1 }, (_, slot) => slot).toReversed();
  const nodes = { count: 0 };
  const root = rootOf(memory, threads, rows, free.pop()!);
  nodes.count = 1;
  const open: GrowingNode[] = [];
  const done: GrowingNode[] = [];
  const settle = (node: GrowingNode): void => {
    if (node.split) return void open.push(node);
    if (node.slot >= 0) free.push(node.slot);
    done.push(node);
  };
  settle(root);
  while (open.length > 0 && open.length + done.length < options.maxLeaves) {
    const node = takeBest(open);
    for (const child of splitNode(memory, threads, node, nodes, free)) settle(child);
  }
  const leaves = [...done, ...open].sort((a, b) => a.start - b.start);
  leaves.forEach((leaf, i) => {
    memory.tree.feature[leaf.id] = -1;
    memory.tree.value[leaf.id] = leaf.value * options.learningRate;
    memory.leaves.starts[i] = leaf.start;
    memory.leaves.ends[i] = leaf.end;
    memory.leaves.nodes[i] = leaf.id;
  });
  return { nodes: nodes.count, leaves: leaves.length };
}

function takeBest(open: GrowingNode[]): GrowingNode {
  let best = 0;
  for (let i = 1; i < open.length; i++) if (open[i]!.split!.gain > open[best]!.split!.gain) best = i;
  return open.splice(best, 1)[0]!;
}

function rootOf(memory: SharedMemory, threads: Threads, rows: number, slot: number): GrowingNode {
  const { orderedPairs, options } = memory;
  setRange(memory, 0, rows);
  threads.run(OPERATION.GATHER, chunksOf(rows));
  let [gradient, hessian] = [0, 0];
  for (let i = 0; i < rows; i++) {
    gradient += orderedPairs[i * 2]!;
    hessian += orderedPairs[i * 2 + 1]!;
  }
  const bounds = { least: -Infinity, greatest: Infinity };
  const value = leafValue(gradient, hessian, options.l2, bounds.least, bounds.greatest);
  const root: GrowingNode = { id: 0, depth: 0, start: 0, end: rows, gradient, hessian, value, ...bounds, slot };
  findSplits(memory, threads, root, undefined);
  return root;
}

function splitNode(
  memory: SharedMemory,
  threads: Threads,
  node: GrowingNode,
  nodes: { count: number },
  free: number[],
): [GrowingNode, GrowingNode] {
  const { tree, options, setWords, features } = memory;
  const split = node.split!;
  divideRows(memory, threads, node, split);
  const middle = node.start + split.leftRows;
  const { l2 } = options;
  const child = (isLeft: boolean): GrowingNode => {
    const gradient = isLeft ? split.leftGradient : node.gradient - split.leftGradient;
    const hessian = isLeft ? split.leftHessian : node.hessian - split.leftHessian;
    const [start, end] = isLeft ? [node.start, middle] : [middle, node.end];
    const value = leafValue(gradient, hessian, l2, node.least, node.greatest);
    const { least, greatest, depth } = node;
    return { id: nodes.count++, depth: depth + 1, start, end, gradient, hessian, value, least, greatest, slot: -1 };
  };
  const left = child(true);
  const right = child(false);
  const { monotone } = features[split.feature]!;
  if (monotone !== 0) {
    const between = (left.value + right.value) / 2;
    if (monotone === 1) [left.greatest, right.least] = [between, between];
    else [left.least, right.greatest] = [between, between];
  }
  tree.feature[node.id] = split.feature;
  tree.bin[node.id] = split.bin;
  tree.missingLeft[node.id] = Number(split.missingLeft);
  tree.isSet[node.id] = Number(split.isSet);
  tree.left[node.id] = left.id;
  tree.right[node.id] = right.id;
  if (split.set) tree.sets.set(split.set, node.id * setWords);
  const canSplit = ({ start, end, depth }: GrowingNode): boolean =>
    end - start >= 2 * options.minLeafRows && (options.maxDepth === 0 || depth < options.maxDepth);
  if (!canSplit(left) && !canSplit(right)) {
    free.push(node.slot);
    return [left, right];
  }
  const [small, large] = left.end - left.start <= right.end - right.start ? [left, right] : [right, left];
  small.slot = free.pop()!;
  large.slot = node.slot;
  findSplits(memory, threads, small, large);
  for (const one of [left, right]) if (!canSplit(one)) one.split = undefined;
  return [left, right];
}

function divideRows(memory: SharedMemory, threads: Threads, node: GrowingNode, split: BestSplit): void {
  const { args } = memory;
  setRange(memory, node.start, node.end);
  args[ARGUMENT.feature] = split.feature;
  args[ARGUMENT.leftRows] = split.leftRows;
  setLeftBits(memory, split);
  const chunks = chunksOf(node.end - node.start);
  threads.run(OPERATION.DIVIDE, chunks);
  threads.run(OPERATION.PLACE, chunks);
}

function setLeftBits({ leftBits, features }: SharedMemory, { feature, bin, missingLeft, set }: BestSplit): void {
  leftBits.fill(0);
  if (set) return void leftBits.set(set);
  const missing = features[feature]!.binCount - 1;
  for (let code = 0; code <= missing; code++)
    if (code === missing ? missingLeft : code <= bin) leftBits[code >>> 5]! |= 1 << (code & 31);
}

/**
 * Finds the best split of `first` and of its sibling `second`. The histograms of `first` are summed over its rows. The
 * histograms of `second` are those of their parent minus those of `first`.
 */
function findSplits(memory: SharedMemory, threads: Threads, first: GrowingNode, second: GrowingNode | undefined): void {
  const { args, columns } = memory;
  setRange(memory, first.start, first.end);
  if (second) threads.run(OPERATION.GATHER, chunksOf(first.end - first.start));
  args[ARGUMENT.slot] = first.slot;
  args[ARGUMENT.parentSlot] = second?.slot ?? -1;
  setNode(args, ARGUMENT.first, first);
  if (second) setNode(args, ARGUMENT.second, second);
  threads.run(OPERATION.HISTOGRAM, columns.length);
  first.split = bestOf(memory, 0);
  if (second) second.split = bestOf(memory, 1);
}

function bestOf({ splits, splitSets, setWords, features, allowed }: SharedMemory, child: 0 | 1): BestSplit | undefined {
  let best = -1;
  let gain = 0;
  for (let feature = 0; feature < features.length; feature++) {
    if (allowed[feature] === 0) continue;
    const found = splits[(child * features.length + feature) * SPLIT_FIELDS + SPLIT.gain]!;
    if (found > gain) [best, gain] = [feature, found];
  }
  if (best < 0) return undefined;
  const at = (child * features.length + best) * SPLIT_FIELDS;
  const isSet = splits[at + SPLIT.isSet] === 1;
  const set = (child * features.length + best) * setWords;
  return {
    gain,
    feature: best,
    bin: splits[at + SPLIT.bin]!,
    missingLeft: splits[at + SPLIT.missingLeft] === 1,
    isSet,
    leftGradient: splits[at + SPLIT.leftGradient]!,
    leftHessian: splits[at + SPLIT.leftHessian]!,
    leftRows: splits[at + SPLIT.leftRows]!,
    ...(isSet && { set: splitSets.slice(set, set + setWords) }),
  };
}

function setRange({ args }: SharedMemory, start: number, end: number): void {
  args[ARGUMENT.start] = start;
  args[ARGUMENT.end] = end;
}

function setNode(args: Float64Array, at: number, node: GrowingNode): void {
  args.set([node.gradient, node.hessian, node.end - node.start, node.value, node.least, node.greatest], at);
}

export function chunksOf(rows: number): number {
  return Math.ceil(rows / CHUNK_ROWS);
}
