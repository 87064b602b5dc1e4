import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  FollowRunMetricsDocument,
  SearchRunLogsDocument,
  StartTrainingDocument,
} from '../../schema/generated/operations.js';
import type { StartTrainingInput, TrainingConfigInput } from '../generated/operations.js';
import { CancelJobDetailsDocument, CheckpointsOfJobDocument } from '../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { engine } from './engines.js';
import { carsOnRay, LATE_FLIGHTS } from './ray/config.js';
import { expectFolds } from './ray/folds.js';

/** The algorithms of Python on this machine, with the libraries that the ordinary environment has. */

let folder: string;
let service: TestService;
let tess: Caller;
let ids: { experimentId: string; datasetId: string };
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'matih-python-'));
  service = await startTestService({ DATA_DIR: folder, PYTHON_PATH: engine('MATIH_RAY_PYTHON') });
  tess = await service.as();
  ids = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
  };
});
afterAll(async () => {
  await service?.close();
  await rm(folder, { recursive: true, force: true });
});

const trees = (epochs: number): TrainingConfigInput =>
  carsOnRay({ algorithm: 'XGBOOST_CLASSIFIER', epochs, checkpointEveryEpochs: 20 });

async function linesOf(runId: string): Promise<string[]> {
  const { run } = await tess.ok(SearchRunLogsDocument, { runId, last: 500 });
  return run.logs.nodes.map(({ line }) => line);
}

/** The programs of trainings that run now, the first process of each. */
async function programs(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`MATIH_FOLDER=${folder}`)) found.push(Number(name));
  }
  return found;
}

it('gives live metrics, checkpoints and a checked model, as a training of our own does', async () => {
  const { jobId, runId } = await startTraining(tess, { ...ids, config: trees(60) });
  const points = tess.collect(
    FollowRunMetricsDocument,
    { runId, after: 0 },
    (seen) => seen.filter(({ key }) => key === 'validation.loss').length === 60,
    100_000,
  );
  const { result, run } = await trainingEnd(tess, jobId, 'SUCCEEDED', 100_000);
  expect((await points).findLast(({ key }) => key === 'validation.loss')).toMatchObject({ step: 60 });
  expect(result!.agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
  expect(result!.epochsRun).toBe(60);
  expect(result!.metrics['holdout.accuracy']).toBeGreaterThan(0.7);
  expect(run.status).toBe('FINISHED');
  const lines = await linesOf(runId);
  expect(lines.filter((line) => /^epoch \d+ of 60/.test(line))).toHaveLength(60);
  expect(lines.some((line) => line.includes('trained and stored in'))).toBe(true);
  const { job } = await tess.ok(CheckpointsOfJobDocument, { id: jobId });
  expect(job.checkpoints.map(({ epoch }) => epoch)).toEqual([40, 20]);
  expect(await programs()).toEqual([]);
});

const passed = (jobId: string, epoch: number) =>
  trainingWhen(
    tess,
    jobId,
    ({ run }) => run.metrics.some(({ key, step }) => key === 'validation.loss' && step! > epoch),
    100_000,
  );

it('measures folds, weighs rows and trains once more on all of them, with the folds of our own trainers', async () => {
  await expectFolds(tess, ids, 'LOCAL');
}, 200_000);

it('continues from the last checkpoint when its program was killed', async () => {
  const { jobId, runId } = await startTraining(tess, { ...ids, config: trees(300) });
  await passed(jobId, 40);
  for (const pid of await programs()) process.kill(pid, 'SIGKILL');
  const { result } = await trainingEnd(tess, jobId, 'SUCCEEDED', 200_000);
  expect(result!.epochsRun).toBe(300);
  const lines = await linesOf(runId);
  expect(lines.filter((line) => /^continued from the checkpoint of epoch \d+, SHA-256/.test(line))).toHaveLength(1);
}, 320_000);

it('ends its program when it is cancelled', async () => {
  const { jobId } = await startTraining(tess, { ...ids, config: trees(10_000) });
  await passed(jobId, 20);
  expect(await programs()).not.toEqual([]);
  await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
  const { run } = await trainingEnd(tess, jobId, 'CANCELLED');
  expect(run.status).toBe('KILLED');
  await expect.poll(programs, { timeout: 20_000 }).toEqual([]);
}, 200_000);

it('two processes train one XGBoost model over all rows, as good as that of one', async () => {
  const datasetId = await registerDataset(tess, { name: 'flights', path: vegaPath('flights-20k.json') });
  const auc = async (more: Partial<StartTrainingInput>) => {
    const { jobId } = await startTraining(tess, { ...ids, datasetId, config: LATE_FLIGHTS, ...more });
    return (await trainingEnd(tess, jobId, 'SUCCEEDED', 110_000)).result!.metrics['holdout.roc_auc']!;
  };
  const [one, two] = [await auc({}), await auc({ workers: 2, strategy: 'DATA_PARALLEL' })];
  console.log(`XGBoost on this machine, holdout AUC: one process ${one.toFixed(4)}, two ${two.toFixed(4)}`);
  expect(one).toBeGreaterThan(0.6);
  expect(Math.abs(two - one)).toBeLessThanOrEqual(0.002);
}, 240_000);

it('is refused with a reason where it cannot be', async () => {
  const start = async (input: object) =>
    (await tess.fails(StartTrainingDocument, { input: { ...ids, ...input } })).extensions;
  const lightgbm = carsOnRay({ algorithm: 'LIGHTGBM_CLASSIFIER' });
  expect(await start({ config: lightgbm })).toMatchObject({ code: 'UNAVAILABLE', field: 'input.config.algorithm' });
  const forest = carsOnRay({ algorithm: 'RANDOM_FOREST_CLASSIFIER' });
  expect(await start({ config: forest, workers: 2 })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.workers' });
  expect(await start({ config: trees(5), strategy: 'PIPELINE_PARALLEL' })).toMatchObject({
    ...{ code: 'BAD_USER_INPUT', field: 'input.strategy', expected: 'DATA_PARALLEL' },
  });
  const network = carsOnRay({ algorithm: 'PYTORCH_CLASSIFIER' });
  expect(await start({ config: network, strategy: 'MODEL_PARALLEL', workers: 3 })).toMatchObject({
    field: 'input.workers',
    expected: expect.stringContaining('2 with the strategy'),
  });
  const flat = { ...network, hyperparameters: { hiddenLayers: [] } };
  expect(await start({ config: flat, strategy: 'PIPELINE_PARALLEL' })).toMatchObject({
    field: 'input.config.hyperparameters.hiddenLayers',
  });
});
