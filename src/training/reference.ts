import {
  categoryAt,
  type Column,
  takeRows,
  buildCategoricalReference,
  buildNumericReference,
  buildPredictionReference,
  type CategoricalReference,
  type NumericReference,
  type ReferenceProfile,
} from '../modules/model-contract/index.js';
import type { TrainingConfig } from '../modules/algorithms/index.js';
import type { Predictions } from './learner.js';

export type FeatureReference = NumericReference | CategoricalReference;

/** The maximum number of training rows that describe a feature; they are evenly spaced when there are more. */
const MAX_REFERENCE_ROWS = 50_000;

/**
 * The reference profile of a training. Timestamps are left out, because time always drifts, and texts, because each is
 * another one.
 */
export function buildReference(
  config: TrainingConfig,
  columns: ReadonlyMap<string, Column>,
  train: Int32Array,
  holdout: Predictions,
): ReferenceProfile {
  const features = config.features.flatMap(({ column: name, kind }): [string, FeatureReference][] =>
    kind === 'TIMESTAMP' || kind === 'TEXT' ? [] : [[name, featureReference(columns.get(name)!, kind, train)]],
  );
  // With `fromEntries`, `__proto__` is an ordinary name.
  return { features: Object.fromEntries(features), prediction: buildPredictionReference(scoresOf(holdout)) };
}

/** The reference of the column's values in these rows. */
export function featureReference(column: Column, kind: 'NUMERIC' | 'CATEGORICAL', all: Int32Array): FeatureReference {
  const stride = Math.max(1, all.length / MAX_REFERENCE_ROWS);
  const rows = Int32Array.from(
    { length: Math.min(all.length, MAX_REFERENCE_ROWS) },
    (_, i) => all[Math.floor(i * stride)]!,
  );
  const taken = takeRows(column, rows);
  if (kind === 'NUMERIC' && taken.type !== 'STRING') return buildNumericReference(taken.values);
  return buildCategoricalReference(Array.from({ length: rows.length }, (_, row) => categoryAt(taken, row) || null));
}

/**
 * One number per prediction: the probability of class 1 or, for several classes, of the top class; the value; or the
 * distance to the nearest centroid.
 */
function scoresOf(predictions: Predictions): Float64Array {
  if (predictions.kind === 'VALUE') return predictions.values;
  if (predictions.kind === 'CLUSTERS') return predictions.squaredDistances.map(Math.sqrt);
  const { probabilities, classCount } = predictions;
  const rows = probabilities.length / classCount;
  return Float64Array.from({ length: rows }, (_, row) => {
    const shares = probabilities.subarray(row * classCount, (row + 1) * classCount);
    return classCount === 2 ? shares[1]! : shares.reduce((a, b) => Math.max(a, b), 0);
  });
}
