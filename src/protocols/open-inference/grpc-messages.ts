import { badInput } from '../../errors.js';
import type { Datatype, Tensor } from '../../modules/model-contract/index.js';
import type { PlainTensor } from '../../modules/serving/index.js';
import { asDatatype, asShape, fromRaw, readText, toRaw, wrong } from './elements.js';
import type { InferAnswer, InferCall, WantedOutput } from './infer-call.js';
import { modelVersionOf, versionNumber } from './metadata.js';
import { readClasses, refuseSharedMemory } from './http-request.js';
import { readParameters } from './parameters.js';

/** A 64-bit integer as protobufjs decodes it. */
interface Int64 {
  low: number;
  high: number;
  unsigned: boolean;
  toNumber(): number;
}

type Parameter = Partial<{
  bool_param: boolean;
  int64_param: Int64;
  string_param: string;
  double_param: number;
  uint64_param: Int64;
}>;
export type ParameterMap = Record<string, Parameter>;

type Contents = Partial<Record<ContentsField, readonly unknown[]>>;
type ContentsField = (typeof CONTENTS)[Datatype];

/** The list that holds the elements of a type. */
const CONTENTS = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
} as const satisfies Record<Datatype, string>;

export interface InferRequest {
  model_name: string;
  model_version: string;
  id: string;
  parameters: ParameterMap;
  inputs: {
    name: string;
    datatype: string;
    shape: (Int64 | number)[];
    parameters: ParameterMap;
    contents?: Contents | null;
  }[];
  outputs: { name: string; parameters: ParameterMap }[];
  raw_input_contents: Buffer[];
}

export interface InferResponse {
  model_name: string;
  model_version: string;
  id: string;
  parameters: Record<string, { bool_param: boolean } | { int64_param: number }>;
  outputs: { name: string; datatype: Datatype; shape: number[]; contents?: Contents }[];
  raw_output_contents: Buffer[];
}

/** The plain value of a parameter; a whole number beyond 2^53 loses its last digits. */
function valueOf(parameter: Parameter): unknown {
  const given = Object.values(parameter)[0];
  return isInt64(given) ? given.toNumber() : given;
}

const isInt64 = (value: unknown): value is Int64 => typeof value === 'object' && value !== null && 'high' in value;

export const plainParameters = (map: ParameterMap): Record<string, unknown> =>
  Object.fromEntries(Object.entries(map).map(([name, parameter]) => [name, valueOf(parameter)]));

export function readInferRequest(request: InferRequest): InferCall {
  const { inputs, raw_input_contents: raw } = request;
  if (raw.length > 0 && raw.length !== inputs.length)
    throw badInput('raw_input_contents', `one for each of the ${inputs.length} inputs, or none`, raw.length);
  return {
    ...readParameters(plainParameters(request.parameters)),
    endpointName: request.model_name,
    version: versionNumber(request.model_version),
    id: request.id || null,
    inputs: inputs.map((input, i) => readInput(`inputs[${i}]`, input, raw.length > 0 ? raw[i]! : null)),
    outputs: request.outputs.length > 0 ? request.outputs.map(readOutput) : null,
    allBinary: raw.length > 0,
  };
}

function readInput(field: string, input: InferRequest['inputs'][number], raw: Buffer | null): PlainTensor {
  const { name, contents } = input;
  const datatype = asDatatype(field, input.datatype);
  const shape = asShape(
    field,
    input.shape.map((dimension) => (isInt64(dimension) ? dimension.toNumber() : dimension)),
  );
  refuseSharedMemory(field, input.parameters);
  const given = Object.entries(contents ?? {}).filter(([, list]) => list.length > 0);
  if (raw) {
    if (given.length > 0) throw badInput(`${field}.contents`, 'none beside raw_input_contents', given[0]![0]);
    return fromRaw(`${field}.data`, name, datatype, shape, raw);
  }
  const wanted = CONTENTS[datatype];
  const other = given.find(([kind]) => kind !== wanted);
  if (other) throw wrong(`${field}.contents`, `${wanted} for ${datatype}`, other[0]);
  const [[, data] = ['', []]] = given;
  return { name, datatype, shape, data: plainElements(`${field}.data`, datatype, data) };
}

function plainElements(field: string, datatype: Datatype, data: readonly unknown[]): readonly unknown[] {
  if (datatype === 'INT64') return data.map((element) => (isInt64(element) ? toBigInt(element) : element));
  if (datatype === 'BYTES') return data.map((bytes, i) => readText(`${field}[${i}]`, bytes as Buffer));
  return data;
}

const toBigInt = ({ low, high }: Int64): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);

function readOutput({ name, parameters }: InferRequest['outputs'][number], i: number): WantedOutput {
  const given = plainParameters(parameters);
  refuseSharedMemory(`outputs[${i}]`, given);
  return { name, binary: true, classes: readClasses(`outputs[${i}]`, given['classification'] ?? 0) };
}

/** Raw elements when the request had raw ones. */
export function toInferResponse(call: InferCall, answer: InferAnswer): InferResponse {
  const { outputs, unknownCategoryCount, target } = answer;
  return {
    model_name: call.endpointName,
    model_version: modelVersionOf(target),
    id: call.id ?? '',
    parameters: unknownCategoryCount > 0 ? { unknown_category_count: { int64_param: unknownCategoryCount } } : {},
    outputs: outputs.map((output) => {
      const { name, datatype, shape } = output;
      return call.allBinary ? { name, datatype, shape } : { name, datatype, shape, contents: contentsOf(output) };
    }),
    raw_output_contents: call.allBinary ? outputs.map(toRaw) : [],
  };
}

function contentsOf({ datatype, data }: Tensor): Contents {
  const kind = CONTENTS[datatype];
  if (Array.isArray(data)) return { [kind]: data.map((text) => Buffer.from(text)) };
  if (data instanceof BigInt64Array)
    return {
      [kind]: Array.from(data, (value) => ({
        low: Number(BigInt.asIntN(32, value)),
        high: Number(value >> 32n),
        unsigned: false,
      })),
    };
  if (datatype === 'BOOL') return { [kind]: Array.from(data as Uint8Array, (byte) => byte === 1) };
  return { [kind]: Array.from(data as ArrayLike<number>) };
}
