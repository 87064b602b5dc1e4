import { GraphBuilder } from '../../inference/onnx/format/graph-builder.js';
import type { InputColumn, TensorSpec } from '../../modules/model-contract/index.js';
import type { TrainingConfig } from '../../modules/algorithms/index.js';
import {
  classOutputs,
  concatenate,
  declareInputs,
  type ExportedModel,
  finished,
  INTERNAL_PREFIX,
} from '../graphs/export-graph.js';
import type { Head } from '../graphs/heads.js';
import { termCountGraph } from '../graphs/text-graph.js';
import { TimeGraph } from '../graphs/time-graph.js';
import type { TreeFeature } from './features.js';
import { isInSet, type TreeArrays } from './memory.js';

const FLOAT = 1;
const DOUBLE = 11;
/** Modes of a node: value ≤ split; value is a member of a set. */
const BRANCH_LEQ = 0;
const BRANCH_MEMBER = 6;
const SUM = 1;

export interface TreesToExport {
  config: TrainingConfig;
  columns: ReadonlyMap<string, InputColumn>;
  features: readonly TreeFeature[];
  head: Head;
  /** One tree per output, again and again. */
  trees: Iterable<TreeArrays>;
  /** The score before the first tree, per output. */
  baseline: Float64Array;
  setWords: number;
  threshold: number | undefined;
}

/**
 * Writes the model as a graph: the raw columns in, one TreeEnsemble node (ai.onnx.ml 5) in double precision, so that
 * every comparison and every sum is that of the training.
 */
export function exportTrees(input: TreesToExport): ExportedModel {
  const { config, columns, features, head, threshold, baseline } = input;
  const b = new GraphBuilder(INTERNAL_PREFIX);
  const wide = features.flatMap((one) => (one.kind === 'NUMBER' && one.precision === 'FP64' ? [one.column] : []));
  const inputs = declareInputs(b, config, columns, new Set(wide));
  const times = new TimeGraph(b);
  const values = concatenate(
    b,
    features.flatMap((feature) => featureValue(b, times, feature)),
  );
  const sums = b.mlNode('TreeEnsemble', [values], ensemble(input));
  const scores = b.node('Add', [sums, b.constant(baseline, [1, baseline.length])]);
  return finished(b, config, head, inputs, writeOutputs(b, head, scores, threshold), threshold);
}

/** The features' values, rows × 1, double; all terms of a text as one value, at the first of them. */
function featureValue(b: GraphBuilder, times: TimeGraph, feature: TreeFeature): string | string[] {
  const { column } = feature;
  if (feature.kind === 'TERM')
    return feature.at > 0 ? [] : b.node('Cast', [termCountGraph(b, column, feature.text)], { to: { int: DOUBLE } });
  if (feature.kind === 'TIME') return times.number(column, feature.part);
  if (feature.kind === 'CATEGORY') {
    const { categories } = feature;
    const code = b.mlNode('LabelEncoder', [column], {
      keys_strings: { texts: [...categories, ''] },
      values_int64s: { ints: [...categories.keys(), categories.length + 1].map(memberOf) },
      default_int64: { int: memberOf(categories.length) },
    });
    return b.node('Cast', [code], { to: { int: DOUBLE } });
  }
  const missing = b.node('IsInf', [column]);
  const none = b.constant(feature.precision === 'FP64' ? Float64Array.of(Number.NaN) : Float32Array.of(Number.NaN), []);
  return b.node('Cast', [b.node('Where', [missing, none, column])], { to: { int: DOUBLE } });
}

/** A category's number in the graph: ONNX Runtime keeps sets as bits from 1. */
function memberOf(code: number): number {
  return code + 1;
}

