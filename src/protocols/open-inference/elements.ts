import { AppError, ErrorCode, quote } from '../../errors.js';
import {
  allocate,
  DATATYPES,
  type Datatype,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from '../../modules/model-contract/index.js';
import type { PlainTensor } from '../../modules/serving/index.js';

type NumericData = Exclude<TensorData, string[]>;

/** Bytes of one element; BYTES have a length before each. */
const ELEMENT_BYTES: Record<Exclude<Datatype, 'BYTES'>, number> = {
  BOOL: 1,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  UINT8: 1,
  FP32: 4,
  FP64: 8,
};
const LENGTH_BYTES = 4;
/** More dimensions than any model has. */
const MAX_RANK = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The error for a wrong part of a request. */
export function wrong(field: string, expected: string, got: unknown): AppError {
  const shown = typeof got === 'string' ? got : quote(got);
  return new AppError(ErrorCode.INVALID_TENSOR, `${field}: expected ${expected}, got ${shown}.`, {
    field,
    expected,
    got: shown,
  });
}

export function asDatatype(field: string, value: unknown): Datatype {
  const known = (DATATYPES as readonly unknown[]).includes(value);
  if (!known) throw wrong(`${field}.datatype`, `one of ${DATATYPES.join(', ')}`, quote(value));
  return value as Datatype;
}

export function asShape(field: string, value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MAX_RANK)
    throw wrong(
      `${field}.shape`,
      `a list of at most ${MAX_RANK} dimensions`,
      Array.isArray(value) ? `${value.length} dimensions` : value,
    );
  const axis = value.findIndex((dimension) => !Number.isSafeInteger(dimension) || (dimension as number) < 1);
  if (axis >= 0) throw wrong(`${field}.shape[${axis}]`, 'a dimension of at least 1', value[axis]);
  return value as number[];
}

/**
 * A request that is nothing but the elements of the model's one input: its only open dimension follows from the number
 * of bytes. Of BYTES it is one text, without a length.
 */
export function fromBody({ name, datatype, shape }: TensorSpec, body: Buffer): PlainTensor {
  if (datatype === 'BYTES') {
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(body.length);
    return fromRaw(
      'body',
      name,
      datatype,
      shape.map((dimension) => Math.abs(dimension)),
      Buffer.concat([length, body]),
    );
  }
  const fixed = shape.reduce(
    (product, dimension) => product * (dimension === -1 ? 1 : dimension),
    ELEMENT_BYTES[datatype],
  );
  const isOpen = shape.filter((dimension) => dimension === -1).length <= 1;
  if (!isOpen || body.length === 0 || body.length % fixed !== 0)
    throw wrong(
      'body',
      `elements of ${datatype} for the shape [${shape.join(', ')}] of "${name}"`,
      `${body.length} bytes`,
    );
  return fromRaw(
    'body',
    name,
    datatype,
    shape.map((dimension) => (dimension === -1 ? body.length / fixed : dimension)),
    body,
  );
}

/** The elements of a tensor as the protocol sends them: little-endian, in row-major order. */
export function fromRaw(field: string, name: string, datatype: Datatype, shape: number[], bytes: Buffer): PlainTensor {
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  if (datatype === 'BYTES') return { name, datatype, shape, data: readTexts(field, count, bytes) };
  const wanted = count * ELEMENT_BYTES[datatype];
  if (bytes.length !== wanted)
    throw wrong(field, `${wanted} bytes for ${count} elements of ${datatype}`, `${bytes.length} bytes`);
  if (datatype === 'BOOL') {
    const odd = bytes.findIndex((byte) => byte > 1);
    if (odd >= 0) throw wrong(`${field}[${odd}]`, 'a byte 0 or 1', bytes[odd]);
  }
  const data = allocate(datatype, count) as NumericData;
  // A copy, because a tensor must be aligned and must not keep the whole request in memory.
  new Uint8Array(data.buffer).set(bytes);
  return { name, datatype, shape, data };
}

/** Texts, each with its length in four bytes before it. */
function readTexts(field: string, count: number, bytes: Buffer): string[] {
  // Every text takes at least its length, so that a large shape cannot make a large list.
  if (count * LENGTH_BYTES > bytes.length)
    throw wrong(field, `${count} texts with their lengths`, `${bytes.length} bytes`);
  const texts = new Array<string>(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const left = bytes.length - at - LENGTH_BYTES;
    const length = left >= 0 ? bytes.readUInt32LE(at) : 0;
    if (length > left || left < 0)
      throw wrong(
        `${field}[${i}]`,
        'a text that ends within its tensor',
        `${length} bytes where ${Math.max(left, 0)} are left`,
      );
    at += LENGTH_BYTES;
    texts[i] = readText(`${field}[${i}]`, bytes.subarray(at, at + length));
    at += length;
  }
  if (at !== bytes.length) throw wrong(field, `${count} texts that fill ${bytes.length} bytes`, `${at} bytes of text`);
  return texts;
}

export function readText(field: string, bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw wrong(field, 'UTF-8 text', 'other bytes');
  }
}

/** The bytes of a tensor's elements, as `fromRaw` reads them; numbers are not copied. */
export function toRaw({ data }: Tensor): Buffer {
  if (!Array.isArray(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const lengths = data.map((text) => Buffer.byteLength(text));
  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  data.forEach((text, i) => {
    at = bytes.writeUInt32LE(lengths[i]!, at);
    at += bytes.write(text, at);
  });
  return bytes;
}
