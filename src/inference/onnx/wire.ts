/**
 * Messages between the service and its inference hosts, as frames over one stream: u32 body length, u32 header length,
 * then the body: JSON header, zero bytes up to a multiple of 8, and each tensor's elements with the same padding.
 * Little-endian. Numeric tensors are raw bytes, BYTES are a JSON array. Nothing in a frame is ever executed.
 */
import type { MessageReader, Wire } from '../../child-task/frames.js';
import type { FromChild, ToChild } from '../../child-task/messages.js';
import type { Datatype, Signature, Tensor, TensorData } from '../../modules/model-contract/index.js';
import type { OnnxFileFacts, OnnxFileLimits } from './onnx-file.js';
import type { HostSettings } from './host-limits.js';

/** A request of the service to a host. */
export type HostRequest =
  /** Comes first. */
  | { kind: 'start'; settings: HostSettings }
  | { kind: 'inspect'; path: string; limits: OnnxFileLimits }
  | { kind: 'load'; modelId: string; path: string; threads: number; device: 'CPU' | 'CUDA' }
  | { kind: 'unload'; modelId: string }
  | { kind: 'run'; modelId: string };

/** TOO_LARGE: the model is larger than all models of a host may be together. */
export type HostErrorCode = 'INVALID_MODEL' | 'INVALID_TENSOR' | 'RESOURCE_EXHAUSTED' | 'TOO_LARGE' | 'NOT_FOUND';

/** What a host answers. */
export type HostReply =
  | {
      kind: 'loaded';
      signature: Signature;
      /** Requests may be joined along the first dimension without changing any row's answer. */
      batchable: boolean;
      /** Duration of the slowest trial run. */
      slowestRunMs: number;
      /** Models that were unloaded to make room. */
      evicted: string[];
    }
  | {
      kind: 'inspected';
      facts: OnnxFileFacts;
      /** The classes that the graph names, in the order of the probabilities. */
      classes: string[] | null;
    }
  | { kind: 'done' }
  | { kind: 'result' }
  | { kind: 'error'; code: HostErrorCode; message: string; expected?: string; got?: string };

export interface Frame<Header> {
  header: Header;
  tensors: Tensor[];
}

/** A frame to send. */
export interface Outgoing<Header> {
  header: Header;
  tensors: readonly OutgoingTensor[];
}

/** A tensor to send, its elements in parts that are joined on the way. */
export interface OutgoingTensor {
  name: string;
  datatype: Datatype;
  shape: number[];
  parts: TensorData[];
}

interface TensorHeader {
  name: string;
  datatype: Datatype;
  shape: number[];
  byteLength: number;
}

/** A message without its tensors, and with them on the way. */
interface MessageHead {
  message: ToChild | FromChild;
  tensors: TensorHeader[];
}

const PREFIX_BYTES = 8;

const padded = (bytes: number): number => (bytes + 7) & ~7;

const bytesOf = (part: Exclude<TensorData, string[]>): Uint8Array =>
  new Uint8Array(part.buffer, part.byteOffset, part.byteLength);

function payload(tensor: OutgoingTensor): Uint8Array[] {
  if (tensor.datatype === 'BYTES')
    return [Buffer.from(JSON.stringify(tensor.parts.length === 1 ? tensor.parts[0] : tensor.parts.flat()))];
  return (tensor.parts as Exclude<TensorData, string[]>[]).map(bytesOf);
}

/** One frame, ready to write. */
function encodeFrame(message: ToChild | FromChild, tensors: readonly OutgoingTensor[]): Buffer {
  const payloads = tensors.map(payload);
  const byteLengths = payloads.map((parts) => parts.reduce((sum, part) => sum + part.byteLength, 0));
  const tensorHeaders: TensorHeader[] = tensors.map(({ name, datatype, shape }, index) => ({
    name,
    datatype,
    shape,
    byteLength: byteLengths[index]!,
  }));
  const head = Buffer.from(JSON.stringify({ message, tensors: tensorHeaders } satisfies MessageHead));
  const bodyBytes = byteLengths.reduce((sum, bytes) => sum + padded(bytes), padded(head.byteLength));
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + bodyBytes);
  frame.writeUInt32LE(bodyBytes, 0);
  frame.writeUInt32LE(head.byteLength, 4);
  frame.set(head, PREFIX_BYTES);
  let offset = PREFIX_BYTES + padded(head.byteLength);
  payloads.forEach((parts, index) => {
    let at = offset;
    for (const part of parts) {
      frame.set(part, at);
      at += part.byteLength;
    }
    offset += padded(byteLengths[index]!);
  });
  return frame;
}

