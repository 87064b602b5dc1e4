import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { Client } from 'minio';
import { afterEach, describe, expect, it } from 'vitest';
import { S3ObjectStore } from '../../src/adapters/object-store/s3-object-store.js';
import { keysOf, objectStoreContract } from '../adapters/object-store.contract.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { engine } from './engines.js';

const endpoint = engine('S3_ENDPOINT');
const accessKey = engine('S3_ACCESS_KEY');
const secretKey = engine('S3_SECRET_KEY');
const unavailable = expect.objectContaining({ name: 'AppError', code: 'UNAVAILABLE' });

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openStore(options: { endpoint?: string; bucket?: string; silenceTimeoutMs?: number } = {}) {
  const cacheDir = await mkdtemp(join(tmpdir(), 'matih-s3-'));
  const bucket = options.bucket ?? `test-${randomBytes(6).toString('hex')}`;
  const store = new S3ObjectStore({
    endpoint,
    accessKey,
    secretKey,
    bucket,
    cacheDir,
    cacheBytes: 64 * 1024 ** 2,
    ...options,
  });
  return { store, bucket, cacheDir, close: () => rm(cacheDir, { recursive: true, force: true }) };
}

function rawClient(): Client {
  const { hostname, port } = new URL(endpoint);
  return new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey });
}

async function incomplete(bucket: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of rawClient().listIncompleteUploads(bucket, '', true)) keys.push(key);
  return keys;
}

objectStoreContract(`S3 (${engine('MATIH_S3_SERVER')})`, openStore);

async function proxied(silenceTimeoutMs?: number) {
  const { hostname, port } = new URL(endpoint);
  const proxy: TcpProxy = await startTcpProxy({ host: hostname, port: Number(port) });
  const opened = await openStore({
    endpoint: `http://127.0.0.1:${proxy.port}`,
    ...(silenceTimeoutMs && { silenceTimeoutMs }),
  });
  await opened.store.prepare();
  cleanups.push(proxy.close, opened.close);
  return { ...opened, proxy };
}

async function* slowly(count: number, then?: (i: number) => void): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) {
    then?.(i);
    yield randomBytes(1024 ** 2);
  }
}

describe('a store that does not answer', () => {
  it('is UNAVAILABLE in every call, and works again when it is back', async () => {
    const { store, proxy } = await proxied();
    await store.put('kept', Buffer.from('kept'));
    proxy.cut();
    const calls: (() => Promise<unknown>)[] = [
      () => store.put('new', Buffer.from('x')),
      () => store.get('kept'),
      () => store.sizeBytes('kept'),
      () => store.delete('kept'),
      () => store.localFile('kept'),
      () => keysOf(store, ''),
      () => store.prepare(),
    ];
    for (const call of calls) await expect(call()).rejects.toEqual(unavailable);
    proxy.restore();
    expect((await buffer(await store.get('kept'))).toString()).toBe('kept');
    expect(await keysOf(store, '')).toEqual(['kept']);
  });

  it('that stops during an upload ends the upload and its source, leaves no key, and accepts the retry', async () => {
    const { store, proxy, bucket } = await proxied();
    const source = Readable.from(
      slowly(80, (i) => i === 40 && proxy.cut()),
      { objectMode: false },
    );
    await expect(store.put('model', source)).rejects.toEqual(unavailable);
    expect(source.destroyed).toBe(true);
    proxy.restore();
    await expect(store.sizeBytes('model')).rejects.toEqual(expect.objectContaining({ code: 'NOT_FOUND' }));
    expect((await store.put('model', Readable.from(slowly(40), { objectMode: false }))).sizeBytes).toBe(40 * 1024 ** 2);
    expect(await incomplete(bucket)).toEqual(['model']);
  });

  it('that stops during a download ends the stream with UNAVAILABLE, and leaves nothing in the cache', async () => {
    const { store, proxy, cacheDir } = await proxied();
    await store.put('model', randomBytes(32 * 1024 ** 2));
    const stream = await store.get('model');
    const reading = (async () => {
      for await (const chunk of stream) if ((chunk as Buffer).length > 0) proxy.cut();
    })();
    await expect(reading).rejects.toEqual(unavailable);
    proxy.restore();
    const downloading = store.localFile('model');
    setTimeout(() => proxy.cut(), 5);
    await expect(downloading).rejects.toEqual(unavailable);
    expect((await readdir(cacheDir)).filter((name) => name !== 'held')).toEqual([]);
    proxy.restore();
    expect((await buffer(await store.get('model'))).length).toBe(32 * 1024 ** 2);
  });

  it('that drops every packet is given up after its time limit', async () => {
    const { store, proxy } = await proxied(300);
    await store.put('kept', Buffer.from('kept'));
    proxy.swallow();
    for (const call of [
      () => store.get('kept'),
      () => store.put('new', Readable.from(slowly(20), { objectMode: false })),
    ]) {
      await expect(call()).rejects.toEqual(unavailable);
    }
    proxy.restore();
    expect((await buffer(await store.get('kept'))).toString()).toBe('kept');
  });

  it('says what is wrong: keys that are refused, an address where nothing listens', async () => {
    const wrong = new S3ObjectStore({
      endpoint,
      accessKey,
      secretKey: 'wrong-secret',
      bucket: 'test-wrong',
      cacheDir: join(tmpdir(), 'matih-s3-none'),
      cacheBytes: 0,
    });
    await expect(wrong.prepare()).rejects.toThrow(/The object store did not answer: .*(signature|denied|403)/i);
    const nowhere = new S3ObjectStore({
      endpoint: 'http://127.0.0.1:1',
      accessKey,
      secretKey,
      bucket: 'test-wrong',
      cacheDir: join(tmpdir(), 'matih-s3-none'),
      cacheBytes: 0,
    });
    await expect(nowhere.prepare()).rejects.toThrow(/The object store did not answer: .*ECONNREFUSED/);
  });
});

it('an upload that fails while the store works leaves no parts', async () => {
  const { store, bucket, close } = await openStore();
  cleanups.push(close);
  await store.prepare();
  const source = async function* () {
    yield* slowly(40);
    throw new Error('the client went away');
  };
  await expect(store.put('broken', Readable.from(source(), { objectMode: false }))).rejects.toThrow(/went away/);
  expect(await incomplete(bucket)).toEqual([]);
});

it('two processes may create the bucket at the same time', async () => {
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ bucket })));
  cleanups.push(...stores.map(({ close }) => close));
  await Promise.all(stores.map(({ store }) => store.prepare()));
});
