import { confusionMetrics } from '../../statistics/index.js';

/**
 * Rows of a window with ground truth that have the same true and the same predicted class; for a regression, all rows
 * of the window.
 */
export interface LabelledCount {
  label: string | null;
  predictedLabel: string | null;
  rows: number;
  /** Sum over the rows that have one. */
  logLossSum: number;
  logLossRows: number;
  squaredErrorSum: number | null;
  absoluteErrorSum: number | null;
  /** For a regression: rows whose answer and ground truth are both numbers. */
  errorRows: number;
}

/** The quality of live answers, as far as ground truth is known; null when a metric does not apply. */
export interface LiveMetrics {
  labelledRows: number;
  accuracy: number | null;
  f1: number | null;
  logLoss: number | null;
  rmse: number | null;
  mae: number | null;
}

/**
 * `classes` are in the order of the model; for two classes, F1 is about the second one. Classes that it does not name
 * come after them.
 */
export function liveMetrics(counts: readonly LabelledCount[], classes: readonly string[]): LiveMetrics {
  const sum = (of: (count: LabelledCount) => number | null) =>
    counts.reduce((total, count) => total + (of(count) ?? 0), 0);
  const { accuracy, f1 } = confusionMetrics(confusion(counts, classes));
  const errorRows = sum((count) => count.errorRows);
  const lossRows = sum((count) => count.logLossRows);
  return {
    labelledRows: sum((count) => count.rows),
    accuracy,
    f1,
    logLoss: lossRows > 0 ? sum((count) => count.logLossSum) / lossRows : null,
    rmse: errorRows > 0 ? Math.sqrt(sum((count) => count.squaredErrorSum) / errorRows) : null,
    mae: errorRows > 0 ? sum((count) => count.absoluteErrorSum) / errorRows : null,
  };
}

function confusion(counts: readonly LabelledCount[], classes: readonly string[]): number[][] {
  const classified = counts.filter(({ label, predictedLabel }) => label !== null && predictedLabel !== null);
  const seen = new Set(classified.flatMap(({ label, predictedLabel }) => [label!, predictedLabel!]));
  const others = [...seen].filter((name) => !classes.includes(name)).sort(byNumberOrText);
  const names = [...classes, ...others];
  const indexOf = new Map(names.map((name, i) => [name, i]));
  const matrix = names.map(() => names.map(() => 0));
  for (const { label, predictedLabel, rows } of classified)
    matrix[indexOf.get(label!)!]![indexOf.get(predictedLabel!)!]! += rows;
  return matrix;
}

/** The usual order of class numbers and class names. */
function byNumberOrText(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  return Number.isNaN(difference) ? (a < b ? -1 : 1) : difference;
}
