import {
  confusionMatrix,
  mean,
  pinballRows,
  regressionMetrics,
  weightedQuantile,
} from '../modules/statistics/index.js';
import {
  chooseThreshold,
  type TrainingConfig,
  baseRateWarning,
  rareClassWarnings,
  type TrainingWarning,
} from '../modules/algorithms/index.js';
import type { Head } from './graphs/heads.js';
import { baseRateOf } from './holdout.js';
import type { LabelledRows, Predictions } from './learner.js';
import { meanLogLoss } from './measure.js';
import type { TrainingRows } from './rows.js';

/**
 * The threshold that the configuration asks for, from these predictions for the validation rows; undefined when the
 * more probable class is predicted.
 */
export function thresholdOf(
  decisionThreshold: NonNullable<TrainingConfig['decisionThreshold']>,
  { truth, weights }: LabelledRows,
  predictions: Predictions,
): number | undefined {
  if (truth.kind !== 'CLASSES' || predictions.kind !== 'CLASSES') return undefined;
  const second = predictions.probabilities.filter((_, i) => i % 2 === 1);
  return chooseThreshold(decisionThreshold, second, (row) => truth.labels[row] === 1, weights);
}

/** Warnings about a model whose holdout metrics do not show a success. Rows count as their weights say. */
export function holdoutWarnings(
  rows: TrainingRows,
  head: Head,
  { truth, weights }: LabelledRows,
  predictions: Predictions,
  classWeights: Float64Array | undefined,
): TrainingWarning[] {
  const { target, split } = rows;
  if (!target) return [];
  const baseRate = baseRateOf(target, split.train, rows.weights);
  if (baseRate.kind === 'MEAN' && truth.kind === 'VALUE' && predictions.kind === 'VALUE' && head.kind === 'VALUE') {
    const constant = head.quantile === undefined ? baseRate.mean : quantileOfRows(rows, head.quantile);
    return regressionWarnings(truth.values, predictions.values, weights, { constant, quantile: head.quantile });
  }
  if (
    baseRate.kind !== 'SHARES' ||
    truth.kind !== 'CLASSES' ||
    predictions.kind !== 'CLASSES' ||
    target.kind !== 'CLASSES'
  )
    return [];
  const { labels } = truth;
  const { probabilities, classCount, threshold } = predictions;
  // With class weights, the model is fitted to weighted rows, so it is also measured on weighted rows.
  const weighted = baseRate.shares.map((share, k) => share * (classWeights?.[k] ?? 1));
  const total = weighted.reduce((sum, share) => sum + share, 0);
  const shares = Float32Array.from({ length: probabilities.length }, (_, i) => weighted[i % classCount]! / total);
  const lossOf = (of: Float32Array): number =>
    meanLogLoss({ labels, probabilities: of, classCount, weights }, classWeights);
  return [
    ...baseRateWarning('log_loss', lossOf(probabilities), lossOf(shares)),
    ...rareClassWarnings(target.classes, confusionMatrix({ labels, probabilities, classCount, threshold })),
  ];
}

/** The quantile of the target in the training rows. */
function quantileOfRows({ target, split: { train }, weights }: TrainingRows, quantile: number): number {
  if (target?.kind !== 'VALUES') throw new Error('A quantile is one of numbers.');
  return weightedQuantile(
    Float64Array.from(train, (row) => target.values[row]!),
    weights && Float64Array.from(train, (row) => weights[row]!),
    quantile,
  );
}

/** Compared with a constant: the mean of the training rows, or their quantile when the model predicts one. */
function regressionWarnings(
  actual: Float64Array,
  predicted: Float64Array,
  weights: Float64Array | undefined,
  { constant, quantile }: { constant: number; quantile: number | undefined },
): TrainingWarning[] {
  const constants = new Float64Array(actual.length).fill(constant);
  if (quantile !== undefined) {
    const lossOf = (values: Float64Array): number => mean(pinballRows(actual, values, quantile), weights);
    return baseRateWarning('pinball_loss', lossOf(predicted), lossOf(constants));
  }
  const own = regressionMetrics({ actual, predicted, weights }).rmse;
  const known = regressionMetrics({ actual, predicted: constants, weights }).rmse;
  return own === null || known === null ? [] : baseRateWarning('rmse', own, known);
}
