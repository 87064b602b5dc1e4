/** Reads the classes that an ONNX classifier itself names, in the order of its probabilities. */
import { type GraphNode, type OnnxGraph, readGraph } from './rows/graph.js';

const ML = 'ai.onnx.ml';
const CLASSIFIERS: ReadonlySet<string> = new Set([
  'TreeEnsembleClassifier',
  'LinearClassifier',
  'SVMClassifier',
  'ZipMap',
]);
const LABEL_ATTRIBUTES = ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints'];
/** Operators that do not change a label or probabilities, except for shape and type. */
const PASSING: ReadonlySet<string> = new Set([
  'Cast',
  'Reshape',
  'Identity',
  'Squeeze',
  'Unsqueeze',
  'Flatten',
  'Softmax',
  'Normalizer',
  'Clip',
  'Transpose',
]);
const MAX_STEPS = 50;
const MAX_CLASSES = 1_000;

/** Null when the graph has no labels or contradictory ones. The bytes must have passed `inspectOnnxFile`. */
export function readClassLabels(bytes: Uint8Array): string[] | null {
  const graph = readGraph(bytes);
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  for (const output of graph.outputs) {
    const found = labelsBehind(output, graph, producers);
    if (found) return usable(found);
  }
  const all = graph.nodes.filter(isClassifier).map((node) => labelsOf(node));
  const [first] = all;
  return first && all.every((labels) => labels?.join('\0') === first.join('\0')) ? usable(first) : null;
}

function usable(labels: readonly string[]): string[] | null {
  const isSound = labels.length >= 2 && labels.length <= MAX_CLASSES && new Set(labels).size === labels.length;
  return isSound && labels.every((label) => label !== '' && !label.includes('\0')) ? [...labels] : null;
}

function isClassifier({ domain, opType }: GraphNode): boolean {
  return domain === ML && CLASSIFIERS.has(opType);
}

function labelsOf({ attributes }: GraphNode): string[] | null {
  for (const name of LABEL_ATTRIBUTES) {
    const attribute = attributes.get(name);
    const texts = attribute?.texts() ?? [];
    if (texts.length > 0) return texts;
    if (attribute?.ints?.length) return attribute.ints.map(String);
  }
  return null;
}

function labelsBehind(output: string, graph: OnnxGraph, producers: ReadonlyMap<string, GraphNode>): string[] | null {
  let name = output;
  for (let step = 0; step < MAX_STEPS; step++) {
    const node = producers.get(name);
    if (!node) return null;
    if (isClassifier(node)) return labelsOf(node);
    if (node.domain === ML && node.opType === 'LabelEncoder') return encodedLabels(node);
    // A list of classes from which the index of the highest score selects one.
    if (node.opType === 'ArrayFeatureExtractor' || node.opType === 'Gather')
      return isHighest(node.inputs[1], producers)
        ? (graph.constants.get(node.inputs[0] ?? '')?.elements?.map(String) ?? null)
        : null;
    if (!PASSING.has(node.opType)) return null;
    name = node.inputs[0] ?? '';
  }
  return null;
}

function isHighest(position: string | undefined, producers: ReadonlyMap<string, GraphNode>): boolean {
  let node = producers.get(position ?? '');
  for (let step = 0; node && PASSING.has(node.opType) && step < MAX_STEPS; step++)
    node = producers.get(node.inputs[0] ?? '');
  return node?.opType === 'ArgMax' || node?.opType === 'TopK';
}

/** The texts or numbers of the classes with index 0, 1, 2 …; null for any other encoder. */
function encodedLabels({ attributes }: GraphNode): string[] | null {
  const keys = attributes.get('keys_int64s')?.ints;
  const texts = attributes.get('values_strings')?.texts() ?? [];
  const values = texts.length > 0 ? texts : (attributes.get('values_int64s')?.ints?.map(String) ?? []);
  if (!keys || keys.length !== values.length) return null;
  const labels = keys.map((_, position) => values[keys.indexOf(position)]);
  return labels.every((label) => label !== undefined) ? labels : null;
}
