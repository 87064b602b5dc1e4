import {
  allocate,
  DATATYPES,
  type Datatype,
  type Tensor,
  type TensorData,
} from '../../modules/model-contract/index.js';

/** Requests and answers of the Open Inference Protocol with tensors as bytes behind the JSON. */

type NumericData = Exclude<TensorData, string[]>;

interface EncodedRequest {
  body: Buffer;
  /** Null when all of it is. */
  jsonBytes: number | null;
}

const LENGTH_BYTES = 4;

/** The body of a request, and how many of its bytes are JSON. */
export function encodeRequest(inputs: readonly Tensor[], parameters: object): EncodedRequest {
  const raw = inputs.map(toBytes);
  const json = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ name, datatype, shape }, i) => ({
        name,
        datatype,
        shape,
        parameters: { binary_data_size: raw[i]!.length },
      })),
      parameters: { binary_data_output: true, ...parameters },
    }),
  );
  return { body: Buffer.concat([json, ...raw]), jsonBytes: json.length };
}

/** The same for a server that takes only JSON. Missing numbers are null. */
export function encodeJsonRequest(inputs: readonly Tensor[]): EncodedRequest {
  const listed = inputs.map(({ name, datatype, shape, data }) => {
    const head = JSON.stringify({ name, datatype, shape });
    return `${head.slice(0, -1)},"data":[${Array.from(data, (value: Element) => jsonOf(value, datatype)).join()}]}`;
  });
  return { body: Buffer.from(`{"inputs":[${listed.join()}]}`), jsonBytes: null };
}

type Element = number | bigint | string;

/** Whole numbers keep all their digits, also beyond 2^53. */
function jsonOf(value: Element, datatype: Datatype): string {
  if (datatype === 'BOOL') return String(Boolean(value));
  if (typeof value === 'string') return JSON.stringify(value);
  return Number.isNaN(value) ? 'null' : String(value);
}

/** Throws an Error with what is wrong. Without `jsonBytes` the whole body is JSON, with the elements in it. */
export function decodeAnswer(body: Buffer, jsonBytes: number | null): Tensor[] {
  const header = JSON.parse(body.toString('utf8', 0, jsonBytes ?? body.length)) as unknown;
  const outputs = isObject(header) ? header['outputs'] : undefined;
  if (!Array.isArray(outputs)) throw new Error('the answer has no outputs');
  let at = jsonBytes ?? body.length;
  return outputs.map((output: unknown): Tensor => {
    if (!isObject(output)) throw new Error('an output is no object');
    const { name, datatype, shape, parameters, data } = output;
    if (typeof name !== 'string' || !isDatatype(datatype) || !isShape(shape))
      throw new Error('an output lacks its name, datatype or shape');
    const count = shape.reduce((product, size) => product * size, 1);
    const sizeBytes = isObject(parameters) ? parameters['binary_data_size'] : undefined;
    if (typeof sizeBytes !== 'number') return { name, datatype, shape, data: fromJson(datatype, count, data) };
    const bytes = body.subarray(at, at + sizeBytes);
    if (bytes.length !== sizeBytes) throw new Error('the answer ended too early');
    at += sizeBytes;
    return { name, datatype, shape, data: fromBytes(datatype, count, bytes) };
  });
}

function toBytes({ data }: Tensor): Buffer {
  if (!Array.isArray(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const parts = data.flatMap((text) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return Buffer.concat(parts);
}

function fromBytes(datatype: Datatype, count: number, bytes: Buffer): TensorData {
  if (datatype === 'BYTES') return textsOf(count, bytes);
  const data = numbers(datatype, count, bytes.length / bytesOf(datatype));
  // A copy, because a typed array must be aligned.
  new Uint8Array(data.buffer).set(bytes);
  return data;
}

function textsOf(count: number, bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + LENGTH_BYTES + (at + LENGTH_BYTES <= bytes.length ? bytes.readUInt32LE(at) : Infinity);
    if (end > bytes.length) throw new Error('a text ends behind its tensor');
    texts.push(bytes.toString('utf8', at + LENGTH_BYTES, end));
    at = end;
  }
  if (texts.length !== count) throw new Error(`${texts.length} texts for ${count} elements`);
  return texts;
}

function fromJson(datatype: Datatype, count: number, given: unknown): TensorData {
  const flat: unknown[] = Array.isArray(given) ? given.flat(Infinity) : [];
  if (datatype === 'BYTES') {
    if (flat.length !== count || !flat.every((value) => typeof value === 'string'))
      throw new Error(`${count} texts were expected`);
    return flat;
  }
  const data = numbers(datatype, count, flat.length);
  flat.forEach((value, i) => {
    if (data instanceof BigInt64Array) data[i] = BigInt(value as number);
    else data[i] = value === null ? Number.NaN : Number(value);
  });
  return data;
}

/** Room for `count` elements; the number that has come must be the same. */
function numbers(datatype: Datatype, count: number, come: number): NumericData {
  if (come !== count) throw new Error(`${come} elements for a shape of ${count}`);
  return allocate(datatype, count) as NumericData;
}

function bytesOf(datatype: Datatype): number {
  return (allocate(datatype, 0) as NumericData).BYTES_PER_ELEMENT;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDatatype(value: unknown): value is Datatype {
  return (DATATYPES as readonly unknown[]).includes(value);
}

function isShape(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
