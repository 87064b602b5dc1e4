/** Reads what an ONNX file says about itself, and whether the runtime may load it. Only reads bytes; nothing is run. */
import { quote } from '../../errors.js';
import { type Field, MalformedMessage, ProtobufWalk } from './format/protobuf-walk.js';
import { MICROSOFT_RULES } from './format/rows/model-rules.js';

export interface OnnxFileFacts {
  irVersion: number;
  /** The version of the operator set ai.onnx; null when the file imports only ai.onnx.ml. */
  opset: number | null;
  /** Name and version of the tool that wrote the file; '' when unknown. */
  producer: string;
  metadata: Record<string, string>;
}

export interface OnnxFileLimits {
  maxGraphDepth: number;
  maxNodes: number;
}

/** The versions that onnxruntime 1.30 can run. */
const IR_VERSIONS = [3, 13] as const;
const OPSETS = [7, 26] as const;
const ALLOWED_DOMAINS: ReadonlySet<string> = new Set(['', 'ai.onnx', 'ai.onnx.ml']);
const ALLOWED_OPERATORS: ReadonlySet<string> = new Set(
  Object.keys(MICROSOFT_RULES).map((operator) => `com.microsoft.${operator}`),
);

const MAX_DIMENSION = 2 ** 31 - 1;
const MAX_RANK = 64;
/** Limit of nested types, e.g. a sequence of maps. */
const MAX_TYPE_DEPTH = 8;
/** Element types smaller than a byte have at most this many elements in a byte. */
const MAX_ELEMENTS_PER_BYTE = 8;
/** Limit of the fields of the model and its graphs: nodes, weights, shapes. */
const MAX_PARTS = 1_000_000;
const MAX_METADATA_ENTRIES = 1000;
const MAX_METADATA_BYTES = 1024 ** 2;

const OTHER_FORMATS: readonly { starts: readonly number[]; message: string }[] = [
  {
    starts: [0x80],
    message: 'This is a Python pickle, not an ONNX file; export the model, e.g. with skl2onnx or torch.onnx.export.',
  },
  {
    starts: [0x50, 0x4b],
    message:
      'This is a zip archive (PyTorch and Keras save such), not an ONNX file; upload the model.onnx inside ' +
      'it, or export one.',
  },
  { starts: [0x1f, 0x8b], message: 'This file is compressed with gzip; upload the unpacked ONNX file.' },
  {
    starts: [0x89, 0x48, 0x44, 0x46],
    message: 'This is an HDF5 file (Keras saves such), not an ONNX file; convert it, e.g. with tf2onnx.',
  },
];

/** The file cannot be run here; the message says why and what to do. */
export class InvalidFile extends Error {
  constructor(
    message: string,
    readonly details: { expected?: string; got?: string } = {},
  ) {
    super(message);
  }
}

const invalidModel = (message: string, details: { expected?: string; got?: string } = {}): InvalidFile =>
  new InvalidFile(message, details);

/** The field numbers of onnx.proto that are read here, by message. */
const MODEL = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  graph: 7,
  opsetImport: 8,
  metadata: 14,
  training: 20,
  functions: 25,
};
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 };
const NODE = { opType: 4, attribute: 5, domain: 7 };
const ATTRIBUTE = {
  tensor: 5,
  graph: 6,
  tensors: 10,
  graphs: 11,
  type: 14,
  types: 15,
  sparseTensor: 22,
  sparseTensors: 23,
};
const TENSOR = { dims: 1, data: [4, 5, 6, 7, 9, 10, 11], externalData: 13, dataLocation: 14 };
const SPARSE = { values: 1, indices: 2, dims: 3 };
const FUNCTION = { name: 1, node: 7, domain: 10, attribute: 11, valueInfo: 12 };
const VALUE_INFO = { name: 1, type: 2 };
const TYPE = { tensor: 1, sequence: 4, map: 5, sparseTensor: 8, optional: 9 };
const DIMENSION_VALUE = 1;

