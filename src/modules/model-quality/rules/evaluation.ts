import {
  bootstrapMeanDifference,
  bootstrapRootMeanDifference,
  type MeanInterval,
  calibrate,
  type Calibration,
  type Interval,
  classificationIntervals,
  regressionIntervals,
  classificationMetrics,
  type ClassPredictions,
  confusionMatrix,
  logLossRows,
  mean,
  predictedClasses,
  regressionMetrics,
  squaredErrorRows,
} from '../../statistics/index.js';
import { type SliceColumns, type SlicesReport, sliceRows } from './slices.js';

/** A metric with its 95 % bootstrap interval; null when the interval cannot be computed. */
export interface MetricEstimate {
  value: number;
  low: number | null;
  high: number | null;
}

export type Verdict = 'BETTER' | 'WORSE' | 'NO_DIFFERENCE';

/** The losses of a candidate and a reference, compared on the same rows. */
export interface LossComparison {
  /**
   * BASE_RATE: the class frequencies of the training rows, or their mean, as the prediction for every row. VERSION:
   * another version of the model.
   */
  against: 'BASE_RATE' | 'VERSION';
  versionId: string | null;
  metric: 'log_loss' | 'rmse';
  candidate: number;
  reference: number;
  /**
   * Candidate − reference, with its 95 % interval, in the metric's own units: nats for log_loss, the target's for rmse.
   */
  difference: MeanInterval;
  /** BETTER when the whole interval is below 0, WORSE when it is above 0. */
  verdict: Verdict;
}

interface CommonReport {
  rows: number;
  /**
   * By name: accuracy, precision, recall, f1, roc_auc, average_precision, log_loss, brier; rmse, mae, r2; silhouette,
   * inertia. Undefined metrics are absent.
   */
  metrics: Record<string, MetricEstimate>;
}

interface SupervisedReport extends CommonReport {
  baseRate: LossComparison;
  /** Null when there is no version to compare with. */
  baseline: LossComparison | null;
  /** Metrics of that version on the same rows, by name. */
  baselineMetrics: Record<string, number> | null;
  slices: SlicesReport;
}

export interface ClassificationReport extends SupervisedReport {
  task: 'CLASSIFICATION';
  classNames: string[];
  /** Rows are true classes, columns predicted ones. */
  confusion: number[][];
  /** For two classes, of the probability of class 1; for more classes, of the probability of the top class. */
  calibration: Calibration | null;
}

export interface RegressionReport extends SupervisedReport {
  task: 'REGRESSION';
}

export interface ClusteringReport extends CommonReport {
  task: 'CLUSTERING';
}

export type EvaluationReport = ClassificationReport | RegressionReport | ClusteringReport;

export interface EvaluationOptions {
  seed?: number;
  slices?: SliceColumns;
}

const DEFAULT_SEED = 1;

export interface ClassificationEvaluation extends EvaluationOptions {
  labels: Int32Array;
  /** rows × classNames.length, row-major. */
  probabilities: Float32Array;
  classNames: string[];
  /** For a model of two classes that has one. */
  threshold?: number;
  /** Fraction of each class in the training rows. */
  trainingShares: readonly number[];
  baseline?: { versionId: string; probabilities: Float32Array; threshold?: number };
}

/** At least one row is needed. */
export function evaluateClassification(input: ClassificationEvaluation): ClassificationReport {
  const { labels, classNames, seed = DEFAULT_SEED } = input;
  const classCount = classNames.length;
  const candidate: ClassPredictions = {
    labels,
    probabilities: input.probabilities,
    classCount,
    threshold: input.threshold,
  };
  const losses = logLossRows(candidate);
  const baseRateLosses = logLossRows({
    labels,
    classCount,
    probabilities: repeated(input.trainingShares, labels.length),
  });
  const baseline = input.baseline && {
    ...input.baseline,
    predictions: {
      labels,
      probabilities: input.baseline.probabilities,
      classCount,
      threshold: input.baseline.threshold,
    },
  };
  const intervals: Record<string, Interval | null> = { ...classificationIntervals(candidate, seed) };
  return {
    task: 'CLASSIFICATION',
    rows: labels.length,
    classNames,
    metrics: estimates(classificationMetrics(candidate), intervals),
    confusion: confusionMatrix(candidate),
    calibration: calibrationOf(candidate),
    baseRate: compareLosses('BASE_RATE', null, 'log_loss', losses, baseRateLosses, seed),
    baseline: baseline
      ? compareLosses('VERSION', baseline.versionId, 'log_loss', losses, logLossRows(baseline.predictions), seed)
      : null,
    baselineMetrics: baseline ? named(classificationMetrics(baseline.predictions)) : null,
    slices: sliceRows(labels.length, input.slices ?? {}, (rows) =>
      named(classificationMetrics(pickRows(candidate, rows))),
    ),
  };
}

