/** The linear models that learn how far to trust each member: those that scikit-learn's stacking uses by default. */
import { choleskySolve, descend, type DescentState } from '../../../modules/statistics/index.js';
import { type Combination, metaFeatures, probabilitiesOf, type MemberAnswers } from './combination.js';
import type { Truth } from './diversity.js';

type Linear = Extract<Combination, { kind: 'LINEAR' }>;

/** Penalties of the ridge regression, of which the one with the least leave-one-out error is taken. */
const RIDGE_PENALTIES = [0.1, 1, 10];
const MOST_ITERATIONS = 500;
const MEMORY = 10;

/** Learns from the members' answers to rows that they have not learnt from. */
export async function learnMeta(answers: MemberAnswers, truth: Truth): Promise<Linear> {
  const { width, values } = metaFeatures(answers);
  if (answers.task === 'REGRESSION' && 'values' in truth) return ridge(values, width, truth.values);
  if (answers.task !== 'CLASSIFICATION' || !('labels' in truth)) throw new Error('the truth is of another task');
  return logistic(values, width, truth.labels, answers.classCount === 2 ? 1 : answers.classCount);
}

/** Ridge regression with an intercept without penalty. */
function ridge(values: Float64Array, width: number, target: Float64Array): Linear {
  const rows = target.length;
  const means = Array.from({ length: width }, (_, f) => {
    let sum = 0;
    for (let row = 0; row < rows; row++) sum += values[row * width + f]!;
    return sum / rows;
  });
  const meanTarget = target.reduce((sum, value) => sum + value, 0) / rows;
  const centred = values.map((value, i) => value - means[i % width]!);
  const gram = new Float64Array(width * width);
  const products = new Float64Array(width);
  for (let row = 0; row < rows; row++)
    for (let f = 0; f < width; f++) {
      const value = centred[row * width + f]!;
      products[f]! += value * (target[row]! - meanTarget);
      for (let g = 0; g < width; g++) gram[f * width + g]! += value * centred[row * width + g]!;
    }
  let best: { error: number; weights: Float64Array } | undefined;
  for (const penalty of RIDGE_PENALTIES) {
    const penalised = (): Float64Array => gram.map((value, i) => (i % (width + 1) === 0 ? value + penalty : value));
    const weights = choleskySolve(penalised(), products);
    const inverse = Array.from({ length: width }, (_, f) =>
      choleskySolve(
        penalised(),
        Float64Array.from({ length: width }, (__, g) => Number(f === g)),
      ),
    );
    let error = 0;
    for (let row = 0; row < rows; row++) {
      const own = centred.subarray(row * width, (row + 1) * width);
      let fitted = 0;
      let leverage = 1 / rows;
      for (let f = 0; f < width; f++) {
        fitted += own[f]! * weights[f]!;
        for (let g = 0; g < width; g++) leverage += own[f]! * inverse[f]![g]! * own[g]!;
      }
      error += ((target[row]! - meanTarget - fitted) / (1 - leverage)) ** 2;
    }
    if (!best || error < best.error) best = { error, weights };
  }
  const { weights } = best!;
  const intercept = meanTarget - weights.reduce((sum, weight, f) => sum + weight * means[f]!, 0);
  return { kind: 'LINEAR', coefficients: Array.from(weights, (weight) => [weight]), intercepts: [intercept] };
}

/** Logistic regression with the penalty ½ ‖w‖² on the sum of the losses, and none on the intercepts. */
async function logistic(values: Float64Array, width: number, labels: Int32Array, outputs: number): Promise<Linear> {
  const rows = labels.length;
  const weightCount = width * outputs;
  const objective = (theta: Float64Array, gradient: Float64Array): Promise<number> => {
    gradient.fill(0);
    let loss = 0;
    const scores = scoresOf(values, width, outputs, theta, rows);
    const shares = probabilitiesOf(scores, outputs);
    const classCount = Math.max(2, outputs);
    for (let row = 0; row < rows; row++) {
      loss -= Math.log(Math.max(1e-300, shares[row * classCount + labels[row]!]!));
      for (let k = 0; k < outputs; k++) {
        const k2 = outputs === 1 ? 1 : k;
        const slope = shares[row * classCount + k2]! - Number(labels[row] === k2);
        gradient[weightCount + k]! += slope;
        for (let f = 0; f < width; f++) gradient[f * outputs + k]! += slope * values[row * width + f]!;
      }
    }
    for (let i = 0; i < weightCount; i++) {
      loss += 0.5 * theta[i]! ** 2;
      gradient[i]! += theta[i]!;
    }
    for (let i = 0; i < gradient.length; i++) gradient[i]! /= rows;
    return Promise.resolve(loss / rows);
  };
  const size = weightCount + outputs;
  let state: DescentState = {
    theta: new Float64Array(size),
    steps: new Float64Array(0),
    changes: new Float64Array(0),
  };
  const curvature = curvatureOf(values, width, outputs, rows);
  for (let iteration = 0; iteration < MOST_ITERATIONS; iteration++) {
    const next = await descend(state, objective, curvature, MEMORY);
    state = next;
    if (next.converged) break;
  }
  const { theta } = state;
  return {
    kind: 'LINEAR',
    coefficients: Array.from({ length: width }, (_, f) => [...theta.subarray(f * outputs, (f + 1) * outputs)]),
    intercepts: [...theta.subarray(weightCount)],
  };
}

function scoresOf(
  values: Float64Array,
  width: number,
  outputs: number,
  theta: Float64Array,
  rows: number,
): Float64Array {
  const scores = new Float64Array(rows * outputs);
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < outputs; k++) {
      let score = theta[width * outputs + k]!;
      for (let f = 0; f < width; f++) score += values[row * width + f]! * theta[f * outputs + k]!;
      scores[row * outputs + k] = score;
    }
  return scores;
}

/** A bound of the second derivatives: p (1 − p) is at most ¼. */
function curvatureOf(values: Float64Array, width: number, outputs: number, rows: number): Float64Array {
  const curvature = new Float64Array(width * outputs + outputs).fill(0.25);
  for (let f = 0; f < width; f++) {
    let squares = 0;
    for (let row = 0; row < rows; row++) squares += values[row * width + f]! ** 2;
    curvature.fill((0.25 * squares + 1) / rows, f * outputs, (f + 1) * outputs);
  }
  return curvature;
}
