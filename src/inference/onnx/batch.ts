/** Joins requests of one model along the first dimension, and splits the answer again. */
import type { Signature, Tensor, TensorData } from '../../modules/model-contract/index.js';
import type { OutgoingTensor } from './wire.js';

/** The inputs in the order of the signature; undefined when one is missing. */
export function inSignatureOrder(signature: Signature, inputs: readonly Tensor[]): Tensor[] | undefined {
  const ordered = signature.inputs.map((spec) => inputs.find((tensor) => tensor.name === spec.name));
  return ordered.every((tensor) => tensor !== undefined) ? ordered : undefined;
}

/** Requests are joined only when their shapes are equal except for the first dimension. */
export function innerShapeKey(inputs: readonly Tensor[]): string {
  return inputs.map(({ shape }) => shape.slice(1).join('x')).join();
}

export function join(requests: readonly (readonly Tensor[])[], rows: number): OutgoingTensor[] {
  return requests[0]!.map(({ name, datatype, shape }, input) => ({
    name,
    datatype,
    shape: requests.length === 1 ? shape : [rows, ...shape.slice(1)],
    parts: requests.map((tensors) => tensors[input]!.data),
  }));
}

function cut(data: TensorData, from: number, to: number): TensorData {
  return data.slice(from, to);
}

/** Rows [from, from + rows) of each tensor, copied: a small answer must not keep a whole batch in memory. */
export function sliceRows(tensors: readonly Tensor[], from: number, rows: number): Tensor[] {
  return tensors.map(({ name, datatype, shape, data }) => {
    const perRow = data.length / shape[0]!;
    return { name, datatype, shape: [rows, ...shape.slice(1)], data: cut(data, from * perRow, (from + rows) * perRow) };
  });
}

function concat(parts: readonly TensorData[]): TensorData {
  if (Array.isArray(parts[0])) return (parts as string[][]).flat();
  const arrays = parts as Exclude<TensorData, string[]>[];
  const joined = Buffer.from(new ArrayBuffer(arrays.reduce((sum, { byteLength }) => sum + byteLength, 0)));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of arrays) {
    joined.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  const Elements = arrays[0]!.constructor as new (buffer: ArrayBufferLike) => TensorData;
  return new Elements(joined.buffer);
}

/** The outputs of consecutive chunks, as if they had run together. */
export function concatRows(chunks: readonly (readonly Tensor[])[]): Tensor[] {
  return chunks[0]!.map(({ name, datatype, shape }, output) => {
    const rows = chunks.reduce((sum, tensors) => sum + tensors[output]!.shape[0]!, 0);
    return {
      name,
      datatype,
      shape: [rows, ...shape.slice(1)],
      data: concat(chunks.map((tensors) => tensors[output]!.data)),
    };
  });
}

/** Whether every output has one entry per row of the batch. */
export function hasRows(tensors: readonly Tensor[], rows: number): boolean {
  return tensors.every(({ shape }) => shape[0] === rows);
}

/** A control character takes six bytes in JSON, and each string has two quotes and a comma. */
const MOST_BYTES_PER_CHAR = 6;
const STRING_EXTRA_BYTES = 3;

/** The largest number of bytes that the inputs need in a message to a host. */
export function wireBytes(inputs: readonly Tensor[]): number {
  let bytes = 0;
  for (const { data } of inputs) {
    if (!Array.isArray(data)) bytes += data.byteLength;
    else for (const text of data) bytes += text.length * MOST_BYTES_PER_CHAR + STRING_EXTRA_BYTES;
  }
  return bytes;
}
