import { defineAlgorithm } from '../algorithm.js';
import { float, integer } from '../parameters.js';
import { leafWise } from './boosted-trees.js';
import { EPOCHS, leafPenalty, leafShare, maxCategories, PYTHON, ROW_SHARE, SHARE } from './common.js';

/** The defaults are those of LightGBM, except for the number of rounds. */
const parameters = {
  epochs: integer({
    about: 'Number of rounds; each adds a tree, for more than two classes one per class.',
    range: { ...EPOCHS, unit: 'rounds' },
    default: 1000,
    whenAbsent: '1,000, with early stopping after 20 rounds without improvement.',
  }),
  learningRate: leafShare(0.1),
  ...leafWise,
  l2: leafPenalty(0),
  rowShare: ROW_SHARE,
  featureShare: float({
    about: 'Fraction of the encoded columns, drawn at random, that each tree uses.',
    range: SHARE,
    default: 1,
    search: { kind: 'FLOAT', low: 0.4, high: 1 },
  }),
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
