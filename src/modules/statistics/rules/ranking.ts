import { ascendingOrder } from './calibration.js';

export interface RankingMetrics {
  /**
   * Area under the ROC curve: the probability that a positive row has a higher score than a negative one; a tie counts
   * one half.
   */
  rocAuc: number;
  /** Σ (recallₙ − recallₙ₋₁) · precisionₙ over the different scores, from the highest to the lowest. */
  averagePrecision: number;
}

/**
 * Ranking metrics of one class against the rest. Null when there is no positive or no negative row, or when a score is
 * NaN. `scoreAt(row)` is the score of the class; `isPositive(row)` says whether the row belongs to it. With weights, a
 * row counts as many rows as its weight says.
 */
export function rankingMetrics(
  rows: number,
  scoreAt: (row: number) => number,
  isPositive: (row: number) => boolean,
  weights?: Float64Array,
): RankingMetrics | null {
  if (weights)
    return weightedRanking(
      Float32Array.from({ length: rows }, (_, row) => scoreAt(row)),
      isPositive,
      weights,
    );
  let positiveCount = 0;
  for (let row = 0; row < rows; row++) if (isPositive(row)) positiveCount++;
  const negativeCount = rows - positiveCount;
  if (positiveCount === 0 || negativeCount === 0) return null;

  // Sorts two typed arrays and merges them: several times faster than sorting indices with a comparator.
  const positives = new Float32Array(positiveCount);
  const negatives = new Float32Array(negativeCount);
  let p = 0;
  let n = 0;
  for (let row = 0; row < rows; row++) {
    const score = scoreAt(row);
    if (Number.isNaN(score)) return null;
    if (isPositive(row)) positives[p++] = score;
    else negatives[n++] = score;
  }
  positives.sort();
  negatives.sort();

  p = positiveCount - 1;
  n = negativeCount - 1;
  let concordant = 0;
  let precisionSum = 0;
  while (p >= 0) {
    const score = positives[p]!;
    const positivesBefore = p;
    while (p >= 0 && positives[p] === score) p--;
    while (n >= 0 && negatives[n]! > score) n--;
    const below = n + 1;
    while (n >= 0 && negatives[n] === score) n--;
    const tiedNegatives = below - (n + 1);
    const tiedPositives = positivesBefore - p;
    concordant += tiedPositives * (n + 1 + tiedNegatives / 2);
    const truePositives = positiveCount - (p + 1);
    const falsePositives = negativeCount - (n + 1);
    precisionSum += tiedPositives * (truePositives / (truePositives + falsePositives));
  }
  // Divided only once: a sum of rounded fractions can be above 1.
  return { rocAuc: concordant / (positiveCount * negativeCount), averagePrecision: precisionSum / positiveCount };
}

function weightedRanking(
  scores: Float32Array,
  isPositive: (row: number) => boolean,
  weights: Float64Array,
): RankingMetrics | null {
  if (scores.some(Number.isNaN)) return null;
  // Positive and negative weight of the rows so far, from the highest score down.
  let [positive, negative] = [0, 0];
  let [concordantWith, precisionSum] = [0, 0];
  const order = ascendingOrder(scores);
  for (let at = order.length - 1; at >= 0;) {
    const score = scores[order[at]!]!;
    const [positivesBefore, negativesBefore] = [positive, negative];
    for (; at >= 0 && scores[order[at]!] === score; at--) {
      const row = order[at]!;
      if (isPositive(row)) positive += weights[row]!;
      else negative += weights[row]!;
    }
    // A negative row wins against no positive one above it, and half against those of its own score.
    concordantWith += (negative - negativesBefore) * ((positivesBefore + positive) / 2);
    if (positive > 0) precisionSum += (positive - positivesBefore) * (positive / (positive + negative));
  }
  if (positive === 0 || negative === 0) return null;
  return { rocAuc: concordantWith / (positive * negative), averagePrecision: precisionSum / positive };
}
