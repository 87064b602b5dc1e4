import { deserialize, serialize } from 'node:v8';

/** What parent and child say to each other: a mark, its length, then the value, with typed arrays and maps. */
const MARK = 0x4d_41_54_49;
const LENGTH_AT = 4;
const HEADER_BYTES = 8;

export function encodeFrame(value: unknown): Buffer {
  const body = serialize(value);
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(MARK);
  frame.writeUInt32LE(body.length, LENGTH_AT);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** Puts frames together again from the chunks of a stream. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private size = 0;

  constructor(private readonly maxBytes: number) {}

  /** The values that are whole now. Throws when the stream holds something else, or one that is too large. */
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

  /** Of the next value, once all of it is there. */
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
