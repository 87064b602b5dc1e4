import {
  type CategoricalReference,
  countBins,
  type NumericReference,
  type PredictionReference,
  type ReferenceProfile,
  loggedText,
} from '../../model-contract/index.js';
import {
  chiSquareTwoSample,
  holmAdjusted,
  kolmogorovSmirnov,
  poolSparseCells,
  psi,
  sum,
  type TestResult,
  mean as meanOf,
} from '../../statistics/index.js';

export interface DriftThresholds {
  /**
   * A feature has drifted when its population stability index is above `psi` and the p-value of its test is below
   * `alpha`.
   */
  psi: number;
  /** The p-value is adjusted over the features by Holm's method. */
  alpha: number;
  /** Predictions have drifted when their mean is more than this many standard deviations away from the reference. */
  predictionSigmas: number;
  /** With fewer rows, no result is given. */
  minRows: number;
}

/**
 * A feature needs both: the index ignores chance in small windows, and a test alone finds unimportant differences in
 * large ones.
 */
export const DEFAULT_DRIFT_THRESHOLDS: DriftThresholds = { psi: 0.2, alpha: 0.01, predictionSigmas: 2, minRows: 100 };

/** Columns of one window of traffic; NaN and null are missing values. */
export interface TrafficWindow {
  features: Readonly<Record<string, Float64Array | readonly (string | null)[]>>;
  scores: Float64Array;
}

export interface FeatureComparison {
  feature: string;
  kind: 'NUMERIC' | 'CATEGORICAL';
  rows: number;
  /** False when the window has too few rows or the reference has none; `drifted` is then false. */
  sufficient: boolean;
  psi: number;
  /** Kolmogorov–Smirnov's D of a numeric feature; chi-square of a categorical one. */
  statistic: number;
  /** Not adjusted. */
  pValue: number;
  /** Adjusted by Holm's method over the tested features. */
  adjustedPValue: number;
  missingShare: number;
  /**
   * For a categorical feature: rows with a category that the training rows did not have; null when their categories
   * were not recorded.
   */
  unknownCount: number | null;
  drifted: boolean;
}

/** The categories that a model knows, by feature. */
export type KnownCategories = ReadonlyMap<string, readonly string[]>;

export interface PredictionComparison {
  rows: number;
  sufficient: boolean;
  mean: number;
  referenceMean: number;
  /** Signed; positive when the mean of the window is above that of the reference. */
  sigmas: number;
  drifted: boolean;
}

export interface WindowComparison {
  rows: number;
  thresholds: DriftThresholds;
  features: FeatureComparison[];
  prediction: PredictionComparison;
  drifted: boolean;
}

/** Compares every feature that both sides have, and the predictions. */
export function compareWindow(
  profile: ReferenceProfile,
  window: TrafficWindow,
  known: KnownCategories = new Map(),
  thresholds: DriftThresholds = DEFAULT_DRIFT_THRESHOLDS,
): WindowComparison {
  const features = Object.entries(profile.features)
    .filter(([feature]) => Object.hasOwn(window.features, feature))
    .map(([feature, reference]) =>
      compareFeature(feature, reference, window.features[feature]!, known.get(feature), thresholds),
    );
  const tested = features.filter((feature) => feature.sufficient);
  const adjusted = holmAdjusted(tested.map((feature) => feature.pValue));
  for (const [index, feature] of tested.entries()) {
    feature.adjustedPValue = adjusted[index]!;
    feature.drifted = feature.psi > thresholds.psi && feature.adjustedPValue < thresholds.alpha;
  }
  const prediction = comparePredictions(profile.prediction, window.scores, thresholds);
  return {
    rows: window.scores.length,
    thresholds,
    features,
    prediction,
    drifted: prediction.drifted || features.some((feature) => feature.drifted),
  };
}

