/** Reads the main graph of an ONNX file, as far as the proof of row independence needs it. Nothing large is copied. */
import { type Field, ProtobufWalk } from '../protobuf-walk.js';

/** A constant of the model; only small ones are read. */
export interface Constant {
  /** Null when the file states it twice. */
  dims: number[] | null;
  /** Null for text, for more than a few elements, and when the file states them twice. */
  elements: number[] | null;
}

export interface GraphNode {
  name: string;
  opType: string;
  /** '' for ai.onnx. */
  domain: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, GraphAttribute>;
  /**
   * True for a node that has its own subgraph, which may read any value of this graph, or that states an attribute
   * twice.
   */
  opaque: boolean;
}

export interface GraphAttribute {
  int?: number;
  float?: number;
  text?: string;
  /** Null when there are more than a few. */
  ints?: number[] | null;
  tensor?: Constant;
  /** Reads the texts, of which there may be many. */
  texts(): string[];
}

export interface OnnxGraph {
  /** Version of the operator set by domain. */
  opsets: Map<string, number>;
  nodes: GraphNode[];
  constants: Map<string, Constant>;
  outputs: string[];
  /** `domain.name` of the functions that the file defines. */
  functions: Set<string>;
}

const MODEL = { graph: 7, opsetImport: 8, functions: 25 };
const GRAPH = { node: 1, initializer: 5, output: 12, sparseInitializer: 15 };
const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = {
  name: 1,
  float: 2,
  int: 3,
  text: 4,
  tensor: 5,
  graph: 6,
  ints: 8,
  texts: 9,
  graphs: 11,
  type: 20,
  reference: 21,
  sparse: 22,
};
/** The type of an attribute, by the field that is filled. */
const KIND = { float: 1, int: 2, text: 3, tensor: 4, ints: 7 };
const TENSOR = { dims: 1, type: 2, floats: 4, int32s: 5, int64s: 7, name: 8, raw: 9, others: [6, 10, 11] };
const TYPE = { float: 1, int32: 6, int64: 7, bool: 9, double: 11 };
const SPARSE = { values: 1, dims: 3 };

const MAX_KEPT = 64;

const standardDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

class GraphReader {
  readonly graph: OnnxGraph = { opsets: new Map(), nodes: [], constants: new Map(), outputs: [], functions: new Set() };
  private readonly view: DataView;

  constructor(private readonly walk: ProtobufWalk) {
    this.view = new DataView(walk.bytes.buffer, walk.bytes.byteOffset, walk.bytes.byteLength);
  }

  read(): OnnxGraph {
    this.walk.fields(0, this.walk.bytes.length, (field) => {
      if (field.number === MODEL.graph) this.body(field);
      else if (field.number === MODEL.opsetImport) this.opset(field);
      else if (field.number === MODEL.functions) this.function(field);
    });
    return this.graph;
  }

  private body(field: Field): void {
    this.walk.inner(field, (part) => {
      if (part.number === GRAPH.node) this.graph.nodes.push(this.node(part));
      else if (part.number === GRAPH.initializer) this.initializer(part);
      else if (part.number === GRAPH.sparseInitializer) this.sparse(part);
      else if (part.number === GRAPH.output) this.output(part);
    });
  }

  private initializer(field: Field): void {
    const { name, constant } = this.tensor(field);
    // Two constants with one name: it is unknown which one counts.
    this.graph.constants.set(name, this.graph.constants.has(name) ? { dims: null, elements: null } : constant);
  }

  private sparse(field: Field): void {
    this.walk.inner(field, (part) => {
      if (part.number === SPARSE.values)
        this.graph.constants.set(this.tensor(part).name, { dims: null, elements: null });
    });
  }

  private output(field: Field): void {
    let name = '';
    this.walk.inner(field, (part) => {
      if (part.number === 1) name = this.walk.string(part);
    });
    this.graph.outputs.push(name);
  }

  private opset(field: Field): void {
    let domain = '';
    let version = 0;
    this.walk.inner(field, (part) => {
      if (part.number === 1) domain = this.walk.string(part);
      else if (part.number === 2) version = part.value;
    });
    this.graph.opsets.set(standardDomain(domain), version);
  }

  private function(field: Field): void {
    let domain = '';
    let name = '';
    this.walk.inner(field, (part) => {
      if (part.number === 1) name = this.walk.string(part);
      else if (part.number === 10) domain = this.walk.string(part);
    });
    this.graph.functions.add(`${standardDomain(domain)}.${name}`);
  }

  private node(field: Field): GraphNode {
    const node: GraphNode = {
      name: '',
      opType: '',
      domain: '',
      inputs: [],
      outputs: [],
      attributes: new Map(),
      opaque: false,
    };
    this.walk.inner(field, (part) => {
      if (part.number === NODE.input) node.inputs.push(this.walk.string(part));
      else if (part.number === NODE.output) node.outputs.push(this.walk.string(part));
      else if (part.number === NODE.name) node.name = this.walk.string(part);
      else if (part.number === NODE.opType) node.opType = this.walk.string(part);
      else if (part.number === NODE.domain) node.domain = standardDomain(this.walk.string(part));
      else if (part.number === NODE.attribute) this.attribute(part, node);
    });
    return node;
  }