class OnnxInspection {
  irVersion = 0;
  /** By domain; '' is ai.onnx. */
  readonly opsets = new Map<string, number>();
  graphs = 0;
  producer: string[] = ['', ''];
  readonly metadata = new Map<string, string>();
  private metadataBytes = 0;
  private nodes = 0;
  private parts = 0;
  private readonly customOperators = new Set<string>();
  private readonly functions = new Set<string>();
  private readonly walk: ProtobufWalk;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly limits: OnnxFileLimits,
  ) {
    this.walk = new ProtobufWalk(bytes);
  }

  model(): void {
    this.walk.fields(0, this.bytes.length, (field) => {
      this.countPart();
      if (field.number === MODEL.irVersion) this.irVersion = field.value;
      else if (field.number === MODEL.producerName) this.producer[0] = this.walk.string(field);
      else if (field.number === MODEL.producerVersion) this.producer[1] = this.walk.string(field);
      else if (field.number === MODEL.graph) {
        this.graphs += 1;
        this.graph(field, 1);
      } else if (field.number === MODEL.opsetImport) this.opsetImport(field);
      else if (field.number === MODEL.metadata) this.metadataEntry(field);
      else if (field.number === MODEL.training)
        throw invalidModel('The file holds training graphs; export the model for inference alone.');
      else if (field.number === MODEL.functions) this.function(field);
    });
    const missing = [...this.customOperators].find(
      (operator) => !this.functions.has(operator) && !ALLOWED_OPERATORS.has(operator),
    );
    if (missing !== undefined) {
      const allowed = `operators of ai.onnx and ai.onnx.ml, and ${Object.keys(MICROSOFT_RULES).join(', ')} of com.microsoft`;
      throw invalidModel(
        `The model uses the custom operator ${quote(missing)}; only ${allowed} can be run. Export it without that one.`,
        {
          expected: allowed,
          got: quote(missing),
        },
      );
    }
  }

  private inner(field: Field, visit: (field: Field) => void): void {
    this.walk.inner(field, visit);
  }

  private graph(field: Field, depth: number): void {
    if (depth > this.limits.maxGraphDepth) {
      throw invalidModel(
        `The model nests graphs more than ${this.limits.maxGraphDepth} deep; simplify its control flow.`,
        {
          expected: `at most ${this.limits.maxGraphDepth} levels of graphs`,
        },
      );
    }
    this.inner(field, (part) => {
      this.countPart();
      if (part.number === GRAPH.node) this.node(part, depth);
      else if (part.number === GRAPH.initializer) this.tensor(part);
      else if (part.number === GRAPH.sparseInitializer) this.sparseTensor(part);
      else if (part.number === GRAPH.input || part.number === GRAPH.output || part.number === GRAPH.valueInfo)
        this.valueInfo(part);
    });
  }

  private countPart(): void {
    this.parts += 1;
    if (this.parts > MAX_PARTS)
      throw invalidModel(`The file has more than ${MAX_PARTS} parts; it is padded or made up. Export it again.`);
  }

  private node(field: Field, depth: number): void {
    this.nodes += 1;
    if (this.nodes > this.limits.maxNodes) throw invalidModel(`The model has more than ${this.limits.maxNodes} nodes.`);
    let domain = '';
    let opType = '';
    this.inner(field, (part) => {
      if (part.number === NODE.opType) opType = this.walk.string(part);
      else if (part.number === NODE.domain) domain = this.walk.string(part);
      else if (part.number === NODE.attribute) this.attribute(part, depth);
    });
    if (!ALLOWED_DOMAINS.has(domain)) this.customOperators.add(`${domain}.${opType}`);
  }

  private attribute(field: Field, depth: number): void {
    this.inner(field, (part) => {
      if (part.number === ATTRIBUTE.tensor || part.number === ATTRIBUTE.tensors) this.tensor(part);
      else if (part.number === ATTRIBUTE.graph || part.number === ATTRIBUTE.graphs) this.graph(part, depth + 1);
      else if (part.number === ATTRIBUTE.sparseTensor || part.number === ATTRIBUTE.sparseTensors)
        this.sparseTensor(part);
      else if (part.number === ATTRIBUTE.type || part.number === ATTRIBUTE.types) this.type(part, 1);
    });
  }

  private function(field: Field): void {
    let name = '';
    let domain = '';
    this.inner(field, (part) => {
      if (part.number === FUNCTION.name) name = this.walk.string(part);
      else if (part.number === FUNCTION.domain) domain = this.walk.string(part);
      else if (part.number === FUNCTION.node) this.node(part, 1);
      else if (part.number === FUNCTION.attribute) this.attribute(part, 1);
      else if (part.number === FUNCTION.valueInfo) this.valueInfo(part);
    });
    this.functions.add(`${domain}.${name}`);
  }

  private tensor(field: Field): void {
    const dims: number[] = [];
    let dataBytes = 0;
    this.inner(field, (part) => {
      if (part.number === TENSOR.externalData || (part.number === TENSOR.dataLocation && part.value !== 0)) {
        throw invalidModel(
          'The model keeps weights in other files (external data); save it as one file with the weights inside.',
          {
            expected: 'all weights inside the file',
            got: 'external data',
          },
        );
      }
      if (part.number === TENSOR.dims) this.addDims(part, dims);
      // At least one byte per entry, because a text may be empty and small integers have no length.
      else if (TENSOR.data.includes(part.number)) dataBytes += part.end - part.start + 1;
    });
    this.dimensions(dims);
    const elements = dims.reduce((product, dimension) => product * dimension, 1);
    if (dims.length > 0 && elements > dataBytes * MAX_ELEMENTS_PER_BYTE) {
      throw invalidModel(
        `A weight tensor declares ${elements} elements and holds ${dataBytes} bytes; the file is damaged or made up.`,
        {
          expected: `${elements} elements`,
          got: `${dataBytes} bytes`,
        },
      );
    }
  }

  private sparseTensor(field: Field): void {
    const dims: number[] = [];
    this.inner(field, (part) => {
      if (part.number === SPARSE.values || part.number === SPARSE.indices) this.tensor(part);
      else if (part.number === SPARSE.dims) this.addDims(part, dims);
    });
    this.dimensions(dims);
  }

  private addDims(field: Field, dims: number[]): void {
    if (this.walk.integers(field, dims, MAX_RANK)) return;
    throw invalidModel(`The model declares a tensor of more than ${MAX_RANK} dimensions; no runtime could hold it.`, {
      expected: `at most ${MAX_RANK} dimensions`,
    });
  }

  private dimensions(dims: readonly number[]): void {
    const product = dims.reduce((all, dimension) => all * dimension, 1);
    const absurd = dims.find((dimension) => dimension < 0 || dimension > MAX_DIMENSION);
    if (absurd === undefined && product <= MAX_DIMENSION) return;
    throw invalidModel(`The model declares a tensor of shape ${quote(dims)}, which no machine could hold.`, {
      expected: `dimensions from 0 to ${MAX_DIMENSION}, and no more elements in all`,
      got: quote(dims),
    });
  }

  private valueInfo(field: Field): void {
    this.inner(field, (part) => {
      if (part.number === VALUE_INFO.name) this.walk.string(part);
      else if (part.number === VALUE_INFO.type) this.type(part, 1);
    });
  }

  private type(field: Field, depth: number): void {
    if (depth > MAX_TYPE_DEPTH) throw invalidModel(`The model nests types more than ${MAX_TYPE_DEPTH} deep.`);
    this.inner(field, (part) => {
      if (part.number === TYPE.tensor || part.number === TYPE.sparseTensor) this.tensorType(part);
      else if (part.number === TYPE.sequence || part.number === TYPE.optional)
        this.inner(part, (own) => own.number === 1 && this.type(own, depth + 1));
      else if (part.number === TYPE.map) this.inner(part, (own) => own.number === 2 && this.type(own, depth + 1));
    });
  }

  private tensorType(field: Field): void {
    const dims: number[] = [];
    this.inner(field, (part) => {
      if (part.number !== 2) return;
      this.inner(part, (dimension) => {
        this.inner(dimension, (own) => own.number === DIMENSION_VALUE && this.addDims(own, dims));
      });
    });
    // Some exporters write -1 for "any length".
    this.dimensions(dims.filter((dimension) => dimension !== -1));
  }

  private opsetImport(field: Field): void {
    let domain = '';
    let version = 0;
    this.inner(field, (part) => {
      if (part.number === 1) domain = this.walk.string(part);
      else if (part.number === 2) version = part.value;
    });
    if (domain === 'ai.onnx') domain = '';
    const known = this.opsets.get(domain);
    if (known !== undefined && known !== version) {
      throw invalidModel(
        `The file imports the operator set ${quote(domain || 'ai.onnx')} in two versions, ${known} and ` +
          `${version}; export it again.`,
      );
    }
    this.opsets.set(domain, version);
  }

  private metadataEntry(field: Field): void {
    let key = '';
    let value = '';
    this.inner(field, (part) => {
      if (part.number === 1) key = this.walk.string(part);
      else if (part.number === 2) value = this.walk.string(part);
    });
    this.metadata.set(key, value);
    this.metadataBytes += field.end - field.start;
    if (this.metadataBytes > MAX_METADATA_BYTES)
      throw invalidModel(`The model carries more than ${MAX_METADATA_BYTES} bytes of metadata; export it without.`);
    if (this.metadata.size > MAX_METADATA_ENTRIES)
      throw invalidModel(`The model carries more than ${MAX_METADATA_ENTRIES} metadata entries.`);
  }
}