export interface RegressionEvaluation extends EvaluationOptions {
  actual: Float64Array;
  predicted: Float64Array;
  trainingMean: number;
  baseline?: { versionId: string; predicted: Float64Array };
}

/** At least one row is needed. */
export function evaluateRegression(input: RegressionEvaluation): RegressionReport {
  const { actual, predicted, baseline, seed = DEFAULT_SEED } = input;
  const losses = squaredErrorRows(actual, predicted);
  const meanLosses = squaredErrorRows(actual, new Float64Array(actual.length).fill(input.trainingMean));
  const intervals: Record<string, Interval | null> = { ...regressionIntervals(actual, predicted, seed) };
  return {
    task: 'REGRESSION',
    rows: actual.length,
    metrics: estimates(regressionMetrics({ actual, predicted }), intervals),
    baseRate: compareLosses('BASE_RATE', null, 'rmse', losses, meanLosses, seed),
    baseline: baseline
      ? compareLosses('VERSION', baseline.versionId, 'rmse', losses, squaredErrorRows(actual, baseline.predicted), seed)
      : null,
    baselineMetrics: baseline ? named(regressionMetrics({ actual, predicted: baseline.predicted })) : null,
    slices: sliceRows(actual.length, input.slices ?? {}, (rows) =>
      named(
        regressionMetrics({
          actual: Float64Array.from(rows, (row) => actual[row]!),
          predicted: Float64Array.from(rows, (row) => predicted[row]!),
        }),
      ),
    ),
  };
}

/** Clusters have no true answer, so there is no loss: the report contains the metrics of the holdout rows. */
export function evaluateClustering(input: {
  rows: number;
  silhouette: number | null;
  inertia: number;
}): ClusteringReport {
  return {
    task: 'CLUSTERING',
    rows: input.rows,
    metrics: estimates({ silhouette: input.silhouette, inertia: input.inertia }, {}),
  };
}

function compareLosses(
  against: LossComparison['against'],
  versionId: string | null,
  metric: LossComparison['metric'],
  candidate: Float64Array,
  reference: Float64Array,
  seed: number,
): LossComparison {
  const isRoot = metric === 'rmse';
  const difference = (isRoot ? bootstrapRootMeanDifference : bootstrapMeanDifference)(candidate, reference, { seed });
  if (difference === null) throw new Error('An evaluation needs at least one row.');
  const shown = (losses: Float64Array): number => (isRoot ? Math.sqrt(mean(losses)) : mean(losses));
  const verdict: Verdict = difference.high < 0 ? 'BETTER' : difference.low > 0 ? 'WORSE' : 'NO_DIFFERENCE';
  return { against, versionId, metric, candidate: shown(candidate), reference: shown(reference), difference, verdict };
}

function calibrationOf(input: ClassPredictions): Calibration | null {
  const { labels, probabilities, classCount } = input;
  const promised = classCount === 2 ? labels.map(() => 1) : predictedClasses(input);
  return calibrate(
    Float32Array.from(labels, (_, row) => probabilities[row * classCount + promised[row]!]!),
    Uint8Array.from(labels, (label, row) => (label === promised[row] ? 1 : 0)),
  );
}

function repeated(shares: readonly number[], rows: number): Float32Array {
  const probabilities = new Float32Array(rows * shares.length);
  for (let at = 0; at < probabilities.length; at += shares.length) probabilities.set(shares, at);
  return probabilities;
}

function pickRows(
  { labels, probabilities, classCount, threshold }: ClassPredictions,
  rows: Int32Array,
): ClassPredictions {
  const picked = new Float32Array(rows.length * classCount);
  for (const [at, row] of rows.entries())
    picked.set(probabilities.subarray(row * classCount, (row + 1) * classCount), at * classCount);
  return { labels: Int32Array.from(rows, (row) => labels[row]!), probabilities: picked, classCount, threshold };
}

/** The name in runs, reports and thresholds: rocAuc → roc_auc. */
function metricName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function definedEntries(metrics: object): [string, number][] {
  return Object.entries(metrics).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
}

/** Defined metrics by their names. */
function named(metrics: object): Record<string, number> {
  return Object.fromEntries(definedEntries(metrics).map(([property, value]) => [metricName(property), value]));
}

function estimates(metrics: object, intervals: Record<string, Interval | null>): Record<string, MetricEstimate> {
  return Object.fromEntries(
    definedEntries(metrics).map(([property, value]) => {
      const interval = intervals[property];
      return [metricName(property), { value, low: interval?.low ?? null, high: interval?.high ?? null }];
    }),
  );
}
