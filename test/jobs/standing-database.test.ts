import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { LogMetricsDocument } from '../../schema/generated/operations.js';
import { signalTree } from '../support/children.js';
import { newRun } from '../support/runs.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const TIMEOUT_MS = 3_000;
let dataDir: string;
let server: EmbeddedPostgres;
let service: TestService;
let tess: Caller;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'matih-standing-'));
  await chmod(dataDir, 0o755);
  const log = { info: () => undefined, warn: () => undefined };
  server = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' } });
  service = await startTestService(
    {
      LOG_LEVEL: 'silent',
      DATABASE_TIMEOUT_MS: String(TIMEOUT_MS),
      DATABASE_BACKGROUND_TIMEOUT_MS: String(2 * TIMEOUT_MS),
      DATABASE_POOL_SIZE: '4',
    },
    { url: server.url, drop: async () => undefined },
  );
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  await server?.stop();
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
});

async function serverPid(): Promise<number> {
  const pidFile = await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8');
  return Number(pidFile.split('\n')[0]);
}

async function timed<T>(work: () => Promise<T>): Promise<{ ms: number; answer: T }> {
  const begun = performance.now();
  const answer = await work();
  return { ms: performance.now() - begun, answer };
}

const ready = () => timed(async () => (await fetch(`${service.url}/readyz`)).status);

describe('a database that does not answer', () => {
  it('makes readiness 503 within 2 s and requests UNAVAILABLE within the setting; all recovers by itself', async () => {
    const runId = await newRun(tess);
    const metric = (step: number) => ({
      input: { runId, metrics: [{ key: 'loss', value: 1, step, loggedAt: '2026-01-01T00:00:00.000Z' }] },
    });
    await tess.ok(LogMetricsDocument, metric(0));
    expect((await ready()).answer).toBe(200);
    const pid = await serverPid();
    signalTree(pid, 'SIGSTOP');
    try {
      // More than the number of connections in the pool.
      const writes = Array.from({ length: 12 }, (_, step) =>
        timed(() => tess.send(LogMetricsDocument, metric(step + 1))),
      );
      const looks = [await ready(), await ready(), await ready()];
      const outcomes = await Promise.all(writes);
      const longest = Math.max(...outcomes.map(({ ms }) => ms));
      const slowestLook = Math.max(...looks.map(({ ms }) => ms));
      console.log(
        `database stopped: readiness within ${slowestLook.toFixed(0)} ms, writes end by ${longest.toFixed(0)} ms`,
      );
      expect(looks.map(({ answer }) => answer)).toEqual([503, 503, 503]);
      expect(slowestLook).toBeLessThan(2_000);
      for (const { answer } of outcomes)
        expect(answer.errors).toMatchObject([
          { message: expect.stringMatching(/ry again/), extensions: { code: 'UNAVAILABLE' } },
        ]);
      // It waits for the tenant's part of the pool, for a connection, and for an answer.
      expect(longest).toBeLessThan(3 * TIMEOUT_MS + 2_000);
    } finally {
      signalTree(pid, 'SIGCONT');
    }
    const goesOnAt = performance.now();
    await expect.poll(async () => (await ready()).answer, { timeout: 10_000, interval: 50 }).toBe(200);
    const ms = performance.now() - goesOnAt;
    await tess.ok(LogMetricsDocument, metric(20));
    console.log(`ready again ${ms.toFixed(0)} ms after it goes on`);
  });
});

describe('a statement', () => {
  const actor = {
    principal: { subject: 'tess', tenant: 'acme', role: Role.ADMIN, expiresAt: new Date(Date.now() + 60_000) },
    requestId: 'r',
  };
  const sleeping = (seconds: number) => `select pg_sleep(${seconds})`;

  it('ends at its limit, at a longer one in background work, and when the network drops it', async () => {
    const { hostname, port } = new URL(server.url);
    const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
    const url = new URL(server.url);
    url.port = String(proxy.port);
    const db = await Database.connect({
      url: url.href,
      entities: [],
      poolSize: 2,
      timeoutMs: 700,
      backgroundTimeoutMs: 2_500,
    });
    try {
      const unavailable = { code: 'UNAVAILABLE' };
      const request = await timed(() =>
        expect(db.transact(actor, ({ em }) => em.execute(sleeping(60)))).rejects.toMatchObject(unavailable),
      );
      expect(request.ms).toBeLessThan(2_000);
      await db.asSystem((em) => em.execute(sleeping(1.5)));
      await db.transact({ ...actor, isBackground: true }, ({ em }) => em.execute(sleeping(1.5)));
      await expect(db.asSystem((em) => em.execute(sleeping(60)))).rejects.toMatchObject(unavailable);
      proxy.swallow();
      const swallowed = await timed(() =>
        expect(db.transact(actor, ({ em }) => em.execute('select 1'))).rejects.toMatchObject(unavailable),
      );
      expect(swallowed.ms).toBeLessThan(3_000);
      expect((await timed(() => db.problems())).answer).toEqual(['database']);
      proxy.restore();
      await expect.poll(() => db.problems(), { timeout: 5_000 }).toEqual([]);
      await db.transact(actor, ({ em }) => em.execute('select 1'));
      console.log(
        `a statement ends after ${request.ms.toFixed(0)} ms, a swallowed one after ${swallowed.ms.toFixed(0)} ms`,
      );
    } finally {
      await db.close();
      await proxy.close();
    }
  });
});