function compareFeature(
  feature: string,
  reference: NumericReference | CategoricalReference,
  values: Float64Array | readonly (string | null)[],
  known: readonly string[] | undefined,
  thresholds: DriftThresholds,
): FeatureComparison {
  const rows = values.length;
  let compared: Compared;
  let unknownCount: number | null = null;
  if (reference.kind === 'NUMERIC') {
    compared = compareNumeric(reference, values instanceof Float64Array ? values : Float64Array.from(values, toNumber));
  } else {
    const categories = Array.from<number | string | null, string | null>(values, toCategory);
    compared = compareCategorical(reference, categories);
    if (known) unknownCount = countUnknown(categories, known);
  }
  return {
    feature,
    kind: reference.kind,
    rows,
    sufficient: rows >= thresholds.minRows && reference.rows > 0,
    ...compared,
    adjustedPValue: compared.pValue,
    unknownCount,
    drifted: false,
  };
}

function countUnknown(values: readonly (string | null)[], known: readonly string[]): number {
  const set = new Set(known.map(loggedText));
  return values.reduce((count, value) => count + (value === null || set.has(value) ? 0 : 1), 0);
}

function toNumber(value: string | null): number {
  return value === null || value.trim() === '' ? NaN : Number(value);
}

function toCategory(value: number | string | null): string | null {
  if (typeof value === 'number') return Number.isNaN(value) ? null : String(value);
  return value && loggedText(value);
}

interface Compared extends TestResult {
  psi: number;
  missingShare: number;
}

/**
 * The PSI covers bins and missing values. The p-value is twice the smaller one of Kolmogorov–Smirnov's and that of the
 * fraction of missing values.
 */
function compareNumeric(reference: NumericReference, values: Float64Array): Compared {
  // Models take numbers in single precision, and the log has them in this form: 0.1 and its single-precision neighbour
  // must be one value.
  const sorted = values
    .filter((value) => Number.isFinite(value))
    .map(Math.fround)
    .sort();
  const edges = reference.edges.map(Math.fround);
  const missing = values.length - sorted.length;
  const rows = Math.max(1, values.length);
  const expected = [...reference.shares.map((share) => share * (1 - reference.missingShare)), reference.missingShare];
  const actual = [...countBins(sorted, edges).map((count) => count / rows), missing / rows];
  const ks = kolmogorovSmirnov(reference.sample.map(Math.fround), sorted);
  const referenceMissing = Math.round(reference.missingShare * reference.rows);
  const missingTest = chiSquareTwoSample(
    [reference.rows - referenceMissing, referenceMissing],
    [sorted.length, missing],
  );
  const pValue = missing + referenceMissing > 0 ? Math.min(1, 2 * Math.min(ks.pValue, missingTest.pValue)) : ks.pValue;
  return { psi: psi(expected, actual), statistic: ks.statistic, pValue, missingShare: missing / rows };
}

/**
 * Cells: the categories of the reference, all others, missing values. Cells that are too small for a chi-square test
 * are pooled, also for the index.
 */
function compareCategorical(reference: CategoricalReference, values: readonly (string | null)[]): Compared {
  const categories = Object.keys(reference.counts).map(loggedText);
  const cellOf = new Map(categories.map((category, cell) => [category, cell]));
  const other = categories.length;
  const missing = other + 1;
  const referenceMissing = Math.round(reference.missingShare * reference.rows);
  const expected = [...Object.values(reference.counts), reference.otherCount, referenceMissing];
  const actual = new Array<number>(expected.length).fill(0);
  for (const value of values) actual[value === null ? missing : (cellOf.get(value) ?? other)]!++;
  const pooled = poolSparseCells(expected, actual);
  const test = chiSquareTwoSample(pooled.a, pooled.b);
  const shares = (counts: number[]): number[] => counts.map((count) => count / Math.max(1, sum(counts)));
  return {
    psi: psi(shares(pooled.a), shares(pooled.b)),
    statistic: test.statistic,
    pValue: test.pValue,
    missingShare: actual[missing]! / Math.max(1, values.length),
  };
}