function ensemble({ features, trees, baseline, setWords }: TreesToExport): Parameters<GraphBuilder['mlNode']>[2] {
  const modes: number[] = [];
  const splits: number[] = [];
  const asked: number[] = [];
  const missingTrue: number[] = [];
  const members: number[] = [];
  const branches = {
    trueIds: [] as number[],
    trueLeafs: [] as number[],
    falseIds: [] as number[],
    falseLeafs: [] as number[],
  };
  const roots: number[] = [];
  const leafValues: number[] = [];
  const leafTargets: number[] = [];
  let output = 0;
  for (const tree of trees) {
    roots.push(modes.length);
    // Without a split, the tree is one node with the same leaf on either side.
    const inner = [...tree.feature.keys()].filter((node) => tree.feature[node]! >= 0);
    const nodes = inner.length > 0 ? inner : [0];
    const idOf = new Map(nodes.map((node, i) => [node, modes.length + i]));
    const leafOf = (node: number): number => {
      leafTargets.push(output % baseline.length);
      return leafValues.push(tree.value[node]!) - 1;
    };
    for (const node of nodes) {
      const isLeaf = tree.feature[node]! < 0;
      const { binning } = features[Math.max(0, tree.feature[node]!)]!;
      const isSet = !isLeaf && tree.isSet[node] === 1;
      modes.push(isSet ? BRANCH_MEMBER : BRANCH_LEQ);
      splits.push(binning.kind === 'NUMERIC' && !isLeaf ? edgeOf(binning.edges, tree.bin[node]!) : 0);
      asked.push(Math.max(0, tree.feature[node]!));
      missingTrue.push(isSet ? 0 : tree.missingLeft[node]!);
      if (isSet && binning.kind === 'CATEGORY') {
        for (let code = 0; code <= binning.codes; code++)
          if (isInSet(tree.sets, node * setWords, code)) members.push(memberOf(code));
        members.push(Number.NaN);
      }
      for (const [child, ids, leafs] of [
        [isLeaf ? node : tree.left[node]!, branches.trueIds, branches.trueLeafs],
        [isLeaf ? node : tree.right[node]!, branches.falseIds, branches.falseLeafs],
      ] as const) {
        const isLeafChild = tree.feature[child]! < 0;
        leafs.push(Number(isLeafChild));
        ids.push(isLeafChild ? leafOf(child) : idOf.get(child)!);
      }
    }
    output++;
  }
  return {
    aggregate_function: { int: SUM },
    n_targets: { int: baseline.length },
    tree_roots: { ints: roots },
    nodes_modes: { tensor: Uint8Array.from(modes) },
    nodes_splits: { tensor: Float64Array.from(splits) },
    nodes_featureids: { ints: asked },
    nodes_missing_value_tracks_true: { ints: missingTrue },
    nodes_truenodeids: { ints: branches.trueIds },
    nodes_trueleafs: { ints: branches.trueLeafs },
    nodes_falsenodeids: { ints: branches.falseIds },
    nodes_falseleafs: { ints: branches.falseLeafs },
    leaf_weights: { tensor: Float64Array.from(leafValues) },
    leaf_targetids: { ints: leafTargets },
    ...(members.length > 0 && { membership_values: { tensor: Float64Array.from(members) } }),
  };
}

/** Past the last edge only missing values go right. */
function edgeOf(edges: Float64Array, bin: number): number {
  return edges[bin] ?? Number.POSITIVE_INFINITY;
}

function writeOutputs(b: GraphBuilder, head: Head, scores: string, threshold: number | undefined): TensorSpec[] {
  if (head.kind === 'CLASSES') {
    const shares = b.node('Cast', [probabilitiesOf(b, head, scores)], { to: { int: FLOAT } });
    return classOutputs(b, head, shares, threshold);
  }
  if (head.kind !== 'VALUE') throw new Error('Trees give classes or values.');
  const isWide = head.precision === 'FP64';
  const value = b.node('Reshape', [isWide ? scores : b.node('Cast', [scores], { to: { int: FLOAT } }), b.ints(-1)]);
  b.output('prediction', value, isWide ? 'double' : 'float', ['rows']);
  return [{ name: 'prediction', datatype: head.precision, shape: [-1] }];
}

function probabilitiesOf(b: GraphBuilder, { classes }: Head & { kind: 'CLASSES' }, scores: string): string {
  if (classes.length > 2) return b.node('Softmax', [scores], { axis: { int: -1 } });
  const second = b.node('Sigmoid', [scores]);
  const first = b.node('Sub', [b.constant(Float64Array.of(1), []), second]);
  return b.node('Concat', [first, second], { axis: { int: 1 } });
}
