import { descend, type DescentState, choleskySolve } from '../modules/statistics/index.js';
import type { TrainingState } from './checkpoint.js';
import type { LinearConfig } from '../modules/algorithms/index.js';
import type { Learner, TrainingProblem } from './learner.js';
import { LinearProblem } from './linear-problem.js';

/** Limit of the multiplications of a closed form: about ten seconds. */
const CLOSED_FORM_WORK = 1e10;
const CLOSED_FORM_COLUMNS = 2_000;
/** Past steps that L-BFGS stores, as far as memory and checkpoints can hold them. */
const MEMORY = 10;
const MIN_MEMORY = 3;
const MEMORY_VALUES = 20_000_000;

/**
 * Fits linear and logistic regression to their optimum, in double precision. A regression with few columns uses a
 * closed form, as one epoch; all others use L-BFGS, and an epoch is one iteration.
 */
export function solverLearner(problem: TrainingProblem<LinearConfig>): Learner {
  const { head, shape, blocks } = problem;
  const linear = new LinearProblem(problem);
  const columns = shape.numericWidth + shape.indicatorCount;
  const perRow = shape.numericWidth + shape.indicatorSlots;
  const work = (blocks.rows * perRow * (perRow + 1)) / 2 + columns ** 3 / 3;
  if (head.kind === 'VALUE' && columns <= CLOSED_FORM_COLUMNS && work <= CLOSED_FORM_WORK)
    return closedForm(linear, problem);
  return iterations(linear);
}

function emptyState(): Omit<TrainingState, 'vectors'> {
  return { epoch: 0, step: 0, bestEpoch: 0, bestLoss: null, epochsSinceBest: 0, finished: false };
}

function closedForm(linear: LinearProblem, problem: TrainingProblem<LinearConfig>): Learner {
  return {
    maxEpochs: 1,
    converges: true,
    initialState: () => ({ ...emptyState(), vectors: { weights: linear.weights(linear.start()) } }),
    async runEpoch(state) {
      const theta = await ridge(linear, problem);
      const loss = await linear.evaluate(theta, new Float64Array(theta.length));
      state.vectors.weights = linear.weights(theta);
      state.epoch = 1;
      state.step = 1;
      state.finished = true;
      return { 'train.objective': loss };
    },
  };
}

/** Half of what rounding may leave in the pivot of a singular system, as a fraction of the mean diagonal. */
const SINGULAR_SHARE = 1e-10;

/** Solves (XᵀX + λI) w = Xᵀy on centred columns, so that the bias is not penalised. */
async function ridge(linear: LinearProblem, { shape }: TrainingProblem): Promise<Float64Array> {
  const { numericWidth: width, indicatorSlots: slots } = shape;
  const columns = width + shape.indicatorCount;
  const products = new Float64Array(columns * columns);
  const moments = new Float64Array(columns);
  const sums = new Float64Array(columns);
  const own = new Int32Array(slots);
  let targetSum = 0;
  let total = 0;
  await linear.eachChunk(({ numeric, indicators, targets, weights }, from, to) => {
    for (let row = from; row < to; row++) {
      const weight = weights === undefined ? 1 : weights[row]!;
      const target = weight * targets[row]!;
      total += weight;
      targetSum += target;
      for (let s = 0; s < slots; s++) own[s] = width + indicators[row * slots + s]!;
      for (let d = 0; d < width; d++) {
        const value = numeric[row * width + d]!;
        const weighted = weight * value;
        sums[d]! += weighted;
        moments[d]! += value * target;
        const at = d * columns;
        for (let e = 0; e <= d; e++) products[at + e]! += weighted * numeric[row * width + e]!;
      }
      for (let s = 0; s < slots; s++) {
        const indicator = own[s]!;
        sums[indicator]! += weight;
        moments[indicator]! += target;
        const at = indicator * columns;
        for (let d = 0; d < width; d++) products[at + d]! += weight * numeric[row * width + d]!;
        for (let t = 0; t <= s; t++) products[at + own[t]!]! += weight;
      }
    }
  });
  let trace = 0;
  for (let i = 0; i < columns; i++) {
    moments[i]! -= (sums[i]! * targetSum) / total;
    for (let j = 0; j <= i; j++) products[i * columns + j]! -= (sums[i]! * sums[j]!) / total;
    trace += products[i * columns + i]!;
  }
  const ridgeWeight = Math.max(linear.penalty * linear.rowCount, (SINGULAR_SHARE * trace) / columns, Number.MIN_VALUE);
  for (let i = 0; i < columns; i++) products[i * columns + i]! += ridgeWeight;
  const weights = choleskySolve(products, moments);
  const theta = new Float64Array(columns + 1);
  theta.set(weights);
  theta[columns] = (targetSum - weights.reduce((sum, weight, i) => sum + weight * sums[i]!, 0)) / total;
  return theta;
}

function iterations(linear: LinearProblem): Learner {
  const memory = Math.max(MIN_MEMORY, Math.min(MEMORY, Math.floor(MEMORY_VALUES / linear.size)));
  const evaluate = (theta: Float64Array, gradient: Float64Array): Promise<number> => linear.evaluate(theta, gradient);
  let curvature: Float64Array | undefined;
  return {
    converges: true,
    initialState() {
      const theta = linear.start();
      return { ...emptyState(), vectors: { weights: linear.weights(theta) }, doubles: { theta } };
    },
    async runEpoch(state) {
      curvature ??= await linear.curvature();
      const { theta, gradient, steps, changes, loss } = state.doubles!;
      const before: DescentState = {
        theta: theta!,
        ...(gradient && { gradient, loss: loss![0]! }),
        steps: steps ?? new Float64Array(0),
        changes: changes ?? new Float64Array(0),
      };
      const after = await descend(before, evaluate, curvature, memory);
      state.doubles = {
        theta: after.theta,
        gradient: after.gradient,
        steps: after.steps,
        changes: after.changes,
        loss: Float64Array.of(after.loss),
      };
      state.vectors.weights = linear.weights(after.theta);
      state.epoch += 1;
      state.step += 1;
      state.finished = after.converged;
      return { 'train.objective': after.loss };
    },
  };
}
