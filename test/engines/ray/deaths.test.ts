import { setTimeout as sleep } from 'node:timers/promises';
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
import { startTuning, studyEnd, studyWhen, trialsOf } from '../../support/tuning.js';
import { ClusterDetailsDocument, ExternalOfJobDocument } from '../../generated/operations.js';
import { carsOnRay } from './config.js';
import { freePort, RayHead } from './head.js';

/** Whatever dies in the middle of a training, it continues, and its run shows one training. */

const EPOCHS = 250;
const LOST_AFTER_MS = 5_000;
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
  settings = { ...head.settings(await freePort()), RAY_LOST_AFTER_MS: String(LOST_AFTER_MS) };
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

const BOOSTED = { algorithm: 'XGBOOST_CLASSIFIER', checkpointEveryEpochs: 20 } as const;

/** A training of about a minute, after its first checkpoint. */
async function begun(workers = 1) {
  const config = carsOnRay({ ...BOOSTED, epochs: EPOCHS });
  const started = await startTraining(tess, { ...ids, config, backend: 'RAY', workers });
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

it('one of two workers of a training: the next attempt continues from the last checkpoint', async () => {
  const training = await begun(2);
  const [one] = await head.pids('ray::_run_shard');
  expect(one).toBeDefined();
  process.kill(one!, 'SIGKILL');
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

it('the dashboard, which stands still: the training calls us itself, and goes on', async () => {
  const training = await begun();
  const dashboards = await head.pids('dashboard/dashboard.py');
  expect(dashboards.length).toBeGreaterThan(0);
  for (const pid of dashboards) process.kill(pid, 'SIGSTOP');
  await sleep(8 * LOST_AFTER_MS);
  for (const pid of dashboards) process.kill(pid, 'SIGCONT');
  const { attempt, work } = await ended(training);
  expect([attempt, work]).toEqual([1, 1]);
}, 600_000);

it('the raylet: its head ends, and the training continues on the next one', async () => {
  const training = await begun();
  await kill('raylet/raylet');
  await head.killHead();
  await head.begin();
  await ended(training);
}, 600_000);

it('the head, which forgets its jobs: a tuning keeps its finished trials and goes on, and our history stays', async () => {
  const { studyId } = await startTuning(tess, {
    ...{ ...ids, backend: 'RAY', config: carsOnRay({ ...BOOSTED, epochs: EPOCHS }) },
    space: { parameters: [{ name: 'learningRate', kind: 'FLOAT', low: 0.05, high: 0.3 }] },
    stop: { maxTrials: 2 },
    parallelTrials: 1,
  });
  await studyWhen(tess, studyId, ({ trialCounts }) => trialCounts.complete === 1, 240_000);
  const second = async () => (await trialsOf(tess, studyId))[1]?.runs[0]?.job?.id;
  await expect.poll(second, { timeout: 60_000 }).toBeDefined();
  const jobId = (await second())!;
  await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length > 0, 240_000);
  const [first] = await trialsOf(tess, studyId);
  await head.killHead();
  await kill(PROGRAM);
  await head.begin();
  await studyEnd(tess, studyId, 'COMPLETED', 400_000);
  const trials = await trialsOf(tess, studyId);
  expect(trials[0]).toEqual(first);
  expect(trials[1]).toMatchObject({ status: 'COMPLETE', runs: [{ job: { id: jobId, attempt: 2 } }] });
  expect(trials[1]!.reports.map(({ step }) => step)).toEqual(Array.from({ length: EPOCHS }, (_, i) => i + 1));
  // The cluster knows one training, this service all of them.
  const known = (await tess.ok(ClusterDetailsDocument)).cluster!.jobs;
  expect(known.map(({ id }) => id)).toEqual([`matih-${jobId}-2`]);
  const { external } = (await tess.ok(ExternalOfJobDocument, { id: first!.runs[0]!.job!.id })).job;
  expect(external).toMatchObject({ backend: 'ray', state: 'SUCCEEDED' });
}, 900_000);
