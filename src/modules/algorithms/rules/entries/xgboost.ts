import { defineAlgorithm, type Strategy } from '../algorithm.js';
import { float, integer } from '../parameters.js';
import { COLUMN_SHARE, leafPenalty, leafShare, maxCategories, PYTHON, ROUNDS, ROW_SHARE } from './common.js';

/** Each process has a share of the rows. */
const SHARDS = { teamsOn: PYTHON.backends, strategies: ['DATA_PARALLEL'] as readonly Strategy[] } as const;

/** The defaults are those of XGBoost, except for the number of rounds. */
const parameters = {
  epochs: ROUNDS,
  learningRate: leafShare(0.3),
  maxDepth: integer({
    about: 'Maximum depth of a tree.',
    range: { min: 1, max: 20, unit: 'levels' },
    default: 6,
    search: { kind: 'INTEGER', low: 3, high: 10 },
  }),
  minChildWeight: float({
    about: 'Minimum sum of the second derivatives in a leaf; for a regression, of rows.',
    range: { min: 0, max: 1e6 },
    default: 1,
    search: { kind: 'FLOAT', low: 0.1, high: 100, log: true },
  }),
  l2: leafPenalty(1),
  rowShare: ROW_SHARE,
  featureShare: COLUMN_SHARE,
  maxCategories: maxCategories(100),
} as const;

export const xgboostClassifier = defineAlgorithm({
  name: 'XGBOOST_CLASSIFIER',
  task: 'CLASSIFICATION',
  stopsEarly: true,
  about: 'Classification by the gradient-boosted trees of XGBoost; several workers train one model over all rows.',
  parameters,
  ...PYTHON,
  ...SHARDS,
});

export const xgboostRegressor = defineAlgorithm({
  name: 'XGBOOST_REGRESSOR',
  task: 'REGRESSION',
  stopsEarly: true,
  about: 'Regression by the gradient-boosted trees of XGBoost; several workers train one model over all rows.',
  parameters,
  ...PYTHON,
  ...SHARDS,
});
