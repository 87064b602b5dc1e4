import { defineAlgorithm } from '../algorithm.js';
import { categorical, float, integer, integers } from '../parameters.js';
import { ADAM_LEARNING_RATE, batchSize, EPOCHS, LEARNING_RATE, maxCategories, OWN, PENALTY } from './common.js';

const parameters = {
  optimizer: categorical({
    about: 'Method that fits the weights.',
    choices: { ADAM: 'Adam over minibatches.' },
    default: 'ADAM',
  }),
  hiddenLayers: integers({
    about: 'Sizes of the hidden layers, from the inputs to the outputs; none makes a linear model. As text: "64,32".',
    range: { max: 8, unit: 'layers', each: { min: 1, max: 4_096, unit: 'units' } },
    default: [64, 32],
    search: { kind: 'CATEGORICAL', choices: ['32', '64', '64,32', '128,64', '256,128'] },
  }),
  epochs: integer({
    about: 'Number of passes over the training rows.',
    range: EPOCHS,
    default: 500,
    whenAbsent: '500, with early stopping after 20 epochs without improvement.',
  }),
  learningRate: float({
    about: 'Size of the steps.',
    range: LEARNING_RATE,
    default: ADAM_LEARNING_RATE,
    search: { kind: 'FLOAT', low: 1e-4, high: 0.1, log: true },
  }),
  batchSize,
  l2: float({
    about: 'L2 penalty on the weights (not on the biases), added to the mean loss per row.',
    range: PENALTY,
    default: 0,
    search: { kind: 'FLOAT', low: 1e-7, high: 0.01, log: true },
  }),
  maxCategories: maxCategories(100),
} as const;

export const mlpClassifier = defineAlgorithm({
  name: 'MLP_CLASSIFIER',
  task: 'CLASSIFICATION',
  family: 'NETWORK',
  stopsEarly: true,
  about: 'Classification by a multilayer perceptron.',
  parameters,
  ...OWN,
});

export const mlpRegressor = defineAlgorithm({
  name: 'MLP_REGRESSOR',
  task: 'REGRESSION',
  family: 'NETWORK',
  stopsEarly: true,
  about: 'Regression by a multilayer perceptron.',
  parameters,
  ...OWN,
});