function view(datatype: Datatype, body: ArrayBuffer, offset: number, byteLength: number): TensorData {
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return new Uint8Array(body, offset, byteLength);
    case 'INT8':
      return new Int8Array(body, offset, byteLength);
    case 'INT16':
      return new Int16Array(body, offset, byteLength / 2);
    case 'INT32':
      return new Int32Array(body, offset, byteLength / 4);
    case 'INT64':
      return new BigInt64Array(body, offset, byteLength / 8);
    case 'FP32':
      return new Float32Array(body, offset, byteLength / 4);
    case 'FP64':
      return new Float64Array(body, offset, byteLength / 8);
    case 'BYTES':
      return JSON.parse(Buffer.from(body, offset, byteLength).toString('utf8')) as string[];
  }
}

function decodeBody(body: ArrayBuffer, headBytes: number): unknown {
  const head = JSON.parse(Buffer.from(body, 0, headBytes).toString('utf8')) as MessageHead;
  let offset = padded(headBytes);
  const tensors = head.tensors.map(({ name, datatype, shape, byteLength }) => {
    const data = view(datatype, body, offset, byteLength);
    offset += padded(byteLength);
    return { name, datatype, shape, data };
  });
  const { message } = head;
  if (message.kind === 'ask') return { ...message, request: { header: message.request, tensors } };
  return message.kind === 'done' ? { ...message, result: { header: message.result, tensors } } : message;
}

/** Cuts a stream into frames. Elements are views into the frame's own buffer. */
class FrameReader implements MessageReader {
  private readonly prefix = Buffer.alloc(PREFIX_BYTES);
  private prefixFilled = 0;
  private body: Uint8Array<ArrayBuffer> | undefined;
  private bodyFilled = 0;

  constructor(private readonly maxFrameBytes: number) {}

  push(chunk: Buffer): unknown[] {
    const messages: unknown[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (!this.body) {
        const taken = Math.min(PREFIX_BYTES - this.prefixFilled, chunk.length - at);
        chunk.copy(this.prefix, this.prefixFilled, at, at + taken);
        this.prefixFilled += taken;
        at += taken;
        if (this.prefixFilled < PREFIX_BYTES) return messages;
        const bodyBytes = this.prefix.readUInt32LE(0);
        if (bodyBytes > this.maxFrameBytes)
          throw new RangeError(`a frame of ${bodyBytes} bytes, where ${this.maxFrameBytes} are allowed`);
        this.body = new Uint8Array(bodyBytes);
        this.bodyFilled = 0;
      }
      const taken = Math.min(this.body.length - this.bodyFilled, chunk.length - at);
      this.body.set(chunk.subarray(at, at + taken), this.bodyFilled);
      this.bodyFilled += taken;
      at += taken;
      if (this.bodyFilled < this.body.length) return messages;
      const body = this.body;
      this.body = undefined;
      this.prefixFilled = 0;
      messages.push(decodeBody(body.buffer, this.prefix.readUInt32LE(4)));
    }
    return messages;
  }
}

/** Requests and results are `Outgoing` frames where they are sent, and `Frame`s where they arrive. */
export const HOST_WIRE: Wire = {
  encode(message) {
    if (message.kind === 'ask') {
      const { header, tensors } = message.request as Outgoing<HostRequest>;
      return encodeFrame({ kind: 'ask', request: header }, tensors);
    }
    if (message.kind !== 'done') return encodeFrame(message, []);
    const { header, tensors } = message.result as Outgoing<HostReply>;
    return encodeFrame({ kind: 'done', result: header }, tensors);
  },
  reader: (maxBytes) => new FrameReader(maxBytes),
};