function checkRange(what: string, version: number, [least, most]: readonly [number, number]): void {
  if (version >= least && version <= most) return;
  throw invalidModel(
    `The model has ${what} ${version}; ${least} to ${most} can be run. Export it again for one of those.`,
    {
      expected: `${what} ${least} to ${most}`,
      got: `${version}`,
    },
  );
}

/**
 * Reads an ONNX file from any source. Throws InvalidFile for a file that is not ONNX, has data outside itself, uses
 * custom operators, declares absurd shapes, is nested too deep, or has a version that the runtime cannot run.
 */
export function inspectOnnxFile(bytes: Uint8Array, limits: OnnxFileLimits): OnnxFileFacts {
  if (bytes.length === 0) throw invalidModel('The file is empty; export the model again.');
  const other = OTHER_FORMATS.find(({ starts }) => starts.every((byte, index) => bytes[index] === byte));
  if (other) throw invalidModel(other.message);
  const inspection = new OnnxInspection(bytes, limits);
  try {
    inspection.model();
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    throw invalidModel(
      `This is not an ONNX file, or it is damaged or cut off (${error.message}); export or upload it again.`,
    );
  }
  if (inspection.graphs !== 1)
    throw invalidModel('The file holds no model graph: it is not an ONNX file, or it is damaged; export it again.');
  checkRange('IR version', inspection.irVersion, IR_VERSIONS);
  const opset = inspection.opsets.get('') ?? null;
  if (opset !== null || !inspection.opsets.has('ai.onnx.ml')) checkRange('operator set', opset ?? 0, OPSETS);
  return {
    irVersion: inspection.irVersion,
    opset,
    producer: inspection.producer.filter((part) => part !== '').join(' '),
    metadata: Object.fromEntries(inspection.metadata),
  };
}
