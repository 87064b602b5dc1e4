// One file because it is one contract: every store passes all of it, on one store that is opened once.
import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LocalFile, ObjectStore } from '../../src/adapters/object-store/port.js';

export interface OpenStore {
  store: ObjectStore;
  close(): Promise<void>;
}

/** Size in megabytes of the file that must be streamed without holding it in memory; 2000 for the full test. */
const LARGE_MB = Number(process.env['MATIH_LARGE_FILE_MB'] ?? 200);
/** A few parts at the same time, far less than the file's size. */
const RSS_GROWTH_MB = 160;
const MIB = 1024 ** 2;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const failure = (code: string) => expect.objectContaining({ name: 'AppError', code });

export async function keysOf(store: ObjectStore, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of store.list(folder)) keys.push(key);
  return keys.toSorted();
}

/** Bytes that differ from chunk to chunk, made while they are read. */
async function* chunks(count: number, chunkBytes = MIB): AsyncGenerator<Buffer> {
  const base = randomBytes(chunkBytes);
  for (let i = 0; i < count; i++) {
    const chunk = Buffer.from(base);
    chunk.writeUInt32BE(i);
    yield chunk;
  }
}

/** By how many megabytes the process grew while `work` ran. */
async function rssGrowthMb(work: () => Promise<void>): Promise<number> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 10);
  await work().finally(() => clearInterval(sampler));
  return (peak - before) / MIB;
}

/** Sends a request to a signed URL: over HTTP, or directly, as the service does for a store without its own server. */
async function put(store: ObjectStore, url: string, content: Buffer): Promise<{ status: number; etag: string }> {
  if (!store.signedRequests) {
    const response = await fetch(url, { method: 'PUT', body: new Uint8Array(content) });
    return { status: response.status, etag: (response.headers.get('etag') ?? '').replaceAll('"', '') };
  }
  try {
    const request = store.signedRequests.verify('PUT', new URL(url, 'http://service'));
    return { status: 200, etag: await store.signedRequests.putPart(request, Readable.from([content]), Infinity) };
  } catch (error) {
    return { status: (error as { code: string }).code === 'NOT_FOUND' ? 404 : 403, etag: '' };
  }
}

async function get(store: ObjectStore, url: string): Promise<Buffer | null> {
  if (!store.signedRequests) {
    const response = await fetch(url);
    return response.ok ? Buffer.from(await response.arrayBuffer()) : null;
  }
  try {
    return await buffer(await store.get(store.signedRequests.verify('GET', new URL(url, 'http://service')).key));
  } catch {
    return null;
  }
}

const HOUR_SECONDS = 3_600;

