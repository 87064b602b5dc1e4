import type { SharedMemory } from './memory.js';

/** Gradients and hessians of the loss at the scores so far, for these training rows. */
export function addGradients(memory: SharedMemory, from: number, to: number): void {
  switch (memory.options.loss) {
    case 'SQUARED':
      return squared(memory, from, to);
    case 'QUANTILE':
      return quantile(memory, from, to);
    case 'LOGISTIC':
      return logistic(memory, from, to);
    case 'SOFTMAX':
      return softmax(memory, from, to);
  }
}

/** The weight of a row; all rows count 1 when `weights` is empty. */
export function weightOf(weights: Float64Array, row: number): number {
  return weights.length > 0 ? weights[row]! : 1;
}

function squared({ train: { scores }, target, weights, pairs }: SharedMemory, from: number, to: number): void {
  for (let row = from; row < to; row++) {
    const weight = weightOf(weights, row);
    pairs[row * 2] = weight * (scores[row]! - target[row]!);
    pairs[row * 2 + 1] = weight;
  }
}

function quantile(
  { train: { scores }, target, weights, pairs, options: { quantile: share } }: SharedMemory,
  from: number,
  to: number,
): void {
  for (let row = from; row < to; row++) {
    const weight = weightOf(weights, row);
    pairs[row * 2] = weight * (target[row]! >= scores[row]! ? -share : 1 - share);
    pairs[row * 2 + 1] = weight;
  }
}

export function sigmoid(score: number): number {
  return 1 / (1 + Math.exp(-score));
}

/** Writes the probabilities of a row's classes. `scores` has those of all rows for one class, then for the next. */
export function softmaxOf(scores: Float64Array, rows: number, row: number, into: Float64Array): void {
  let greatest = -Infinity;
  for (let output = 0; output < into.length; output++) greatest = Math.max(greatest, scores[output * rows + row]!);
  let total = 0;
  for (let output = 0; output < into.length; output++) total += Math.exp(scores[output * rows + row]! - greatest);
  for (let output = 0; output < into.length; output++)
    into[output] = Math.exp(scores[output * rows + row]! - greatest) / total;
}

function logistic({ train: { scores }, target, weights, pairs }: SharedMemory, from: number, to: number): void {
  for (let row = from; row < to; row++) {
    const probability = sigmoid(scores[row]!);
    const weight = weightOf(weights, row);
    pairs[row * 2] = weight * (probability - target[row]!);
    pairs[row * 2 + 1] = weight * probability * (1 - probability);
  }
}

function softmax(
  { train: { scores, rows }, outputs, target, weights, pairs }: SharedMemory,
  from: number,
  to: number,
): void {
  const probabilities = new Float64Array(outputs);
  for (let row = from; row < to; row++) {
    const weight = weightOf(weights, row);
    softmaxOf(scores, rows, row, probabilities);
    for (let output = 0; output < outputs; output++) {
      const probability = probabilities[output]!;
      const at = (output * rows + row) * 2;
      pairs[at] = weight * (probability - (target[row] === output ? 1 : 0));
      pairs[at + 1] = weight * probability * (1 - probability);
    }
  }
}
