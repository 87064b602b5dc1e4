import { randomBytes, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AppError, diskFull, ErrorCode } from '../../errors.js';
import { checkPartNumber, FolderParts } from './folder-parts.js';
import { absent, checkFolder, checkKey, checkRange, pastTheEnd, pathTaken } from './keys.js';
import { Meter } from './meter.js';
import {
  ABANDONED_AFTER_MS,
  type ByteRange,
  type LocalFile,
  type ObjectStore,
  type PutOptions,
  type SignedRequest,
  type SignedRequests,
  type StoredObject,
  type StoredPart,
  type WrittenObject,
} from './port.js';
import { SIGNED_PREFIX, signUrl, verifyUrl } from './signed-urls.js';

/** Data that arrives while the disk is busy is written together. */
const AHEAD_BYTES = 1024 * 1024;

/**
 * Files in a folder. Each is written to another name, synced and renamed, so that a key has either its whole content or
 * none.
 */
export class FolderObjectStore implements ObjectStore {
  readonly name = 'folder';
  private readonly incoming: string;
  private readonly objects: string;
  private readonly parts: FolderParts;
  /** Whether the folder of incoming files exists. */
  private made: Promise<unknown> | undefined;
  /**
   * The secret of the signed URLs. It is stored in the folder, so that all processes with this folder have the same.
   */
  private secret: Buffer | null = null;

  constructor(private readonly root: string) {
    this.incoming = join(root, 'incoming');
    this.objects = join(root, 'objects');
    this.parts = new FolderParts(join(root, 'parts'));
  }

  async prepare(): Promise<void> {
    for (const folder of [this.incoming, this.objects]) await mkdir(folder, { recursive: true }).catch(fault(folder));
    const before = Date.now() - ABANDONED_AFTER_MS;
    for (const name of await readdir(this.incoming)) {
      const path = join(this.incoming, name);
      const written = await stat(path).catch(() => null);
      if (written && written.mtimeMs < before) await rm(path, { force: true });
    }
    await this.parts.prepare();
    this.secret = await this.ownSecret();
  }

  async put(key: string, content: Readable | Buffer, { maxBytes = Infinity }: PutOptions = {}): Promise<StoredObject> {
    const target = this.path(key);
    const partial = join(this.incoming, randomUUID());
    const meter = new Meter(maxBytes);
    try {
      this.made ??= mkdir(this.incoming, { recursive: true });
      await this.made;
      await pipeline(
        Buffer.isBuffer(content) ? Readable.from([content]) : content,
        meter,
        createWriteStream(partial, { flush: true, highWaterMark: AHEAD_BYTES }),
      );
      await withFolder(target, () => rename(partial, target));
      await sync(dirname(target));
      return meter.result();
    } catch (error) {
      this.made = undefined;
      await rm(partial, { force: true });
      return fault(key)(error);
    }
  }

  async write(key: string, content: Buffer, { maxBytes = Infinity }: PutOptions = {}): Promise<WrittenObject> {
    const target = this.path(key);
    const meter = new Meter(maxBytes);
    meter.measured(content);
    const flushed = writeNew(target, content).catch(fault(key));
    // The caller may not be waiting for it when it fails.
    flushed.catch(() => undefined);
    return { stored: meter.result(), flushed };
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
      // A folder of keys is not a key itself.
      if (!['ENOTDIR', 'ERR_FS_EISDIR', 'EISDIR'].includes(error.code ?? '')) fault(key)(error);
    });
  }

  async *list(folder: string): AsyncIterable<string> {
    const path = join(this.objects, checkFolder(folder));
    const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch(
      (error: NodeJS.ErrnoException) =>
        error.code === 'ENOENT' || error.code === 'ENOTDIR' ? [] : fault(folder)(error),
    );
    for (const entry of entries) {
      if (entry.isFile()) yield relative(this.objects, join(entry.parentPath, entry.name)).split(sep).join('/');
    }
  }

  async beginParts(key: string): Promise<string> {
    checkKey(key);
    return this.parts.begin();
  }

  async partUrl(key: string, uploadId: string, partNumber: number, expiresInSeconds: number): Promise<string> {
    checkPartNumber(partNumber);
    return this.signedRequests.sign('PUT', { key: checkKey(key), uploadId, partNumber }, expiresInSeconds);
  }

  async listParts(key: string, uploadId: string): Promise<StoredPart[]> {
    checkKey(key);
    return this.parts.parts(uploadId);
  }

  async completeParts(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<void> {
    checkKey(key);
    await this.parts.complete(uploadId, parts, (content) => this.put(key, content));
  }

  async abortParts(key: string, uploadId: string): Promise<void> {
    checkKey(key);
    await this.parts.remove(uploadId);
  }

  async downloadUrl(key: string, expiresInSeconds: number): Promise<string> {
    await this.stat(key);
    return this.signedRequests.sign('GET', { key, uploadId: '', partNumber: 0 }, expiresInSeconds);
  }

  readonly signedRequests: SignedRequests = {
    prefix: SIGNED_PREFIX,
    sign: (method, request, expiresInSeconds) => {
      if (!this.secret) throw new Error('The store was not prepared.');
      return signUrl(this.secret, method, request, Math.floor(Date.now() / 1000) + expiresInSeconds);
    },
    verify: (method, url) => {
      // Without a secret, no URL was ever signed here: any secret refuses it.
      return verifyUrl(this.secret ?? randomBytes(32), method, url);
    },
    putPart: ({ uploadId, partNumber }: SignedRequest, content, maxBytes) =>
      this.parts.put(uploadId, partNumber, content, maxBytes),
  };

  async localFile(key: string): Promise<LocalFile> {
    await this.stat(key);
    return { path: this.path(key), [Symbol.dispose]: () => undefined };
  }

  /** Written completely under another name, then linked, so that no process reads a part of it. */
  private async ownSecret(): Promise<Buffer> {
    const path = join(this.root, 'url-secret');
    const own = join(this.incoming, randomUUID());
    await writeFile(own, randomBytes(32), { mode: 0o600 });
    await link(own, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(own);
    return readFile(path);
  }

  private async stat(key: string): Promise<Stats> {
    const found = await stat(this.path(key)).catch((error: NodeJS.ErrnoException) =>
      error.code === 'ENOTDIR' ? null : fault(key)(error),
    );
    if (!found?.isFile()) throw absent(key);
    return found;
  }

  private path(key: string): string {
    return join(this.objects, checkKey(key));
  }
}

/**
 * When `work` fails because the file's folder is missing: creates the folder, syncs the new folders to disk, and
 * retries.
 */
async function withFolder<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const made = await mkdir(dirname(path), { recursive: true });
    for (let above = dirname(path); made && above.length >= made.length; above = dirname(above))
      await sync(dirname(above));
    return work();
  }
}

/** Writes to the disk. After a failure, no file is left. */
async function writeNew(path: string, content: Buffer): Promise<void> {
  const file = await withFolder(path, () => open(path, 'wx'));
  try {
    await file.writeFile(content);
    // Waits for both to end, so that neither changes the file after it was removed.
    const synced = await Promise.allSettled([file.sync(), sync(dirname(path))]);
    for (const result of synced) if (result.status === 'rejected') throw result.reason;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Syncs to the disk, so that it survives a power cut. */
async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}

/** Translates a fault of the disk for the caller. */
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
        throw diskFull(error);
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw new AppError(
          ErrorCode.UNAVAILABLE,
          `The service may not write ${key} in its artifact folder.`,
          {},
          { cause: error },
        );
      default:
        throw error;
    }
  };
}
