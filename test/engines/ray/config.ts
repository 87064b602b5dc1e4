import type { TrainingConfigInput } from '../../generated/operations.js';

/** The origin of a car, three classes; the other fields by `changes`. */
export function carsOnRay(changes: Partial<TrainingConfigInput> & { epochs?: number }): TrainingConfigInput {
  const { epochs = 40, ...rest } = changes;
  return {
    algorithm: 'RANDOM_FOREST_CLASSIFIER',
    target: { column: 'Origin' },
    features: [
      { column: 'Horsepower', kind: 'NUMERIC' },
      { column: 'Weight_in_lbs', kind: 'NUMERIC' },
      { column: 'Displacement', kind: 'NUMERIC' },
      { column: 'Miles_per_Gallon', kind: 'NUMERIC' },
      { column: 'Cylinders', kind: 'CATEGORICAL' },
      { column: 'Year', kind: 'TIMESTAMP' },
    ],
    split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
    hyperparameters: { epochs },
    seed: 7,
    ...rest,
  };
}

/** Which of flights-20k.json come more than 15 minutes late, by XGBoost. */
export const LATE_FLIGHTS: TrainingConfigInput = {
  algorithm: 'XGBOOST_CLASSIFIER',
  target: { column: 'delay', greaterThan: 15 },
  features: [
    { column: 'distance', kind: 'NUMERIC' },
    { column: 'origin', kind: 'CATEGORICAL' },
    { column: 'destination', kind: 'CATEGORICAL' },
    { column: 'date', kind: 'TIMESTAMP' },
  ],
  split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
  hyperparameters: { epochs: 60, learningRate: 0.1, maxDepth: 4 },
  checkpointEveryEpochs: 30,
  seed: 3,
};
