import { afterAll, beforeAll, expect, it } from 'vitest';
import { SearchRunLogsDocument } from '../../../schema/generated/operations.js';
import { ServiceGroup, type ServiceProcess } from '../../support/processes.js';
import type { Caller } from '../../support/service.js';
import {
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../../support/training.js';
import { ExternalOfJobDocument } from '../../generated/operations.js';
import { carsOnRay } from './config.js';
import { freePort, RayHead } from './head.js';

/** Whatever dies in the middle of a training, it continues, and its run shows one training. */

const EPOCHS = 250;
const PROGRAM = 'matih_ml.train';

let head: RayHead;
let group: ServiceGroup;
let settings: Record<string, string>;
let worker: ServiceProcess;
let tess: Caller;
let ids: { experimentId: string; datasetId: string };
beforeAll(async () => {
  head = await RayHead.start();
  group = await ServiceGroup.create();
  settings = { ...head.settings(await freePort()), RAY_LOST_AFTER_MS: '5000' };
  const api = await group.start('api', settings);
  worker = await group.start('worker', settings);
  tess = await group.as(api);
  ids = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
  };
}, 400_000);
afterAll(async () => {
  await group?.close();
  await head?.close();
});

/** A training of about a minute, after its first checkpoint. */
async function begun() {
  const config = carsOnRay({ algorithm: 'XGBOOST_CLASSIFIER', epochs: EPOCHS, checkpointEveryEpochs: 20 });
  const started = await startTraining(tess, { ...ids, config, backend: 'RAY' });
  await trainingWhen(tess, started.jobId, ({ checkpoints }) => checkpoints.length > 0, 240_000);
  return started;
}

/** The job after its success, with the lines of its run, and the attempt whose work it was. */
async function ended({ jobId, runId }: { jobId: string; runId: string }) {
  const job = await trainingEnd(tess, jobId, 'SUCCEEDED', 400_000);
  expect(job.result!.epochsRun).toBe(EPOCHS);
  const { run } = await tess.ok(SearchRunLogsDocument, { runId, last: 500 });
  const { external } = (await tess.ok(ExternalOfJobDocument, { id: jobId })).job;
  return {
    attempt: job.attempt,
    work: Number(external!.id.split('-').at(-1)),
    lines: run.logs.nodes.map(({ line }) => line),
  };
}

const isContinuation = (line: string) => line.startsWith('continued from the checkpoint');

async function kill(part: string): Promise<void> {
  const pids = await head.pids(part);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

it('the program of the training: the next attempt continues from the last checkpoint', async () => {
  const training = await begun();
  await kill(PROGRAM);
  const { attempt, work, lines } = await ended(training);
  expect([attempt, work]).toEqual([2, 2]);
  expect(lines.filter(isContinuation)).toHaveLength(1);
}, 600_000);

it('our worker: the next one finds the training, and nothing is submitted again', async () => {
  const training = await begun();
  await worker.end('SIGKILL');
  worker = await group.start('worker', settings);
  const { attempt, work, lines } = await ended(training);
  expect([attempt, work]).toEqual([2, 1]);
  expect(lines.filter((line) => /^epoch \d+ of/.test(line))).toHaveLength(EPOCHS);
  const jobs = (await head.client.jobs()).filter(({ metadata }) => metadata?.['job'] === training.jobId);
  expect(jobs).toHaveLength(1);
}, 600_000);

it('the raylet: its head ends, and the training continues on the next one', async () => {
  const training = await begun();
  await kill('raylet/raylet');
  await head.killHead();
  await head.begin();
  await ended(training);
}, 600_000);
