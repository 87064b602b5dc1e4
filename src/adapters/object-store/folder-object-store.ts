import { randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, ErrorCode } from '../../errors.js';
import { absent, checkFolder, checkKey, checkRange, pastTheEnd, pathTaken } from './keys.js';
import { Meter } from './meter.js';
import { ABANDONED_AFTER_MS, type ByteRange, type ObjectStore, type PutOptions, type StoredObject } from './port.js';

/** Files in a folder: written beside, synced and renamed, so that a key is whole or absent. */
export class FolderObjectStore implements ObjectStore {
  readonly name = 'folder';
  private readonly incoming: string;
  private readonly objects: string;

  constructor(root: string) {
    this.incoming = join(root, 'incoming');
    this.objects = join(root, 'objects');
  }

  async prepare(): Promise<void> {
    for (const folder of [this.incoming, this.objects]) await mkdir(folder, { recursive: true }).catch(fault(folder));
    const before = Date.now() - ABANDONED_AFTER_MS;
    for (const name of await readdir(this.incoming)) {
      const path = join(this.incoming, name);
      const written = await stat(path).catch(() => null);
      if (written && written.mtimeMs < before) await rm(path, { force: true });
    }
  }

  async put(key: string, content: Readable | Buffer, { maxBytes = Infinity }: PutOptions = {}): Promise<StoredObject> {
    const target = this.path(key);
    const partial = join(this.incoming, randomUUID());
    const meter = new Meter(maxBytes);
    try {
      await mkdir(this.incoming, { recursive: true });
      await pipeline(Buffer.isBuffer(content) ? Readable.from([content]) : content, meter, createWriteStream(partial));
      await sync(partial);
      await mkdir(dirname(target), { recursive: true });
      await rename(partial, target);
      await sync(dirname(target));
      return meter.result();
    } catch (error) {
      await rm(partial, { force: true });
      return fault(key)(error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    if (range) checkRange(range);
    const { size } = await this.stat(key);
    if (range && range.start >= size) throw pastTheEnd(key, range);
    return createReadStream(this.path(key), range);
  }

  async sizeBytes(key: string): Promise<number> {
    return (await this.stat(key)).size;
  }

  async delete(key: string): Promise<void> {
    await rm(this.path(key), { force: true }).catch((error: NodeJS.ErrnoException) => {
      // A folder of keys is not a key.
      if (!['ENOTDIR', 'ERR_FS_EISDIR', 'EISDIR'].includes(error.code ?? '')) fault(key)(error);
    });
  }

  async *list(folder: string): AsyncIterable<string> {
    const path = join(this.objects, checkFolder(folder));
    const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' || error.code === 'ENOTDIR' ? [] : fault(folder)(error),
    );
    for (const entry of entries) {
      if (entry.isFile()) yield relative(this.objects, join(entry.parentPath, entry.name)).split(sep).join('/');
    }
  }

  async localPath(key: string): Promise<string> {
    await this.stat(key);
    return this.path(key);
  }

  private async stat(key: string): Promise<Stats> {
    const found = await stat(this.path(key)).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOTDIR' ? null : fault(key)(error)));
    if (!found?.isFile()) throw absent(key);
    return found;
  }

  private path(key: string): string {
    return join(this.objects, checkKey(key));
  }
}

/** Onto the disk, so that it outlives a power cut. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

/** What a fault of the disk means to the caller. */
function fault(key: string): (error: unknown) => never {
  return (error) => {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        throw absent(key, error);
      case 'ENOTDIR':
      case 'EISDIR':
      case 'EEXIST':
      case 'ENOTEMPTY':
        throw pathTaken(key, error);
      case 'ENOSPC':
      case 'EDQUOT':
        throw new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'The disk of the artifacts is full.', {}, { cause: error });
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw new AppError(ErrorCode.UNAVAILABLE, `The service may not write ${key} in its artifact folder.`, {}, { cause: error });
      default:
        throw error;
    }
  };
}
