import { sampleIndices } from './random.js';
import { rankingMetrics } from './ranking.js';

export interface ClassPredictions {
  /** The true class of each row, in [0, classCount). */
  labels: Int32Array;
  /** rows × classCount, row-major; each row sums to 1. */
  probabilities: Float32Array;
  classCount: number;
  /** For two classes, the second is predicted from this probability on; when absent, the more probable one. */
  threshold?: number;
  /** How much each row counts; all the same when absent. */
  weights?: Float64Array;
}

/**
 * Null when a metric is undefined: no rows, a NaN probability, or, for the ranking metrics, a class without any row.
 * For two classes, precision, recall and F1 are those of class 1; for more, the unweighted mean over the classes that
 * occur.
 */
export interface ClassificationMetrics {
  accuracy: number | null;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  /** For two classes, of class 1; for more, the one-versus-rest mean. */
  rocAuc: number | null;
  averagePrecision: number | null;
  /** In nats. */
  logLoss: number | null;
  /** Mean (p₁ − y)² for two classes, mean Σ (pₖ − yₖ)² for more. */
  brier: number | null;
}

export interface RegressionMetrics {
  rmse: number | null;
  mae: number | null;
  /** Null also for a constant target. */
  r2: number | null;
}

/** The machine epsilon of float32: scikit-learn's log_loss clips single-precision probabilities to it. */
const PROBABILITY_FLOOR = 2 ** -23;

export function classificationMetrics(input: ClassPredictions): ClassificationMetrics {
  const rows = input.labels.length;
  const matrix = confusionMatrix(input);
  const { accuracy, precision, recall, f1 } = confusionMetrics(matrix);
  const { rocAuc, averagePrecision } = rankingOfClasses(input);
  const finite = hasOnlyNumbers(input.probabilities);
  return {
    accuracy,
    precision,
    recall,
    f1,
    rocAuc,
    averagePrecision,
    logLoss: rows > 0 && finite ? mean(logLossRows(input), input.weights) : null,
    brier: rows > 0 && finite ? mean(brierRows(input), input.weights) : null,
  };
}

/**
 * The class with the highest probability in each row, the lowest index among equal ones; with a threshold, the class by
 * the threshold.
 */
export function predictedClasses({ labels, probabilities, classCount, threshold }: ClassPredictions): Int32Array {
  const predicted = new Int32Array(labels.length);
  if (threshold !== undefined && classCount === 2) {
    for (let row = 0; row < labels.length; row++) predicted[row] = probabilities[row * 2 + 1]! >= threshold ? 1 : 0;
    return predicted;
  }
  for (let row = 0, at = 0; row < labels.length; row++, at += classCount) {
    let best = 0;
    let bestProbability = probabilities[at]!;
    for (let k = 1; k < classCount; k++) {
      const probability = probabilities[at + k]!;
      if (probability > bestProbability) {
        best = k;
        bestProbability = probability;
      }
    }
    predicted[row] = best;
  }
  return predicted;
}

/** Rows of the matrix are true classes, columns predicted ones; it has counts, or the sums of the rows' weights. */
export function confusionMatrix(input: ClassPredictions): number[][] {
  const predicted = predictedClasses(input);
  const flat = new Float64Array(input.classCount ** 2);
  for (let row = 0; row < predicted.length; row++)
    flat[input.labels[row]! * input.classCount + predicted[row]!]! += input.weights?.[row] ?? 1;
  return Array.from({ length: input.classCount }, (_, k) => [
    ...flat.subarray(k * input.classCount, (k + 1) * input.classCount),
  ]);
}

export interface ConfusionMetrics {
  accuracy: number | null;
  precision: number | null;
  recall: number | null;
  f1: number | null;
}

/** A ratio with a zero denominator counts as 0, as scikit-learn's zero_division does. Counts may be weights. */
export function confusionMetrics(matrix: readonly (readonly number[])[]): ConfusionMetrics {
  const classCount = matrix.length;
  const actual = matrix.map((row) => row.reduce((sum, count) => sum + count, 0));
  const predicted = matrix.map((_, k) => matrix.reduce((sum, row) => sum + row[k]!, 0));
  const total = actual.reduce((sum, count) => sum + count, 0);
  if (total === 0) return { accuracy: null, precision: null, recall: null, f1: null };

  const seen = matrix.map((_, k) => k).filter((k) => actual[k]! > 0 || predicted[k]! > 0);
  const averaged = classCount === 2 ? [1] : seen;
  const average = (of: (k: number) => number): number => averaged.reduce((sum, k) => sum + of(k), 0) / averaged.length;
  const ratio = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
  return {
    accuracy: matrix.reduce((sum, row, k) => sum + row[k]!, 0) / total,
    precision: average((k) => ratio(matrix[k]![k]!, predicted[k]!)),
    recall: average((k) => ratio(matrix[k]![k]!, actual[k]!)),
    f1: average((k) => ratio(2 * matrix[k]![k]!, actual[k]! + predicted[k]!)),
  };
}

function rankingOfClasses({ labels, probabilities, classCount, weights }: ClassPredictions): {
  rocAuc: number | null;
  averagePrecision: number | null;
} {
  let rocAuc = 0;
  let averagePrecision = 0;
  const ranked = classCount === 2 ? [1] : Array.from({ length: classCount }, (_, k) => k);
  for (const k of ranked) {
    const metrics = rankingMetrics(
      labels.length,
      (row) => probabilities[row * classCount + k]!,
      (row) => labels[row] === k,
      weights,
    );
    if (metrics === null) return { rocAuc: null, averagePrecision: null };
    rocAuc += metrics.rocAuc;
    averagePrecision += metrics.averagePrecision;
  }
  return { rocAuc: rocAuc / ranked.length, averagePrecision: averagePrecision / ranked.length };
}

