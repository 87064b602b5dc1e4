import { confusionMatrix, regressionMetrics } from '../modules/statistics/index.js';
import {
  chooseThreshold,
  type TrainingConfig,
  baseRateWarning,
  rareClassWarnings,
  type TrainingWarning,
} from '../modules/algorithms/index.js';
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
  holdout: LabelledRows,
  predictions: Predictions,
  classWeights: Float64Array | undefined,
): TrainingWarning[] {
  const { truth, rows } = holdout;
  if (!target) return [];
  const baseRate = baseRateOf(target, split.train);
  if (baseRate.kind === 'MEAN' && truth.kind === 'VALUE' && predictions.kind === 'VALUE') {
    const own = regressionMetrics({ actual: truth.values, predicted: predictions.values }).rmse;
    const known = regressionMetrics({
      actual: truth.values,
      predicted: new Float64Array(rows).fill(baseRate.mean),
    }).rmse;
    return own === null || known === null ? [] : baseRateWarning('rmse', own, known);
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
  const shares = Float32Array.from({ length: rows * classCount }, (_, i) => weighted[i % classCount]! / total);
  const lossOf = (of: Float32Array): number => meanLogLoss({ labels, probabilities: of, classCount }, classWeights);
  return [
    ...baseRateWarning('log_loss', lossOf(probabilities), lossOf(shares)),
    ...rareClassWarnings(target.classes, confusionMatrix({ labels, probabilities, classCount, threshold })),
  ];
}
