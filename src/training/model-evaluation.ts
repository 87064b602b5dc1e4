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
  { truth }: LabelledRows,
  predictions: Predictions,
): number | undefined {
  if (truth.kind !== 'CLASSES' || predictions.kind !== 'CLASSES') return undefined;
  const second = predictions.probabilities.filter((_, i) => i % 2 === 1);
  return chooseThreshold(decisionThreshold, second, (row) => truth.labels[row] === 1);
}

/** Warnings about a model whose holdout metrics do not show a success. */
export function holdoutWarnings(
  { target, split }: TrainingRows,
  head: Head,
  holdout: LabelledRows,
  predictions: Predictions,
  classWeights: Float64Array | undefined,
): TrainingWarning[] {
  const { truth, rows } = holdout;
  if (!target) return [];
  if (target.kind === 'VALUES' && truth.kind === 'VALUE' && predictions.kind === 'VALUE') {
    const known = Float64Array.from(split.train, (row) => target.values[row]!);
    return regressionWarnings(
      known,
      truth.values,
      predictions.values,
      head.kind === 'VALUE' ? head.quantile : undefined,
    );
  }
  const baseRate = baseRateOf(target, split.train);
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
  const shares = Float32Array.from({ length: rows * classCount }, (_, i) => weighted[i % classCount]! / total);
  const lossOf = (of: Float32Array): number => meanLogLoss({ labels, probabilities: of, classCount }, classWeights);
  return [
    ...baseRateWarning('log_loss', lossOf(probabilities), lossOf(shares)),
    ...rareClassWarnings(target.classes, confusionMatrix({ labels, probabilities, classCount, threshold })),
  ];
}

/** Compared with the mean of the training rows, or with their quantile when the model predicts one. */
function regressionWarnings(
  known: Float64Array,
  actual: Float64Array,
  predicted: Float64Array,
  quantile: number | undefined,
): TrainingWarning[] {
  const constant = (value: number): Float64Array => new Float64Array(actual.length).fill(value);
  if (quantile !== undefined) {
    const lossOf = (values: Float64Array): number => mean(pinballRows(actual, values, quantile));
    const byQuantile = constant(weightedQuantile(known, undefined, quantile));
    return baseRateWarning('pinball_loss', lossOf(predicted), lossOf(byQuantile));
  }
  const own = regressionMetrics({ actual, predicted }).rmse;
  const byMean = regressionMetrics({ actual, predicted: constant(mean(known)) }).rmse;
  return own === null || byMean === null ? [] : baseRateWarning('rmse', own, byMean);
}
