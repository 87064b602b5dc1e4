import {
  classificationMetrics,
  type ClassPredictions,
  logLossRows,
  mean,
  pinballRows,
  regressionMetrics,
  silhouette,
  sampleIndices,
} from '../modules/statistics/index.js';
import type { EncodedRows } from './encoding.js';
import type { Head } from './graphs/heads.js';
import type { NetworkShape } from './graphs/network.js';
import type { LabelledRows, PredictionShape, Predictions } from './learner.js';

/** Limit of the multiplications for a silhouette: every pair of rows times every encoded dimension. */
const SILHOUETTE_WORK = 400_000_000;

/** The width of an encoded row. */
export type EncodedShape = Pick<NetworkShape, 'numericWidth' | 'indicatorSlots' | 'indicatorCount'>;

export interface MeasureOptions {
  /** EPOCH: only the cheap metrics of a curve. FINAL: all metrics. */
  detail: 'EPOCH' | 'FINAL';
  seed: number;
  /** The weight of a row of each class in the loss. */
  classWeights?: Float64Array;
}

/** In nats. With class weights, the mean of the weighted losses, which the training minimises. */
export function meanLogLoss(input: ClassPredictions, classWeights?: Float64Array): number {
  const losses = logLossRows(input);
  const ofClass = classWeights ? losses.map((loss, row) => loss * classWeights[input.labels[row]!]!) : losses;
  return mean(ofClass, input.weights);
}

/**
 * Metrics by their short names, of weighted rows when they have weights. `loss` is what the training minimises: the log
 * loss in nats (of weighted rows when classes have weights), the mean squared error in units of the target's variance,
 * the pinball loss of a quantile in units of the target's deviation, or the mean squared distance to the nearest
 * centroid. Undefined metrics are left out.
 */
export function measure(
  shape: PredictionShape,
  head: Head,
  rows: LabelledRows,
  predictions: Predictions,
  { detail, seed, classWeights }: MeasureOptions,
): Record<string, number> {
  const metrics: Record<string, number | null> = {};
  const { weights } = rows;
  if (predictions.kind === 'CLASSES' && rows.truth.kind === 'CLASSES') {
    const { probabilities, threshold } = predictions;
    const { labels } = rows.truth;
    const input: ClassPredictions = { labels, probabilities, classCount: shape.outputs, threshold, weights };
    const all = classificationMetrics(input);
    const loss = classWeights && all.logLoss !== null ? meanLogLoss(input, classWeights) : all.logLoss;
    Object.assign(metrics, { loss, log_loss: all.logLoss, accuracy: all.accuracy, f1: all.f1, roc_auc: all.rocAuc });
    if (detail === 'FINAL') {
      Object.assign(metrics, {
        precision: all.precision,
        recall: all.recall,
        average_precision: all.averagePrecision,
        brier: all.brier,
      });
    }
  } else if (predictions.kind === 'VALUE' && rows.truth.kind === 'VALUE' && head.kind === 'VALUE') {
    const { rmse, mae, r2 } = regressionMetrics({ actual: rows.truth.values, predicted: predictions.values, weights });
    Object.assign(metrics, { loss: rmse === null ? null : (rmse / head.std) ** 2, rmse, mae, r2 });
    if (head.quantile !== undefined) {
      const pinball = mean(pinballRows(rows.truth.values, predictions.values, head.quantile), weights);
      Object.assign(metrics, { loss: pinball / head.std, pinball_loss: pinball });
    }
  } else if (predictions.kind === 'CLUSTERS') {
    const inertia = predictions.squaredDistances.reduce((sum, distance) => sum + distance, 0);
    const maxRows = detail === 'FINAL' ? 2000 : 500;
    Object.assign(metrics, {
      loss: inertia / rows.rows,
      inertia,
      silhouette: sampledSilhouette(shape, rows, predictions.clusters, maxRows, seed),
    });
  }
  return Object.fromEntries(
    Object.entries(metrics).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  );
}

export function prefixed(prefix: string, metrics: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}.${name}`, value]));
}

/** The silhouette of the encoded rows; of a sample drawn with the seed when there are very many. */
export function sampledSilhouette(
  shape: EncodedShape,
  rows: EncodedRows,
  clusters: Int32Array,
  maxRows: number,
  seed: number,
): number | null {
  const dims = shape.numericWidth + shape.indicatorCount;
  const affordable = Math.max(50, Math.floor(Math.sqrt(SILHOUETTE_WORK / dims)));
  const chosen = sampleIndices(rows.rows, Math.min(maxRows, affordable), seed);
  return silhouette(
    densePoints(shape, rows, chosen),
    dims,
    chosen.map((row) => clusters[row]!),
    chosen.length,
    seed,
  );
}

/** One-hot rows, as the distances use them. */
function densePoints(
  { numericWidth: width, indicatorSlots: slots, indicatorCount }: EncodedShape,
  rows: EncodedRows,
  chosen: Int32Array,
): Float32Array {
  const dims = width + indicatorCount;
  const points = new Float32Array(chosen.length * dims);
  chosen.forEach((row, i) => {
    points.set(rows.numeric.subarray(row * width, (row + 1) * width), i * dims);
    for (let s = 0; s < slots; s++) points[i * dims + width + rows.indicators[row * slots + s]!] = 1;
  });
  return points;
}
