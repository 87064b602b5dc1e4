import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServiceGroup } from '../support/processes.js';
import { newRun } from '../support/runs.js';
import type { Caller } from '../support/service.js';
import { mutate } from '../support/tracking.js';
import { LogArtifactDocument } from '../../schema/generated/operations.js';

const FILE_BYTES = 64 * 1024 ** 2;
const GRACE_MS = 8_000;

let group: ServiceGroup;
let path: string;
/** Each has only one connection and keeps it. */
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

beforeAll(async () => {
  group = await ServiceGroup.create();
  const api = await group.start('api');
  const tess = await group.as(api);
  const { uploadId } = await tess.upload('large', Buffer.alloc(FILE_BYTES, 1));
  const input = { runId: await newRun(tess), path: 'large', uploadId };
  const { artifact } = await mutate(tess, LogArtifactDocument, input);
  path = artifact.downloadUrl;
  await api.end('SIGTERM');
});
afterAll(() => group?.close());

async function download(tess: Caller): Promise<IncomingMessage> {
  const call = get(`${tess.url}${path}`, { agent, headers: { authorization: `Bearer ${tess.token}` } });
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

describe('SIGTERM during a large download', () => {
  it('that continues lets it end, and does not wait longer although the client keeps its connection', async () => {
    const api = await group.start('api', { SHUTDOWN_GRACE_MS: '20000' });
    const response = await download(await group.as(api));
    await once(response, 'readable');
    const startedAt = performance.now();
    const exited = api.end('SIGTERM');
    await pause(500);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    const code = await exited;
    const endedMs = performance.now() - startedAt;
    console.log(
      `ended ${Math.round(endedMs)} ms after SIGTERM in a download that took ${FILE_BYTES / 1024 ** 2} MiB, ` +
        `code ${code}`,
    );
    expect(bytes).toBe(FILE_BYTES);
    expect(code).toBe(0);
    expect(endedMs).toBeLessThan(5_000);
  });

  it('that does not move cuts it in time to stop normally', async () => {
    const api = await group.start('api', { SHUTDOWN_GRACE_MS: String(GRACE_MS) });
    const response = await download(await group.as(api));
    await once(response, 'readable');
    const startedAt = performance.now();
    const code = await api.end('SIGTERM');
    const endedMs = performance.now() - startedAt;
    console.log(`ended ${Math.round(endedMs)} ms after SIGTERM in a download that stood still, code ${code}`);
    response.destroy();
    expect(code).toBe(0);
    expect(endedMs).toBeLessThan(GRACE_MS);
  });
});
