import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { createExperiment } from '../support/training.js';
import { CreateRunDocument, LogArtifactDocument } from '../../schema/generated/operations.js';
import { RunIdPathDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

describe('artifacts of a run', () => {
  async function newRun(caller = tess): Promise<string> {
    const experimentId = await createExperiment(caller);
    const { createRun } = await caller.ok(CreateRunDocument, { input: { experimentId } });
    return createRun.run.id;
  }

  const get = (path: string, headers: Record<string, string> = {}, caller = tess) =>
    fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${caller.token}`, ...headers } });

  it('are stored with size and hash, and downloaded completely or in part', async () => {
    const runId = await newRun();
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
    const { uploadId } = await tess.upload('x', bytes);
    const input = { runId, path: 'plots/roc curve (1).html', uploadId };
    const { logArtifact } = await tess.ok(LogArtifactDocument, {
      input,
    });
    const { artifact } = logArtifact;
    expect(artifact).toMatchObject({
      path: input.path,
      sizeBytes: 1000,
      contentType: 'application/octet-stream',
      sha256: createHash('sha256').update(bytes).digest('hex'),
    });
    const whole = await get(artifact.downloadUrl);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'content-disposition': `attachment; filename="roc_curve__1_.html"; filename*=UTF-8''roc%20curve%20(1).html`,
      'content-length': '1000',
      'x-content-type-options': 'nosniff',
    });
    const ranges: [string, number, string | null, number][] = [
      ['bytes=0-9', 206, 'bytes 0-9/1000', 10],
      ['bytes=990-', 206, 'bytes 990-999/1000', 10],
      ['bytes=-5', 206, 'bytes 995-999/1000', 5],
      ['bytes=990-5000', 206, 'bytes 990-999/1000', 10],
      ['bytes=1000-', 416, 'bytes */1000', -1],
      ['bytes=-0', 416, 'bytes */1000', -1],
      ['bytes=5-2', 200, null, 1000],
      ['bytes=0-1,4-5', 200, null, 1000],
      ['lines=1-2', 200, null, 1000],
    ];
    for (const [range, status, contentRange, length] of ranges) {
      const part = await get(artifact.downloadUrl, { range });
      const body = Buffer.from(await part.arrayBuffer());
      expect([part.status, part.headers.get('content-range')], range).toEqual([status, contentRange]);
      if (status !== 416) expect(body.length, range).toBe(length);
      if (status === 206)
        expect(
          body.equals(bytes.subarray(Number(/bytes (\d+)/.exec(contentRange!)![1])).subarray(0, length)),
          range,
        ).toBe(true);
    }
    // The same file again changes nothing; other bytes at this path are refused.
    const again = await tess.ok(LogArtifactDocument, { input });
    expect(again.logArtifact.artifact.id).toBe(artifact.id);
    const different = await tess.upload('x', 'other');
    expect(
      (await tess.fails(LogArtifactDocument, { input: { ...input, uploadId: different.uploadId } })).extensions.code,
    ).toBe('CONFLICT');
    const { run } = await tess.ok(RunIdPathDocument, {
      id: runId,
    });
    expect(run.artifacts).toEqual([{ id: artifact.id, path: input.path }]);
  });

  it('that are logged twice at the same time are one', async () => {
    const runId = await newRun();
    const { uploadId } = await tess.upload('x', 'same');
    const both = await Promise.all(
      [1, 2, 3].map(() => tess.ok(LogArtifactDocument, { input: { runId, path: 'a.txt', uploadId } })),
    );
    expect(new Set(both.map(({ logArtifact }) => logArtifact.artifact.id)).size).toBe(1);
  });

  it('refuse paths that lead elsewhere, and ids of other tenants', async () => {
    const runId = await newRun();
    const { uploadId } = await tess.upload('x', 'content');
    for (const path of [
      '',
      '..',
      '../x',
      'a/../b',
      '/etc/passwd',
      'a//b',
      'a/',
      '.hidden',
      'a\\b',
      '%2e%2e/x',
      '%252e%252e',
      'a\nb',
      'x"y',
      'ä',
      'C:/x',
      'a'.repeat(501),
    ]) {
      expect(
        (await tess.fails(LogArtifactDocument, { input: { runId, path, uploadId } })).extensions,
        path,
      ).toMatchObject({
        code: 'INVALID_PATH',
        field: 'input.path',
      });
    }
    const other = await service.as({ tenant: 'other' });
    const theirUpload = await other.upload('x', 'theirs');
    const theirRun = await newRun(other);
    expect(
      (await tess.fails(LogArtifactDocument, { input: { runId: theirRun, path: 'x', uploadId } })).extensions.code,
    ).toBe('NOT_FOUND');
    expect(
      (await tess.fails(LogArtifactDocument, { input: { runId, path: 'x', uploadId: theirUpload.uploadId } }))
        .extensions.code,
    ).toBe('NOT_FOUND');
    const { logArtifact } = await tess.ok(LogArtifactDocument, {
      input: { runId, path: 'x', uploadId },
    });
    const { downloadUrl } = logArtifact.artifact;
    expect((await get(downloadUrl)).status).toBe(200);
    expect((await get(downloadUrl, {}, other)).status).toBe(404);
    expect((await get('/artifacts/not-an-id')).status).toBe(400);
    expect((await get('/artifacts/00000000-0000-7000-8000-000000000000')).status).toBe(404);
    expect((await fetch(`${service.url}${downloadUrl}`)).status).toBe(401);
    expect((await fetch(`${service.url}${downloadUrl}`, { headers: { authorization: 'Bearer x.y.z' } })).status).toBe(
      401,
    );
  });
});
