import { Tensor } from 'onnxruntime-node';
import { SeededRandom } from '../modules/statistics/index.js';
import { divergedWarning, type LinearConfig, type NetworkConfig } from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import type { TrainingState } from './checkpoint.js';
import { Dropout } from './dropout.js';
import { gradientOptions } from './gradient-options.js';
import { initialWeights, isTrained, type NetworkShape, parametersOf, partsOf, sizeOf } from './graphs/network.js';
import { carriedVectors, numbersOfStep, stepNumberCount } from './graphs/optimizers.js';
import { trainGraph } from './graphs/train-graph.js';
import type { Head } from './graphs/heads.js';
import type { LabelledRows, Learner, TrainingProblem } from './learner.js';
import { afterEpoch, FLAT_START, learningRateAt } from './learning-rate.js';
import type { TrainingHooks } from './port.js';
import { encodedFeeds } from './predictor.js';
import { shuffle } from './split.js';
import { createSession, floats, integers } from './session.js';

/** Duration of one run of the graph: long enough to be efficient, short enough to cancel and to show progress. */
const RUN_MS = 150;
const FIRST_RUN_STEPS = 8;
/** Limit of the drawn units of one run, a byte each, as far as a single step does not need more. */
const RUN_DRAWS = 64_000_000;
/** Makes seeds that differ from those of the split, the sample and the initial weights. */
const EPOCH_SEED_STRIDE = 1_000_003;
const DROPOUT_SEED = 500_009;
const BLOCK_SEED = 600_011;

/**
 * Fits multilayer perceptrons, and linear models with such an optimizer, by gradients of shuffled minibatches. The
 * minibatches and the dropped units of an epoch depend only on the seed and the epoch.
 */
