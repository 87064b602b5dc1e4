import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import type { OutsideFiles } from '../../src/training/port.js';
import { RayWork } from '../../src/training/ray/ray-work.js';

const LOST_AFTER_MS = 1_500;
const CALLS_FOR_MS = 5_000;
const ID = 'matih-job-1';

it('work that calls the service is not lost while its cluster is away, and is lost when both are silent', async () => {
  const startedMs = Date.now();
  const reasons: string[] = [];
  const outside: OutsideFiles = {
    ...{ jobId: 'job', tenant: 'acme', id: ID, runningId: ID },
    attach: async () => undefined,
    token: async () => 'token',
    give: async () => undefined,
    take: async () => false,
    note: (line) => void reasons.push(line),
    lastCall: async () => Math.min(Date.now() - startedMs, CALLS_FOR_MS),
    mustEnd: async () => false,
  };
  const work = new RayWork({
    ...{ dashboardUrl: await nowhere(), token: undefined, publicUrl: 'http://127.0.0.1:1', maxCores: null },
    ...{ pendingTimeoutMs: 60_000, lostAfterMs: LOST_AFTER_MS },
  });
  const silence = new AbortController();
  const prepare = () => {
    silence.abort(new Error('nothing more to see'));
    return Promise.reject(new Error('given up'));
  };
  const watch = { onProgress: () => undefined, result: async () => null };
  await expect(work.complete(outside, ID, { prepare, watch }, silence.signal)).rejects.toThrow('nothing more to see');
  const lostMs = Date.now() - startedMs;
  expect(lostMs).toBeGreaterThan(CALLS_FOR_MS);
  expect(reasons).toEqual([expect.stringContaining('cannot be continued: The Ray cluster at')]);
});

/** An address where nobody listens. */
async function nowhere(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}
