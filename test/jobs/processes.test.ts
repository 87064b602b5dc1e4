import { readFile } from 'node:fs/promises';
import { createPostgresBackend, withBackend } from 'bullmq';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../support/embedded.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  type TrainingView,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { FollowJobDocument } from '../../schema/generated/operations.js';

let group: ServiceGroup;
let api: ServiceProcess;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeEach(async () => {
  group = await ServiceGroup.create();
  api = await group.start('api');
  tess = await group.as(api);
  experimentId = await createExperiment(tess);
  datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterEach(() => group?.close());

/** Some seconds of epochs. */
const LONG_CONFIG = {
  ...CARS_CONFIG,
  hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 200 },
  checkpointEveryEpochs: 5,
};

/** Points with the same run, key and step. */
async function duplicatePoints(runId: string): Promise<unknown[]> {
  return sql(
    group.database.url,
    `select key, step, count(*) from metric_point where run_id = '${runId}' group by key, step having count(*) > 1`,
  );
}

async function countPoints(runId: string): Promise<number> {
  const [row] = (await sql(
    group.database.url,
    `select count(*)::int as n from metric_point where run_id = '${runId}'`,
  )) as [{ n: number }];
  return row.n;
}

async function trainingLog(runId: string, attempt: number): Promise<string> {
  return readFile(`${group.dataDir}/artifacts/objects/acme/runs/${runId}/logs/attempt-${attempt}.log`, 'utf8');
}

const begun = (worker: ServiceProcess) =>
  worker.log.filter(({ msg }) => msg === 'job started').map(({ jobId }) => jobId);

let whole: { sha256: string; points: number } | undefined;

/** The same training without an interruption, once for all tests: equal seeds give equal models. */
async function unbroken(): Promise<{ sha256: string; points: number }> {
  return (whole ??= await trainUnbroken());
}

/** The hash of its model and the number of its metric points. */
async function trainUnbroken(): Promise<{ sha256: string; points: number }> {
  const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
  const job = await trainingEnd(tess, jobId);
  return { sha256: job.result!.sha256, points: await countPoints(runId) };
}

describe('a training whose worker is lost', () => {
  it('killed with -9: another worker continues from the last checkpoint, to the same model', async () => {
    const first = await group.start('worker');
    const expected = await unbroken();
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
    const before = await trainingWhen(tess, jobId, ({ checkpoints }) => (checkpoints[0]?.epoch ?? 0) >= 15);
    await first.end('SIGKILL');
    const killedAt = Date.now();
    await group.start('worker');
    await trainingWhen(tess, jobId, ({ attempt, status }) => attempt === 2 && status === 'RUNNING');
    const resumedMs = Date.now() - killedAt;
    const job = await trainingEnd(tess, jobId);
    expect(job.attempt).toBe(2);
    expect(job.result!.sha256).toBe(expected.sha256);
    expect(await duplicatePoints(runId)).toEqual([]);
    expect(await countPoints(runId)).toBe(expected.points);
    const continued = /continued from the checkpoint of epoch (\d+)/.exec(await trainingLog(runId, 2));
    expect(Number(continued?.[1])).toBeGreaterThanOrEqual(before.checkpoints[0]!.epoch);
    console.log(
      `worker killed -9: resumed after ${resumedMs} ms from epoch ${continued?.[1]} of 200, same model, 0 of ` +
        `${expected.points} points twice`,
    );
  });

  it('killed with -9 in a cross-validation: another worker keeps the folds that are done', async () => {
    const first = await group.start('worker');
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 100 },
      crossValidation: { by: 'K_FOLD', folds: 8 },
    } as const;
    const fold = ({ run }: TrainingView) => run.metrics.find(({ key }) => key === 'cross_validation.rmse')?.step ?? 0;
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config });
    const before = fold(await trainingWhen(tess, jobId, (job) => fold(job) >= 2));
    await first.end('SIGKILL');
    await group.start('worker');
    const job = await trainingEnd(tess, jobId);
    expect(job.attempt).toBe(2);
    expect(fold(job)).toBe(8);
    expect(await duplicatePoints(runId)).toEqual([]);
    const [next] = /(?<=fold )\d/.exec(await trainingLog(runId, 2))!;
    expect(Number(next)).toBeGreaterThan(before);
    console.log(`worker killed -9 after ${before} of 8 folds: the next one continued with fold ${next}`);
  });

  it('stopped: it hands the training over at once and ends normally', async () => {
    const workers = await Promise.all([group.start('worker'), group.start('worker')]);
    const expected = await unbroken();
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
    await trainingWhen(tess, jobId, ({ checkpoints }) => (checkpoints[0]?.epoch ?? 0) >= 15);
    const first = workers.find((worker) => begun(worker).includes(jobId))!;
    const toldAt = Date.now();
    const exit = first.end('SIGTERM');
    await trainingWhen(tess, jobId, ({ attempt, status }) => attempt === 2 && status === 'RUNNING');
    const resumedMs = Date.now() - toldAt;
    expect(await exit).toBe(0);
    const exitMs = Date.now() - toldAt;
    const job = await trainingEnd(tess, jobId);
    expect(job.result!.sha256).toBe(expected.sha256);
    expect(await duplicatePoints(runId)).toEqual([]);
    const [row] = await sql(group.database.url, `select failures from job where id = '${jobId}'`);
    expect(row).toEqual({ failures: 0 });
    console.log(`worker told to stop: training went on elsewhere after ${resumedMs} ms, exit 0 after ${exitMs} ms`);
  });

  it('frozen and continued: what the replaced attempt still writes is refused', async () => {
    const first = await group.start('worker');
    const expected = await unbroken();
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: LONG_CONFIG });
    await trainingWhen(tess, jobId, ({ checkpoints }) => (checkpoints[0]?.epoch ?? 0) >= 15);
    first.signal('SIGSTOP');
    await group.start('worker');
    await trainingWhen(tess, jobId, ({ attempt, status }) => attempt === 2 && status === 'RUNNING');
    const frozenCheckpoints = await sql(
      group.database.url,
      `select epoch from checkpoint where job_id = '${jobId}' and attempt = 1 order by epoch desc limit 1`,
    );
    first.signal('SIGCONT');
    const job = await trainingEnd(tess, jobId);
    const refusal = await eventually(() =>
      first.log.find(({ msg, jobId: id }) => id === jobId && msg.startsWith('attempt ended')),
    );
    expect(refusal).toMatchObject({ attempt: 1, msg: 'attempt ended: cancelled or overtaken' });
    expect(job).toMatchObject({ status: 'SUCCEEDED', attempt: 2 });
    expect(job.result!.sha256).toBe(expected.sha256);
    expect(await duplicatePoints(runId)).toEqual([]);
    expect(await countPoints(runId)).toBe(expected.points);
    const staleAfter = (await sql(
      group.database.url,
      `select max(epoch) as epoch from checkpoint where job_id = '${jobId}' and attempt = 1`,
    )) as { epoch: number | null }[];
    expect(staleAfter[0]?.epoch ?? 0).toBeLessThanOrEqual(
      (frozenCheckpoints[0] as { epoch: number } | undefined)?.epoch ?? 0,
    );
    console.log(`worker frozen past its heartbeat and thawed: attempt 1 refused, attempt 2 gave the same model`);
  });
});

