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

/** Training rows that describe a feature; evenly spaced where there are more. */
const MAX_REFERENCE_ROWS = 50_000;

/** What monitoring compares live traffic with. Timestamps are left out: time always drifts. */
export function buildReference(
  config: TrainingConfig,
  columns: ReadonlyMap<string, Column>,
  train: Int32Array,
  holdout: Predictions,
): ReferenceProfile {
  const features = config.features.flatMap(({ column: name, kind }): [string, FeatureReference][] =>
    kind === 'TIMESTAMP' ? [] : [[name, featureReference(columns.get(name)!, kind, train)]],
  );
  // fromEntries makes `__proto__` a name like any other.
  return { features: Object.fromEntries(features), prediction: buildPredictionReference(scoresOf(holdout)) };
}

/** Of the column's values in these rows. */
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
 * One number per prediction: class 1's probability, or the top class's of several; the value; the distance to the own
 * centroid.
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
