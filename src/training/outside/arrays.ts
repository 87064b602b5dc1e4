import { open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError, ErrorCode } from '../../errors.js';

/** An array of numbers, row by row. */
export interface NamedArray {
  data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;
  shape: readonly number[];
}

const TYPES = {
  F32: Float32Array,
  F64: Float64Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U8: Uint8Array,
} as const;

const entrySchema = z.object({
  dtype: z.enum(['F32', 'F64', 'I32', 'I64', 'U8']),
  shape: z.array(z.int().min(0)).max(4),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const headerSchema = z.record(z.string(), z.unknown());

const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 1024 ** 2;

function dtypeOf({ data }: NamedArray): keyof typeof TYPES {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Float64Array) return 'F64';
  if (data instanceof BigInt64Array) return 'I64';
  return data instanceof Int32Array ? 'I32' : 'U8';
}

/** Writes a file of named arrays in the format of safetensors: a header in JSON, then the arrays in little endian. */
export async function writeArrays(path: string, arrays: ReadonlyMap<string, NamedArray>): Promise<void> {
  let offset = 0;
  const entries = Array.from(arrays, ([name, array]) => {
    const begin = offset;
    offset += array.data.byteLength;
    return [name, { dtype: dtypeOf(array), shape: array.shape, data_offsets: [begin, offset] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  // The arrays begin at a multiple of 8.
  const header = Buffer.from(json.padEnd(Math.ceil(Buffer.byteLength(json) / 8) * 8));
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = await open(path, 'w');
  try {
    await file.writeFile(Buffer.concat([length, header]));
    for (const { data } of arrays.values())
      await file.writeFile(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } finally {
    await file.close();
  }
}

const wrong = (what: string): AppError =>
  new AppError(ErrorCode.INVALID_MODEL, `The work outside has stored arrays that cannot be read: ${what}.`, {
    expected: 'a file of arrays as this release writes it',
    got: what,
  });

/** Reads such a file, which somebody else has written. Errors: INVALID_MODEL. */
export async function readArrays(path: string): Promise<ReadonlyMap<string, NamedArray>> {
  const bytes = await readFile(path);
  if (bytes.length < LENGTH_BYTES) throw wrong('the file is truncated');
  const headerBytes = Number(bytes.readBigUInt64LE());
  const start = LENGTH_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || start > bytes.length) throw wrong('the header is longer than the file');
  const header = headerSchema.safeParse(jsonOf(bytes.toString('utf8', LENGTH_BYTES, start)));
  if (!header.success) throw wrong('the header is no JSON object');
  const arrays = new Map<string, NamedArray>();
  for (const [name, given] of Object.entries(header.data)) {
    const entry = entrySchema.safeParse(given);
    if (!entry.success) throw wrong(`the entry ${name}`);
    const {
      dtype,
      shape,
      data_offsets: [begin, end],
    } = entry.data;
    const Data = TYPES[dtype];
    const count = shape.reduce((product, size) => product * size, 1);
    if (end - begin !== count * Data.BYTES_PER_ELEMENT || start + end > bytes.length)
      throw wrong(`the size of ${name}`);
    // A copy begins at a multiple of the element's size.
    const data = new Data(new Uint8Array(bytes.subarray(start + begin, start + end)).buffer);
    arrays.set(name, { data, shape });
  }
  return arrays;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** One of the arrays, with its type and its shape checked. */
export function takeArray<Data extends NamedArray['data']>(
  arrays: ReadonlyMap<string, NamedArray>,
  name: string,
  type: new (length: number) => Data,
  shape: readonly number[],
): Data {
  const array = arrays.get(name);
  if (!array) throw wrong(`${name} is missing`);
  if (!(array.data instanceof type)) throw wrong(`the type of ${name}`);
  if (array.shape.join() !== shape.join()) throw wrong(`the shape of ${name}, which is ${array.shape.join(' × ')}`);
  return array.data;
}

/** The length of a list of numbers. */
export function lengthOf(arrays: ReadonlyMap<string, NamedArray>, name: string): number {
  const array = arrays.get(name);
  if (array?.shape.length !== 1) throw wrong(`${name} is no list`);
  return array.shape[0]!;
}