describe('two API and two worker processes on one database', () => {
  it('share the load, and both API processes show all of it live', async () => {
    const [second, ...workers] = await Promise.all([group.start('api'), group.start('worker'), group.start('worker')]);
    const other = await group.as(second);
    const started = [];
    for (let i = 0; i < 6; i++) {
      started.push(
        await startTraining(i % 2 ? tess : other, {
          experimentId,
          datasetId,
          config: { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 50 }, seed: i },
          runName: `shared ${i}`,
        }),
      );
    }
    // Followed at one API process, started at the other.
    const last = started.at(-1)!;
    const follow = other.collect(
      FollowJobDocument,
      { jobId: last.jobId },
      (steps) => steps.at(-1)?.status === 'SUCCEEDED',
      90_000,
    );
    for (const { jobId, runId } of started) {
      await trainingEnd(other, jobId, 'SUCCEEDED', 90_000);
      expect(await duplicatePoints(runId)).toEqual([]);
    }
    const steps = await follow;
    expect(steps.map(({ seq }) => seq)).toEqual(steps.map((_, i) => i + 1));
    const shares = workers.map((worker) => begun(worker));
    expect(shares.flat().toSorted()).toEqual(started.map(({ jobId }) => jobId).toSorted());
    expect(Math.min(...shares.map(({ length }) => length))).toBeGreaterThanOrEqual(2);
    console.log(`two workers took ${shares.map(({ length }) => length).join(' and ')} of 6 trainings`);
  });

  it('a job delivered many times has one effect', async () => {
    const workers = await Promise.all([group.start('worker'), group.start('worker')]);
    const { Queue: PostgresQueue } = withBackend(createPostgresBackend);
    const queue = new PostgresQueue('TRAINING', {
      connection: { connectionString: group.database.url, schema: 'bullmq', max: 1 },
    });
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG });
    const options = { removeOnComplete: true, removeOnFail: true };
    // Each has its own id, so that the queue does not notice the copies.
    for (let i = 0; i < 8; i++)
      await queue.add('TRAINING', { tenant: 'acme', jobId, attempt: 1 }, { ...options, jobId: `copy-${i}` });
    await trainingEnd(tess, jobId);
    for (let i = 8; i < 12; i++)
      await queue.add('TRAINING', { tenant: 'acme', jobId, attempt: 1 }, { ...options, jobId: `copy-${i}` });
    await eventually(
      async () =>
        ((await queue.getJobCounts('wait', 'active'))['wait'] === 0 &&
          (await queue.getJobCounts('active'))['active'] === 0) ||
        undefined,
    );
    await queue.close();
    expect(workers.flatMap(begun)).toEqual([jobId]);
    expect(await duplicatePoints(runId)).toEqual([]);
    const completed = await sql(group.database.url, `select id from event where type = 'MODEL_TRAINING_COMPLETED'`);
    expect(completed).toHaveLength(1);
    console.log(`13 deliveries of one job to two workers: taken once`);
  });
});

async function eventually<T>(look: () => T | undefined | Promise<T | undefined>, timeoutMs = 15_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`It did not happen within ${timeoutMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
