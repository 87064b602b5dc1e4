/** Weights that make the combined answer best on rows that no member has learnt from: not negative, 1 in all. */
import type { MemberAnswers } from './combination.js';
import type { Truth } from './diversity.js';

const STEPS = 2_000;
const TOLERANCE = 1e-9;
/** The least probability in a logarithm. */
const LEAST = 1e-15;

export function learnWeights(answers: MemberAnswers, truth: Truth): number[] {
  if (answers.task === 'CLASSIFICATION' && 'labels' in truth) return mixtureWeights(answers, truth.labels);
  if (answers.task === 'REGRESSION' && 'values' in truth) return leastSquaresWeights(answers.members, truth.values);
  throw new Error('the truth is of another task');
}

/** The least log loss of the mixture, by expectation maximisation: the loss is convex, so this is its minimum. */
function mixtureWeights(
  { members, classCount }: MemberAnswers & { task: 'CLASSIFICATION' },
  labels: Int32Array,
): number[] {
  const ofTruth = members.map((own) =>
    Float64Array.from(labels, (label, row) => Math.max(LEAST, own[row * classCount + label]!)),
  );
  let weights = members.map(() => 1 / members.length);
  for (let step = 0; step < STEPS; step++) {
    const next = members.map(() => 0);
    for (let row = 0; row < labels.length; row++) {
      let total = 0;
      for (let m = 0; m < members.length; m++) total += weights[m]! * ofTruth[m]![row]!;
      for (let m = 0; m < members.length; m++) next[m]! += (weights[m]! * ofTruth[m]![row]!) / total;
    }
    const before = weights;
    weights = next.map((sum) => sum / labels.length);
    if (weights.every((weight, m) => Math.abs(weight - before[m]!) < TOLERANCE)) break;
  }
  return weights;
}

/** The least squared error, by projected gradient descent on the weights. */
function leastSquaresWeights(members: readonly Float64Array[], values: Float64Array): number[] {
  const count = members.length;
  const residuals = members.map((own) => own.map((value, row) => value - values[row]!));
  // With weights that add up to 1, the residual of the mean is the mean of the residuals.
  const gram = residuals.map((a) => residuals.map((b) => a.reduce((sum, value, row) => sum + value * b[row]!, 0)));
  const largest = Math.max(...gram.map((row) => row.reduce((sum, value) => sum + Math.abs(value), 0)));
  let weights = members.map(() => 1 / count);
  if (!(largest > 0)) return weights;
  for (let step = 0; step < STEPS * 10; step++) {
    const before = weights;
    weights = onSimplex(
      before.map((weight, m) => weight - gram[m]!.reduce((sum, value, k) => sum + value * before[k]!, 0) / largest),
    );
    if (weights.every((weight, m) => Math.abs(weight - before[m]!) < TOLERANCE)) break;
  }
  return weights;
}

/** The nearest point with no negative part and the sum 1 (Duchi and others, 2008). */
function onSimplex(point: readonly number[]): number[] {
  const sorted = point.toSorted((a, b) => b - a);
  let sum = 0;
  let shift = 0;
  for (const [i, value] of sorted.entries()) {
    sum += value;
    const candidate = (sum - 1) / (i + 1);
    if (value - candidate > 0) shift = candidate;
  }
  return point.map((value) => Math.max(0, value - shift));
}
