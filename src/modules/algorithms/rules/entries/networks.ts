import { defineAlgorithm } from '../algorithm.js';
import { categorical, flag, float, integer, integers } from '../parameters.js';
import { EPOCHS, maxCategories, OWN, PENALTY } from './common.js';
import { GRADIENT_METHODS, learningRate, stepParameters } from './gradients.js';

const hiddenLayers = integers({
  about: 'Sizes of the hidden layers, from the inputs to the outputs; none makes a linear model. As text: "64,32".',
  range: { max: 8, unit: 'layers', each: { min: 1, max: 4_096, unit: 'units' } },
  default: [64, 32],
  search: { kind: 'CATEGORICAL', choices: ['32', '64', '64,32', '128,64', '256,128'] },
});

export const dropout = float({
  about: 'Fraction of the hidden units that each row of a step leaves out, drawn at random; none are at prediction.',
  range: { min: 0, max: 0.95 },
  whenAbsent: '0',
});

/** What networks of every library have. */
export const networkParameters = {
  optimizer: categorical({
    about: 'Method that fits the weights.',
    choices: GRADIENT_METHODS,
    default: 'ADAM',
  }),
  hiddenLayers,
  epochs: integer({
    about: 'Number of passes over the training rows.',
    range: EPOCHS,
    default: 500,
    whenAbsent: '500, with early stopping after 20 epochs without improvement.',
  }),
  learningRate,
} as const;

const parameters = {
  ...networkParameters,
  ...stepParameters,
  l2: float({
    about: 'L2 penalty on the weights (not on the biases), added to the mean loss per row.',
    range: PENALTY,
    default: 0,
    search: { kind: 'FLOAT', low: 1e-7, high: 0.01, log: true },
  }),
  dropout,
  batchNormalization: flag({
    about:
      'Whether each hidden layer scales its sums to mean 0 and deviation 1 over the minibatch, and then by learnt ' +
      'numbers. At prediction, running means of both take their place.',
    whenAbsent: 'false',
  }),
  maxCategories: maxCategories(100),
  embeddingFrom: integer({
    about:
      'A CATEGORICAL column that keeps at least this many categories becomes `embeddingSize` learnt numbers per ' +
      'category, in place of an indicator per category.',
    range: { min: 2, max: 2_000, unit: 'categories' },
    whenAbsent: 'No column does.',
  }),
  embeddingSize: integer({
    about: 'Numbers per category of a column with an embedding.',
    range: { min: 1, max: 512, unit: 'numbers' },
    whenAbsent: '1.6 · (number of categories)^0.56, rounded: 14 for 50 categories, 77 for 1,000.',
  }),
} as const;

export const mlpClassifier = defineAlgorithm({
  name: 'MLP_CLASSIFIER',
  task: 'CLASSIFICATION',
  family: 'NETWORK',
  stopsEarly: true,
  sampleWeights: true,
  about: 'Classification by a multilayer perceptron.',
  parameters,
  ...OWN,
});

export const mlpRegressor = defineAlgorithm({
  name: 'MLP_REGRESSOR',
  task: 'REGRESSION',
  family: 'NETWORK',
  stopsEarly: true,
  sampleWeights: true,
  about: 'Regression by a multilayer perceptron.',
  parameters,
  ...OWN,
});
