import { AppError, ErrorCode } from '../../errors.js';
import { lengthOf, type NamedArray, takeArray } from './arrays.js';

/** Whether a row goes left when its value is less than the split, or also when it is equal. */
export type Comparison = 'LESS' | 'LESS_OR_EQUAL';
/** How scores become probabilities; NONE when they are the answer. */
export type Link = 'NONE' | 'SIGMOID' | 'SOFTMAX';

/**
 * Decision trees. A row reaches one leaf in each tree, and the score of an output is the sum of the values of those
 * leaves in its trees. A node with `left` = -1 is a leaf.
 */
export interface TrainedForest {
  roots: Int32Array;
  /** The output of each tree. */
  outputs: Int32Array;
  feature: Int32Array;
  split: Float64Array;
  left: Int32Array;
  right: Int32Array;
  value: Float64Array;
  /** The score of each output before the first tree. */
  baseline: Float64Array;
  comparison: Comparison;
  link: Link;
}

const wrong = (what: string): AppError =>
  new AppError(ErrorCode.INVALID_MODEL, `The training has stored a forest that is none: ${what}.`, {
    expected: 'trees whose nodes follow their parents',
    got: what,
  });

/**
 * The forest in these arrays, which come from outside: every index is checked, and children must come after their
 * parent, so that no walk through a tree is endless.
 */
export function forestOf(
  arrays: ReadonlyMap<string, NamedArray>,
  { columns, outputs, comparison, link }: { columns: number; outputs: number; comparison: Comparison; link: Link },
): TrainedForest {
  const trees = lengthOf(arrays, 'forest.roots');
  const nodes = lengthOf(arrays, 'forest.feature');
  const ints = (name: string, length: number) => takeArray(arrays, `forest.${name}`, Int32Array, [length]);
  const doubles = (name: string, length: number) => takeArray(arrays, `forest.${name}`, Float64Array, [length]);
  const forest: TrainedForest = {
    roots: ints('roots', trees),
    outputs: ints('outputs', trees),
    feature: ints('feature', nodes),
    split: doubles('split', nodes),
    left: ints('left', nodes),
    right: ints('right', nodes),
    value: doubles('value', nodes),
    baseline: doubles('baseline', outputs),
    comparison,
    link,
  };
  if (trees === 0) throw wrong('it has no tree');
  const isBelow = (values: Int32Array, limit: number) => values.every((value) => value >= 0 && value < limit);
  if (!isBelow(forest.roots, nodes)) throw wrong('a root is not among the nodes');
  if (!isBelow(forest.outputs, outputs)) throw wrong('a tree has an unknown output');
  if (!isBelow(forest.feature, columns)) throw wrong('a node asks for an unknown column');
  for (let node = 0; node < nodes; node++) {
    const [left, right] = [forest.left[node]!, forest.right[node]!];
    if (left === -1 && right === -1) continue;
    if (left <= node || right <= node || left >= nodes || right >= nodes)
      throw wrong(`the children of node ${node} do not follow it`);
  }
  if (![...[forest.split, forest.value, forest.baseline]].every((values) => values.every(Number.isFinite)))
    throw wrong('a number is not finite');
  return forest;
}
