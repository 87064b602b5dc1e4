import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type {
  ByteRange,
  LocalFile,
  ObjectStore,
  PutOptions,
  SignedRequests,
  StoredObject,
  StoredPart,
  WrittenObject,
} from '../../adapters/object-store/port.js';
import type { Database, Session } from '../../db/database.js';
import { badInput, notFound } from '../../errors.js';
import { contentOf, deleteContent, insertContent, keysAfter } from './stores/small-objects.js';

/** PostgreSQL writes a row of this size in one write. */
export const MAX_SMALL_BYTES = 8 * 1024;
const FOLDER = 'small';
const LISTED_AT_ONCE = 1_000;

const SMALL_KEY = new RegExp(`^[^/]+/(runs|logged-models)/[^/]+/${FOLDER}/[^/]+$`);

/** The folder is below the files of a run or a logged model, e.g. `acme/runs/<id>`. */
export const smallKey = (owner: string, name: string) => `${owner}/${FOLDER}/${name}`;
export const isSmallKey = (key: string) => SMALL_KEY.test(key);

/** Call in the transaction of the row that names the file. */
export async function addSmall(session: Session, key: string, content: Buffer): Promise<void> {
  await insertContent(session, key, content);
}

/**
 * An object store that keeps small files as database rows. They are written in the transaction that names them, in one
 * write to one disk. Readers see no difference.
 */
export class SmallObjects implements ObjectStore {
  readonly name: string;
  readonly signedRequests: SignedRequests | null;

  constructor(
    private readonly files: ObjectStore,
    private readonly db: Database,
  ) {
    this.name = files.name;
    this.signedRequests = files.signedRequests;
  }

  async get(key: string, range?: ByteRange): Promise<Readable> {
    if (!isSmallKey(key)) return this.files.get(key, range);
    const content = await this.content(key);
    if (range && range.start >= content.length) throw badInput('range', `a start within ${key}`, range);
    return Readable.from(range ? [content.subarray(range.start, range.end + 1)] : [content], { objectMode: false });
  }

  async sizeBytes(key: string): Promise<number> {
    return isSmallKey(key) ? (await this.content(key)).length : this.files.sizeBytes(key);
  }

  async delete(key: string): Promise<void> {
    if (!isSmallKey(key)) return this.files.delete(key);
    await this.db.asSystem((em) => deleteContent(em, key));
  }

  async *list(folder: string): AsyncIterable<string> {
    yield* this.files.list(folder);
    const prefix = folder === '' ? '' : `${folder.replace(/\/$/, '')}/`;
    for (let after = ''; ;) {
      const keys = await this.db.asSystem((em) => keysAfter(em, prefix, after, LISTED_AT_ONCE));
      yield* keys;
      if (keys.length < LISTED_AT_ONCE) return;
      after = keys.at(-1)!;
    }
  }

  async downloadUrl(key: string, expiresInSeconds: number): Promise<string> {
    if (!isSmallKey(key) || !this.signedRequests) return this.files.downloadUrl(key, expiresInSeconds);
    await this.content(key);
    return this.signedRequests.sign('GET', { key, uploadId: '', partNumber: 0 }, expiresInSeconds);
  }

  async localFile(key: string): Promise<LocalFile> {
    if (!isSmallKey(key)) return this.files.localFile(key);
    const content = await this.content(key);
    const folder = mkdtempSync(join(tmpdir(), 'matih-small-'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    const path = join(folder, 'file');
    await writeFile(path, content).catch((error: unknown) => {
      remove();
      throw error;
    });
    return { path, [Symbol.dispose]: remove };
  }

  prepare(): Promise<void> {
    return this.files.prepare();
  }

  put(key: string, content: Readable | Buffer, options?: PutOptions): Promise<StoredObject> {
    return this.files.put(key, content, options);
  }

  write(key: string, content: Buffer, options?: PutOptions): Promise<WrittenObject> {
    return this.files.write(key, content, options);
  }

  beginParts(key: string): Promise<string> {
    return this.files.beginParts(key);
  }

  partUrl(key: string, uploadId: string, partNumber: number, expiresInSeconds: number): Promise<string> {
    return this.files.partUrl(key, uploadId, partNumber, expiresInSeconds);
  }

  listParts(key: string, uploadId: string): Promise<StoredPart[]> {
    return this.files.listParts(key, uploadId);
  }

  completeParts(key: string, uploadId: string, parts: readonly StoredPart[]): Promise<void> {
    return this.files.completeParts(key, uploadId, parts);
  }

  abortParts(key: string, uploadId: string): Promise<void> {
    return this.files.abortParts(key, uploadId);
  }

  private async content(key: string): Promise<Buffer> {
    const content = await this.db.asSystem((em) => contentOf(em, key));
    if (content === null) throw notFound('stored file', key);
    return content;
  }
}
