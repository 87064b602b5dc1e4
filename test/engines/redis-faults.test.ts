import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sql } from '../support/embedded.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import { newRun } from '../support/runs.js';
import type { Caller } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { RedisServer } from './redis-server.js';
import { FollowRunMetricsDocument, LogMetricsDocument, RunHistoryDocument } from '../../schema/generated/operations.js';
import type { TrainingConfigInput } from '../generated/operations.js';

const REDIS_TIMEOUT_MS = 3_000;

let redis: RedisServer;
let group: ServiceGroup;
let api: ServiceProcess;
let worker: ServiceProcess;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeEach(async () => {
  [redis, group] = await Promise.all([RedisServer.start(), ServiceGroup.create()]);
  const settings = { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: String(REDIS_TIMEOUT_MS), WORKER_CONCURRENCY: '1' };
  [api, worker] = await Promise.all([group.start('api', settings), group.start('worker', settings)]);
  tess = await group.as(api);
  experimentId = await createExperiment(tess);
  datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterEach(async () => {
  await group?.close();
  await redis?.close();
});

/** Some seconds of epochs. */
const LONG = {
  ...CARS_CONFIG,
  hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 100 },
  checkpointEveryEpochs: 5,
};
const train = (config: TrainingConfigInput) => startTraining(tess, { experimentId, datasetId, config });

async function waitingInRedis(): Promise<number> {
  const [row] = (await sql(
    group.database.url,
    `select count(*)::int as n from job where status = 'QUEUED' and enqueued_attempt = attempt`,
  )) as [{ n: number }];
  return row.n;
}

it('FLUSHALL: waiting jobs that only Redis knew are queued again and end, once each', async () => {
  const running = await train(LONG);
  await trainingWhen(tess, running.jobId, ({ checkpoints }) => checkpoints.length > 0);
  const waiting = [await train(CARS_CONFIG), await train(CARS_CONFIG), await train(CARS_CONFIG)];
  await expect.poll(waitingInRedis, { timeout: 10_000 }).toBe(waiting.length);
  expect(await redis.command('flushall')).toBe('OK');
  const flushedAt = Date.now();
  for (const { jobId } of [running, ...waiting]) expect((await trainingEnd(tess, jobId)).attempt).toBe(1);
  const tookMs = Date.now() - flushedAt;
  console.log(
    `Redis FLUSHALL with 1 training running and ${waiting.length} waiting: all done ` +
      `${(tookMs / 1000).toFixed(1)} s later, none tried twice`,
  );
  expect(tookMs).toBeLessThan(60_000);
  const begun = worker.log.filter(({ msg }) => msg === 'job started').map(({ jobId }) => jobId);
  expect(begun.toSorted()).toEqual([running, ...waiting].map(({ jobId }) => jobId).toSorted());
});

it('Redis killed: work without it continues, trainings are accepted, and run when it is back', async () => {
  const running = await train(LONG);
  await trainingWhen(tess, running.jobId, ({ checkpoints }) => checkpoints.length > 0);
  await redis.kill();
  const runId = await newRun(tess);
  const following = tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => points.length === 3);
  let slowestMs = 0;
  for (const step of [1, 2, 3]) {
    const begun = performance.now();
    await tess.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1, step }] } });
    slowestMs = Math.max(slowestMs, performance.now() - begun);
    await sleep(300);
  }
  expect((await following).map(({ step }) => step)).toEqual([1, 2, 3]);
  const accepted = await train(CARS_CONFIG);
  expect((await trainingEnd(tess, running.jobId)).attempt).toBe(1);
  await redis.up();
  const upAt = Date.now();
  await trainingEnd(tess, accepted.jobId);
  console.log(
    `Redis killed: slowest write ${slowestMs.toFixed(0)} ms meanwhile; a training taken meanwhile done ` +
      `${((Date.now() - upAt) / 1000).toFixed(1)} s after it was back`,
  );
  expect(api.child.exitCode).toBeNull();
  expect(worker.child.exitCode).toBeNull();
});

