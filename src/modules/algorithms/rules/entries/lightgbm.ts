import { defineAlgorithm } from '../algorithm.js';
import { leafWise } from './boosted-trees.js';
import { COLUMN_SHARE, leafPenalty, leafShare, maxCategories, PYTHON, ROUNDS, ROW_SHARE } from './common.js';

/** The defaults are those of LightGBM, except for the number of rounds. */
const parameters = {
  epochs: ROUNDS,
  learningRate: leafShare(0.1),
  ...leafWise,
  l2: leafPenalty(0),
  rowShare: ROW_SHARE,
  featureShare: COLUMN_SHARE,
  maxCategories: maxCategories(100),
} as const;

export const lightgbmClassifier = defineAlgorithm({
  name: 'LIGHTGBM_CLASSIFIER',
  task: 'CLASSIFICATION',
  stopsEarly: true,
  about: 'Classification by the gradient-boosted trees of LightGBM.',
  parameters,
  ...PYTHON,
});

export const lightgbmRegressor = defineAlgorithm({
  name: 'LIGHTGBM_REGRESSOR',
  task: 'REGRESSION',
  stopsEarly: true,
  about: 'Regression by the gradient-boosted trees of LightGBM.',
  parameters,
  ...PYTHON,
});
