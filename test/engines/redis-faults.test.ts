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
import { FollowRunMetricsDocument, LogMetricsDocument } from '../../schema/generated/operations.js';
import type { TrainingConfigInput } from '../generated/operations.js';

let redis: RedisServer;
let group: ServiceGroup;
let api: ServiceProcess;
let worker: ServiceProcess;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeEach(async () => {
  [redis, group] = await Promise.all([RedisServer.start(), ServiceGroup.create()]);
  const settings = { REDIS_URL: redis.url, WORKER_CONCURRENCY: '1' };
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

it('SIGTERM while Redis does not answer: both processes drain and exit 0', async () => {
  await redis.kill();
  await sleep(500);
  const toldAt = Date.now();
  expect(await Promise.all([api.end('SIGTERM'), worker.end('SIGTERM')])).toEqual([0, 0]);
  console.log(`SIGTERM while Redis is away: exit 0 after ${Date.now() - toldAt} ms`);
});

it('a start without its Redis gives one clear sentence', async () => {
  await redis.kill();
  await expect(group.start('worker', { REDIS_URL: redis.url })).rejects.toThrow(
    /^The process ended at its start: Cannot reach Redis at 127\.0\.0\.1:\d+: .*ECONNREFUSED.* Check REDIS_URL\.$/,
  );
});
