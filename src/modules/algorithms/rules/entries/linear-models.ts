import { defineAlgorithm } from '../algorithm.js';
import { categorical, float, integer } from '../parameters.js';
import { EPOCHS, maxCategories, OWN, PENALTY } from './common.js';
import { GRADIENT_METHODS, learningRate, stepParameters } from './gradients.js';

const SOLVER_ITERATIONS = 1000;
const PASSES = 20;

const parameters = {
  optimizer: categorical({
    about: 'Method that fits the weights.',
    choices: {
      SOLVER:
        'A closed form for linear regression (L-BFGS above 2,000 encoded columns), L-BFGS for logistic regression; ' +
        'until it has converged, or `epochs` iterations are done.',
      ...GRADIENT_METHODS,
    },
    default: 'SOLVER',
  }),
  epochs: integer({
    about: 'Maximum number of iterations of SOLVER; otherwise number of passes over the training rows.',
    range: EPOCHS,
    default: ({ optimizer }) => (optimizer === 'SOLVER' ? SOLVER_ITERATIONS : PASSES),
    whenAbsent: '1,000 with SOLVER, otherwise 20.',
  }),
  learningRate,
  ...stepParameters,
  l2: float({
    about: 'L2 penalty on the weights (not on the biases), added to the mean loss per row.',
    range: PENALTY,
    default: ({ optimizer }) => (optimizer === 'SOLVER' ? undefined : 0),
    whenAbsent:
      'With SOLVER the default of scikit-learn on standardized columns, which is 1 / (number of training rows): ' +
      'alpha = 1 for a regression, C = 1 for a classification. Otherwise 0.',
    search: { kind: 'FLOAT', low: 1e-6, high: 1, log: true },
  }),
  maxCategories: maxCategories(100),
} as const;

export const logisticRegression = defineAlgorithm({
  name: 'LOGISTIC_REGRESSION',
  task: 'CLASSIFICATION',
  family: 'LINEAR',
  stopsEarly: false,
  sampleWeights: true,
  about: 'Classification by a linear softmax; probabilities per class.',
  parameters,
  ...OWN,
});

export const linearRegression = defineAlgorithm({
  name: 'LINEAR_REGRESSION',
  task: 'REGRESSION',
  family: 'LINEAR',
  stopsEarly: false,
  sampleWeights: true,
  about: 'Regression by a linear function with an L2 penalty (ridge).',
  parameters,
  ...OWN,
});
