import { defineAlgorithm, FEATURE_KINDS, type FeatureKind, type Strategy } from '../algorithm.js';
import { maxCategories, PYTHON } from './common.js';
import { stepParameters } from './gradients.js';
import { dropout, networkParameters } from './networks.js';

const { batchSize, momentum, nesterov, weightDecay } = stepParameters;

const parameters = {
  ...networkParameters,
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
