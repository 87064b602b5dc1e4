/** One request's answers from production and from its shadow, over the same rows. */
export type AnswerPair =
  | { task: 'CLASSIFICATION'; production: Int32Array; candidate: Int32Array }
  /** Clusters are numbered by each model for itself: whether two rows are together is compared, not the numbers. */
  | { task: 'CLUSTERING'; production: Int32Array; candidate: Int32Array }
  | { task: 'REGRESSION'; production: Float64Array; candidate: Float64Array; tolerance: number };

/** Standard deviations of production's reference predictions by which two values may differ and still agree. */
export const VALUE_TOLERANCE_STDS = 0.5;

/** Rows in which the two answers disagree; a NaN agrees with nothing. */
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

/** Rows that do not follow the candidate cluster most frequent among their production cluster. */
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
