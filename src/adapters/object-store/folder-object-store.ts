import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, ErrorCode } from '../../errors.js';
import { checkKey } from './keys.js';
import type { ByteRange, ObjectStore, StoredObject } from './port.js';

/** Passes bytes on while it counts and hashes them; fails past `maxBytes`. */
export class Meter extends Transform {
  private readonly hash = createHash('sha256');
  sizeBytes = 0;

  constructor(private readonly maxBytes: number) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, data?: Buffer) => void): void {
    this.sizeBytes += chunk.length;
    if (this.sizeBytes > this.maxBytes) {
      done(new AppError(ErrorCode.RESOURCE_EXHAUSTED, `The file is larger than the ${this.maxBytes} bytes allowed.`, { expected: `at most ${this.maxBytes} bytes` }));
      return;
    }
    this.hash.update(chunk);
    done(null, chunk);
  }

  result(): StoredObject {
    return { sizeBytes: this.sizeBytes, sha256: this.hash.digest('hex') };
  }
}

/** Files in a folder: written beside, synced and renamed, so that a key is whole or absent. */
export class FolderObjectStore implements ObjectStore {
  readonly name = 'folder';
  private readonly incoming: string;
  private readonly objects: string;

  constructor(root: string) {
    this.incoming = join(root, 'incoming');
    this.objects = join(root, 'objects');
  }

  async put(key: string, content: Readable | Buffer, options: { maxBytes?: number } = {}): Promise<StoredObject> {
    const target = this.path(key);
    await mkdir(this.incoming, { recursive: true });
    const partial = join(this.incoming, randomUUID());
    try {
      const meter = new Meter(options.maxBytes ?? Infinity);
      await pipeline(Buffer.isBuffer(content) ? Readable.from([content]) : content, meter, createWriteStream(partial));
      const handle = await open(partial, 'r+');
      await handle.sync().finally(() => handle.close());
      await mkdir(dirname(target), { recursive: true });
      await rename(partial, target);
      return meter.result();
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    await this.sizeBytes(key);
    return createReadStream(this.path(key), range);
  }

  async sizeBytes(key: string): Promise<number> {
    return (await stat(this.path(key)).catch(absent(key))).size;
  }

  async delete(key: string): Promise<void> {
    await rm(this.path(key), { force: true });
  }

  async *list(prefix: string): AsyncIterable<string> {
    const entries = await readdir(join(this.objects, prefix && checkKey(prefix.replace(/\/$/, ''))), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (entry.isFile()) yield relative(this.objects, join(entry.parentPath, entry.name)).split(sep).join('/');
    }
  }

  async localPath(key: string): Promise<string> {
    await this.sizeBytes(key);
    return this.path(key);
  }

  private path(key: string): string {
    return join(this.objects, checkKey(key));
  }
}

function absent(key: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'ENOENT') throw new AppError(ErrorCode.NOT_FOUND, `No stored file ${key}.`, { got: key });
    throw error;
  };
}
