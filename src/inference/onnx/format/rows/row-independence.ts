/**
 * Follows the rows of a batch through a model's graph, to prove that the answer of a row cannot depend on another row.
 */
import type { RowIndependence, TensorSpec } from '../../../../modules/model-contract/index.js';
import { ELEMENT_RULES } from './element-rules.js';
import type { GraphNode, OnnxGraph } from './graph.js';
import { MICROSOFT_RULES, ML_RULES, TEXT_RULES } from './model-rules.js';
import { Operator, type Rule } from './operator.js';
import { SHAPE_RULES } from './shape-rules.js';
import { countsRows, fixed, isRows, rows, RowsDepend, type Value } from './value.js';

const RULES = new Map<string, ReadonlyMap<string, Rule | null>>([
  ['', new Map(Object.entries({ ...ELEMENT_RULES, ...SHAPE_RULES, ...TEXT_RULES }))],
  ['ai.onnx.ml', new Map(Object.entries(ML_RULES))],
  ['com.microsoft', new Map(Object.entries(MICROSOFT_RULES))],
]);

/** Random operators: a run cannot be compared with a run of the row alone. */
const RANDOM = new Set([
  'Bernoulli',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
]);
/** Operators that accept padded texts. */
const TAKES_PADDING = new Set(['Flatten', 'TfIdfVectorizer']);

class RowProof {
  /** A text is the reason why the rows of a value may not be independent. */
  private readonly values = new Map<string, Value | string>();

  constructor(
    private readonly graph: OnnxGraph,
    inputs: readonly TensorSpec[],
  ) {
    for (const [name, { dims, elements }] of graph.constants) this.values.set(name, fixed(dims, elements ?? undefined));
    for (const { name, shape } of inputs) {
      const dims = shape.map((size) => (size < 0 ? null : size));
      this.values.set(name, shape[0] === -1 ? rows(dims, 0) : fixed(dims));
    }
  }

  /** Why rows may depend on each other; null when they do not. */
  reason(): string | null {
    for (const node of this.graph.nodes) this.follow(node);
    for (const name of this.graph.outputs) {
      const value = this.values.get(name);
      if (typeof value === 'string') return value;
      if (!value || value.axis !== 0)
        return `The output "${name}" does not have one entry for each row along its first axis.`;
      if (value.padding !== undefined) return `The output "${name}" is as wide as the longest row asks for.`;
    }
    return null;
  }

  private follow(node: GraphNode): void {
    const results = this.results(node);
    node.outputs.forEach((name, index) => {
      const result = Array.isArray(results) ? results[index] : results;
      this.values.set(name, result ?? `${shown(node)} has more outputs than are known.`);
    });
  }

  private results(node: GraphNode): Value | Value[] | string {
    const inputs: (Value | undefined)[] = [];
    for (const name of node.inputs) {
      const value =
        name === '' ? undefined : (this.values.get(name) ?? `${shown(node)} reads "${name}" before it is made.`);
      if (typeof value === 'string') return value;
      inputs.push(value);
    }
    if (node.opaque) return `${shown(node)} has graphs of its own, which are not read here.`;
    if (this.graph.functions.has(`${node.domain}.${node.opType}`))
      return `${shown(node)} is a function of the file's own, which is not read here.`;
    if (RANDOM.has(node.opType)) return `${shown(node)} draws at random.`;
    const rule = RULES.get(node.domain)?.get(node.opType);
    const constant = inputs.every((value) => !value || (!isRows(value) && !countsRows(value)));
    try {
      if (rule) return this.applied(rule, node, inputs);
      return constant ? fixed() : `${shown(node)} is not known to keep rows apart.`;
    } catch (error) {
      if (!(error instanceof RowsDepend)) throw error;
      return constant ? fixed() : `${shown(node)} ${error.message}.`;
    }
  }

  private applied(rule: Rule, node: GraphNode, inputs: readonly (Value | undefined)[]): Value | Value[] {
    if (!TAKES_PADDING.has(node.opType) && inputs.some((value) => value?.padding !== undefined)) {
      throw new RowsDepend('takes texts that are padded to the longest of all rows');
    }
    const results = rule(new Operator(node, inputs, this.graph.opsets.get(node.domain) ?? 0));
    const counted = inputs.some((value) => value && countsRows(value));
    for (const result of Array.isArray(results) ? results : [results]) {
      if (counted && !isRows(result) && !result.elements) throw new RowsDepend('calculates with the number of rows');
    }
    return results;
  }
}

function shown({ opType, name }: GraphNode): string {
  return name === '' ? `The operator ${opType}` : `The operator ${opType} ("${name}")`;
}

/** `inputs` is what the runtime says about the model, not the file. */
export function proveRowIndependence(graph: OnnxGraph, inputs: readonly TensorSpec[]): RowIndependence {
  const fixedInput = inputs.find(({ shape }) => shape[0] !== -1);
  const reason =
    inputs.length === 0
      ? 'The model takes no input.'
      : fixedInput
        ? `The input "${fixedInput.name}" does not have a free first axis for the rows.`
        : new RowProof(graph, inputs).reason();
  return { proven: reason === null, reason };
}
