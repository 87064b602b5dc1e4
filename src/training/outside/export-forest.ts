import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import type { InputColumn, TensorSpec } from '../../modules/model-contract/index.js';
import type { TrainingConfig } from '../../modules/algorithms/index.js';
import type { Encoding } from '../encoding.js';
import {
  classOutputs,
  concatenate,
  declareInputs,
  encodedParts,
  type ExportedModel,
  finished,
  INTERNAL_PREFIX,
  wideColumns,
} from '../graphs/export-graph.js';
import type { Head } from '../graphs/heads.js';
import type { Comparison, Link, TrainedForest } from './forest.js';

const FLOAT = 1;
const DOUBLE = 11;
const SUM = 1;
/** Modes of a node of TreeEnsemble. */
const BRANCH: Record<Comparison, number> = { LESS_OR_EQUAL: 0, LESS: 1 };

export interface ForestToExport {
  config: TrainingConfig;
  columns: ReadonlyMap<string, InputColumn>;
  encoding: Encoding;
  head: Head;
  forest: TrainedForest;
  threshold: number | undefined;
}

/**
 * Writes the model as a graph: the raw columns are encoded as for a network, the indicators become columns of 0 and 1,
 * and one TreeEnsemble node compares and adds in double precision.
 */
export function exportForest({ config, columns, encoding, head, forest, threshold }: ForestToExport): ExportedModel {
  const b = new GraphBuilder(INTERNAL_PREFIX);
  const inputs = declareInputs(b, config, columns, wideColumns(encoding));
  const { numbers, slots } = encodedParts(b, encoding);
  const indicators = slots.map((index, at) => {
    const { offset, size } = encoding.slots[at]!;
    const all = b.constant(
      BigInt64Array.from({ length: size }, (_, i) => BigInt(offset + i)),
      [1, size],
    );
    return b.node('Cast', [b.node('Equal', [index, all])], { to: { int: FLOAT } });
  });
  const values = b.node('Cast', [concatenate(b, [...numbers, ...indicators])], { to: { int: DOUBLE } });
  const sums = b.mlNode('TreeEnsemble', [values], ensemble(forest));
  const scores = b.node('Add', [sums, b.constant(forest.baseline, [1, forest.baseline.length])]);
  return finished(b, config, head, inputs, writeOutputs(b, head, scores, forest.link, threshold), threshold);
}

function ensemble(forest: TrainedForest): Parameters<GraphBuilder['mlNode']>[2] {
  const { feature, split, left, right, value, roots: starts, baseline } = forest;
  const isLeaf = (node: number) => left[node] === -1;
  // Without a split, a tree is one node with the same leaf on either side.
  const lonely = new Set([...starts].filter(isLeaf));
  const kept = [...feature.keys()].filter((node) => !isLeaf(node) || lonely.has(node));
  const idOf = new Map(kept.map((node, id) => [node, id]));
  const outputOf = outputsOfNodes(forest);
  const leafValues: number[] = [];
  const leafTargets: number[] = [];
  const child = (node: number, parent: number): [id: number, isLeaf: number] => {
    if (!isLeaf(node)) return [idOf.get(node)!, 0];
    leafTargets.push(outputOf[parent]!);
    return [leafValues.push(value[node]!) - 1, 1];
  };
  const ways = kept.map((node) => ({
    whenTrue: child(isLeaf(node) ? node : left[node]!, node),
    whenFalse: child(isLeaf(node) ? node : right[node]!, node),
  }));
  return {
    aggregate_function: { int: SUM },
    n_targets: { int: baseline.length },
    tree_roots: { ints: Array.from(starts, (root) => idOf.get(root)!) },
    nodes_modes: { tensor: new Uint8Array(kept.length).fill(BRANCH[forest.comparison]) },
    nodes_splits: { tensor: Float64Array.from(kept, (node) => split[node]!) },
    nodes_featureids: { ints: kept.map((node) => feature[node]!) },
    nodes_missing_value_tracks_true: { ints: kept.map(() => 0) },
    nodes_truenodeids: { ints: ways.map(({ whenTrue }) => whenTrue[0]) },
    nodes_trueleafs: { ints: ways.map(({ whenTrue }) => whenTrue[1]) },
    nodes_falsenodeids: { ints: ways.map(({ whenFalse }) => whenFalse[0]) },
    nodes_falseleafs: { ints: ways.map(({ whenFalse }) => whenFalse[1]) },
    leaf_weights: { tensor: Float64Array.from(leafValues) },
    leaf_targetids: { ints: leafTargets },
  };
}

/** The output of the tree of each node; children follow their parents. */
function outputsOfNodes({ roots, outputs, left, right }: TrainedForest): Int32Array {
  const outputOf = new Int32Array(left.length);
  roots.forEach((root, tree) => (outputOf[root] = outputs[tree]!));
  for (let node = 0; node < left.length; node++) {
    if (left[node] === -1) continue;
    outputOf[left[node]!] = outputOf[node]!;
    outputOf[right[node]!] = outputOf[node]!;
  }
  return outputOf;
}

function writeOutputs(
  b: GraphBuilder,
  head: Head,
  scores: string,
  link: Link,
  threshold: number | undefined,
): TensorSpec[] {
  const double = (value: number): string => b.constant(Float64Array.of(value), []);
  if (head.kind === 'CLASSES') {
    const shares = head.classes.length > 2 ? ofSeveral(b, scores, link) : ofTwo(b, scores, link);
    return classOutputs(b, head, b.node('Cast', [shares], { to: { int: FLOAT } }), threshold);
  }
  if (head.kind !== 'VALUE') throw new Error('Forests give classes or values.');
  const inUnits = b.node('Add', [b.node('Mul', [scores, double(head.std)]), double(head.mean)]);
  const isWide = head.precision === 'FP64';
  const value = b.node('Reshape', [isWide ? inUnits : b.node('Cast', [inUnits], { to: { int: FLOAT } }), b.ints(-1)]);
  b.output('prediction', value, isWide ? 'double' : 'float', ['rows']);
  return [{ name: 'prediction', datatype: head.precision, shape: [-1] }];
}

function ofSeveral(b: GraphBuilder, scores: string, link: Link): string {
  return link === 'NONE' ? scores : b.node('Softmax', [scores], { axis: { int: -1 } });
}

/** Of two classes, only the second one has a score. */
function ofTwo(b: GraphBuilder, scores: string, link: Link): string {
  const second = link === 'NONE' ? scores : b.node('Sigmoid', [scores]);
  const first = b.node('Sub', [b.constant(Float64Array.of(1), []), second]);
  return b.node('Concat', [first, second], { axis: { int: 1 } });
}
