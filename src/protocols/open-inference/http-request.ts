import { isUtf8 } from 'node:buffer';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import type { PlainTensor } from '../../modules/serving/index.js';
import { asDatatype, asShape, fromRaw, wrong } from './elements.js';
import type { InferCall, WantedOutput } from './infer-call.js';
import { objectAt, readParameters } from './parameters.js';

/** Tensors follow the JSON in the body; the header has the length of the JSON. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';
const MAX_TENSORS = 1_000;
/** More levels than any tensor has. */
const MAX_NESTING = 32;

/** What the body of an infer request says. */
export type InferBody = Omit<InferCall, 'endpointName' | 'version'>;

/** The tensors behind the JSON of a request. */
class RawPart {
  private at: number;

  constructor(
    private readonly body: Buffer,
    jsonBytes: number,
  ) {
    this.at = jsonBytes;
  }

  take(field: string, size: unknown): Buffer {
    const left = this.body.length - this.at;
    if (!Number.isSafeInteger(size) || (size as number) < 0 || (size as number) > left)
      throw badInput(
        `${field}.parameters.binary_data_size`,
        `at most the ${left} bytes that are left in the body`,
        size,
      );
    return this.body.subarray(this.at, (this.at += size as number));
  }

  requireEmpty(): void {
    const left = this.body.length - this.at;
    if (left > 0)
      throw badInput(
        'inputs',
        'tensors that fill the body, by their binary_data_size',
        `${left} bytes after the last one`,
      );
  }
}

/** The length of the JSON in the body; null when the body is JSON alone. */
export function jsonLength(header: string | string[] | undefined, bodyBytes: number): number | null {
  if (header === undefined) return null;
  const length = typeof header === 'string' && /^\d{1,10}$/.test(header) ? Number(header) : NaN;
  if (!(length <= bodyBytes))
    throw badInput(JSON_LENGTH_HEADER, `the length of the JSON, at most the ${bodyBytes} bytes of the body`, header);
  return length;
}

/** Reads a body with JSON, `jsonBytes` long, and tensors after it. BAD_USER_INPUT and INVALID_TENSOR name the part. */
export function readInferBody(body: Buffer, jsonBytes: number | null): InferBody {
  const request = objectAt('body', parseJson(jsonBytes === null ? body : body.subarray(0, jsonBytes)));
  const raw = new RawPart(body, jsonBytes ?? body.length);
  const parameters = objectAt('parameters', request['parameters']);
  const inputs = listAt('inputs', request['inputs']).map((input, i) => readInput(`inputs[${i}]`, input, raw));
  raw.requireEmpty();
  const binary = parameters['binary_data_output'] === true;
  const outputs = request['outputs'] == null ? null : listAt('outputs', request['outputs']);
  return {
    ...readParameters(parameters),
    id: readId(request['id']),
    inputs,
    // A client that names none, or sends an empty list, wants all.
    outputs: outputs?.length ? outputs.map((output, i) => readOutput(`outputs[${i}]`, output, binary)) : null,
    allBinary: binary,
  };
}

export function parseJson(bytes: Buffer): unknown {
  try {
    if (isUtf8(bytes)) return JSON.parse(bytes.toString());
  } catch (error) {
    throw notJson(error);
  }
  throw notJson();
}

function notJson(cause?: unknown): AppError {
  return new AppError(
    ErrorCode.BAD_USER_INPUT,
    `The body is not JSON: send one object, and the header ${JSON_LENGTH_HEADER} with its length when tensors follow it.`,
    { field: 'body', expected: 'one JSON object' },
    { cause },
  );
}

function listAt(field: string, value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length > MAX_TENSORS)
    throw badInput(field, `a list of at most ${MAX_TENSORS} tensors`, Array.isArray(value) ? value.length : value);
  return value as unknown[];
}

function readId(id: unknown): string | null {
  if (id === undefined || id === null || id === '') return null;
  if (typeof id !== 'string') throw badInput('id', 'a text', id);
  return id;
}

function readInput(field: string, value: unknown, raw: RawPart): PlainTensor {
  const input = objectAt(field, value);
  const { name, data } = input;
  if (typeof name !== 'string') throw badInput(`${field}.name`, 'the name of an input of the model', name);
  const datatype = asDatatype(field, input['datatype']);
  const shape = asShape(field, input['shape']);
  const parameters = objectAt(`${field}.parameters`, input['parameters']);
  refuseSharedMemory(field, parameters);
  const size = parameters['binary_data_size'];
  if (size !== undefined) {
    if (data !== undefined) throw badInput(field, 'either data or binary_data_size', 'both');
    return fromRaw(`${field}.data`, name, datatype, shape, raw.take(field, size));
  }
  if (!Array.isArray(data))
    throw wrong(`${field}.data`, 'a list of elements, or binary_data_size in the parameters', data);
  return { name, datatype, shape, data: Array.isArray(data[0]) ? flat(data) : (data as unknown[]) };
}

/** The elements of nested lists, in their order. Whether they fit the shape is checked with all others. */
function flat(data: readonly unknown[]): unknown[] {
  return data.flat(MAX_NESTING as 1);
}

function readOutput(field: string, value: unknown, binaryDefault: boolean): WantedOutput {
  const output = objectAt(field, value);
  const { name } = output;
  if (typeof name !== 'string') throw badInput(`${field}.name`, 'the name of an output of the model', name);
  const parameters = objectAt(`${field}.parameters`, output['parameters']);
  refuseSharedMemory(field, parameters);
  const { binary_data: binary = binaryDefault, classification: classes = 0 } = parameters;
  if (typeof binary !== 'boolean') throw badInput(`${field}.parameters.binary_data`, 'true or false', binary);
  return { name, binary, classes: readClasses(field, classes) };
}

export function readClasses(field: string, classes: unknown): number {
  if (!Number.isSafeInteger(classes) || (classes as number) < 0)
    throw badInput(`${field}.parameters.classification`, 'a whole number from 0', classes);
  return classes as number;
}

export function refuseSharedMemory(field: string, parameters: Readonly<Record<string, unknown>>): void {
  if (parameters['shared_memory_region'] === undefined) return;
  throw badInput(
    `${field}.parameters`,
    'a tensor in the request, as this service has no shared memory',
    'shared_memory_region',
  );
}
