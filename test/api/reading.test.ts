// One file because its tests share datasets and the service whose memory and waits they measure.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller, startTestService, tokenFor, type TestService } from '../support/service.js';
import {
  CreateExperimentDetailsDocument,
  DatasetForDataset2Document,
  DatasetForReadingDocument,
  ExperimentsNameDocument,
  RegisterDatasetForReadingDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let other: Caller;
let folder: string;
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  other = await service.as({ tenant: 'other' });
  folder = await mkdtemp(join(tmpdir(), 'reading-test-'));
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

async function parquet(name: string, select: string): Promise<Buffer> {
  const path = join(folder, `${name}.parquet`);
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
  connection.closeSync();
  instance.closeSync();
  return readFile(path);
}

async function register(caller: Caller, name: string, fileName: string, content: Buffer | string) {
  const { uploadId } = await caller.upload(fileName, content);
  return caller.send(RegisterDatasetForReadingDocument, {
    input: { name, source: { uploadId } },
  });
}

describe('a damaged Parquet file is refused with a clear error', () => {
  it('wherever one of its bytes or its length is changed', async () => {
    const sound = await parquet('sound', "SELECT i, 'text ' || i % 7 AS t, i / 3 AS x FROM range(2000) AS r(i)");
    const footerBytes = sound.readUInt32LE(sound.length - 8);
    const footerAt = sound.length - 8 - footerBytes;
    const places = [
      ...[4, 40, 400, Math.floor(footerAt / 2), footerAt - 3].map((at) => ['data', at] as const),
      ...Array.from({ length: 8 }, (_, i) => ['footer', footerAt + Math.floor((footerBytes * i) / 8)] as const),
      ...[0, 1, 2, 3].map((i) => ['footer length', sound.length - 8 + i] as const),
    ];
    const counts: Record<string, number> = {};
    for (const [part, at] of places) {
      const damaged = Buffer.from(sound);
      damaged[at] = damaged[at]! ^ 0x5a;
      const { errors } = await register(tess, 'damaged', 'damaged.parquet', damaged);
      const code = errors?.[0]?.extensions.code ?? 'taken';
      counts[`${part}: ${code}`] = (counts[`${part}: ${code}`] ?? 0) + 1;
      // Some bytes can have any value: the value of a row, a statistic.
      const allowed = ['BAD_USER_INPUT', 'RESOURCE_EXHAUSTED', ...(part === 'footer length' ? [] : ['taken'])];
      expect(allowed, `${part} at ${at}: ${errors?.[0]?.message}`).toContain(code);
      expect(errors?.[0]?.message ?? '').not.toMatch(/\/(tmp|work|home)\/|Assertion|could not be read/);
    }
    console.log('damaged Parquet:', counts);
  }, 240_000);
});

it('cells of 10 MB are cut in a preview, and this process does not hold them', async () => {
  const content = await parquet('long', "SELECT repeat('x', 10000000) AS c FROM range(100)");
  expect(content.length).toBeLessThan(100_000);
  const { data, errors } = await register(tess, 'long', 'long.parquet', content);
  expect(errors).toBeUndefined();
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  const answer = await tess.send(DatasetForReadingDocument, { id: data!.registerDataset.dataset.id });
  clearInterval(timer);
  console.log(`preview of 100 cells of 10 MB: ${Math.round((most - before) / 2 ** 20)} MiB more in this process`);
  if (answer.errors) expect(answer.errors[0]!.extensions.code).toBe('RESOURCE_EXHAUSTED');
  else for (const { c } of answer.data!.dataset.preview as { c: string }[]) expect(c).toMatch(/^x{1,2000}…$/);
  expect(most - before).toBeLessThan(300 * 2 ** 20);
}, 120_000);

describe('fair turns', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it('JSON with 600 levels is refused at once with a sentence', async () => {
    const startedAt = performance.now();
    const { errors } = await register(tess, 'deep', 'deep.json', nested(600));
    expect(errors![0]!.extensions).toMatchObject({ code: 'BAD_USER_INPUT', expected: 'objects of at most 100 levels' });
    console.log(`600 levels: refused after ${Math.round(performance.now() - startedAt)} ms`);
  });

  it('files of one tenant do not delay those of another', async () => {
    const small = async (caller: Caller) => {
      const startedAt = performance.now();
      const { errors } = await register(caller, 'small', 'small.csv', 'a,b\n1,2\n');
      expect(errors).toBeUndefined();
      return performance.now() - startedAt;
    };
    await small(other);
    const alone = await small(other);
    // Many columns and levels, so that it is slow for its size.
    const rows = Array.from(
      { length: 3_000 },
      (_, row) =>
        `{${Array.from({ length: 60 }, (__, i) => `"k${i}":${'{"a":'.repeat(20)}${row}${'}'.repeat(20)}`).join(',')}}`,
    ).join('\n');
    let done = 0;
    const slow = Array.from({ length: 6 }, (_, i) =>
      register(tess, `slow-${i}`, 'slow.json', rows).finally(() => (done += 1)),
    );
    await wait(1_500);
    const beside = await small(other);
    console.log(
      `a CSV of 8 bytes: ${Math.round(alone)} ms alone, ${Math.round(beside)} ms beside 6 slow files, ` +
        `of which ${done} were read by then`,
    );
    expect(done).toBeLessThan(4);
    await Promise.all(slow);
  }, 240_000);

  it('previews of one tenant do not delay those of another', async () => {
    const content = await parquet(
      'slow',
      'SELECT repeat(chr(97 + (i % 26)::INT), 10000000) AS c FROM range(60) AS r(i)',
    );
    const { data } = await register(tess, 'slow', 'slow.parquet', content);
    const { data: own } = await register(other, 'quick', 'quick.csv', 'a,b\n1,2\n');
    const look = (caller: Caller, id: string, first: number) => caller.send(DatasetForDataset2Document, { id, first });
    let done = 0;
    const theirs = Array.from({ length: 8 }, () =>
      look(tess, data!.registerDataset.dataset.id, 60).finally(() => (done += 1)),
    );
    await wait(300);
    const startedAt = performance.now();
    await look(other, own!.registerDataset.dataset.id, 1);
    console.log(
      `a preview beside 8 slow ones: ${Math.round(performance.now() - startedAt)} ms, of which ${done} were ` +
        'read by then',
    );
    expect(done).toBeLessThan(4);
    await Promise.all(theirs);
  }, 240_000);
});

describe('a token', () => {
  it.each([
    ['a NUL', { subject: 'a\0b' }],
    ['a control character', { subject: 'a\u0007b' }],
    ['half a character', { subject: 'a\ud800b' }],
    ['300 characters', { subject: 'x'.repeat(300) }],
    ['no character', { subject: '' }],
    ['a tenant with a NUL', { tenant: 'ac\0me' }],
    ['a tenant of 100 characters', { tenant: 'a'.repeat(100) }],
    ['a role that there is not', { role: 'ROOT' as never }],
  ])('with %s is invalid', async (_, claims) => {
    const caller = new Caller(service.url, await tokenFor(claims));
    for (const { status, errors } of [
      await caller.send(ExperimentsNameDocument),
      await caller.send(CreateExperimentDetailsDocument, { input: { name: 'x' } }),
    ])
      expect([status, errors![0]!.extensions.code]).toEqual([401, 'UNAUTHENTICATED']);
  });
});
