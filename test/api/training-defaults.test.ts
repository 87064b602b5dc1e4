import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CARS_CONFIG, createExperiment, registerDataset, startTraining, trainingEnd, vegaPath } from '../support/training.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let cars: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => service?.close());

interface Warning {
  code: string;
  message: string;
  figures: { name: string; value: number }[];
}

const WARNINGS = 'warnings { code message figures { name value } }';

async function warningsOf(runId: string): Promise<Warning[]> {
  const { run, runs } = await tess.ok<{ run: { warnings: Warning[] }; runs: { nodes: { id: string; warnings: Warning[] }[] } }>(
    `query ($id: ID!) { run(id: $id) { ${WARNINGS} } runs { nodes { id ${WARNINGS} } } }`,
    { id: runId },
  );
  expect(runs.nodes.find(({ id }) => id === runId)!.warnings).toEqual(run.warnings);
  return run.warnings;
}

it('a linear regression needs no hyperparameter, and none of a minibatch', async () => {
  const rows = Array.from({ length: 400 }, (_, i) => `${i / 10},${100 * i}`);
  const { uploadId } = await tess.upload('line.csv', ['x,y', ...rows].join('\n'));
  const datasetId = await registerDataset(tess, { name: 'line', uploadId });
  const config = {
    modelType: 'LINEAR_REGRESSION',
    target: { column: 'y' },
    features: [{ column: 'x', kind: 'NUMERIC' }],
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
  };
  const plain = await startTraining(tess, { experimentId, datasetId, config });
  const { run, result } = await trainingEnd(tess, plain.jobId);
  expect(run.metrics.find(({ key }) => key === 'holdout.r2')!.value).toBeGreaterThan(0.999);
  expect(result).toMatchObject({ epochsRun: 1, stoppedEarly: false });
  expect(await warningsOf(plain.runId)).toEqual([]);

  const hyperparameters = { learningRate: 0.001, batchSize: 32 };
  const given = await startTraining(tess, { experimentId, datasetId, config: { ...config, hyperparameters } });
  expect((await warningsOf(given.runId)).map(({ code }) => code)).toEqual(['HYPERPARAMETER_UNUSED', 'HYPERPARAMETER_UNUSED']);
  const job = await trainingEnd(tess, given.jobId);
  expect(job.result!.sha256).toBe(result!.sha256);
  expect((await warningsOf(given.runId)).map(({ figures }) => figures)).toEqual([
    [{ name: 'learningRate', value: 0.001 }],
    [{ name: 'batchSize', value: 32 }],
  ]);

  const asked = { ...config, hyperparameters: { ...hyperparameters, optimizer: 'ADAM', epochs: 3 } };
  const adam = await startTraining(tess, { experimentId, datasetId, config: asked });
  await trainingEnd(tess, adam.jobId);
  expect((await warningsOf(adam.runId)).map(({ code }) => code)).toEqual(['LOSS_STILL_FALLING']);
});

it('a training that fails by diverging leaves its warning', async () => {
  const hyperparameters = { epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) };
  const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config: { ...CARS_CONFIG, hyperparameters } });
  await trainingEnd(tess, jobId, 'FAILED');
  expect(await warningsOf(runId)).toMatchObject([
    { code: 'LOSS_DIVERGED', message: expect.stringMatching(/^The training loss was no finite number/) },
  ]);
});

it('an optimizer that the model does not have is refused', async () => {
  const config = { ...CARS_CONFIG, hyperparameters: { optimizer: 'SOLVER' } };
  const { extensions } = await tess.fails('mutation ($input: StartTrainingInput!) { startTraining(input: $input) { job { id } } }', {
    input: { experimentId, datasetId: cars, config },
  });
  expect(extensions).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.config.hyperparameters.optimizer',
    expected: 'ADAM for MLP_REGRESSOR',
  });
});