/** What every object store must do; `open` returns an empty one. */
export function objectStoreContract(name: string, open: () => Promise<OpenStore>): void {
  describe(`object store: ${name}`, () => {
    let opened: OpenStore;
    let store: ObjectStore;
    beforeAll(async () => {
      opened = await open();
      store = opened.store;
      await store.prepare();
    });
    afterAll(() => opened?.close());

    it('stores the given content, from a buffer or a stream, and replaces all of it', async () => {
      const first = randomBytes(100_000);
      expect(await store.put('acme/models/a/1/model.onnx', first)).toEqual({
        sizeBytes: first.length,
        sha256: sha256(first),
      });
      expect(await buffer(await store.get('acme/models/a/1/model.onnx'))).toEqual(first);
      const second = Buffer.from('grüße');
      expect(
        await store.put('acme/models/a/1/model.onnx', Readable.from([second.subarray(0, 3), second.subarray(3)])),
      ).toEqual({
        sizeBytes: second.length,
        sha256: sha256(second),
      });
      expect(await buffer(await store.get('acme/models/a/1/model.onnx'))).toEqual(second);
      expect(await store.sizeBytes('acme/models/a/1/model.onnx')).toBe(second.length);
    });

    it('keeps an empty file', async () => {
      expect(await store.put('empty', Readable.from([]))).toEqual({ sizeBytes: 0, sha256: sha256(Buffer.alloc(0)) });
      expect(await store.sizeBytes('empty')).toBe(0);
      expect(await buffer(await store.get('empty'))).toEqual(Buffer.alloc(0));
    });

    it('writes a small file that exists after its flush, and nothing of one that is too large', async () => {
      for (const content of [randomBytes(70_000), Buffer.from('x'), Buffer.alloc(0)]) {
        const key = `acme/written/${content.length}`;
        const { stored, flushed } = await store.write(key, content, { maxBytes: 70_000 });
        expect(stored).toEqual({ sizeBytes: content.length, sha256: sha256(content) });
        await flushed;
        expect(await buffer(await store.get(key))).toEqual(content);
      }
      await expect(store.write('acme/written/more', Buffer.alloc(11), { maxBytes: 10 })).rejects.toMatchObject({
        code: 'RESOURCE_EXHAUSTED',
      });
      expect((await keysOf(store, 'acme/written')).toSorted()).toEqual([
        'acme/written/0',
        'acme/written/1',
        'acme/written/70000',
      ]);
    });

    it('keeps sizes around the size of a part', async () => {
      for (const extra of [-1, 0, 1]) {
        const content = randomBytes(8 * MIB + extra);
        await store.put('part', Readable.from([content.subarray(0, 5), content.subarray(5)]));
        expect(sha256(await buffer(await store.get('part')))).toBe(sha256(content));
      }
    });

    it(`streams ${LARGE_MB} MB in and out without using more memory`, async () => {
      const started = performance.now();
      const written = { sizeBytes: 0, sha256: '' };
      const growingIn = await rssGrowthMb(
        async () =>
          void Object.assign(written, await store.put('large', Readable.from(chunks(LARGE_MB), { objectMode: false }))),
      );
      const writtenMs = performance.now() - started;
      const hash = createHash('sha256');
      const growingOut = await rssGrowthMb(async () => {
        for await (const chunk of await store.get('large')) hash.update(chunk as Buffer);
      });
      const readMs = performance.now() - started - writtenMs;
      const rate = (ms: number) => `${Math.round((LARGE_MB / ms) * 1000)} MB/s`;
      console.log(
        `${name}: ${LARGE_MB} MB in at ${rate(writtenMs)}, RSS +${growingIn.toFixed(0)} MB; out at ` +
          `${rate(readMs)}, RSS +${growingOut.toFixed(0)} MB`,
      );
      expect(written).toEqual({ sizeBytes: LARGE_MB * MIB, sha256: hash.digest('hex') });
      expect(growingIn).toBeLessThan(RSS_GROWTH_MB);
      expect(growingOut).toBeLessThan(RSS_GROWTH_MB);
      await store.delete('large');
    });

    it('reads ranges, up to the end of the file, and refuses one that begins after it', async () => {
      const content = Buffer.from('0123456789');
      await store.put('ranged', content);
      const read = async (start: number, end: number) =>
        (await buffer(await store.get('ranged', { start, end }))).toString();
      expect(await read(0, 0)).toBe('0');
      expect(await read(3, 5)).toBe('345');
      expect(await read(8, 100)).toBe('89');
      await expect(store.get('ranged', { start: 10, end: 20 })).rejects.toEqual(failure('BAD_USER_INPUT'));
      await expect(store.get('ranged', { start: 5, end: 4 })).rejects.toEqual(failure('BAD_USER_INPUT'));
      await expect(store.get('ranged', { start: -1, end: 4 })).rejects.toEqual(failure('BAD_USER_INPUT'));
    });

    it('has no key after an upload that broke, at the beginning or after many parts, and keeps the old content', async () => {
      const broken = (count: number) =>
        Readable.from(
          (async function* () {
            yield* chunks(count);
            throw new Error('the client went away');
          })(),
          { objectMode: false },
        );
      for (const count of [1, 40]) {
        const source = broken(count);
        await expect(store.put('broken/file', source)).rejects.toThrow(/the client went away/);
        expect(source.destroyed).toBe(true);
        await expect(store.sizeBytes('broken/file')).rejects.toEqual(failure('NOT_FOUND'));
        expect(await keysOf(store, 'broken')).toEqual([]);
      }
      await store.put('broken/file', Buffer.from('kept'));
      await expect(store.put('broken/file', broken(2))).rejects.toThrow();
      expect((await buffer(await store.get('broken/file'))).toString()).toBe('kept');
    });

    it('ends an upload whose source is destroyed in the middle', async () => {
      const source = Readable.from(chunks(1000), { objectMode: false });
      const putting = store.put('destroyed', source);
      setTimeout(() => source.destroy(), 50);
      await expect(putting).rejects.toThrow();
      await expect(store.sizeBytes('destroyed')).rejects.toEqual(failure('NOT_FOUND'));
    });

    it('stops at the limit of bytes', async () => {
      const source = Readable.from(chunks(1000), { objectMode: false });
      await expect(store.put('limited', source, { maxBytes: 3 * MIB })).rejects.toEqual(failure('RESOURCE_EXHAUSTED'));
      expect(source.destroyed).toBe(true);
      await expect(store.get('limited')).rejects.toEqual(failure('NOT_FOUND'));
      expect((await store.put('limited', Buffer.alloc(3 * MIB), { maxBytes: 3 * MIB })).sizeBytes).toBe(3 * MIB);
    });

    it('has one complete content when two clients put the same key at the same time', async () => {
      const contents = [1, 2].map((fill) => Buffer.alloc(20 * MIB, fill));
      await Promise.allSettled(contents.map((content) => store.put('raced', Readable.from([content]))));
      const kept = sha256(await buffer(await store.get('raced')));
      expect(contents.map(sha256)).toContain(kept);
    });

    const hostile = [
      '',
      '..',
      '../x',
      'a/../../x',
      '/etc/passwd',
      'a//b',
      'a/',
      './a',
      '.hidden',
      'a\\b',
      '..\\x',
      '%2e%2e/x',
      '%252e%252e/x',
      'a\0b',
      'a\nb',
      'a\u202Eb',
      'a\uD800b',
      'C:/x',
      `${'x'.repeat(251)}`,
      `${'x/'.repeat(500)}x`,
      'ü'.repeat(126),
    ];
    it(`refuses ${hostile.length} hostile keys in every call, and leaves nothing`, async () => {
      const before = await keysOf(store, '');
      for (const key of hostile) {
        await expect(store.put(key, Buffer.from('x')), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.get(key), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.sizeBytes(key), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.delete(key), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.localFile(key), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.beginParts(key), key).rejects.toEqual(failure('INVALID_PATH'));
        await expect(store.downloadUrl(key, 60), key).rejects.toEqual(failure('INVALID_PATH'));
        if (key !== '' && key !== 'a/') await expect(keysOf(store, key), key).rejects.toEqual(failure('INVALID_PATH'));
      }
      expect(await keysOf(store, '')).toEqual(before);
    });

    it('accepts the letters that names may have', async () => {
      for (const key of ['größe/模型 v1+2/a=b@c,(d)[e].json', 'ü'.repeat(125)]) {
        await store.put(key, Buffer.from(key));
        expect((await buffer(await store.get(key))).toString()).toBe(key);
        expect(await keysOf(store, key.includes('/') ? 'größe' : '')).toContain(key);
      }
    });

    it('gives NOT_FOUND for what does not exist, including folders and keys below a key', async () => {
      await store.put('folder/key', Buffer.from('x'));
      for (const key of ['missing', 'folder', 'folder/other', 'folder/key/below']) {
        await expect(store.get(key), key).rejects.toEqual(failure('NOT_FOUND'));
        await expect(store.sizeBytes(key), key).rejects.toEqual(failure('NOT_FOUND'));
        await expect(store.localFile(key), key).rejects.toEqual(failure('NOT_FOUND'));
      }
    });

    it('lists a folder at any depth, without its neighbours', async () => {
      for (const key of ['lists/a/1', 'lists/a/b/2', 'lists/ab/3']) await store.put(key, Buffer.from(key));
      expect(await keysOf(store, 'lists/a')).toEqual(['lists/a/1', 'lists/a/b/2']);
      expect(await keysOf(store, 'lists/a/')).toEqual(['lists/a/1', 'lists/a/b/2']);
      expect(await keysOf(store, 'lists')).toHaveLength(3);
      expect(await keysOf(store, 'lists/none')).toEqual([]);
      expect(await keysOf(store, '')).toEqual(expect.arrayContaining(['lists/a/1', 'lists/ab/3']));
    });

    it('lists more keys than one page of a remote store has', async () => {
      for (let from = 0; from < 1_100; from += 50) {
        await Promise.all(Array.from({ length: 50 }, (_, i) => store.put(`many/${from + i}`, Buffer.from('x'))));
      }
      expect(await keysOf(store, 'many')).toHaveLength(1_100);
    });

    it('deletes a key once or twice, and a key that never existed', async () => {
      await store.put('deleted/key', Buffer.from('x'));
      for (const key of ['deleted/key', 'deleted/key', 'deleted/none', 'never/was']) await store.delete(key);
      await expect(store.get('deleted/key')).rejects.toEqual(failure('NOT_FOUND'));
      expect(await keysOf(store, 'deleted')).toEqual([]);
    });

    it('accepts parts in any order and repeatedly, and has no key before the upload is complete', async () => {
      const key = 'parts/file';
      const uploadId = await store.beginParts(key);
      const contents = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(1000)];
      const urls = await Promise.all(contents.map((_, i) => store.partUrl(key, uploadId, i + 1, HOUR_SECONDS)));
      expect(await store.listParts(key, uploadId)).toEqual([]);
      expect((await put(store, urls[1]!, randomBytes(5 * MIB + 7))).status).toBe(200);
      const etags: string[] = [];
      for (const i of [2, 0, 1]) etags[i] = (await put(store, urls[i]!, contents[i]!)).etag;
      await expect(store.sizeBytes(key)).rejects.toEqual(failure('NOT_FOUND'));
      expect(await keysOf(store, 'parts')).toEqual([]);
      const parts = await store.listParts(key, uploadId);
      expect(parts).toEqual(
        contents.map(({ length }, i) => ({ partNumber: i + 1, etag: etags[i], sizeBytes: length })),
      );
      await store.completeParts(key, uploadId, parts);
      expect(sha256(await buffer(await store.get(key)))).toBe(sha256(Buffer.concat(contents)));
      await expect(store.listParts(key, uploadId)).rejects.toEqual(failure('NOT_FOUND'));
      // Some stores answer with success again; in both cases nothing changes.
      await store
        .completeParts(key, uploadId, parts)
        .catch((error: unknown) => expect(error).toEqual(failure('NOT_FOUND')));
      // A URL that somebody kept changes nothing any more.
      expect((await put(store, urls[0]!, randomBytes(10))).status).toBe(404);
      expect(sha256(await buffer(await store.get(key)))).toBe(sha256(Buffer.concat(contents)));
    });

    it('accepts an upload of one part, also an empty one', async () => {
      for (const content of [Buffer.from('x'), Buffer.alloc(0)]) {
        const uploadId = await store.beginParts('parts/one');
        expect((await put(store, await store.partUrl('parts/one', uploadId, 1, HOUR_SECONDS), content)).status).toBe(
          200,
        );
        await store.completeParts('parts/one', uploadId, await store.listParts('parts/one', uploadId));
        expect(await buffer(await store.get('parts/one'))).toEqual(content);
      }
    });

    it('keeps nothing of an aborted upload, and accepts no more of it', async () => {
      const uploadId = await store.beginParts('parts/aborted');
      const url = await store.partUrl('parts/aborted', uploadId, 1, HOUR_SECONDS);
      await put(store, url, randomBytes(100));
      for (let i = 0; i < 2; i++) await store.abortParts('parts/aborted', uploadId);
      expect((await put(store, url, randomBytes(100))).status).toBe(404);
      await expect(store.listParts('parts/aborted', uploadId)).rejects.toEqual(failure('NOT_FOUND'));
      expect(await keysOf(store, 'parts')).not.toContain('parts/aborted');
    });

    it('signs each URL for one method, key, part and time', async () => {
      const key = 'parts/größe +1.bin';
      const uploadId = await store.beginParts(key);
      const url = await store.partUrl(key, uploadId, 1, HOUR_SECONDS);
      const forged = [
        url.replace('partNumber=1', 'partNumber=2'),
        url.replace(/(X-Amz-Expires|expires)=\d+/, '$1=99999999999'),
        url.replace('%2B1.bin', '%2B2.bin'),
        url.replace(/([Ss]ignature)=[0-9a-f]{8}/, '$1=00000000'),
        url.replace(/[?&](X-Amz-)?[Ss]ignature=[0-9a-f]+/, ''),
        await store.partUrl(key, uploadId, 1, -5).catch(() => url.replace('partNumber=1', 'partNumber=3')),
      ];
      for (const bad of forged) {
        expect(bad).not.toBe(url);
        expect((await put(store, bad, randomBytes(10))).status, bad).toBeGreaterThanOrEqual(400);
      }
      expect(await get(store, url)).toBeNull();
      expect(await store.listParts(key, uploadId)).toEqual([]);
      await store.abortParts(key, uploadId);
      const content = randomBytes(1000);
      await store.put(key, content);
      const download = await store.downloadUrl(key, HOUR_SECONDS);
      expect(await get(store, download)).toEqual(content);
      expect(await get(store, download.replace('%2B1.bin', '%2B2.bin'))).toBeNull();
      expect((await put(store, download, randomBytes(10))).status).toBeGreaterThanOrEqual(400);
      await expect(store.downloadUrl('parts/none', HOUR_SECONDS)).rejects.toEqual(failure('NOT_FOUND'));
    });

    it(`receives ${LARGE_MB} MB in parts without using more memory`, async () => {
      const partMb = 16;
      const uploadId = await store.beginParts('large-parts');
      const started = performance.now();
      const part = randomBytes(partMb * MIB);
      const hash = createHash('sha256');
      const growing = await rssGrowthMb(async () => {
        for (let i = 0; i * partMb < LARGE_MB; i++) {
          part.writeUInt32BE(i);
          hash.update(part);
          await put(store, await store.partUrl('large-parts', uploadId, i + 1, HOUR_SECONDS), part);
        }
        await store.completeParts('large-parts', uploadId, await store.listParts('large-parts', uploadId));
      });
      const seconds = (performance.now() - started) / 1000;
      const sizeBytes = await store.sizeBytes('large-parts');
      console.log(
        `${name}: ${sizeBytes / MIB} MB in parts of ${partMb} MB at ${Math.round(sizeBytes / MIB / seconds)} ` +
          `MB/s, RSS +${growing.toFixed(0)} MB (the client’s part among it)`,
      );
      const stored = createHash('sha256');
      for await (const chunk of await store.get('large-parts')) stored.update(chunk as Buffer);
      expect(stored.digest('hex')).toBe(hash.digest('hex'));
      expect(growing).toBeLessThan(RSS_GROWTH_MB + 4 * partMb);
      await store.delete('large-parts');
    });

    it('gives a local file, the same one while the content is the same', async () => {
      await store.put('local/file', Buffer.from('first'));
      const [file, again] = await Promise.all([store.localFile('local/file'), store.localFile('local/file')]);
      const inode = async ({ path }: LocalFile) => (await stat(path)).ino;
      expect(await inode(again)).toBe(await inode(file));
      again[Symbol.dispose]();
      expect(await readFile(file.path, 'utf8')).toBe('first');
      file[Symbol.dispose]();
      // Within one second, ETags may differ only by size.
      await sleep(10);
      await store.put('local/file', Buffer.from('second'));
      using changed = await store.localFile('local/file');
      expect(await readFile(changed.path, 'utf8')).toBe('second');
    });
  });
}
