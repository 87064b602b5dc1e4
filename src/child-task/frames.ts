import { deserialize, serialize } from 'node:v8';
import type { FromChild, ToChild } from './messages.js';

/** How messages become bytes. Both ends of a channel use the same. */
export interface Wire {
  encode(message: ToChild | FromChild): Buffer;
  reader(maxBytes: number): MessageReader;
}

export interface MessageReader {
  /** The messages that are complete now. Throws when the stream has something else, or a message that is too large. */
  push(chunk: Buffer): unknown[];
}

/**
 * The format of messages between parent and child: a mark, the length, then the value, which may contain typed arrays
 * and maps.
 */
const MARK = 0x4d_41_54_49;
const LENGTH_AT = 4;
const HEADER_BYTES = 8;

function encodeFrame(value: unknown): Buffer {
  const body = serialize(value);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(MARK);
  frame.writeUInt32LE(body.length, LENGTH_AT);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Reads frames from the chunks of a stream. */
class FrameReader implements MessageReader {
  private chunks: Buffer[] = [];
  private size = 0;

  constructor(private readonly maxBytes: number) {}

  push(chunk: Buffer): unknown[] {
    this.chunks.push(chunk);
    this.size += chunk.length;
    const values: unknown[] = [];
    for (let bytes = this.nextLength(); bytes !== null; bytes = this.nextLength()) {
      const frame = this.take(HEADER_BYTES + bytes);
      values.push(deserialize(frame.subarray(HEADER_BYTES)));
    }
    return values;
  }

  /** The length of the next value, when all of the value has arrived. */
  private nextLength(): number | null {
    if (this.size < HEADER_BYTES) return null;
    if (this.chunks[0]!.length < HEADER_BYTES) this.chunks = [Buffer.concat(this.chunks)];
    if (this.chunks[0]!.readUInt32LE() !== MARK) throw new RangeError('No message begins where one must.');
    const bytes = this.chunks[0]!.readUInt32LE(LENGTH_AT);
    if (bytes > this.maxBytes) throw new RangeError(`A message of ${bytes} bytes, where ${this.maxBytes} are allowed.`);
    return this.size >= HEADER_BYTES + bytes ? bytes : null;
  }

  private take(bytes: number): Buffer {
    const whole = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    const rest = whole.subarray(bytes);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.size -= bytes;
    return whole.subarray(0, bytes);
  }
}

export const V8_WIRE: Wire = { encode: encodeFrame, reader: (maxBytes) => new FrameReader(maxBytes) };