it('Redis frozen: requests and subscriptions go on, jobs are offered again and again, and run once when it is back', async () => {
  const running = await train(LONG);
  await trainingWhen(tess, running.jobId, ({ checkpoints }) => checkpoints.length > 0);
  const runId = await newRun(tess);
  const metric = (step: number) => ({ input: { runId, metrics: [{ key: 'loss', value: 1, step }] } });
  const steps = [1, 2, 3, 4];
  const following = tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => points.length === 4);
  redis.freeze();
  const frozenAt = Date.now();
  const slowestMs: Record<string, number> = {};
  const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const begun = performance.now();
    const answer = await work;
    slowestMs[name] = Math.max(slowestMs[name] ?? 0, performance.now() - begun);
    return answer;
  };
  const accepted: { jobId: string }[] = [];
  for (const step of steps) {
    await timed('write', tess.ok(LogMetricsDocument, metric(step)));
    await timed('query', tess.ok(RunHistoryDocument, { runId, key: 'loss' }));
    accepted.push(await timed('startTraining', train(CARS_CONFIG)));
    for (const path of ['/readyz', '/healthz'])
      expect((await timed(path, fetch(api.url + path))).status, path).toBe(200);
    await sleep(5_000);
  }
  expect((await following).map(({ step }) => step)).toEqual(steps);
  expect((await trainingEnd(tess, running.jobId)).attempt).toBe(1);
  const failedTurns = worker.log.filter(({ msg }) => msg.startsWith('a turn of background work failed')).length;
  console.log(
    [...new Set(worker.log.map((l) => `${l.msg} ${l['ticker']} ${(l['err'] as Error)?.message}`))].join('\n'),
  );
  const frozenMs = Date.now() - frozenAt;
  redis.resume();
  const resumedAt = Date.now();
  for (const { jobId } of accepted) expect((await trainingEnd(tess, jobId)).attempt).toBe(1);
  const tookMs = Date.now() - resumedAt;
  const slowest = Object.entries(slowestMs).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`);
  console.log(
    `Redis frozen for ${(frozenMs / 1000).toFixed(0)} s: slowest ${slowest.join(', ')}; ${failedTurns} turns offered ` +
      `jobs in vain; ${accepted.length} trainings done ${(tookMs / 1000).toFixed(1)} s after it went on`,
  );
  for (const [name, ms] of Object.entries(slowestMs)) expect(ms, name).toBeLessThan(2_000);
  expect(failedTurns).toBeGreaterThan(2);
  expect(tookMs).toBeLessThan(60_000);
  // Late orders of Redis that repeat what is done start nothing.
  await sleep(2_000);
  const begun = worker.log.filter(({ msg }) => msg === 'job started').map(({ jobId }) => jobId);
  expect(begun.toSorted()).toEqual([running, ...accepted].map(({ jobId }) => jobId).toSorted());
  expect(api.child.exitCode).toBeNull();
  expect(worker.child.exitCode).toBeNull();
});

it.each(['killed', 'frozen'])('SIGTERM while Redis is %s: both processes drain and exit 0', async (state) => {
  if (state === 'killed') await redis.kill();
  else redis.freeze();
  await sleep(500);
  const toldAt = Date.now();
  expect(await Promise.all([api.end('SIGTERM'), worker.end('SIGTERM')])).toEqual([0, 0]);
  console.log(`SIGTERM while Redis is ${state}: exit 0 after ${Date.now() - toldAt} ms`);
});

it('a start without its Redis gives one clear sentence', async () => {
  await redis.kill();
  await expect(group.start('worker', { REDIS_URL: redis.url })).rejects.toThrow(
    /^The process ended at its start: Cannot reach Redis at 127\.0\.0\.1:\d+: .*ECONNREFUSED.* Check REDIS_URL\.$/,
  );
});

it('a start with a frozen Redis ends within the setting, with one clear sentence', async () => {
  redis.freeze();
  for (const role of ['api', 'worker'] as const) {
    const begunAt = Date.now();
    await expect(group.start(role, { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '1000' })).rejects.toThrow(
      /^The process ended at its start: Cannot reach Redis at 127\.0\.0\.1:\d+: Redis gave no answer within 1000 ms\. Check REDIS_URL\.$/,
    );
    console.log(`start with a frozen Redis (${role}): ended after ${Date.now() - begunAt} ms`);
    expect(Date.now() - begunAt).toBeLessThan(15_000);
  }
});
