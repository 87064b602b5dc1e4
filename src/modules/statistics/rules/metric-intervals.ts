import { drawCounts, percentileInterval } from './bootstrap.js';
import { ascendingOrder } from './calibration.js';
import type { Interval } from './intervals.js';
import { brierRows, type ClassPredictions, confusionMetrics, logLossRows, predictedClasses } from './metrics.js';
import { SeededRandom } from './random.js';

export interface MetricIntervals {
  accuracy: Interval;
  precision: Interval;
  recall: Interval;
  f1: Interval;
  logLoss: Interval;
  brier: Interval;
  /** Null when a class has no row. */
  rocAuc: Interval | null;
  averagePrecision: Interval | null;
}

const CONFIDENCE = 0.95;
/** Limit of row visits for one report: about a second. */
const VISIT_BUDGET = 1e8;
const MIN_RESAMPLES = 200;
const MAX_RESAMPLES = 1000;

/**
 * 95 % percentile intervals of all metrics from the same Poisson resamples. With more rows there are fewer resamples,
 * but at least 200.
 */
export function classificationIntervals(input: ClassPredictions, seed: number): MetricIntervals {
  const { labels, probabilities, classCount } = input;
  const rows = labels.length;
  const ranked = classCount === 2 ? [1] : Array.from({ length: classCount }, (_, k) => k);
  const resamples = resampleCount(rows * (ranked.length + 3));
  const predicted = predictedClasses(input);
  const cells = labels.map((label, row) => label * classCount + predicted[row]!);
  const logLosses = logLossRows(input);
  const briers = brierRows(input);
  const rankings = ranked.map((k) => rankedRows(input, k));

  const names = ['accuracy', 'precision', 'recall', 'f1', 'logLoss', 'brier', 'rocAuc', 'averagePrecision'] as const;
  const estimates = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<
    (typeof names)[number],
    number[]
  >;
  const random = new SeededRandom(seed);
  const counts = new Uint8Array(rows);
  const flat = new Float64Array(classCount ** 2);
  for (let resample = 0; resample < resamples; resample++) {
    const total = drawCounts(random, counts);
    flat.fill(0);
    let logLoss = 0;
    let brier = 0;
    for (let row = 0; row < rows; row++) {
      const count = counts[row]!;
      flat[cells[row]!]! += count;
      logLoss += count * logLosses[row]!;
      brier += count * briers[row]!;
    }
    const matrix = Array.from({ length: classCount }, (_, k) => [
      ...flat.subarray(k * classCount, (k + 1) * classCount),
    ]);
    const metrics = confusionMetrics(matrix);
    for (const name of ['accuracy', 'precision', 'recall', 'f1'] as const) estimates[name].push(metrics[name] ?? NaN);
    estimates.logLoss.push(logLoss / total);
    estimates.brier.push(brier / total);
    let rocAuc = 0;
    let averagePrecision = 0;
    for (const ranking of rankings) {
      const weighted = weightedRanking(ranking, counts);
      rocAuc += weighted.rocAuc;
      averagePrecision += weighted.averagePrecision;
    }
    estimates.rocAuc.push(rocAuc / rankings.length);
    estimates.averagePrecision.push(averagePrecision / rankings.length);
  }

  const interval = (name: (typeof names)[number]): Interval =>
    percentileInterval(Float64Array.from(estimates[name]), CONFIDENCE);
  // A resample may not contain a rare class. The interval then uses the others, unless too few are left.
  const rankingInterval = (name: 'rocAuc' | 'averagePrecision'): Interval | null => {
    const defined = Float64Array.from(estimates[name].filter((estimate) => !Number.isNaN(estimate)));
    return defined.length >= resamples / 2 ? percentileInterval(defined, CONFIDENCE) : null;
  };
  return {
    accuracy: interval('accuracy'),
    precision: interval('precision'),
    recall: interval('recall'),
    f1: interval('f1'),
    logLoss: interval('logLoss'),
    brier: interval('brier'),
    rocAuc: probabilities.length > 0 ? rankingInterval('rocAuc') : null,
    averagePrecision: probabilities.length > 0 ? rankingInterval('averagePrecision') : null,
  };
}

