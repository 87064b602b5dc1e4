import { defineAlgorithm } from '../algorithm.js';
import { float, integer } from '../parameters.js';
import { EPOCHS, maxCategories, PYTHON, SHARE } from './common.js';

/** The defaults are those of scikit-learn, except for the number of trees. */
const parameters = {
  epochs: integer({
    about: 'Number of trees.',
    range: { ...EPOCHS, unit: 'trees' },
    default: 200,
  }),
  maxDepth: integer({
    about: 'Maximum depth of a tree; 0 means no limit.',
    range: { min: 0, max: 64, unit: 'levels' },
    default: 0,
    search: { kind: 'INTEGER', low: 4, high: 32 },
  }),
  minLeafRows: integer({
    about: 'Minimum number of training rows in a leaf.',
    range: { min: 1, max: 1_000_000, unit: 'rows' },
    default: 1,
    search: { kind: 'INTEGER', low: 1, high: 50, log: true },
  }),
  featureShare: float({
    about: 'Fraction of the encoded columns, drawn at random, among which each split is chosen.',
    range: SHARE,
    whenAbsent: 'The square root of their number for a classification, all for a regression.',
    search: { kind: 'FLOAT', low: 0.1, high: 1 },
  }),
  maxCategories: maxCategories(100),
} as const;

export const randomForestClassifier = defineAlgorithm({
  name: 'RANDOM_FOREST_CLASSIFIER',
  task: 'CLASSIFICATION',
  stopsEarly: false,
  about: 'Classification by a random forest of scikit-learn.',
  parameters,
  ...PYTHON,
  canStopEarly: false,
  teamsOn: ['RAY'],
});

export const randomForestRegressor = defineAlgorithm({
  name: 'RANDOM_FOREST_REGRESSOR',
  task: 'REGRESSION',
  stopsEarly: false,
  about: 'Regression by a random forest of scikit-learn.',
  parameters,
  ...PYTHON,
  canStopEarly: false,
  teamsOn: ['RAY'],
});
