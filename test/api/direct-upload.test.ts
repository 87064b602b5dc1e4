import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { sql } from '../support/embedded.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CompleteUploadDocument, CreateUploadDocument } from '../../schema/generated/operations.js';
import { RegisterDatasetDetailsDocument } from '../generated/operations.js';

const MIB = 1024 ** 2;

interface Part {
  partNumber: number;
  offsetBytes: number;
  sizeBytes: number;
  url: string;
}

let service: TestService;
let caller: Caller;
beforeAll(async () => {
  service = await startTestService({ MAX_UPLOAD_BYTES: String(200 * MIB), LOG_LEVEL: 'silent' });
  caller = await service.as();
});
afterAll(() => service?.close());

async function create(sizeBytes: number, fileName = 'table.csv'): Promise<{ uploadId: string; parts: Part[] }> {
  return (await caller.ok(CreateUploadDocument, { input: { fileName, sizeBytes } })).createUpload;
}

/** As a client without a token does it. */
const send = (part: Part, content: Buffer) =>
  fetch(new URL(part.url, service.url), {
    method: 'PUT',
    body: new Uint8Array(content.subarray(part.offsetBytes, part.offsetBytes + part.sizeBytes)),
  });

async function traces(): Promise<unknown[]> {
  return [
    ...(await sql(service.database.url, 'select object_key from staged_object')),
    ...(await sql(service.database.url, 'select id from direct_upload')),
  ];
}