export async function gradientLearner(
  problem: TrainingProblem<LinearConfig | NetworkConfig>,
  warn: TrainingHooks['onWarning'],
): Promise<Learner> {
  const { config, shape, head, blocks } = problem;
  const options = gradientOptions(config, blocks.rows);
  const { optimizer, batchSize } = options;
  const { learningRate } = options.rate;
  const dropout = options.dropout > 0 && shape.hiddenLayers.length > 0 ? new Dropout(options.dropout) : undefined;
  const units = shape.hiddenLayers.reduce((sum, width) => sum + width, 0);
  const mostSteps = dropout ? Math.max(1, Math.floor(RUN_DRAWS / (batchSize * units))) : Infinity;
  const { weights: known } = problem.train;
  // Divided by their mean, weights change neither the length of steps nor the meaning of a penalty.
  const meanWeight = known && known.reduce((sum, weight) => sum + weight, 0) / known.length;
  const feedsOf = (block: LabelledRows): Record<string, Tensor> => ({
    ...encodedFeeds(shape, block, 0, block.rows),
    targets: targetTensor(head, block),
    ...(meanWeight !== undefined && {
      row_weights: floats(
        Float32Array.from(block.weights!, (weight) => weight / meanWeight),
        block.rows,
        1,
      ),
    }),
  });
  const session = await createSession(
    trainGraph(shape, {
      loss: head.kind === 'CLASSES' ? 'CROSS_ENTROPY' : 'SQUARED_ERROR',
      l2: options.l2,
      optimizer,
      classWeights: problem.classWeights,
      hasRowWeights: meanWeight !== undefined,
      keptFactor: dropout?.keptFactor,
      gradientClipNorm: options.gradientClipNorm,
    }),
  );
  const carried = ['weights', ...carriedVectors(optimizer)];
  const partsOfBlock = (rows: number): { fullSteps: number; lastRows: number } => {
    const rest = rows % batchSize;
    // A single row has no variance.
    return { fullSteps: Math.floor(rows / batchSize), lastRows: shape.batchNormalization && rest === 1 ? 0 : rest };
  };
  const stepsPerEpoch = blocks.sizes.reduce((sum, rows) => {
    const { fullSteps, lastRows } = partsOfBlock(rows);
    return sum + fullSteps + (lastRows > 0 ? 1 : 0);
  }, 0);
  const length = { stepsPerEpoch, epochs: config.hyperparameters.epochs };
  const rateAt = (state: TrainingState, step: number): number =>
    learningRateAt(options.rate, step, length, state.plateau);
  let stepsPerRun = FIRST_RUN_STEPS;

  const scheduleOf = (state: TrainingState, steps: number): Float32Array => {
    const width = stepNumberCount(optimizer);
    const values = new Float32Array(steps * width);
    for (let i = 0; i < steps; i++) {
      const step = state.step + i;
      values.set(numbersOfStep(optimizer, rateAt(state, step), step), i * width);
    }
    return values;
  };

  /**
   * Runs steps of `rows` each and adds their losses to `lossSum` one by one, so that the sum does not depend on the
   * length of runs.
   */
  const runSteps = async (
    state: TrainingState,
    data: Record<string, Tensor>,
    random: SeededRandom,
    order: Int32Array,
    steps: number,
    rows: number,
    lossSum: number,
  ): Promise<number> => {
    const outputs = await session.run({
      ...data,
      order: integers(order, steps, rows),
      schedule: floats(scheduleOf(state, steps), steps, stepNumberCount(optimizer)),
      ...(dropout && {
        dropout: new Tensor('bool', dropout.draw(random, steps, rows * units), [steps, rows, units]),
      }),
      ...Object.fromEntries(carried.map((name) => [name, floats(state.vectors[name]!)])),
    });
    for (const name of carried) state.vectors[name] = outputs[`${name}_out`]!.data as Float32Array;
    state.step += steps;
    return (outputs.losses!.data as Float32Array).reduce((sum, loss) => sum + loss * rows, lossSum);
  };

  return {
    converges: false,

    initialState: () => initialState(problem, carriedVectors(optimizer)),

    async runEpoch(state, report) {
      const seed = config.seed + EPOCH_SEED_STRIDE * (state.epoch + 1);
      const shuffler = new SeededRandom(seed);
      const random = new SeededRandom(seed + DROPOUT_SEED);
      const blockOrder = Int32Array.from(blocks.sizes.keys());
      if (blockOrder.length > 1) shuffle(blockOrder, new SeededRandom(seed + BLOCK_SEED));
      let [lossSum, used] = [0, 0];
      for (const index of blockOrder) {
        const block = await blocks.block(index);
        const data = feedsOf(block);
        const order = Int32Array.from({ length: block.rows }, (_, row) => row);
        shuffle(order, shuffler);
        const { fullSteps, lastRows } = partsOfBlock(block.rows);
        for (let step = 0; step < fullSteps;) {
          const steps = Math.min(stepsPerRun, mostSteps, fullSteps - step);
          const startedAt = performance.now();
          const rows = order.subarray(step * batchSize, (step + steps) * batchSize);
          lossSum = await runSteps(state, data, random, rows, steps, batchSize, lossSum);
          const elapsedMs = Math.max(performance.now() - startedAt, 0.1);
          if (steps === stepsPerRun)
            stepsPerRun = Math.max(1, Math.min(stepsPerRun * 8, Math.round((stepsPerRun * RUN_MS) / elapsedMs)));
          step += steps;
          report((used + step * batchSize) / blocks.rows);
        }
        const last = order.subarray(fullSteps * batchSize, fullSteps * batchSize + lastRows);
        if (lastRows > 0) lossSum = await runSteps(state, data, random, last, 1, lastRows, lossSum);
        used += fullSteps * batchSize + lastRows;
      }
      const loss = lossSum / used;
      state.epoch += 1;
      if (!Number.isFinite(loss)) {
        await warn(divergedWarning(state.epoch, learningRate));
        const expected = `a smaller value: the training loss is not finite any more after epoch ${state.epoch}`;
        throw badInput('config.hyperparameters.learningRate', expected, learningRate);
      }
      const metrics: Record<string, number> = { 'train.loss': loss };
      if (options.rate.schedule !== 'CONSTANT' || options.rate.warmupEpochs > 0)
        metrics['train.learning_rate'] = rateAt(state, state.step - 1);
      if (options.rate.schedule === 'PLATEAU')
        state.plateau = afterEpoch(options.rate, state.plateau ?? FLAT_START, loss);
      return metrics;
    },
  };
}

function initialState({ config, shape, unseen }: TrainingProblem, carried: readonly string[]): TrainingState {
  const weights = initialWeights(shape, new SeededRandom(config.seed));
  zeroUnseen(weights, shape, unseen);
  const trainedSize = sizeOf(parametersOf(shape).filter(isTrained));
  const vectors: Record<string, Float32Array> = { weights };
  for (const name of carried) vectors[name] = new Float32Array(trainedSize);
  return { epoch: 0, step: 0, bestEpoch: 0, bestLoss: null, epochsSinceBest: 0, finished: false, vectors };
}

/** A category that no training row has must not change a prediction. */
function zeroUnseen(weights: Float32Array, shape: NetworkShape, unseen: TrainingProblem['unseen']): void {
  const parameters = parametersOf(shape);
  const parts = partsOf(parameters, weights);
  for (const [name, rows] of unseen) {
    const part = parts.get(name)!;
    const width = parameters.find((parameter) => parameter.name === name)!.dims[1]!;
    for (const row of rows) part.fill(0, row * width, (row + 1) * width);
  }
}

function targetTensor(head: Head, { rows, truth }: LabelledRows): Tensor {
  if (truth.kind === 'CLASSES') return integers(truth.labels);
  if (truth.kind !== 'VALUE' || head.kind !== 'VALUE') throw new Error('A gradient learner needs a target.');
  const { mean, std } = head;
  return floats(
    Float32Array.from(truth.values, (value) => (value - mean) / std),
    rows,
    1,
  );
}
