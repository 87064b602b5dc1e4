import { expect } from 'vitest';
import type { Caller } from '../../support/service.js';
import { startTraining, trainingEnd } from '../../support/training.js';
import { TrainingJobCrossValidationDocument, type TrainingBackend } from '../../generated/operations.js';
import { carsOnRay } from './config.js';

/**
 * A cross-validation, row weights and a training once more on all rows, as our own trainers do them: the folds have the
 * same rows. Call it with each backend that trains the algorithms of Python.
 */
export async function expectFolds(
  tess: Caller,
  ids: { experimentId: string; datasetId: string },
  backend: TrainingBackend,
): Promise<void> {
  const given = {
    crossValidation: { by: 'STRATIFIED', folds: 3 },
    sampleWeight: { column: 'Acceleration' },
    refit: true,
    earlyStopping: { patience: 5 },
  } as const;
  const of = async (algorithm: 'XGBOOST_CLASSIFIER' | 'MLP_CLASSIFIER', where: TrainingBackend) => {
    const config = carsOnRay({ algorithm, ...given });
    const { jobId } = await startTraining(tess, { ...ids, config, backend: where });
    const { result, run } = await trainingEnd(tess, jobId, 'SUCCEEDED', 300_000);
    const { trainingJob } = await tess.ok(TrainingJobCrossValidationDocument, { id: jobId });
    const outcome = trainingJob.outcome as Extract<typeof trainingJob.outcome, { trainRows: number }>;
    return { result: result!, run, folds: outcome.crossValidation!.folds };
  };
  const own = await of('MLP_CLASSIFIER', 'LOCAL');
  const { result, run, folds } = await of('XGBOOST_CLASSIFIER', backend);
  const rowsOf = (all: typeof folds) =>
    all.map(({ fold, trainRows, watchedRows, validationRows }) => [fold, trainRows, watchedRows, validationRows]);
  expect(rowsOf(folds)).toEqual(rowsOf(own.folds));
  expect(folds).toHaveLength(3);
  for (const { metrics } of folds) {
    const accuracy = metrics.find(({ name }) => name === 'accuracy')!.value!;
    expect(accuracy).toBeGreaterThan(0.65);
    expect(accuracy).toBeLessThan(1);
  }
  // Of the run: the mean over all folds, at the step of the last one.
  const mean = run.metrics.find(({ key }) => key === 'cross_validation.accuracy.mean');
  expect(mean).toMatchObject({ step: 3 });
  expect(result.agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
  expect(result.epochsRun).toBeLessThan(40);
}
