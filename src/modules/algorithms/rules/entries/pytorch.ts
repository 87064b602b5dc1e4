import { defineAlgorithm, FEATURE_KINDS, type FeatureKind, type Strategy } from '../algorithm.js';
import { categorical, integer } from '../parameters.js';
import { EPOCHS, maxCategories, PYTHON } from './common.js';
import { GRADIENT_METHODS, learningRate, stepParameters } from './gradients.js';
import { dropout, hiddenLayers } from './networks.js';

const { batchSize, momentum, nesterov, weightDecay } = stepParameters;

const parameters = {
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
  ...{ batchSize, momentum, nesterov, weightDecay, dropout },
  maxCategories: maxCategories(100),
} as const;

/** Every strategy makes the same steps as one process. */
const TOGETHER = {
  teamsOn: PYTHON.backends,
  strategies: ['DATA_PARALLEL', 'MODEL_PARALLEL', 'PIPELINE_PARALLEL'] as readonly Strategy[],
  featureKinds: FEATURE_KINDS as readonly FeatureKind[],
} as const;

export const pytorchClassifier = defineAlgorithm({
  name: 'PYTORCH_CLASSIFIER',
  task: 'CLASSIFICATION',
  stopsEarly: true,
  about: 'Classification by a feed-forward network of PyTorch; several processes can train one network.',
  parameters,
  ...PYTHON,
  ...TOGETHER,
});

export const pytorchRegressor = defineAlgorithm({
  name: 'PYTORCH_REGRESSOR',
  task: 'REGRESSION',
  stopsEarly: true,
  about: 'Regression by a feed-forward network of PyTorch; several processes can train one network.',
  parameters,
  ...PYTHON,
  ...TOGETHER,
});
