import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { AppError, ErrorCode } from '../../errors.js';
import type { StoredObject } from './port.js';

/** Passes bytes on while it counts and hashes them; fails past `maxBytes`. */
export class Meter extends Transform {
  private readonly hash = createHash('sha256');
  private sizeBytes = 0;

  constructor(private readonly maxBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, data?: Buffer) => void): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > this.maxBytes) {
      const expected = `at most ${this.maxBytes} bytes`;
      done(new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The file is larger than the ${this.maxBytes} bytes allowed.`, { expected }));
      return;
    }
    this.hash.update(chunk);
    done(null, chunk);
  }

  result(): StoredObject {
    return { sizeBytes: this.sizeBytes, sha256: this.hash.digest('hex') };
  }
}
