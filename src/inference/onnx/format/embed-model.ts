/** Puts whole models into one graph: renames what they consist of, and brings their operators to one operator set. */
import type { GraphBuilder } from './graph-builder.js';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  onnx,
  type TensorProto,
} from './proto.js';

const ML_DOMAIN = 'ai.onnx.ml';
const INT64 = 7;
/** Opset of operators whose axes became an input. */
const AXES_BECOME_INPUT: Readonly<Record<string, number>> = {
  ...Object.fromEntries(['Squeeze', 'Unsqueeze', 'ReduceSum'].map((operator) => [operator, 13])),
  ...Object.fromEntries(
    [
      ...['ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceMax', 'ReduceMean', 'ReduceMin'],
      ...['ReduceProd', 'ReduceSumSquare'],
    ].map((operator) => [operator, 18]),
  ),
};
/** Their axis counts from 1 before opset 13, and from the end since then. */
const AXIS_HAS_ANOTHER_DEFAULT = new Set(['Softmax', 'LogSoftmax', 'Hardmax']);
const SPLIT_BECOMES_INPUT = 13;
const SPLIT_NEEDS_COUNT = 18;
/** Operators that are not translated: by domain, the version that changed or ended their earlier form. */
const CHANGED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '': {
    ...{ Clip: 11, Dropout: 12, Slice: 10, TopK: 10, Pad: 11, Upsample: 10, Resize: 11, Scatter: 11 },
    ...{ BatchNormalization: 9, GroupNormalization: 21, GridSample: 20, DFT: 20 },
  },
  [ML_DOMAIN]: { LabelEncoder: 2, TreeEnsembleClassifier: 5, TreeEnsembleRegressor: 5 },
};

/** The models cannot be in one graph; the message says why and what to do. */
export class NotOneGraph extends Error {}