export interface RegressionIntervals {
  rmse: Interval;
  mae: Interval;
  /** Null for a constant target. */
  r2: Interval | null;
}

export function regressionIntervals(actual: Float64Array, predicted: Float64Array, seed: number): RegressionIntervals {
  const rows = actual.length;
  const resamples = resampleCount(rows * 4);
  const random = new SeededRandom(seed);
  const counts = new Uint8Array(rows);
  const rmse = new Float64Array(resamples);
  const mae = new Float64Array(resamples);
  const r2 = new Float64Array(resamples);
  // Centring first avoids cancellation in Σ y² − (Σ y)² / n.
  const center = actual[0] ?? 0;
  for (let resample = 0; resample < resamples; resample++) {
    const total = drawCounts(random, counts);
    let squared = 0;
    let absolute = 0;
    let sum = 0;
    let sumOfSquares = 0;
    for (let row = 0; row < rows; row++) {
      const count = counts[row]!;
      const error = actual[row]! - predicted[row]!;
      const value = actual[row]! - center;
      squared += count * error * error;
      absolute += count * Math.abs(error);
      sum += count * value;
      sumOfSquares += count * value * value;
    }
    rmse[resample] = Math.sqrt(squared / total);
    mae[resample] = absolute / total;
    const variation = sumOfSquares - (sum * sum) / total;
    // When all values of a resample are the same, only rounding is left, on either side of zero.
    r2[resample] = variation > 1e-12 * sumOfSquares ? 1 - squared / variation : NaN;
  }
  const r2Defined = r2.filter((estimate) => Number.isFinite(estimate));
  return {
    rmse: percentileInterval(rmse, CONFIDENCE),
    mae: percentileInterval(mae, CONFIDENCE),
    r2: r2Defined.length >= resamples / 2 ? percentileInterval(r2Defined, CONFIDENCE) : null,
  };
}

function resampleCount(visitsEach: number): number {
  return Math.max(MIN_RESAMPLES, Math.min(MAX_RESAMPLES, Math.floor(VISIT_BUDGET / Math.max(1, visitsEach))));
}

interface RankedRows {
  /** Row indexes from the highest score to the lowest. */
  order: Int32Array;
  positive: Uint8Array;
  /** 1 when the next row in order has another score. */
  groupEnd: Uint8Array;
}

function rankedRows({ labels, probabilities, classCount }: ClassPredictions, k: number): RankedRows {
  const scores = Float32Array.from(labels, (_, row) => probabilities[row * classCount + k]!);
  const order = ascendingOrder(scores).reverse();
  return {
    order,
    positive: Uint8Array.from(order, (row) => (labels[row] === k ? 1 : 0)),
    groupEnd: Uint8Array.from(order, (row, at) =>
      at + 1 === order.length || scores[order[at + 1]!] !== scores[row] ? 1 : 0,
    ),
  };
}

/** ROC-AUC and average precision of weighted rows; NaN when either side has no weight. */
function weightedRanking(
  { order, positive, groupEnd }: RankedRows,
  counts: Uint8Array,
): { rocAuc: number; averagePrecision: number } {
  let positives = 0;
  let negatives = 0;
  let groupPositives = 0;
  let groupNegatives = 0;
  let discordant = 0;
  let precisionSum = 0;
  for (let at = 0; at < order.length; at++) {
    const count = counts[order[at]!]!;
    if (positive[at] === 1) groupPositives += count;
    else groupNegatives += count;
    if (groupEnd[at] === 0) continue;
    discordant += groupPositives * (negatives + groupNegatives / 2);
    positives += groupPositives;
    negatives += groupNegatives;
    if (groupPositives > 0) precisionSum += (groupPositives * positives) / (positives + negatives);
    groupPositives = 0;
    groupNegatives = 0;
  }
  return { rocAuc: 1 - discordant / (positives * negatives), averagePrecision: precisionSum / positives };
}
