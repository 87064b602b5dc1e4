import { SeededRandom } from '../modules/statistics/index.js';
import { divergedWarning, type LinearConfig, type NetworkConfig } from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import type { TrainingState } from './checkpoint.js';
import { initialWeights, type NetworkShape, parametersOf } from './graphs/network.js';
import { ADAM_BETA1, ADAM_BETA2, trainGraph } from './graphs/train-graph.js';
import type { Learner, TrainingProblem } from './learner.js';
import type { TrainingHooks } from './port.js';
import { encodedFeeds } from './predictor.js';
import { shuffle } from './split.js';
import { createSession, floats, integers } from './session.js';

/** Duration of one run of the graph: long enough to be efficient, short enough to cancel and to show progress. */
const RUN_MS = 150;
const FIRST_RUN_STEPS = 8;
const ADAM_EPSILON = 1e-8;
/** Makes seeds that differ from those of the split, the sample and the initial weights. */
const EPOCH_SEED_STRIDE = 1_000_003;

const LARGEST_DEFAULT_BATCH = 128;
const SMALLEST_DEFAULT_BATCH = 16;
/** With fewer steps, an epoch with few rows would change almost nothing. */
const STEPS_PER_EPOCH = 20;

function batchSizeFor(rows: number): number {
  return Math.max(SMALLEST_DEFAULT_BATCH, Math.min(LARGEST_DEFAULT_BATCH, Math.floor(rows / STEPS_PER_EPOCH)));
}

/** Adam's step size and epsilon for moments without the factor (1 − β); see train-graph.ts. */
function schedule(learningRate: number, firstStep: number, steps: number): Float32Array {
  const values = new Float32Array(steps * 2);
  for (let i = 0; i < steps; i++) {
    const t = firstStep + i + 1;
    const scale2 = Math.sqrt((1 - ADAM_BETA2) / (1 - ADAM_BETA2 ** t));
    values[i * 2] = (learningRate * (1 - ADAM_BETA1)) / (1 - ADAM_BETA1 ** t) / scale2;
    values[i * 2 + 1] = ADAM_EPSILON / scale2;
  }
  return values;
}

/** Fits multilayer perceptrons, and linear models with this optimizer, by Adam over shuffled minibatches. */
export async function gradientLearner(
  problem: TrainingProblem<LinearConfig | NetworkConfig>,
  warn: TrainingHooks['onWarning'],
): Promise<Learner> {
  const { config, shape, head, train } = problem;
  const { batchSize = batchSizeFor(train.rows), learningRate, l2 } = stepParameters(config);
  const session = await createSession(
    trainGraph(shape, head.kind === 'CLASSES' ? 'CROSS_ENTROPY' : 'SQUARED_ERROR', l2, problem.classWeights),
  );
  const data = { ...encodedFeeds(shape, train, 0, train.rows), targets: targetTensor(problem) };
  let stepsPerRun = FIRST_RUN_STEPS;

  /**
   * Runs steps of `rows` each and adds their losses to `lossSum` one by one, so that the sum does not depend on the
   * length of runs.
   */
  const runSteps = async (
    state: TrainingState,
    order: Int32Array,
    steps: number,
    rows: number,
    lossSum: number,
  ): Promise<number> => {
    const outputs = await session.run({
      ...data,
      order: integers(order, steps, rows),
      schedule: floats(schedule(learningRate, state.step, steps), steps, 2),
      weights: floats(state.vectors.weights!),
      moment1: floats(state.vectors.moment1!),
      moment2: floats(state.vectors.moment2!),
    });
    for (const name of ['weights', 'moment1', 'moment2'])
      state.vectors[name] = outputs[`${name}_out`]!.data as Float32Array;
    state.step += steps;
    return (outputs.losses!.data as Float32Array).reduce((sum, loss) => sum + loss * rows, lossSum);
  };

  return {
    converges: false,

    initialState: () => initialState(problem),

    async runEpoch(state, report) {
      const order = Int32Array.from({ length: train.rows }, (_, row) => row);
      shuffle(order, new SeededRandom(config.seed + EPOCH_SEED_STRIDE * (state.epoch + 1)));
      const fullSteps = Math.floor(train.rows / batchSize);
      let lossSum = 0;
      for (let step = 0; step < fullSteps;) {
        const steps = Math.min(stepsPerRun, fullSteps - step);
        const startedAt = performance.now();
        lossSum = await runSteps(
          state,
          order.subarray(step * batchSize, (step + steps) * batchSize),
          steps,
          batchSize,
          lossSum,
        );
        const elapsedMs = Math.max(performance.now() - startedAt, 0.1);
        if (steps === stepsPerRun)
          stepsPerRun = Math.max(1, Math.min(stepsPerRun * 8, Math.round((stepsPerRun * RUN_MS) / elapsedMs)));
        step += steps;
        report((step * batchSize) / train.rows);
      }
      const rest = order.subarray(fullSteps * batchSize);
      if (rest.length > 0) lossSum = await runSteps(state, rest, 1, rest.length, lossSum);
      const loss = lossSum / train.rows;
      state.epoch += 1;
      if (!Number.isFinite(loss)) {
        await warn(divergedWarning(state.epoch, learningRate));
        const expected = `a smaller value: the training loss is not finite any more after epoch ${state.epoch}`;
        throw badInput('config.hyperparameters.learningRate', expected, learningRate);
      }
      return { 'train.loss': loss };
    },
  };
}

/** Whoever makes steps has a learning rate and a penalty; only a linear model with a solver may have none. */
function stepParameters({ hyperparameters }: LinearConfig | NetworkConfig) {
  const { batchSize, learningRate, l2 } = hyperparameters;
  if (learningRate === undefined || l2 === undefined) throw new Error('A solver makes no steps.');
  return { batchSize, learningRate, l2 };
}

function initialState({ config, shape, unseenIndicators }: TrainingProblem): TrainingState {
  const weights = initialWeights(shape, new SeededRandom(config.seed));
  zeroIndicators(weights, shape, unseenIndicators);
  const vectors = { weights, moment1: new Float32Array(weights.length), moment2: new Float32Array(weights.length) };
  return { epoch: 0, step: 0, bestEpoch: 0, bestLoss: null, epochsSinceBest: 0, finished: false, vectors };
}

/** A category that no training row has must not change a prediction. */
function zeroIndicators(weights: Float32Array, shape: NetworkShape, unseen: readonly number[]): void {
  let offset = 0;
  for (const { name, size, dims } of parametersOf(shape)) {
    if (name === 'indicator_0') {
      const width = dims[1]!;
      for (const indicator of unseen) weights.fill(0, offset + indicator * width, offset + (indicator + 1) * width);
    }
    offset += size;
  }
}

function targetTensor({ head, train }: TrainingProblem) {
  if (train.truth.kind === 'CLASSES') return integers(train.truth.labels);
  if (train.truth.kind !== 'VALUE' || head.kind !== 'VALUE') throw new Error('A gradient learner needs a target.');
  const { mean, std } = head;
  return floats(
    Float32Array.from(train.truth.values, (value) => (value - mean) / std),
    train.rows,
    1,
  );
}