const standardDomain = (domain: string | null | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

function opsetsOf({ opsetImport }: ModelProto): Map<string, number> {
  return new Map((opsetImport ?? []).map(({ domain, version }) => [standardDomain(domain), Number(version ?? 1)]));
}

/** The operator sets that a graph with all these models needs: the newest of each. */
export function commonOpsets(models: readonly ModelProto[], least: ReadonlyMap<string, number>): Map<string, number> {
  const common = new Map(least);
  for (const model of models)
    for (const [domain, version] of opsetsOf(model)) common.set(domain, Math.max(version, common.get(domain) ?? 0));
  return common;
}

export interface Embedding {
  model: ModelProto;
  /** Makes the model's names different from all others; also the name of the domain of its functions. */
  prefix: string;
  /** The value of the graph that takes the place of each of the model's inputs. */
  inputs: ReadonlyMap<string, string>;
  /** The operator sets of the graph, `commonOpsets`. */
  opsets: ReadonlyMap<string, number>;
}

/** Adds the model to the graph; gives the graph's value for each output of the model. Throws NotOneGraph. */
export function embedModel(b: GraphBuilder, embedding: Embedding): Map<string, string> {
  const part = new EmbeddedModel(embedding);
  b.append(part.parts());
  return part.outputs();
}

class EmbeddedModel {
  private readonly graph: GraphProto;
  private readonly from: ReadonlyMap<string, number>;
  private readonly functions: ReadonlySet<string>;
  private readonly initializers: TensorProto[] = [];

  constructor(private readonly of: Embedding) {
    this.graph = of.model.graph ?? {};
    this.from = opsetsOf(of.model);
    this.functions = new Set((of.model.functions ?? []).map(({ domain, name }) => `${domain ?? ''}.${name ?? ''}`));
    if (this.graph.sparseInitializer?.length)
      throw new NotOneGraph('it has sparse weights; export it again with dense ones');
  }

  parts(): Parameters<GraphBuilder['append']>[0] {
    const { model, opsets } = this.of;
    for (const initializer of this.graph.initializer ?? [])
      this.initializers.push({ ...initializer, name: this.name(initializer.name) });
    const nodes = (this.graph.node ?? []).map((node) => this.node(node, true));
    const functions = (model.functions ?? []).map((one): FunctionProto => ({
      ...one,
      domain: this.functionDomain(one.domain),
      node: (one.node ?? []).map((node) => this.node(node, false)),
      opsetImport: [...opsets].map(([domain, version]) => ({ domain, version })),
    }));
    const own = new Map([...this.from.keys()].map((domain) => [domain, opsets.get(domain) ?? 1]));
    for (const { domain } of model.functions ?? []) {
      own.delete(domain ?? '');
      own.set(this.functionDomain(domain), 1);
    }
    return {
      nodes,
      initializers: this.initializers,
      functions,
      irVersion: Number(model.irVersion ?? 0),
      opsets: own,
    };
  }

  outputs(): Map<string, string> {
    return new Map((this.graph.output ?? []).map(({ name }) => [name ?? '', this.name(name)]));
  }

  private functionDomain(domain: string | null | undefined): string {
    return `${this.of.prefix}${domain ?? ''}`;
  }

  /** '' stands for an input that is left out. */
  private name(name: string | null | undefined): string {
    if (!name) return '';
    return this.of.inputs.get(name) ?? `${this.of.prefix}${name}`;
  }

  /** `renames`: false within a function, whose names are its own. */
  private node(node: NodeProto, renames: boolean): NodeProto {
    const domain = standardDomain(node.domain);
    const isFunction = this.functions.has(`${node.domain ?? ''}.${node.opType ?? ''}`);
    const renamed: NodeProto = {
      ...node,
      ...(isFunction && { domain: this.functionDomain(node.domain) }),
      ...(renames && {
        name: this.name(node.name),
        input: (node.input ?? []).map((name) => this.name(name)),
        output: (node.output ?? []).map((name) => this.name(name)),
      }),
      attribute: (node.attribute ?? []).map((attribute) => this.attribute(attribute, renames)),
    };
    return isFunction ? renamed : this.upgraded(renamed, domain, renames);
  }

  private attribute(attribute: AttributeProto, renames: boolean): AttributeProto {
    if (!attribute.g && !attribute.graphs?.length) return attribute;
    return {
      ...attribute,
      ...(attribute.g && { g: this.subgraph(attribute.g, renames) }),
      ...(attribute.graphs?.length && { graphs: attribute.graphs.map((graph) => this.subgraph(graph, renames)) }),
    };
  }

  private subgraph(graph: GraphProto, renames: boolean): GraphProto {
    const named = <T extends { name?: string | null }>(values: readonly T[] | null | undefined): T[] =>
      (values ?? []).map((value) => (renames ? { ...value, name: this.name(value.name) } : value));
    return {
      name: graph.name,
      node: (graph.node ?? []).map((node) => this.node(node, renames)),
      initializer: named(graph.initializer),
      input: named(graph.input),
      output: named(graph.output),
    };
  }

  /** The node in the form that the graph's operator set asks for. */
  private upgraded(node: NodeProto, domain: string, renames: boolean): NodeProto {
    const to = this.of.opsets.get(domain) ?? 1;
    const from = this.from.get(domain) ?? to;
    const operator = node.opType ?? '';
    const passes = (version: number | undefined): boolean => version !== undefined && from < version && version <= to;
    if (passes(CHANGED[domain]?.[operator]))
      throw new NotOneGraph(
        `it is written for operator set ${from} of ${domain || 'ai.onnx'} and another member for ${to}, where the ` +
          `operator ${operator} has another form; export them for the same operator set`,
      );
    if (domain !== '') return node;
    if (passes(AXES_BECOME_INPUT[operator])) return this.attributeAsInput(node, 'axes', renames);
    if (operator === 'Split') {
      const divided = passes(SPLIT_BECOMES_INPUT) ? this.attributeAsInput(node, 'split', renames) : node;
      if (!passes(SPLIT_NEEDS_COUNT) || divided.input?.[1]) return divided;
      return withInt(divided, 'num_outputs', divided.output?.length ?? 1);
    }
    if (AXIS_HAS_ANOTHER_DEFAULT.has(operator) && passes(13) && !node.attribute?.some(({ name }) => name === 'axis'))
      return withInt(node, 'axis', 1);
    return node;
  }

  private attributeAsInput(node: NodeProto, attribute: string, renames: boolean): NodeProto {
    const found = node.attribute?.find(({ name }) => name === attribute);
    if (!found) return node;
    if (!renames)
      throw new NotOneGraph(`a function in it sets ${attribute} of ${node.opType}; export it without functions`);
    const name = `${this.of.prefix}${attribute}/${this.initializers.length}`;
    const values = BigInt64Array.from(found.ints ?? [], (value) => BigInt(value.toString()));
    this.initializers.push({ name, dims: [values.length], dataType: INT64, rawData: new Uint8Array(values.buffer) });
    return {
      ...node,
      input: [node.input?.[0] ?? '', name],
      attribute: node.attribute?.filter((one) => one !== found),
    };
  }
}

function withInt(node: NodeProto, name: string, value: number): NodeProto {
  return {
    ...node,
    attribute: [...(node.attribute ?? []), { name, type: onnx.AttributeProto.AttributeType.INT, i: value }],
  };
}