function comparePredictions(
  reference: PredictionReference,
  scores: Float64Array,
  thresholds: DriftThresholds,
): PredictionComparison {
  const present = scores.filter((score) => Number.isFinite(score));
  const sufficient = present.length >= thresholds.minRows && reference.blockMeans.length > 0;
  const { mean, sigmas } = predictionShift(reference, present);
  return {
    rows: present.length,
    sufficient,
    mean,
    referenceMean: reference.mean,
    sigmas,
    drifted: sufficient && Math.abs(sigmas) > thresholds.predictionSigmas,
  };
}

/**
 * How far the mean prediction of a window is from that of the reference, in standard deviations of the means of
 * reference windows of the same size. These windows are adjacent blocks: differences between hours, days and weeks in
 * the reference widen the scale, as they do in live traffic. With rows drawn at random, every Monday would open an
 * alert.
 */
export function predictionShift(
  reference: PredictionReference,
  windowScores: Float64Array,
): { mean: number; sigmas: number } {
  const rows = windowScores.length;
  if (rows === 0 || reference.blockMeans.length === 0)
    return { mean: rows === 0 ? reference.mean : meanOf(windowScores), sigmas: 0 };
  const mean = meanOf(windowScores);
  const deviation = Math.sqrt(windowMeanVariance(reference, rows));
  // A constant reference has no scale: any other mean is far away, and JSON has no infinity.
  const sigmas = (mean - reference.mean) / Math.max(deviation, 1e-9 * (1 + Math.abs(reference.mean)));
  return { mean, sigmas: Math.min(MAX_SIGMAS, Math.max(-MAX_SIGMAS, sigmas)) };
}

const MAX_SIGMAS = 1e6;
/** Fewer disjoint reference windows say too little about their spread. */
const MIN_DISJOINT_WINDOWS = 10;

/** The variance of the mean of `rows` adjacent reference rows. */
function windowMeanVariance(reference: PredictionReference, rows: number): number {
  const size = reference.blockRows;
  const below = Math.floor(rows / size);
  const above = Math.ceil(rows / size);
  if (below === above) return blockWindowVariance(reference, above);
  const varianceAbove = blockWindowVariance(reference, above);
  // Shorter than a block: only independent noise is known to grow.
  if (below === 0) return varianceAbove + reference.std ** 2 * (1 / rows - 1 / size);
  // Between two whole numbers of blocks, the variance is taken as linear in 1 / rows, which is true for independent
  // rows plus a common shift.
  const varianceBelow = blockWindowVariance(reference, below);
  const position = (1 / rows - 1 / (above * size)) / (1 / (below * size) - 1 / (above * size));
  return varianceAbove + (varianceBelow - varianceAbove) * position;
}

/**
 * The variance of the means of sliding windows of `blocks` blocks. If the reference has fewer than ten disjoint
 * windows, it is std² / rows times the inflation (observed over independent variance, at least 1) of the longest
 * windows of which there are ten; or times 1 without any.
 */
function blockWindowVariance(reference: PredictionReference, blocks: number): number {
  const longest = Math.floor(reference.blockMeans.length / MIN_DISJOINT_WINDOWS);
  if (blocks <= longest) return slidingVariance(reference.blockMeans, blocks);
  const independent = (count: number): number => reference.std ** 2 / (count * reference.blockRows);
  if (longest === 0 || reference.std === 0) return independent(blocks);
  const inflation = Math.max(1, slidingVariance(reference.blockMeans, longest) / independent(longest));
  return inflation * independent(blocks);
}

function slidingVariance(blockMeans: readonly number[], blocks: number): number {
  const center = meanOf(blockMeans);
  let windowSum = 0;
  let squares = 0;
  for (let block = 0; block < blockMeans.length; block++) {
    windowSum += blockMeans[block]! - center;
    if (block >= blocks) windowSum -= blockMeans[block - blocks]! - center;
    if (block >= blocks - 1) squares += (windowSum / blocks) ** 2;
  }
  return squares / Math.max(1, blockMeans.length - blocks);
}
