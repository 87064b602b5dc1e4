import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FollowRunMetricsDocument } from '../../schema/generated/operations.js';
import {
  CancelJobStatusDocument,
  ResumeTrainingStatusAttemptDocument,
  RunForMetricHistoryDocument,
  RunForTrainingLogsDocument,
  StartTrainingDetailsDocument,
  TrainingJobCrossValidationDocument,
  type TrainingConfigInput,
} from '../generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  fixtureBytes,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let cars: string;
let penguins: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
  const { uploadId } = await tess.upload('penguins.csv', fixtureBytes('penguins.csv'));
  penguins = await registerDataset(tess, { name: 'penguins', uploadId });
});
afterAll(() => service?.close());

const SPECIES: TrainingConfigInput = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'species' },
  features: ['beak_length', 'beak_depth', 'flipper_length'].map((column) => ({ column, kind: 'NUMERIC' })),
  split: { by: 'RATIO', validation: 0.1, holdout: 0.2 },
};

async function outcomeOf(jobId: string) {
  const { trainingJob } = await tess.ok(TrainingJobCrossValidationDocument, { id: jobId });
  if (!trainingJob.outcome || !('crossValidation' in trainingJob.outcome)) throw new Error('No training outcome.');
  return trainingJob.outcome;
}

describe('a training with a cross-validation', () => {
  it('shows each fold live, with mean and deviation so far, and all of them in its outcome', async () => {
    const config = { ...SPECIES, crossValidation: { by: 'STRATIFIED', folds: 4 } } as const;
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: penguins, config });
    const points = await tess.collect(
      FollowRunMetricsDocument,
      { runId, after: 0 },
      (items) => items.at(-1)?.key === 'holdout.log_loss' || items.some(({ key }) => key.startsWith('holdout.')),
    );
    const job = await trainingEnd(tess, jobId);
    const { crossValidation, trainRows, validationRows } = await outcomeOf(jobId);
    expect(crossValidation).toMatchObject({ by: 'STRATIFIED', rowsLeftOut: 0 });
    const { folds, metrics } = crossValidation!;
    expect(folds.map(({ fold }) => fold)).toEqual([1, 2, 3, 4]);
    expect(folds.reduce((sum, { validationRows: rows }) => sum + rows, 0)).toBe(trainRows + validationRows);
    const valueAt = (key: string, step: number) => points.find((point) => point.key === key && point.step === step);
    for (const { fold, metrics: own } of folds) {
      for (const { name, value } of own)
        expect(valueAt(`cross_validation.${name}`, fold)?.value).toBeCloseTo(Number(value), 12);
      expect(valueAt('cross_validation.log_loss.std', fold)).toBeDefined();
    }
    const accuracies = folds.map(({ metrics: own }) => Number(own.find(({ name }) => name === 'accuracy')!.value));
    const mean = accuracies.reduce((sum, value) => sum + value, 0) / 4;
    const accuracy = metrics.find(({ name }) => name === 'accuracy')!;
    expect(accuracy.mean).toBeCloseTo(mean, 12);
    expect(accuracy.std).toBeCloseTo(
      Math.sqrt(accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 4),
      12,
    );
    expect(mean).toBeGreaterThan(0.95);
    const shown = (key: string) => job.run.metrics.find((metric) => metric.key === key);
    expect(shown('cross_validation.accuracy.mean')).toMatchObject({ value: accuracy.mean, step: 4 });
    // The folds come before the training's own epochs.
    const order = points.map(({ key }) => key);
    expect(order.lastIndexOf('cross_validation.accuracy')).toBeLessThan(order.indexOf('train.loss'));
    console.log(`penguins, 4 stratified folds: accuracy ${mean.toFixed(4)} ± ${Number(accuracy.std).toFixed(4)}`);
  });

  it('continues after a cancellation with the folds that are done', async () => {
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 150 },
      crossValidation: { by: 'K_FOLD', folds: 6 },
    } as const;
    const whole = await startTraining(tess, { experimentId, datasetId: cars, config });
    await trainingEnd(tess, whole.jobId);
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config });
    const isFold = ({ key }: { key: string }) => key === 'cross_validation.rmse';
    await trainingWhen(tess, jobId, ({ run }) => (run.metrics.find(isFold)?.step ?? 0) >= 2);
    await tess.ok(CancelJobStatusDocument, { input: { jobId } });
    expect((await tess.ok(TrainingJobCrossValidationDocument, { id: jobId })).trainingJob.outcome).toBeNull();
    await tess.ok(ResumeTrainingStatusAttemptDocument, { input: { jobId } });
    const job = await trainingEnd(tess, jobId);
    expect(job.attempt).toBe(2);
    expect((await outcomeOf(jobId)).crossValidation).toEqual((await outcomeOf(whole.jobId)).crossValidation);
    const { run } = await tess.ok(RunForMetricHistoryDocument, { id: runId, key: 'cross_validation.rmse', n: 100 });
    expect(run?.metricHistory.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    const { run: logged } = await tess.ok(RunForTrainingLogsDocument, { id: runId });
    const done = logged?.logs.nodes.flatMap(({ line }) => /^fold (\d):/.exec(line)?.[1] ?? []);
    expect(done).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it.each<[string, TrainingConfigInput, string, string]>([
    [
      'one fold',
      { ...SPECIES, crossValidation: { by: 'K_FOLD', folds: 1 } },
      'input.config.crossValidation.folds',
      'a number of at least 2',
    ],
    [
      'strata of a number',
      { ...CARS_CONFIG, crossValidation: { by: 'STRATIFIED' } },
      'input.config.crossValidation.by',
      'K_FOLD, GROUPED or TIME, as only classes can be stratified',
    ],
    [
      'groups without a column',
      { ...SPECIES, crossValidation: { by: 'GROUPED' } },
      'input.config.crossValidation.column',
      'string',
    ],
    [
      'an unknown column',
      { ...SPECIES, crossValidation: { by: 'GROUPED', column: 'isle' } },
      'input.config.crossValidation.column',
      'one of moment, species, island',
    ],
    [
      'more folds than groups',
      { ...SPECIES, crossValidation: { by: 'GROUPED', folds: 4, column: 'island' } },
      'input.config.crossValidation.folds',
      'at most the number of 3 groups of island',
    ],
    [
      'a feature as groups',
      { ...SPECIES, crossValidation: { by: 'GROUPED', column: 'beak_depth' } },
      'input.config.features[1].column',
      'a column other than the one that groups the folds',
    ],
    [
      'the target as groups',
      { ...SPECIES, crossValidation: { by: 'GROUPED', folds: 3, column: 'species' } },
      'input.config.crossValidation.column',
      'a column other than the target',
    ],
    [
      'times without a column',
      { ...SPECIES, crossValidation: { by: 'TIME' } },
      'input.config.crossValidation.column',
      'a TIMESTAMP column, as the split has none',
    ],
    [
      'times of a number',
      { ...SPECIES, crossValidation: { by: 'TIME', column: 'beak_depth' } },
      'input.config.crossValidation.column',
      'a TIMESTAMP column',
    ],
    [
      'a column that is not used',
      { ...SPECIES, crossValidation: { by: 'K_FOLD', column: 'island' } },
      'input.config.crossValidation.column',
      'nothing here',
    ],
  ])('is refused with %s', async (_, config, field, expected) => {
    const datasetId = config.target?.column === 'species' ? penguins : cars;
    const { extensions } = await tess.fails(StartTrainingDetailsDocument, {
      input: { experimentId, datasetId, config },
    });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field, expected: expect.stringContaining(expected) });
  });

  it('fails with a reason when a class has fewer rows than folds', async () => {
    const config = {
      ...SPECIES,
      target: { column: 'sex' },
      crossValidation: { by: 'STRATIFIED', folds: 100 },
    } as const;
    const { jobId } = await startTraining(tess, {
      experimentId,
      datasetId: penguins,
      config: { ...config, sampleRows: 60 },
    });
    const job = await trainingEnd(tess, jobId, 'FAILED');
    expect(job).toMatchObject({
      attempt: 1,
      errorCode: 'BAD_USER_INPUT',
      errorMessage: expect.stringContaining('config.crossValidation.folds: expected at most the number of'),
      run: { status: 'FAILED' },
    });
  });
});
