import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  fixtureBytes,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';
import { CreateModelDocument, StartTrainingDocument } from '../../schema/generated/operations.js';
import {
  EvaluateModelVersionDetailsDocument,
  JobDetailsDocument,
  ModelVersionsDetailsDocument,
  RunForTrainingDefaultsDocument,
  type RunForTrainingDefaultsQuery,
  type TrainingConfigInput,
  ValidateModelVersionDetailsDocument,
} from '../generated/operations.js';

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

async function warningsOf(runId: string): Promise<RunForTrainingDefaultsQuery['run']['warnings']> {
  const { run, runs } = await tess.ok(RunForTrainingDefaultsDocument, { id: runId });
  expect(runs.nodes.find(({ id }) => id === runId)!.warnings).toEqual(run.warnings);
  return run.warnings;
}

it('a linear regression needs no hyperparameter, and takes those of minibatches only with ADAM', async () => {
  const rows = Array.from({ length: 400 }, (_, i) => `${i / 10},${100 * i}`);
  const { uploadId } = await tess.upload('line.csv', ['x,y', ...rows].join('\n'));
  const datasetId = await registerDataset(tess, { name: 'line', uploadId });
  const config: TrainingConfigInput = {
    algorithm: 'LINEAR_REGRESSION',
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
  const { extensions } = await tess.fails(StartTrainingDocument, {
    input: { experimentId, datasetId, config: { ...config, hyperparameters } },
  });
  expect(extensions).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.config.hyperparameters.learningRate',
    expected: 'nothing unless optimizer is ADAM or ADAMW or SGD',
  });

  const asked: TrainingConfigInput = {
    ...config,
    hyperparameters: { ...hyperparameters, optimizer: 'ADAM', epochs: 3 },
  };
  const adam = await startTraining(tess, { experimentId, datasetId, config: asked });
  await trainingEnd(tess, adam.jobId);
  expect((await warningsOf(adam.runId)).map(({ code }) => code)).toEqual(['LOSS_STILL_FALLING']);
});

it('a training that fails because it diverges stores its warning', async () => {
  const hyperparameters = { epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) };
  const { jobId, runId } = await startTraining(tess, {
    experimentId,
    datasetId: cars,
    config: { ...CARS_CONFIG, hyperparameters },
  });
  await trainingEnd(tess, jobId, 'FAILED');
  expect(await warningsOf(runId)).toMatchObject([
    { code: 'LOSS_DIVERGED', message: expect.stringMatching(/^The training loss was no finite number/) },
  ]);
});

it('an optimizer that the algorithm does not have is refused', async () => {
  const config: TrainingConfigInput = { ...CARS_CONFIG, hyperparameters: { optimizer: 'SOLVER' } };
  const { extensions } = await tess.fails(StartTrainingDocument, {
    input: { experimentId, datasetId: cars, config },
  });
  expect(extensions).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.config.hyperparameters.optimizer',
    expected: 'one of ADAM, ADAMW, SGD',
  });
});

it('without given features, the columns that can help are used', async () => {
  const config: TrainingConfigInput = {
    algorithm: 'LINEAR_REGRESSION',
    target: { column: 'Miles_per_Gallon' },
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
  };
  const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config });
  expect(await warningsOf(runId)).toMatchObject([
    { code: 'COLUMN_LEFT_OUT', message: expect.stringMatching(/^Column "Name" was left out/) },
  ]);
  const { result, run } = await trainingEnd(tess, jobId);
  expect(result!.config.features).toEqual([
    ...['Cylinders', 'Displacement', 'Horsepower', 'Weight_in_lbs', 'Acceleration'].map((column) => ({
      column,
      kind: 'NUMERIC',
    })),
    { column: 'Year', kind: 'TIMESTAMP' },
    { column: 'Origin', kind: 'CATEGORICAL' },
  ]);
  expect(run.metrics.find(({ key }) => key === 'holdout.r2')!.value).toBeGreaterThan(0.8);
});

it('rows are read in blocks when that is asked for, where it can be', async () => {
  const config: TrainingConfigInput = {
    algorithm: 'BOOSTED_TREES_REGRESSOR',
    target: { column: 'Miles_per_Gallon' },
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
    reading: 'BLOCKS',
  };
  const { jobId } = await startTraining(tess, { experimentId, datasetId: cars, config });
  const { result, run } = await trainingEnd(tess, jobId);
  expect(result!.config).toMatchObject({ reading: 'BLOCKS' });
  expect(run.metrics.find(({ key }) => key === 'holdout.r2')!.value).toBeGreaterThan(0.7);

  const crossValidation = { by: 'K_FOLD', folds: 3 } as const;
  const { extensions } = await tess.fails(StartTrainingDocument, {
    input: { experimentId, datasetId: cars, config: { ...config, crossValidation } },
  });
  expect(extensions).toMatchObject({
    code: 'BAD_USER_INPUT',
    field: 'input.config.reading',
    expected: 'nothing but WHOLE with a cross-validation',
    got: '"BLOCKS"',
  });
});

