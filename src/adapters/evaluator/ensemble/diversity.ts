/** How much members differ in what they get wrong: two members with the same errors are worth one. */
import { votedClass, type MemberAnswers } from './combination.js';
import type { MemberPair } from './port.js';

/** The true answers: class indices, or values. */
export type Truth = { labels: Int32Array } | { values: Float64Array };

/** Every pair of members. */
export function diversityOf(answers: MemberAnswers, truth: Truth): MemberPair[] {
  const said = answers.task === 'CLASSIFICATION' ? answers.members.map((_, m) => labelsOf(answers, m)) : null;
  const errors = answers.members.map((own, m) =>
    'labels' in truth
      ? Float64Array.from(said![m]!, (label, row) => (label === truth.labels[row] ? 0 : 1))
      : Float64Array.from(own, (value, row) => value - truth.values[row]!),
  );
  const pairs: MemberPair[] = [];
  for (let first = 0; first < errors.length; first++)
    for (let second = first + 1; second < errors.length; second++)
      pairs.push({
        ...{ first, second },
        disagreement: said && shareOf(said[first]!, (label, row) => label !== said[second]![row]),
        qStatistic: said && qStatistic(errors[first]!, errors[second]!),
        errorCorrelation: correlation(errors[first]!, errors[second]!),
      });
  return pairs;
}

function labelsOf(answers: MemberAnswers & { task: 'CLASSIFICATION' }, m: number): Int32Array {
  const { classCount, thresholds, members } = answers;
  const probabilities = members[m]!;
  return Int32Array.from({ length: probabilities.length / classCount }, (_, row) =>
    votedClass(probabilities, row * classCount, classCount, thresholds[m]),
  );
}

function shareOf(values: Int32Array, is: (value: number, row: number) => boolean): number {
  let count = 0;
  for (const [row, value] of values.entries()) if (is(value, row)) count++;
  return count / values.length;
}

/**
 * Yule's Q of being right: (both right · both wrong − only one · only the other) / (their sum). Null when it is 0 / 0.
 */
export function qStatistic(first: Float64Array, second: Float64Array): number | null {
  const counts = [0, 0, 0, 0];
  for (const [row, error] of first.entries()) counts[error * 2 + second[row]!]!++;
  const [bothRight, onlyFirst, onlySecond, bothWrong] = counts as [number, number, number, number];
  const alike = bothRight * bothWrong;
  const apart = onlyFirst * onlySecond;
  return alike + apart === 0 ? null : (alike - apart) / (alike + apart);
}

/** Pearson's; of being wrong (the phi coefficient) or of the residuals. Null when one does not vary. */
export function correlation(a: Float64Array, b: Float64Array): number | null {
  const meanOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : null;
}
