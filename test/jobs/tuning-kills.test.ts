import { afterEach, beforeEach, expect, it } from 'vitest';
import { CancelTuningDocument, ResumeTuningDocument, JobForTuningDocument } from '../generated/operations.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import type { Caller } from '../support/service.js';
import { CARS_CONFIG, createExperiment, registerDataset, vegaPath } from '../support/training.js';
import { startTuning, studyEnd, studyOf, studyWhen, trialsOf } from '../support/tuning.js';

let group: ServiceGroup;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeEach(async () => {
  group = await ServiceGroup.create();
  const api = await group.start('api');
  tess = await group.as(api);
  experimentId = await createExperiment(tess);
  datasetId = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterEach(() => group?.close());

/** Some seconds of epochs, each with a checkpoint of every fifth. */
const LONG_CONFIG = {
  ...CARS_CONFIG,
  hyperparameters: { epochs: 150, batchSize: 16, hiddenLayers: [16, 8] },
  checkpointEveryEpochs: 5,
};

/** Kills the worker as soon as trial `number` has logged some epochs. */
async function killDuring(worker: ServiceProcess, studyId: string, number: number): Promise<void> {
  await studyWhen(tess, studyId, ({ trialCounts }) => trialCounts.complete >= number);
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const trial = (await trialsOf(tess, studyId)).find((one) => one.number === number);
    if ((trial?.reports.length ?? 0) >= 10) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await worker.end('SIGKILL');
}

it('a study whose worker is killed -9 in mid-trial keeps finished trials and continues the others', async () => {
  const first = await group.start('worker');
  const { studyId, jobId } = await startTuning(tess, {
    ...{ experimentId, datasetId, config: LONG_CONFIG, stop: { maxTrials: 3 }, parallelTrials: 1 },
  });
  await killDuring(first, studyId, 1);
  const before = await trialsOf(tess, studyId);
  await group.start('worker');
  const killedAt = Date.now();
  const study = await studyEnd(tess, studyId);
  const after = await trialsOf(tess, studyId);
  expect(study.trialCounts).toEqual({ queued: 0, running: 0, complete: 3, pruned: 0, failed: 0, cancelled: 0 });
  // The finished trial stays as it was, and was not trained again.
  expect(after[0]).toEqual(before[0]);
  expect(after[0]!.runs[0]!.job!.attempt).toBe(1);
  // The interrupted one goes on: the same trial, run and job, in another attempt, without an epoch twice.
  expect(after[1]).toMatchObject({ id: before[1]!.id, params: before[1]!.params, status: 'COMPLETE' });
  expect(after[1]!.runs[0]!.job!.attempt).toBeGreaterThan(1);
  expect(after[1]!.reports.map(({ step }) => step)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  const { job } = await tess.ok(JobForTuningDocument, { id: jobId });
  expect(job.status).toBe('SUCCEEDED');
  expect(job.attempt).toBeGreaterThan(1);
  console.log(
    `tuning: worker killed -9 in trial 1 after ${before[1]!.reports.length} of 150 epochs; ended ` +
      `${Date.now() - killedAt} ms after the next worker came, finished trials unchanged, tuning attempt ${job.attempt}`,
  );
}, 180_000);

it('a study that was cancelled goes on with the checkpoints of its trials', async () => {
  await group.start('worker');
  const { studyId } = await startTuning(tess, {
    ...{ experimentId, datasetId, config: LONG_CONFIG, stop: { maxTrials: 2 }, parallelTrials: 1 },
  });
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    if (((await trialsOf(tess, studyId))[0]?.reports.length ?? 0) >= 20) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await tess.ok(CancelTuningDocument, { studyId });
  const cancelled = await trialsOf(tess, studyId);
  expect(cancelled[0]).toMatchObject({ status: 'CANCELLED', runs: [{ run: { status: 'KILLED' } }] });
  expect(await studyOf(tess, studyId)).toMatchObject({ status: 'CANCELLED' });
  await tess.ok(ResumeTuningDocument, { studyId });
  await studyEnd(tess, studyId);
  const after = await trialsOf(tess, studyId);
  expect(after.map(({ status }) => status)).toEqual(['COMPLETE', 'COMPLETE']);
  expect(after[0]!.runs[0]).toMatchObject({ run: { id: cancelled[0]!.runs[0]!.run!.id }, job: { attempt: 2 } });
  expect(after[0]!.reports.map(({ step }) => step)).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
}, 120_000);
