import {
  type AttributeProto,
  encodeModel,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  onnx,
  type TensorProto,
  type ValueInfoProto,
} from './proto.js';

/** The operator set version of every graph that is built here; ONNX Runtime 1.30 runs it natively. */
const DEFAULT_OPSET = 18;
const ML_OPSET = 3;
/** The first version with the operator TreeEnsemble. */
const TREES_ML_OPSET = 5;
const IR_VERSION = 8;
const ML_DOMAIN = 'ai.onnx.ml';
/** The operator sets that every graph here imports. */
export const LEAST_OPSETS: ReadonlyMap<string, number> = new Map([
  ['', DEFAULT_OPSET],
  [ML_DOMAIN, ML_OPSET],
]);
/** Operators of ONNX Runtime itself. */
export const MICROSOFT_DOMAIN = 'com.microsoft';

export type ElementType = 'float' | 'double' | 'int32' | 'int64' | 'bool' | 'string';
/** A number is a fixed dimension, a name an open one. */
export type Dimension = number | string;
export type ConstantData = Float32Array | Float64Array | Int32Array | BigInt64Array | readonly string[];

export type Attribute =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { text: string }
  | { texts: readonly string[] }
  | { tensor: ConstantData | Uint8Array }
  | { graph: GraphProto };

const ELEMENT_TYPES: Record<ElementType | 'uint8', number> = {
  float: 1,
  double: 11,
  int32: 6,
  int64: 7,
  bool: 9,
  string: 8,
  uint8: 2,
};
const utf8 = new TextEncoder();

function elementTypeOf(data: ConstantData | Uint8Array): keyof typeof ELEMENT_TYPES {
  if (data instanceof Uint8Array) return 'uint8';
  if (data instanceof Float32Array) return 'float';
  if (data instanceof Float64Array) return 'double';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof BigInt64Array) return 'int64';
  return 'string';
}

function tensorProto(name: string, data: ConstantData | Uint8Array, dims: readonly number[]): TensorProto {
  const type = elementTypeOf(data);
  const proto: TensorProto = { name, dims: [...dims], dataType: ELEMENT_TYPES[type] };
  if (ArrayBuffer.isView(data)) proto.rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  else proto.stringData = data.map((text) => utf8.encode(text));
  return proto;
}

function attributeProto(name: string, value: Attribute): AttributeProto {
  const kinds = onnx.AttributeProto.AttributeType;
  if ('int' in value) return { name, type: kinds.INT, i: value.int };
  if ('ints' in value) return { name, type: kinds.INTS, ints: [...value.ints] };
  if ('float' in value) return { name, type: kinds.FLOAT, f: value.float };
  if ('text' in value) return { name, type: kinds.STRING, s: utf8.encode(value.text) };
  if ('texts' in value) return { name, type: kinds.STRINGS, strings: value.texts.map((text) => utf8.encode(text)) };
  if ('tensor' in value) return { name, type: kinds.TENSOR, t: tensorProto(name, value.tensor, [value.tensor.length]) };
  return { name, type: kinds.GRAPH, g: value.graph };
}

function valueInfo(name: string, type: ElementType, dims?: readonly Dimension[]): ValueInfoProto {
  const shape = dims && { dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) };
  return { name, type: { tensorType: { elemType: ELEMENT_TYPES[type], shape } } };
}

/** Parts of another model, whose names are already different from all others. */
export interface ForeignParts {
  nodes: readonly NodeProto[];
  initializers: readonly TensorProto[];
  functions: readonly FunctionProto[];
  irVersion: number;
  /** The version of each operator set that the nodes need. */
  opsets: ReadonlyMap<string, number>;
}

/** Writes an ONNX graph node by node; every method returns the name of the value it made. */
export class GraphBuilder {
  private readonly nodes: NodeProto[] = [];
  private readonly initializers: TensorProto[] = [];
  private readonly inputs: ValueInfoProto[] = [];
  private readonly outputs: ValueInfoProto[] = [];
  private readonly scalars = new Map<string, string>();
  private readonly functions: FunctionProto[] = [];
  private readonly opsets = new Map<string, number>();
  private irVersion = IR_VERSION;
  private made = 0;

