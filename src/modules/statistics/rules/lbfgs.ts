/** Writes the gradient at `theta` and returns the value. */
export type Objective = (theta: Float64Array, gradient: Float64Array) => Promise<number>;

/** The state of a descent. The newest steps and gradient changes are last. */
export interface DescentState {
  theta: Float64Array;
  /** With `loss`, at `theta`; absent before the first iteration. */
  gradient?: Float64Array;
  loss?: number;
  /** The stored steps, one after the other. */
  steps: Float64Array;
  changes: Float64Array;
}

export interface Descended extends Required<DescentState> {
  converged: boolean;
}

/** Converged when no partial derivative is larger than this, in mean loss per unit of a standardised column. */
const GRADIENT_TOLERANCE = 1e-5;
/** Also converged when an iteration lowers the loss by a smaller fraction than this. */
const LOSS_TOLERANCE = 1e-10;
/** The fraction of the slope that a step must gain (Armijo). */
const SUFFICIENT_SHARE = 1e-4;
const MOST_TRIALS = 30;

/**
 * One iteration of L-BFGS (Nocedal and Wright, algorithm 7.4) on a convex function. `curvature` estimates the diagonal
 * of its second derivative, so that rare columns take as large steps as frequent ones.
 */
export async function descend(
  before: DescentState,
  objective: Objective,
  curvature: Float64Array,
  memory: number,
): Promise<Descended> {
  const { theta } = before;
  const size = theta.length;
  let { gradient, loss } = before;
  if (!gradient || loss === undefined) {
    gradient = new Float64Array(size);
    loss = await objective(theta, gradient);
  }
  const here = { ...before, gradient, loss };
  if (largest(gradient) <= GRADIENT_TOLERANCE) return { ...here, converged: true };

  const direction = newtonDirection(here, curvature);
  const slope = dot(direction, gradient);
  const next = new Float64Array(size);
  const nextGradient = new Float64Array(size);
  let length = 1;
  for (let trial = 0; trial < MOST_TRIALS; trial++) {
    for (let i = 0; i < size; i++) next[i] = theta[i]! + length * direction[i]!;
    const nextLoss = await objective(next, nextGradient);
    if (nextLoss <= loss + SUFFICIENT_SHARE * length * slope) {
      const remembered = remember(here, next, nextGradient, memory);
      const gained = (loss - nextLoss) / Math.max(1, Math.abs(loss));
      const converged = largest(nextGradient) <= GRADIENT_TOLERANCE || gained <= LOSS_TOLERANCE;
      return { theta: next, gradient: nextGradient, loss: nextLoss, ...remembered, converged };
    }
    // The lowest point of the parabola through both ends, within bounds.
    const parabola = (-slope * length * length) / (2 * (nextLoss - loss - slope * length));
    length = Number.isFinite(parabola) ? Math.min(0.5 * length, Math.max(0.1 * length, parabola)) : 0.1 * length;
  }
  // No step lowers the loss any more: the rest of the gradient is rounding.
  return { ...here, converged: true };
}

/** The two-loop recursion, which starts from the scaled diagonal. */
function newtonDirection(
  { gradient, steps, changes, theta }: Required<DescentState>,
  curvature: Float64Array,
): Float64Array {
  const size = theta.length;
  const count = steps.length / size;
  const direction = gradient.map((value) => -value);
  const shares = new Float64Array(count);
  for (let m = count - 1; m >= 0; m--) {
    const [step, change] = [steps.subarray(m * size, (m + 1) * size), changes.subarray(m * size, (m + 1) * size)];
    shares[m] = dot(step, direction) / dot(step, change);
    for (let i = 0; i < size; i++) direction[i]! -= shares[m]! * change[i]!;
  }
  const scale =
    count === 0 ? 1 : scaleOf(steps.subarray((count - 1) * size), changes.subarray((count - 1) * size), curvature);
  for (let i = 0; i < size; i++) direction[i]! *= scale / curvature[i]!;
  for (let m = 0; m < count; m++) {
    const [step, change] = [steps.subarray(m * size, (m + 1) * size), changes.subarray(m * size, (m + 1) * size)];
    const share = shares[m]! - dot(change, direction) / dot(step, change);
    for (let i = 0; i < size; i++) direction[i]! += share * step[i]!;
  }
  return direction;
}

function scaleOf(step: Float64Array, change: Float64Array, curvature: Float64Array): number {
  let scaled = 0;
  for (let i = 0; i < change.length; i++) scaled += change[i]! ** 2 / curvature[i]!;
  return dot(step, change) / scaled;
}

/**
 * The last pairs and the new one. A pair without positive curvature is left out, because it would make wrong
 * directions.
 */
function remember(
  { theta, gradient, steps, changes }: Required<DescentState>,
  next: Float64Array,
  nextGradient: Float64Array,
  memory: number,
): { steps: Float64Array; changes: Float64Array } {
  const step = next.map((value, i) => value - theta[i]!);
  const change = nextGradient.map((value, i) => value - gradient[i]!);
  if (!(dot(step, change) > 1e-12 * dot(change, change))) return { steps, changes };
  const kept = Math.max(0, steps.length - (memory - 1) * theta.length);
  return { steps: joined(steps.subarray(kept), step), changes: joined(changes.subarray(kept), change) };
}

function joined(first: Float64Array, second: Float64Array): Float64Array {
  const whole = new Float64Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function largest(values: Float64Array): number {
  let found = 0;
  for (const value of values) found = Math.max(found, Math.abs(value));
  return found;
}
