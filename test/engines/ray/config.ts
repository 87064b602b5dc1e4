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