  /** Names within a subgraph must differ from those of the graph around it; the prefix makes them different. */
  constructor(private readonly prefix = '') {}

  private fresh(): string {
    this.made += 1;
    return `${this.prefix}v${this.made}`;
  }

  input(name: string, type: ElementType, dims: readonly Dimension[]): string {
    this.inputs.push(valueInfo(name, type, dims));
    return name;
  }

  /** Names `value` as an output of the graph. */
  output(name: string, value: string, type: ElementType, dims?: readonly Dimension[]): void {
    this.alias(name, value);
    this.outputs.push(valueInfo(name, type, dims));
  }

  /** Gives `value` a name that a subgraph can use. */
  alias(name: string, value: string): void {
    this.nodes.push({ opType: 'Identity', input: [value], output: [name] });
  }

  constant(data: ConstantData, dims: readonly number[] = [data.length]): string {
    const name = this.fresh();
    this.initializers.push(tensorProto(name, data, dims));
    return name;
  }

  private scalar(key: string, data: ConstantData): string {
    const known = this.scalars.get(key);
    if (known !== undefined) return known;
    const name = this.constant(data, []);
    this.scalars.set(key, name);
    return name;
  }

  float(value: number): string {
    return this.scalar(`f${value}`, Float32Array.of(value));
  }

  int64(value: bigint): string {
    return this.scalar(`i${value}`, BigInt64Array.of(value));
  }

  /** A shape, a list of axes or of indices. */
  ints(...values: number[]): string {
    return this.constant(BigInt64Array.from(values, BigInt));
  }

  node(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, domain = ''): string {
    return this.multi(opType, inputs, 1, attributes, domain)[0]!;
  }

  /** A node of the `ai.onnx.ml` operator set. */
  mlNode(opType: string, inputs: readonly string[], attributes: Record<string, Attribute>): string {
    return this.node(opType, inputs, attributes, ML_DOMAIN);
  }

  /** A node with several outputs. */
  multi(
    opType: string,
    inputs: readonly string[],
    outputCount: number,
    attributes: Record<string, Attribute> = {},
    domain = '',
  ): string[] {
    const output = Array.from({ length: outputCount }, () => this.fresh());
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.nodes.push({ opType, domain, input: [...inputs], output, attribute });
    return output;
  }

  /** Adds what another model consists of. */
  append({ nodes, initializers, functions, irVersion, opsets }: ForeignParts): void {
    for (const node of nodes) this.nodes.push(node);
    for (const initializer of initializers) this.initializers.push(initializer);
    this.functions.push(...functions);
    this.irVersion = Math.max(this.irVersion, irVersion);
    for (const [domain, version] of opsets) this.needOpset(domain, version);
  }

  private needOpset(domain: string, version: number): void {
    this.opsets.set(domain, Math.max(version, this.opsets.get(domain) ?? 0));
  }

  graph(name: string): GraphProto {
    return { name, node: this.nodes, initializer: this.initializers, input: this.inputs, output: this.outputs };
  }

  /** The finished file. `metadata` becomes its `metadata_props`. */
  model(name: string, metadata: Record<string, string> = {}): Uint8Array {
    const hasTrees = this.nodes.some(({ opType }) => opType === 'TreeEnsemble');
    for (const [domain, version] of LEAST_OPSETS) this.needOpset(domain, version);
    if (hasTrees) this.needOpset(ML_DOMAIN, TREES_ML_OPSET);
    if (this.nodes.some(({ domain }) => domain === MICROSOFT_DOMAIN)) this.needOpset(MICROSOFT_DOMAIN, 1);
    return encodeModel({
      irVersion: this.irVersion,
      producerName: 'matih-ml-service',
      opsetImport: [...this.opsets].map(([domain, version]) => ({ domain, version })),
      graph: this.graph(name),
      ...(this.functions.length > 0 && { functions: this.functions }),
      metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    });
  }
}
