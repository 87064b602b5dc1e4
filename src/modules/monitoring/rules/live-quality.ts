import { confusionMetrics } from '../../statistics/index.js';

/** Labelled rows of a window that have the same true and predicted class; of a regression all rows of the window. */
export interface LabelledCount {
  label: string | null;
  predictedLabel: string | null;
  rows: number;
  /** Over the rows that have one. */
  logLossSum: number;
  logLossRows: number;
  squaredErrorSum: number | null;
  absoluteErrorSum: number | null;
  /** Of a regression: rows whose answer and truth are both numbers. */
  errorRows: number;
}

/** How good live answers were, as far as truths are known; null where a figure does not apply. */
export interface LiveMetrics {
  labelledRows: number;
  accuracy: number | null;
  f1: number | null;
  logLoss: number | null;
  rmse: number | null;
  mae: number | null;
}

/**
 * `classes` are in the order of the model, which says which of two is the one that F1 is about; those that it does not
 * name come after.
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

/** As class numbers and class names are mostly ordered. */
function byNumberOrText(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  return Number.isNaN(difference) ? (a < b ? -1 : 1) : difference;
}
