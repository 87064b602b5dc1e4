import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { AppError, ErrorCode } from '../../errors.js';
import type { StoredObject } from './port.js';

/** Passes bytes on, and counts and hashes them; fails above `maxBytes`. */
export class Meter extends Transform {
  private readonly hash = createHash('sha256');
  private sizeBytes = 0;

  constructor(private readonly maxBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, data?: Buffer) => void): void {
    try {
      done(null, this.measured(chunk));
    } catch (error) {
      done(error as Error);
    }
  }

  /** Returns the same bytes, counted and hashed. */
  measured(bytes: Buffer): Buffer {
    this.sizeBytes += bytes.length;
    if (this.sizeBytes > this.maxBytes) {
      const expected = `at most ${this.maxBytes} bytes`;
      throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The file is larger than the ${this.maxBytes} bytes allowed.`, {
        expected,
      });
    }
    this.hash.update(bytes);
    return bytes;
  }

  result(): StoredObject {
    return { sizeBytes: this.sizeBytes, sha256: this.hash.digest('hex') };
  }
}