it('goes part by part to URLs without a token, and becomes one file with its SHA-256', async () => {
  const content = randomBytes(130 * MIB);
  const { uploadId, parts } = await create(content.length);
  expect(
    parts.map(({ partNumber, offsetBytes, sizeBytes }) => [partNumber, offsetBytes / MIB, sizeBytes / MIB]),
  ).toEqual([
    [1, 0, 64],
    [2, 64, 64],
    [3, 128, 2],
  ]);
  const early = await caller.fails(CompleteUploadDocument, { input: { uploadId } });
  expect(early).toMatchObject({
    message: 'parts: expected 3 parts, got "no part 1 yet".',
    extensions: { code: 'BAD_USER_INPUT' },
  });
  const answers = await Promise.all(parts.toReversed().map((part) => send(part, content)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  const expected = { id: uploadId, fileName: 'table.csv', sizeBytes: content.length };
  const { completeUpload } = await caller.ok(CompleteUploadDocument, { input: { uploadId } });
  expect(completeUpload).toEqual({
    upload: { ...expected, sha256: createHash('sha256').update(content).digest('hex') },
  });
  expect(await caller.ok(CompleteUploadDocument, { input: { uploadId } })).toEqual({ completeUpload });
  expect(await traces()).toEqual([]);
  // A URL that somebody kept cannot change it any more.
  expect((await send(parts[0]!, randomBytes(10))).status).toBe(404);
});

it('is used like any upload, and completed once by two calls at the same time', async () => {
  const content = Buffer.from('a,b\n1,2\n');
  const { uploadId, parts } = await create(content.length, 'folder/table.csv');
  await send(parts[0]!, content);
  const both = await Promise.all([
    caller.ok(CompleteUploadDocument, { input: { uploadId } }),
    caller.ok(CompleteUploadDocument, { input: { uploadId } }),
  ]);
  expect(both[0]).toEqual(both[1]);
  const { registerDataset } = await caller.ok(RegisterDatasetDetailsDocument, {
    input: { name: 'direct', source: { uploadId } },
  });
  expect(registerDataset.dataset.rowCount).toBe(1);
});

it('is completed by two calls at the same time although the store forgets the parts before it shows the file, as S3 does', async () => {
  const content = Buffer.from('a,b\n1,2\n');
  const { uploadId, parts } = await create(content.length);
  await send(parts[0]!, content);
  const { objects } = service.app.context;
  const completeParts = objects.completeParts.bind(objects);
  const isBetween = Promise.withResolvers<void>();
  objects.completeParts = async (key, ...rest) => {
    await completeParts(key, ...rest);
    const bytes = await buffer(await objects.get(key));
    await objects.delete(key);
    isBetween.resolve();
    await sleep(700);
    await objects.put(key, bytes);
  };
  try {
    const first = caller.ok(CompleteUploadDocument, { input: { uploadId } });
    await isBetween.promise;
    const second = await caller.ok(CompleteUploadDocument, { input: { uploadId } });
    expect(second).toEqual(await first);
  } finally {
    objects.completeParts = completeParts;
  }
  expect(await traces()).toEqual([]);
});

it('accepts an empty file', async () => {
  const { uploadId, parts } = await create(0);
  expect(parts).toHaveLength(1);
  await send(parts[0]!, Buffer.alloc(0));
  await caller.ok(CompleteUploadDocument, { input: { uploadId } });
});

it('refuses what was not announced, is too large, or belongs to another tenant', async () => {
  const { uploadId, parts } = await create(100);
  await send(parts[0]!, randomBytes(99));
  expect((await caller.fails(CompleteUploadDocument, { input: { uploadId } })).message).toBe(
    'sizeBytes: expected 100 bytes, as announced, got 99.',
  );
  await send(parts[0]!, randomBytes(100));
  const stranger = await service.as({ tenant: 'globex' });
  expect((await stranger.fails(CompleteUploadDocument, { input: { uploadId } })).extensions.code).toBe('NOT_FOUND');
  const viewer = await service.as({ role: Role.VIEWER });
  expect((await viewer.fails(CreateUploadDocument, { input: { fileName: 'a', sizeBytes: 1 } })).extensions.code).toBe(
    'FORBIDDEN',
  );
  const large = await caller.fails(CreateUploadDocument, { input: { fileName: 'a', sizeBytes: 300 * MIB } });
  expect(large.extensions).toMatchObject({ code: 'RESOURCE_EXHAUSTED', expected: `at most ${200 * MIB} bytes` });
  for (const [fileName, sizeBytes] of [
    ['', 1],
    ['a\0', 1],
    ['a', -1],
  ] as const)
    expect(
      (await caller.fails(CreateUploadDocument, { input: { fileName, sizeBytes } })).extensions.code,
      fileName,
    ).toBe('BAD_USER_INPUT');
  await caller.ok(CompleteUploadDocument, { input: { uploadId } });
});

it('leaves nothing of an upload that is never completed', async () => {
  const { uploadId, parts } = await create(100);
  await send(parts[0]!, randomBytes(100));
  await sql(
    service.database.url,
    `update direct_upload set created_at = now() - interval '2 days' where id = '${uploadId}'`,
  );
  expect(await service.app.context.services.directUploads.sweep()).toBe(1);
  expect(await traces()).toEqual([]);
  expect((await send(parts[0]!, randomBytes(100))).status).toBe(404);
  expect((await caller.fails(CompleteUploadDocument, { input: { uploadId } })).extensions.code).toBe('NOT_FOUND');
});

it('answers nothing at URLs that it has not signed', async () => {
  const { parts } = await create(100);
  const url = new URL(parts[0]!.url, service.url);
  for (const [name, value] of [
    ['signature', '0'.repeat(64)],
    ['signature', 'zz'],
    ['signature', ''],
    ['expires', '99999999999'],
    ['partNumber', '2'],
    ['uploadId', '../../x'],
  ] as const) {
    const forged = new URL(url);
    forged.searchParams.set(name, value);
    const response = await fetch(forged, { method: 'PUT', body: 'x' });
    // MinIO's own server reads the id of an upload before the signature.
    const refusals = process.env.MATIH_S3_SERVER === 'minio' && name === 'uploadId' ? [400] : [403];
    expect(refusals, `${name}=${value}`).toContain(response.status);
  }
  expect((await fetch(url)).status).toBe(403);
  for (const path of ['/objects/', '/objects/..%2f..%2fetc/passwd', '/objects/%2e%2e/x'])
    expect((await fetch(`${service.url}${path}`)).status, path).toBeGreaterThanOrEqual(400);
});