  private attribute(field: Field, node: GraphNode): void {
    const { start, end } = field;
    const attribute: GraphAttribute = { texts: () => this.texts(start, end) };
    let name = '';
    let kind = 0;
    let ints: number[] | null | undefined;
    this.walk.inner(field, (part) => {
      if (part.number === ATTRIBUTE.ints) {
        ints ??= ints === null ? null : [];
        if (ints && !this.walk.integers(part, ints, MAX_KEPT)) ints = null;
      } else if (part.number === ATTRIBUTE.name) name = this.walk.string(part);
      else if (part.number === ATTRIBUTE.type) kind = part.value;
      else if (part.number === ATTRIBUTE.int) attribute.int = part.value;
      else if (part.number === ATTRIBUTE.float) attribute.float = this.view.getFloat32(part.end, true);
      else if (part.number === ATTRIBUTE.text) attribute.text = this.walk.string(part);
      else if (part.number === ATTRIBUTE.tensor) {
        node.opaque ||= attribute.tensor !== undefined;
        attribute.tensor = this.tensor(part).constant;
      } else if (
        part.number === ATTRIBUTE.graph ||
        part.number === ATTRIBUTE.graphs ||
        part.number === ATTRIBUTE.sparse ||
        part.number === ATTRIBUTE.reference
      )
        node.opaque = true;
    });
    if (ints !== undefined) attribute.ints = ints;
    // The runtime uses the default when the filled field is not the one that the attribute's type names.
    const wrong = (Object.keys(KIND) as (keyof typeof KIND)[]).some(
      (key) => attribute[key] !== undefined && kind !== KIND[key],
    );
    node.opaque ||= wrong || node.attributes.has(name);
    node.attributes.set(name, attribute);
  }

  private texts(start: number, end: number): string[] {
    const texts: string[] = [];
    this.walk.fields(start, end, (part) => {
      if (part.number === ATTRIBUTE.texts) texts.push(this.walk.string(part));
    });
    return texts;
  }

  private tensor(field: Field): { name: string; constant: Constant } {
    let name = '';
    let type = 0;
    const dims: number[] = [];
    const listed: number[] = [];
    let few = true;
    let raw: { start: number; end: number } | undefined;
    this.walk.inner(field, (part) => {
      if (part.number === TENSOR.dims) this.walk.integers(part, dims, MAX_KEPT);
      else if (part.number === TENSOR.type) type = part.value;
      else if (part.number === TENSOR.name) name = this.walk.string(part);
      else if (part.number === TENSOR.raw) raw = { start: part.start, end: part.end };
      else if (part.number === TENSOR.int32s || part.number === TENSOR.int64s) {
        if (few) few = this.walk.integers(part, listed, MAX_KEPT);
      } else if (part.number === TENSOR.floats) {
        if (few) few = this.floats(part, listed);
      } else if (TENSOR.others.includes(part.number)) few = false;
    });
    const size = dims.reduce((product, dimension) => product * dimension, 1);
    let elements: number[] | null = null;
    const listable = type === TYPE.float || type === TYPE.int32 || type === TYPE.int64 || type === TYPE.bool;
    if (raw === undefined && few && listable && listed.length === size) elements = listed;
    else if (raw !== undefined && listed.length === 0 && size <= MAX_KEPT)
      elements = this.raw(raw.start, raw.end, type, size);
    return { name, constant: { dims, elements } };
  }

  private floats(field: Field, into: number[]): boolean {
    // A field of four bytes has no length: its number begins where its tag ends.
    if (!field.isBytes) return into.length < MAX_KEPT && into.push(this.view.getFloat32(field.end, true)) > 0;
    for (let at = field.start; at + 4 <= field.end; at += 4) {
      if (into.length >= MAX_KEPT) return false;
      into.push(this.view.getFloat32(at, true));
    }
    return true;
  }

  private raw(start: number, end: number, type: number, size: number): number[] | null {
    const width = type === TYPE.int64 || type === TYPE.double ? 8 : type === TYPE.bool ? 1 : 4;
    if (end - start !== size * width || !Object.values(TYPE).includes(type)) return null;
    return Array.from({ length: size }, (_, index) => {
      const at = start + index * width;
      if (type === TYPE.int64) return Number(this.view.getBigInt64(at, true));
      if (type === TYPE.double) return this.view.getFloat64(at, true);
      if (type === TYPE.int32) return this.view.getInt32(at, true);
      return type === TYPE.bool ? this.view.getUint8(at) : this.view.getFloat32(at, true);
    });
  }
}

/** The bytes must have passed `inspectOnnxFile`. Throws MalformedMessage for bytes that are not a message. */
export function readGraph(bytes: Uint8Array): OnnxGraph {
  return new GraphReader(new ProtobufWalk(bytes)).read();
}