it('a version of a training on all rows is evaluated with the model before; the signature has its threshold', async () => {
  const birds = await registerDataset(tess, {
    name: 'birds',
    uploadId: (await tess.upload('birds.csv', fixtureBytes('penguins.csv'))).uploadId,
  });
  const config: TrainingConfigInput = {
    algorithm: 'LOGISTIC_REGRESSION',
    target: { column: 'body_mass', greaterThan: 4500 },
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
    decisionThreshold: { by: 'COST', falsePositive: 1, falseNegative: 3 },
    refit: true,
  };
  const { createModel } = await tess.ok(CreateModelDocument, {
    input: { name: 'heavy birds', task: 'CLASSIFICATION', modelType: 'x' },
  });
  const { jobId } = await startTraining(tess, {
    experimentId,
    datasetId: birds,
    config,
    registerModelId: createModel.model.id,
  });
  const { result } = await trainingEnd(tess, jobId);
  const version = await readyVersion(createModel.model.id);
  expect(version.decisionThreshold).toBe(result!.metrics['decision_threshold']);
  const { evaluateModelVersion } = await tess.ok(EvaluateModelVersionDetailsDocument, {
    input: { modelVersionId: version.id },
  });
  const evaluated = await jobEnd(evaluateModelVersion.job.id);
  for (const name of ['accuracy', 'recall', 'f1', 'log_loss'])
    expect(evaluated.metrics[name], name).toBeCloseTo(result!.metrics[`holdout.${name}`]!, 6);
});

async function readyVersion(modelId: string): Promise<{ id: string; decisionThreshold: number | null }> {
  for (;;) {
    const { modelVersions } = await tess.ok(ModelVersionsDetailsDocument, { filter: { modelId } });
    const [version] = modelVersions.nodes;
    if (version?.status === 'READY') {
      expect(version.signature?.rowIndependence).toEqual({ proven: true, reason: null });
      return { id: version.id, decisionThreshold: version.signature!.decisionThreshold };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function jobEnd(id: string): Promise<{ metrics: Record<string, number> }> {
  for (;;) {
    const { job } = await tess.ok(JobDetailsDocument, { id });
    if (job.status === 'SUCCEEDED') return job.result as { metrics: Record<string, number> };
    if (job.status === 'FAILED') throw new Error(job.errorMessage ?? 'the job failed');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

it('a wrong decision or split is refused with the field', async () => {
  const refused = async (change: object): Promise<object> => {
    const config: TrainingConfigInput = { ...CARS_CONFIG, ...change };
    return (
      await tess.fails(StartTrainingDocument, {
        input: { experimentId, datasetId: cars, config },
      })
    ).extensions;
  };
  expect(await refused({ decisionThreshold: { by: 'F1' } })).toMatchObject({
    field: 'input.config.decisionThreshold',
    expected: 'nothing for MLP_REGRESSOR',
  });
  expect(await refused({ classWeights: { by: 'BALANCED' } })).toMatchObject({ field: 'input.config.classWeights' });
  expect(await refused({ classWeights: { by: 'GIVEN' } })).toMatchObject({
    field: 'input.config.classWeights.weights',
  });
  expect(await refused({ decisionThreshold: { by: 'FIXED', value: 1 } })).toMatchObject({
    field: 'input.config.decisionThreshold.value',
  });
  const origin = {
    algorithm: 'LOGISTIC_REGRESSION',
    target: { column: 'Origin' },
    features: [{ column: 'Horsepower', kind: 'NUMERIC' }],
    hyperparameters: {},
  };
  expect(await refused({ ...origin, decisionThreshold: { by: 'F1' } })).toMatchObject({
    expected: 'a target of two classes',
    got: '"Origin (3)"',
  });
  expect(await refused({ split: { by: 'COLUMN' } })).toMatchObject({ field: 'input.config.split.column' });
  expect(await refused({ split: { by: 'RATIO', validation: 0.2 } })).toMatchObject({
    field: 'input.config.split.holdout',
  });
  expect(await refused({ split: { by: 'COLUMN', column: 'Year' } })).toMatchObject({
    field: 'input.config.split.column',
  });
  expect(await refused({ split: { by: 'COLUMN', column: 'Origin' } })).toMatchObject({
    field: 'input.config.features[2].column',
  });
  expect(
    await refused({ split: { by: 'COLUMN', column: 'Name', values: { train: ['a'], holdout: ['a'] } } }),
  ).toMatchObject({
    field: 'input.config.split.values.holdout[0]',
    expected: 'a value that is not in train',
  });
});

it('numbers and targets that single precision cannot hold are evaluated and validated exactly', async () => {
  const rows = Array.from({ length: 300 }, (_, i) => `${1_700_000_000 + i},${1_600_000_000.5 + 2 * i}`);
  const { uploadId } = await tess.upload('seconds.csv', ['at_second,y', ...rows].join('\n'));
  const datasetId = await registerDataset(tess, { name: 'seconds', uploadId });
  const { createModel } = await tess.ok(CreateModelDocument, {
    input: { name: 'seconds', task: 'REGRESSION', modelType: 'x' },
  });
  const config: TrainingConfigInput = {
    algorithm: 'LINEAR_REGRESSION',
    target: { column: 'y' },
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
  };
  const { jobId } = await startTraining(tess, {
    experimentId,
    datasetId,
    config,
    registerModelId: createModel.model.id,
  });
  const { result } = await trainingEnd(tess, jobId);
  expect(result!.metrics['holdout.r2']).toBeGreaterThan(0.999);
  const { id } = await readyVersion(createModel.model.id);
  const input = { modelVersionId: id };
  const { evaluateModelVersion } = await tess.ok(EvaluateModelVersionDetailsDocument, { input });
  const { validateModelVersion } = await tess.ok(ValidateModelVersionDetailsDocument, { input });
  const evaluated = await jobEnd(evaluateModelVersion.job.id);
  expect(evaluated.metrics['rmse']).toBeCloseTo(result!.metrics['holdout.rmse']!, 6);
  await jobEnd(validateModelVersion.job.id);
});
