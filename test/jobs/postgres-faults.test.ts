import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { sql } from '../support/embedded.js';
import { newRun } from '../support/runs.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { FollowRunMetricsDocument, LogMetricsDocument } from '../../schema/generated/operations.js';
import { ExperimentsDetailsDocument, ExperimentsIdDocument } from '../generated/operations.js';

let dataDir: string;
let server: EmbeddedPostgres;
let service: TestService;
let tess: Caller;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'matih-faults-'));
  await chmod(dataDir, 0o755);
  const log = { info: () => undefined, warn: () => undefined };
  // A killed server loses nothing that it has given to the operating system; only a power cut needs fsync.
  server = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off' } });
  service = await startTestService({ LOG_LEVEL: 'silent' }, { url: server.url, drop: async () => undefined });
  tess = await service.as();
});
// The last test ends the service and its database.
afterAll(async () => {
  await server?.stop();
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
});

async function serverPid(): Promise<number> {
  const pidFile = await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').catch(() => '');
  return Number(pidFile.split('\n')[0]);
}

/** Kills the server; its owner then starts it again. */
async function endServer(signal: NodeJS.Signals): Promise<void> {
  process.kill(await serverPid(), signal);
}

/** Kills the server and waits until it runs again. */
async function replaceServer(signal: NodeJS.Signals): Promise<void> {
  const before = await serverPid();
  await endServer(signal);
  await expect.poll(serverPid, { timeout: 10_000, interval: 20 }).not.toBe(before);
  await expect
    .poll(() => sql(server.url, 'select 1 as one').catch(() => null), { timeout: 10_000, interval: 20 })
    .toEqual([{ one: 1 }]);
}

/**
 * Logs one step at a time until each is acknowledged; returns how long the longest took and what was refused meanwhile.
 */
function startWriter(runId: string) {
  let stopped = false;
  const acknowledged: number[] = [];
  const refusals = new Map<string, number>();
  let longestMs = 0;
  const done = (async () => {
    for (let step = 0; !stopped; step++) {
      const begun = performance.now();
      for (;;) {
        const { errors } = await tess.send(LogMetricsDocument, {
          input: { runId, metrics: [{ key: 'loss', value: 1, step, loggedAt: '2026-01-01T00:00:00.000Z' }] },
        });
        if (!errors) break;
        const code = errors[0]?.extensions.code ?? '';
        refusals.set(code, (refusals.get(code) ?? 0) + 1);
        await sleep(20);
      }
      acknowledged.push(step);
      longestMs = Math.max(longestMs, performance.now() - begun);
    }
  })();
  const stop = async () => {
    stopped = true;
    await done;
    return { acknowledged, refusals, longestMs };
  };
  return { acknowledged, stop };
}

/**
 * Follows a run as a client does: after an error that asks for it, it subscribes again with the last sequence number.
 */
function startFollower(runId: string) {
  const seen: number[] = [];
  let resumed = 0;
  let stopped = false;
  const done = (async () => {
    let after = 0;
    while (!stopped) {
      await tess
        .collect(FollowRunMetricsDocument, { runId, after }, (items) => {
          const item = items.at(-1);
          if (item) seen.push(item.step);
          if (item) after = item.seq;
          return stopped;
        })
        .catch(() => resumed++);
      await sleep(20);
    }
  })();
  return {
    seen,
    stop: async () => {
      stopped = true;
      await done;
      return resumed;
    },
  };
}

