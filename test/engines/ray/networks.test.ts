import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StartTrainingInput, TrainingConfigInput } from '../../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../../support/service.js';
import { createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from '../../support/training.js';
import { engine } from '../engines.js';
import { carsOnRay } from './config.js';

/** Networks of PyTorch by one process and by several of this machine: always the same training. LightGBM, too. */

let service: TestService;
let tess: Caller;
let ids: { experimentId: string; datasetId: string };
beforeAll(async () => {
  service = await startTestService({
    PYTHON_PATH: engine('MATIH_RAY_PYTHON'),
    // Three processes load PyTorch on a machine that may have two cores.
    JOB_HEARTBEAT_TIMEOUT_MS: '60000',
  });
  tess = await service.as();
  ids = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
  };
});
afterAll(() => service?.close());

const NETWORK: TrainingConfigInput = {
  ...carsOnRay({ algorithm: 'PYTORCH_CLASSIFIER', checkpointEveryEpochs: 5 }),
  hyperparameters: { epochs: 15, hiddenLayers: [32, 16, 8], learningRate: 0.01, dropout: 0.1 },
};

async function metricsOf(config: TrainingConfigInput, more: Partial<StartTrainingInput>) {
  const { jobId } = await startTraining(tess, { ...ids, config, ...more });
  const { result } = await trainingEnd(tess, jobId, 'SUCCEEDED', 300_000);
  expect(result!.agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
  return result!.metrics;
}

async function logLoss(more: Partial<StartTrainingInput>): Promise<number> {
  const loss = (await metricsOf(NETWORK, more))['holdout.log_loss']!;
  console.log(`${JSON.stringify(more)}: holdout log loss ${loss}`);
  return loss;
}

it('each strategy gives the loss of one process', async () => {
  const alone = await logLoss({});
  expect(alone).toBeLessThan(0.8);
  for (const strategy of ['DATA_PARALLEL', 'MODEL_PARALLEL', 'PIPELINE_PARALLEL'] as const)
    expect(Math.abs((await logLoss({ strategy, workers: 2 })) - alone)).toBeLessThanOrEqual(1e-4);
}, 1_000_000);

it('a regression by a network, and the trees of LightGBM, become checked models', async () => {
  const target = { column: 'Miles_per_Gallon' };
  const features = carsOnRay({}).features!.filter(({ column }) => column !== target.column);
  const regression: TrainingConfigInput = { ...NETWORK, algorithm: 'PYTORCH_REGRESSOR', target, features };
  expect((await metricsOf(regression, {}))['holdout.r2']).toBeGreaterThan(0.5);
  const trees = { ...regression, algorithm: 'LIGHTGBM_REGRESSOR', hyperparameters: { epochs: 60 } } as const;
  expect((await metricsOf(trees, {}))['holdout.r2']).toBeGreaterThan(0.6);
  const classes = carsOnRay({ algorithm: 'LIGHTGBM_CLASSIFIER', epochs: 40 });
  expect((await metricsOf(classes, {}))['holdout.accuracy']).toBeGreaterThan(0.7);
}, 600_000);
