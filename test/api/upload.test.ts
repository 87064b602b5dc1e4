import { request } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { sql } from '../support/embedded.js';
import { startTestService, type TestService } from '../support/service.js';

let service: TestService;
let token: string;

beforeAll(async () => {
  service = await startTestService({ MAX_UPLOAD_BYTES: '1000000', LOG_LEVEL: 'silent' });
  ({ token } = await service.as());
});
afterAll(() => service?.close());

const LARGE = Buffer.alloc(10_000_000);

async function send(
  headers: Record<string, string>,
  path = '/uploads?fileName=a.csv',
): Promise<{ status: number; error: Record<string, unknown> }> {
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...headers },
    body: LARGE,
  });
  return { status: response.status, error: ((await response.json()) as { error: Record<string, unknown> }).error };
}

it('that is refused while it is still arriving gets its answer, and leaves nothing', async () => {
  const viewer = await service.as({ role: Role.VIEWER });
  const bearer = (of: string) => ({ authorization: `Bearer ${of}` });
  for (let i = 0; i < 3; i++) {
    expect(await send(bearer(token))).toMatchObject({
      status: 413,
      error: { code: 'RESOURCE_EXHAUSTED', expected: 'at most 1000000 bytes' },
    });
    expect(await send({})).toMatchObject({ status: 401, error: { code: 'UNAUTHENTICATED' } });
    expect(await send(bearer(viewer.token))).toMatchObject({
      status: 403,
      error: { code: 'FORBIDDEN', got: 'VIEWER' },
    });
    expect(await send(bearer(token), '/uploads')).toMatchObject({
      status: 400,
      error: { code: 'BAD_USER_INPUT', field: 'fileName' },
    });
  }
  const gone = request(`${service.url}/uploads?fileName=a.csv`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', ...bearer(token) },
  });
  gone.on('error', () => undefined);
  gone.write(Buffer.alloc(100_000));
  setTimeout(() => gone.destroy(), 100);
  await new Promise((resolve) => gone.once('close', resolve));
  const keys: string[] = [];
  for await (const key of service.app.context.objects.list('')) keys.push(key);
  expect(keys).toEqual([]);
  expect(await sql(service.database.url, 'select id from upload')).toEqual([]);
});

it('is known to the sweeper before its first byte is stored, so that a crash leaves no file for ever', async () => {
  const staged = () => sql(service.database.url, 'select object_key from staged_object');
  const headers = { 'content-type': 'application/octet-stream', authorization: `Bearer ${token}` };
  const upload = request(`${service.url}/uploads?fileName=a.csv`, { method: 'POST', headers });
  upload.on('error', () => undefined);
  upload.write('a,b');
  await expect.poll(staged, { timeout: 10_000 }).toHaveLength(1);
  upload.destroy();
  await expect.poll(staged, { timeout: 10_000 }).toHaveLength(0);
});

it('that was refused does not prevent the server from stopping', async () => {
  const begun = performance.now();
  await service.app.http?.close();
  const tookMs = performance.now() - begun;
  console.log(`after 12 refused uploads of ${LARGE.length / 1e6} MB the server closed in ${tookMs.toFixed(0)} ms`);
  expect(tookMs).toBeLessThan(1_000);
});