/** −ln of the true class's probability per row, clipped to [ε, 1 − ε]. */
export function logLossRows({ labels, probabilities, classCount }: ClassPredictions): Float64Array {
  const losses = new Float64Array(labels.length);
  for (let row = 0; row < labels.length; row++) {
    const probability = probabilities[row * classCount + labels[row]!]!;
    losses[row] = -Math.log(Math.min(1 - PROBABILITY_FLOOR, Math.max(PROBABILITY_FLOOR, probability)));
  }
  return losses;
}

export function brierRows({ labels, probabilities, classCount }: ClassPredictions): Float64Array {
  const losses = new Float64Array(labels.length);
  for (let row = 0; row < labels.length; row++) {
    let sum = 0;
    for (let k = classCount === 2 ? 1 : 0; k < classCount; k++) {
      sum += (probabilities[row * classCount + k]! - (labels[row] === k ? 1 : 0)) ** 2;
    }
    losses[row] = sum;
  }
  return losses;
}

export function squaredErrorRows(actual: Float64Array, predicted: Float64Array): Float64Array {
  return actual.map((value, row) => (value - predicted[row]!) ** 2);
}

export function regressionMetrics({
  actual,
  predicted,
  weights,
}: {
  actual: Float64Array;
  predicted: Float64Array;
  weights?: Float64Array;
}): RegressionMetrics {
  const rows = actual.length;
  if (rows === 0) return { rmse: null, mae: null, r2: null };
  const center = mean(actual, weights);
  let squared = 0;
  let absolute = 0;
  let total = 0;
  let count = 0;
  for (let row = 0; row < rows; row++) {
    const weight = weights?.[row] ?? 1;
    const error = actual[row]! - predicted[row]!;
    count += weight;
    squared += weight * error * error;
    absolute += weight * Math.abs(error);
    total += weight * (actual[row]! - center) ** 2;
  }
  if (!Number.isFinite(squared) || count === 0) return { rmse: null, mae: null, r2: null };
  return { rmse: Math.sqrt(squared / count), mae: absolute / count, r2: total > 0 ? 1 - squared / total : null };
}

/**
 * The pinball loss of a predicted quantile, whose mean is smallest for the true one: the distance, times the quantile
 * where the prediction is too low, times one minus the quantile where it is too high.
 */
export function pinballRows(actual: Float64Array, predicted: Float64Array, quantile: number): Float64Array {
  return actual.map((value, row) => {
    const missing = value - predicted[row]!;
    return missing > 0 ? quantile * missing : (quantile - 1) * missing;
  });
}

/**
 * Mean silhouette (Euclidean) of points (rows × dims, row-major) in clusters; a point alone in its cluster counts 0.
 * Null for fewer than two clusters. It compares every pair, so above `maxRows` it uses a sample of that many rows,
 * drawn with the seed.
 */
export function silhouette(
  points: Float32Array,
  dims: number,
  labels: Int32Array,
  maxRows = 2000,
  seed = 1,
): number | null {
  const chosen = sampleIndices(labels.length, maxRows, seed);
  const clusterIds = [...new Set(chosen.map((row) => labels[row]!))];
  if (clusterIds.length < 2) return null;
  const indexOfCluster = new Map(clusterIds.map((id, index) => [id, index]));
  const cluster = chosen.map((row) => indexOfCluster.get(labels[row]!)!);
  const sizes = new Int32Array(clusterIds.length);
  for (const index of cluster) sizes[index]!++;

  let sum = 0;
  const distanceSums = new Float64Array(clusterIds.length);
  for (let i = 0; i < chosen.length; i++) {
    const own = cluster[i]!;
    if (sizes[own] === 1) continue;
    distanceSums.fill(0);
    for (let j = 0; j < chosen.length; j++)
      distanceSums[cluster[j]!]! += distance(points, dims, chosen[i]!, chosen[j]!);
    const within = distanceSums[own]! / (sizes[own]! - 1);
    let nearest = Infinity;
    for (let k = 0; k < sizes.length; k++) if (k !== own) nearest = Math.min(nearest, distanceSums[k]! / sizes[k]!);
    const widest = Math.max(within, nearest);
    if (widest > 0) sum += (nearest - within) / widest;
  }
  return Number.isFinite(sum) ? sum / chosen.length : null;
}

function distance(points: Float32Array, dims: number, i: number, j: number): number {
  let squared = 0;
  for (let d = 0, a = i * dims, b = j * dims; d < dims; d++, a++, b++) squared += (points[a]! - points[b]!) ** 2;
  return Math.sqrt(squared);
}

/** With weights, the weighted mean. */
export function mean(values: ArrayLike<number>, weights?: Float64Array): number {
  if (weights) return weightedMean(values, weights);
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  if (Number.isFinite(sum)) return sum / values.length;
  // The sum of huge numbers exceeds 64 bits; their mean does not.
  let parts = 0;
  for (let i = 0; i < values.length; i++) parts += values[i]! / values.length;
  return parts;
}

function weightedMean(values: ArrayLike<number>, weights: Float64Array): number {
  let [sum, total] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += weights[i]! * values[i]!;
    total += weights[i]!;
  }
  return sum / total;
}

function hasOnlyNumbers(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i]!)) return false;
  return true;
}
