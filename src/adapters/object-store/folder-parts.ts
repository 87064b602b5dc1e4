import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { badInput } from '../../errors.js';
import { absentUpload } from './keys.js';
import { Meter } from './meter.js';
import { ABANDONED_AFTER_MS, MAX_PARTS, type StoredPart } from './port.js';

const PART = /^(\d{5})-([0-9a-f]{32})$/;

/** Uploads in parts in a folder: one folder per upload, one file per part, named by its number and its MD5. */
export class FolderParts {
  private readonly turns = new Map<string, Promise<void>>();

  constructor(private readonly root: string) {}

  async prepare(): Promise<void> {
    await mkdir(this.root, { recursive: true });
    for (const uploadId of await readdir(this.root)) {
      const begun = await stat(this.folder(uploadId)).catch(() => null);
      if (begun && begun.birthtimeMs < Date.now() - ABANDONED_AFTER_MS) await this.remove(uploadId);
    }
  }

  async begin(): Promise<string> {
    const uploadId = randomUUID();
    await mkdir(this.folder(uploadId), { recursive: true });
    return uploadId;
  }

  /** Returns the ETag of the part. */
  async put(uploadId: string, partNumber: number, content: Readable, maxBytes: number): Promise<string> {
    checkPartNumber(partNumber);
    const folder = this.folder(uploadId);
    await this.parts(uploadId);
    const partial = join(folder, `incoming-${randomUUID()}`);
    const md5 = createHash('md5');
    const hashing = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        md5.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await pipeline(content, new Meter(maxBytes), hashing, createWriteStream(partial));
      const etag = md5.digest('hex');
      const name = `${String(partNumber).padStart(5, '0')}-${etag}`;
      await this.inSequence(uploadId, async () => {
        await rename(partial, join(folder, name));
        for (const other of await readdir(folder))
          if (other !== name && other.startsWith(name.slice(0, 6))) await rm(join(folder, other), { force: true });
      });
      return etag;
    } catch (error) {
      await rm(partial, { force: true });
      // The upload was completed or aborted meanwhile.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw absentUpload(uploadId, error);
      throw error;
    }
  }

  /** Joins the parts, once, in the state in which they were listed: BAD_USER_INPUT when a part was sent again since. */
  async complete(
    uploadId: string,
    listed: readonly StoredPart[],
    store: (content: Readable) => Promise<unknown>,
  ): Promise<void> {
    await this.inSequence(uploadId, async () => {
      const present = await this.list(uploadId);
      const isSame = present.length === listed.length && present.every(({ etag }, i) => etag === listed[i]?.etag);
      if (!isSame) throw badInput('parts', 'the parts as they were listed', 'one that was sent again meanwhile');
      await store(this.content(uploadId, listed));
      await this.clear(uploadId);
    });
  }

  async parts(uploadId: string): Promise<StoredPart[]> {
    return this.inSequence(uploadId, () => this.list(uploadId));
  }

  /**
   * Only one operation on an upload at a time: if a part were sent twice at the same time, each request would delete
   * the other's file.
   */
  private async inSequence<T>(uploadId: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.turns.get(uploadId) ?? Promise.resolve()).then(work);
    const over = turn.then(
      () => undefined,
      () => undefined,
    );
    this.turns.set(uploadId, over);
    return turn.finally(() => {
      if (this.turns.get(uploadId) === over) this.turns.delete(uploadId);
    });
  }

  private async list(uploadId: string): Promise<StoredPart[]> {
    const folder = this.folder(uploadId);
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw absentUpload(uploadId, error);
      throw error;
    });
    const parts = names.flatMap((name) => {
      const [, number, etag] = PART.exec(name) ?? [];
      return number && etag ? [{ partNumber: Number(number), etag, path: join(folder, name) }] : [];
    });
    const sized = parts.map(async ({ path, ...part }) => ({ ...part, sizeBytes: (await stat(path)).size }));
    return (await Promise.all(sized)).toSorted((a, b) => a.partNumber - b.partNumber);
  }

  /** All parts in order, as one stream. */
  private content(uploadId: string, parts: readonly StoredPart[]): Readable {
    const paths = parts.map(({ partNumber, etag }) =>
      join(this.folder(uploadId), `${String(partNumber).padStart(5, '0')}-${etag}`),
    );
    const read = async function* () {
      for (const path of paths) yield* createReadStream(path) as AsyncIterable<Buffer>;
    };
    return Readable.from(read(), { objectMode: false });
  }

  async remove(uploadId: string): Promise<void> {
    await this.inSequence(uploadId, () => this.clear(uploadId));
  }

  private async clear(uploadId: string): Promise<void> {
    await rm(this.folder(uploadId), { recursive: true, force: true });
  }

  private folder(uploadId: string): string {
    // A text with another form cannot be the id of an upload.
    if (!/^[0-9a-f-]{36}$/.test(uploadId)) throw absentUpload(uploadId);
    return join(this.root, uploadId);
  }
}

export function checkPartNumber(partNumber: number): void {
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > MAX_PARTS)
    throw badInput('partNumber', `a whole number from 1 to ${MAX_PARTS}`, partNumber);
}
