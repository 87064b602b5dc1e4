import type { RealBuilder } from './real-builder.js';

export type GradientMethod = 'ADAM' | 'ADAMW' | 'SGD';

/** A method that makes steps from gradients; the formulas are PyTorch's. */
export interface OptimizerOptions {
  method: GradientMethod;
  /** SGD: the share of the last step that is kept. */
  momentum: number;
  /** SGD: looks ahead by the momentum. */
  nesterov: boolean;
  /** ADAMW: the share of the weights that a step of learning rate 1 takes away. */
  weightDecay: number;
}

const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** The names of what the method carries from step to step: vectors, as long as the trained parameters. */
export function carriedVectors({ method, momentum }: OptimizerOptions): readonly string[] {
  if (method === 'SGD') return momentum > 0 ? ['velocity'] : [];
  return ['moment1', 'moment2'];
}

/** How many numbers `numbersOfStep` gives. */
export function stepNumberCount({ method }: OptimizerOptions): number {
  return { SGD: 1, ADAM: 2, ADAMW: 3 }[method];
}

/**
 * What the graph needs to know of one step, the first being 0. Adam's moments do not include the factor (1 − β); these
 * numbers include it, which saves two passes over all parameters in every step.
 */
export function numbersOfStep({ method, weightDecay }: OptimizerOptions, learningRate: number, step: number): number[] {
  if (method === 'SGD') return [learningRate];
  const t = step + 1;
  const scale2 = Math.sqrt((1 - BETA2) / (1 - BETA2 ** t));
  const adam = [(learningRate * (1 - BETA1)) / (1 - BETA1 ** t) / scale2, EPSILON / scale2];
  return method === 'ADAM' ? adam : [...adam, learningRate * weightDecay];
}

export interface Step {
  /** The trained parameters. */
  weights: string;
  gradient: string;
  carried: readonly string[];
  /** `numbersOfStep`, as scalars. */
  numbers: readonly string[];
  /** 1 for the parameters that decay, else 0. */
  decaying(): string;
}

/** One step: the new parameters, and what is carried to the next step. */
export function stepOf(b: RealBuilder, options: OptimizerOptions, step: Step): { weights: string; carried: string[] } {
  const { weights, gradient, carried } = step;
  const [size, epsilon, decay] = step.numbers;
  if (options.method === 'SGD') {
    const { momentum, nesterov } = options;
    if (momentum === 0) return { weights: b.node('Sub', [weights, b.node('Mul', [gradient, size!])]), carried: [] };
    const velocity = b.node('Add', [b.node('Mul', [carried[0]!, b.real(momentum)]), gradient]);
    const ahead = nesterov ? b.node('Add', [gradient, b.node('Mul', [velocity, b.real(momentum)])]) : velocity;
    return { weights: b.node('Sub', [weights, b.node('Mul', [ahead, size!])]), carried: [velocity] };
  }
  const moment1 = b.node('Add', [b.node('Mul', [carried[0]!, b.real(BETA1)]), gradient]);
  const moment2 = b.node('Add', [b.node('Mul', [carried[1]!, b.real(BETA2)]), b.node('Mul', [gradient, gradient])]);
  const denominator = b.node('Add', [b.node('Sqrt', [moment2]), epsilon!]);
  const change = b.node('Mul', [b.node('Div', [moment1, denominator]), size!]);
  const decayed =
    decay === undefined
      ? weights
      : b.node('Sub', [weights, b.node('Mul', [b.node('Mul', [weights, step.decaying()]), decay])]);
  return { weights: b.node('Sub', [decayed, change]), carried: [moment1, moment2] };
}
