/** Finds the meaning of a graph's outputs from the operators that make them. */
import type { OutputMeaning, TensorSpec } from '../../../modules/model-contract/index.js';
import type { GraphNode, OnnxGraph } from './rows/graph.js';

/** Operators that change neither the meaning nor the order of the numbers. */
const PASSES_ON = new Set(['Cast', 'Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze']);
/** Squares and roots of distances have the same nearest point. */
const KEEPS_ORDER = new Set([...PASSES_ON, 'Sqrt']);
const NORMALISED = new Set(['LOGISTIC', 'SOFTMAX', 'SOFTMAX_ZERO']);
/** Longer than any exporter's chain of operators. */
const MAX_STEPS = 50;

class Origins {
  private readonly makers = new Map<string, GraphNode>();

  constructor(graph: OnnxGraph) {
    for (const node of graph.nodes) for (const output of node.outputs) this.makers.set(output, node);
  }

  /** The value before the operators that are skipped, and the node that makes it. */
  of(value: string, passes: ReadonlySet<string>): { value: string; node: GraphNode | undefined } {
    let at = value;
    for (let step = 0; step < MAX_STEPS; step += 1) {
      const node = this.makers.get(at);
      const from = node?.inputs[0];
      if (!node || from === undefined || !passes.has(node.opType)) return { value: at, node };
      at = from;
    }
    return { value: at, node: undefined };
  }
}

/** The outputs whose operators show the meaning; for the others, their values must show it. */
export function outputMeanings(graph: OnnxGraph, outputs: readonly TensorSpec[]): Map<string, OutputMeaning> {
  const origins = new Origins(graph);
  const meanings = new Map<string, OutputMeaning>();
  const nearestOf = new Set<string>();
  const isFloat = ({ datatype }: TensorSpec): boolean => datatype === 'FP32' || datatype === 'FP64';
  for (const { name } of outputs.filter((spec) => !isFloat(spec))) {
    const { node } = origins.of(name, PASSES_ON);
    if (node?.opType !== 'ArgMin') continue;
    meanings.set(name, 'CLUSTER');
    nearestOf.add(origins.of(node.inputs[0]!, KEEPS_ORDER).value);
  }
  for (const { name } of outputs.filter(isFloat)) {
    if (nearestOf.has(origins.of(name, KEEPS_ORDER).value)) meanings.set(name, 'DISTANCES');
    else if (isNormalised(origins.of(name, PASSES_ON).node)) meanings.set(name, 'PROBABILITIES');
  }
  return meanings;
}

function isNormalised(node: GraphNode | undefined): boolean {
  if (!node) return false;
  const { opType, attributes } = node;
  if (opType === 'Softmax' || opType === 'Sigmoid') return true;
  return opType.endsWith('Classifier') && NORMALISED.has(attributes.get('post_transform')?.text ?? 'NONE');
}
