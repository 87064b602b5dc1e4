import { isNetwork, type LinearConfig, type NetworkConfig } from '../modules/algorithms/index.js';
import type { OptimizerOptions } from './graphs/optimizers.js';
import type { LearningRateOptions } from './learning-rate.js';

/** How a training by gradients makes its steps. */
export interface GradientOptions {
  rate: LearningRateOptions;
  batchSize: number;
  l2: number;
  optimizer: OptimizerOptions;
  dropout: number;
  gradientClipNorm: number | undefined;
}

const LARGEST_DEFAULT_BATCH = 128;
const SMALLEST_DEFAULT_BATCH = 16;
/** With fewer steps, an epoch with few rows would change almost nothing. */
const STEPS_PER_EPOCH = 20;

function batchSizeFor(rows: number): number {
  return Math.max(SMALLEST_DEFAULT_BATCH, Math.min(LARGEST_DEFAULT_BATCH, Math.floor(rows / STEPS_PER_EPOCH)));
}

export function gradientOptions(config: LinearConfig | NetworkConfig, trainRows: number): GradientOptions {
  const { hyperparameters } = config;
  const { optimizer: method, learningRate, l2, batchSize = batchSizeFor(trainRows) } = hyperparameters;
  // Whoever makes steps has a learning rate and a penalty; only a linear model with a solver may have none.
  if (method === 'SOLVER' || learningRate === undefined || l2 === undefined)
    throw new Error('A solver makes no steps.');
  const { momentum = 0, nesterov = false, weightDecay = 0, gradientClipNorm } = hyperparameters;
  const { schedule = 'CONSTANT', warmupEpochs = 0, decayFactor = 1, decayEpochs = 1 } = hyperparameters;
  return {
    rate: { schedule, learningRate, warmupEpochs, decayFactor, decayEpochs },
    batchSize,
    l2,
    optimizer: { method, momentum, nesterov, weightDecay },
    dropout: isNetwork(config) ? (config.hyperparameters.dropout ?? 0) : 0,
    gradientClipNorm,
  };
}