describe.each([
  ['killed', 'SIGKILL'],
  ['restarted', 'SIGINT'],
] as const)('PostgreSQL %s under the service', (what, signal) => {
  it('loses no acknowledged row, is reconnected within 10 s, and subscribers continue without a gap', async () => {
    const runId = await newRun(tess);
    const writer = startWriter(runId);
    const follower = startFollower(runId);
    await expect.poll(() => writer.acknowledged.length, { timeout: 10_000 }).toBeGreaterThan(20);
    await endServer(signal);
    const atFault = writer.acknowledged.length;
    await expect.poll(() => writer.acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(atFault + 20);
    const { acknowledged, refusals, longestMs } = await writer.stop();
    await expect.poll(() => follower.seen.length, { timeout: 10_000 }).toBe(acknowledged.length);
    // One more row wakes the follower, which then ends.
    const ending = follower.stop();
    await tess.ok(LogMetricsDocument, {
      input: {
        runId,
        metrics: [{ key: 'loss', value: 1, step: acknowledged.length, loggedAt: '2026-01-01T00:00:00.000Z' }],
      },
    });
    const resumed = await ending;
    console.log(
      `PostgreSQL ${what}: written again after ${longestMs.toFixed(0)} ms; ${acknowledged.length} ` +
        'acknowledged rows present; ' +
        `refused meanwhile: ${JSON.stringify(Object.fromEntries(refusals))}; subscription resumed ${resumed} times`,
    );
    expect(longestMs).toBeLessThan(10_000);
    expect([...refusals.keys()].filter((code) => code !== 'UNAVAILABLE')).toEqual([]);
    const rows = (await sql(
      server.url,
      `select step::int from metric_point where run_id = '${runId}' order by step`,
    )) as {
      step: number;
    }[];
    expect(rows.map(({ step }) => step)).toEqual([...acknowledged, acknowledged.length]);
    expect(follower.seen).toEqual(rows.map(({ step }) => step));
  });

  it('leaves queues, wake-ups and readiness working', async () => {
    const { live, queue } = service.app.context;
    await replaceServer(signal);
    let woken = 0;
    const unsubscribe = live.subscribe('after-the-fault', () => woken++);
    await expect.poll(() => fetch(`${service.url}/readyz`).then(({ status }) => status), { timeout: 10_000 }).toBe(200);
    expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
    const other = await startTestService(
      { LOG_LEVEL: 'silent', ROLE: 'api' },
      { url: server.url, drop: async () => undefined },
    );
    const delivered: number[] = [];
    await queue.consume(`after-${what}`, 1, async ({ attempt }) => void delivered.push(attempt));
    await other.app.context.queue.enqueue(`after-${what}`, { tenant: 'acme', jobId: 'job', attempt: 7 });
    await expect.poll(() => delivered, { timeout: 10_000 }).toEqual([7]);
    const before = woken;
    other.app.context.live.publish('after-the-fault');
    await expect.poll(() => woken, { timeout: 5_000 }).toBeGreaterThan(before);
    unsubscribe();
    await other.close();
  });
});

it('a training that runs when PostgreSQL is killed succeeds, with every point once', async () => {
  const experimentId = await createExperiment(tess);
  const datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  const config = {
    ...CARS_CONFIG,
    hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 60 },
    checkpointEveryEpochs: 5,
  };
  const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config });
  await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length > 0);
  await replaceServer('SIGKILL');
  const backAt = performance.now();
  const { attempt, result } = await trainingEnd(tess, jobId);
  console.log(
    `training through a kill of PostgreSQL: done by attempt ${attempt}, ` +
      `${(performance.now() - backAt).toFixed(0)} ms after it was back`,
  );
  expect(result?.epochsRun).toBe(60);
  const points =
    'select count(*)::int as n, count(distinct step)::int as steps from metric_point where run_id = ' +
    `'${runId}' and key = 'train.loss'`;
  expect(await sql(server.url, points)).toEqual([{ n: 60, steps: 60 }]);
});

it('connections that are cut again and again under load are all replaced, and the pool loses none', async () => {
  const CUTS = 10;
  const runId = await newRun(tess);
  const writers = Array.from({ length: 8 }, () => startWriter(runId));
  for (let i = 0; i < CUTS; i++) {
    await sleep(50);
    await sql(
      server.url,
      'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> ' +
        'pg_backend_pid()',
    );
  }
  const results = await Promise.all(writers.map((writer) => writer.stop()));
  const refused = results.flatMap(({ refusals }) => [...refusals.values()]).reduce((a, b) => a + b, 0);
  console.log(
    `${CUTS} times all connections cut under 8 writers: ${refused} requests refused, none otherwise than UNAVAILABLE`,
  );
  expect(results.flatMap(({ refusals }) => [...refusals.keys()]).filter((code) => code !== 'UNAVAILABLE')).toEqual([]);
  await expect.poll(() => service.app.context.db.poolUse(), { timeout: 10_000 }).toEqual({ inUse: 0, waiting: 0 });
  // The whole pool still works.
  await Promise.all(Array.from({ length: 30 }, () => tess.ok(ExperimentsIdDocument, { first: 1 })));
});

it('without its database a service is not ready, answers UNAVAILABLE, and stops in time', async () => {
  await server.stop();
  expect((await fetch(`${service.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200);
  expect((await tess.fails(ExperimentsDetailsDocument, { first: 1 })).extensions.code).toBe('UNAVAILABLE');
  const begun = performance.now();
  await service.close();
  const tookMs = performance.now() - begun;
  console.log(`service without its database ended in ${tookMs.toFixed(0)} ms`);
  expect(tookMs).toBeLessThan(10_000);
});
