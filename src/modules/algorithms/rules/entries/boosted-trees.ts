import { defineAlgorithm } from '../algorithm.js';
import { float, integer } from '../parameters.js';
import { EPOCHS, leafPenalty, leafShare, maxCategories, OWN, ROW_SHARE, SHARE } from './common.js';

/** For trees that grow leaf by leaf. */
export const leafWise = {
  maxLeaves: integer({
    about: 'Maximum number of leaves of a tree.',
    range: { min: 2, max: 4_096, unit: 'leaves' },
    default: 31,
    search: { kind: 'INTEGER', low: 7, high: 255, log: true },
  }),
  maxDepth: integer({
    about: 'Maximum depth of a tree; 0 means no limit.',
    range: { min: 0, max: 64, unit: 'levels' },
    default: 0,
  }),
  minLeafRows: integer({
    about: 'Minimum number of training rows in a leaf.',
    range: { min: 1, max: 1_000_000, unit: 'rows' },
    default: 20,
    search: { kind: 'INTEGER', low: 5, high: 100, log: true },
  }),
} as const;

/** The defaults of scikit-learn's HistGradientBoosting, except for the categories, which have no such limit. */
const parameters = {
  epochs: integer({
    about: 'Number of trees; for more than two classes, per class.',
    range: { ...EPOCHS, unit: 'trees' },
    default: 1000,
    whenAbsent: '1,000, with early stopping after 20 trees without improvement.',
  }),
  learningRate: leafShare(0.1),
  ...leafWise,
  l2: leafPenalty(0),
  rowShare: ROW_SHARE,
  featureShare: float({
    about: 'Fraction of the features, drawn at random, that each tree uses.',
    range: SHARE,
    default: 1,
    search: { kind: 'FLOAT', low: 0.4, high: 1 },
  }),
  maxCategories: maxCategories(1000),
} as const;

export const boostedTreesClassifier = defineAlgorithm({
  name: 'BOOSTED_TREES_CLASSIFIER',
  task: 'CLASSIFICATION',
  family: 'TREES',
  stopsEarly: true,
  sampleWeights: true,
  about:
    'Classification by gradient-boosted decision trees. They use missing values and categories as they are, and need ' +
    'no scaling.',
  parameters,
  ...OWN,
});

export const boostedTreesRegressor = defineAlgorithm({
  name: 'BOOSTED_TREES_REGRESSOR',
  task: 'REGRESSION',
  family: 'TREES',
  stopsEarly: true,
  sampleWeights: true,
  about: 'Regression by gradient-boosted decision trees, of the mean or of a quantile.',
  parameters: {
    ...parameters,
    quantile: float({
      about: 'The quantile of the target that the model predicts.',
      range: { above: 0, below: 1 },
      whenAbsent: 'The mean is predicted.',
    }),
  },
  ...OWN,
});
