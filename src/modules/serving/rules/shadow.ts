/** The answers of production and of its shadow to one request, for the same rows. */
export type AnswerPair =
  | { task: 'CLASSIFICATION'; production: Int32Array; candidate: Int32Array }
  /** Each model numbers its clusters itself: it is compared whether two rows are in one cluster, not the numbers. */
  | { task: 'CLUSTERING'; production: Int32Array; candidate: Int32Array }
  | { task: 'REGRESSION'; production: Float64Array; candidate: Float64Array; tolerance: number };

/**
 * How far two values may differ and still count as equal, in standard deviations of production's reference predictions.
 */
export const VALUE_TOLERANCE_STDS = 0.5;

/** Counts the rows in which the two answers differ; NaN is equal to nothing. */
export function disagreeingRows(answers: AnswerPair): number {
  switch (answers.task) {
    case 'CLASSIFICATION':
      return answers.production.reduce((count, label, row) => count + (label === answers.candidate[row] ? 0 : 1), 0);
    case 'CLUSTERING':
      return rowsOutsideMatch(answers.production, answers.candidate);
    case 'REGRESSION': {
      const { candidate, tolerance } = answers;
      return answers.production.reduce(
        (count, value, row) => count + (Math.abs(value - candidate[row]!) <= tolerance ? 0 : 1),
        0,
      );
    }
  }
}

/** Counts the rows that are not in the most frequent candidate cluster of their production cluster. */
function rowsOutsideMatch(production: Int32Array, candidate: Int32Array): number {
  const counts = new Map<number, Map<number, number>>();
  for (const [row, cluster] of production.entries()) {
    const matches = counts.get(cluster) ?? new Map<number, number>();
    matches.set(candidate[row]!, (matches.get(candidate[row]!) ?? 0) + 1);
    counts.set(cluster, matches);
  }
  let matched = 0;
  for (const matches of counts.values()) matched += Math.max(...matches.values());
  return production.length - matched;
}
