import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import {
  isKMeans,
  isLinear,
  isNetwork,
  isPython,
  quantileOf,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { sampleIndices } from '../modules/statistics/index.js';
import { badInput } from '../errors.js';
import { oneBlock, type TrainingBlocks, writeBlocks } from './blocks.js';
import { classWeightsOf } from './class-weights.js';
import { encodeRows, type Encoding } from './encoding.js';
import { fitEncoding, ROUNDING_SHARE } from './fit-encoding.js';
import { gradientLearner } from './gradient-learner.js';
import { exportGraph } from './graphs/export-graph.js';
import type { Head } from './graphs/heads.js';
import { type NetworkShape, predictingNetwork, predictingShape } from './graphs/network.js';
import { kmeansLearner } from './kmeans-learner.js';
import {
  type EncodedConfig,
  type Fitting,
  fingerprintOf,
  type LabelledRows,
  type Learner,
  type Predictions,
  TRAIN_SAMPLE_ROWS,
  type Trained,
  type TrainingProblem,
  truthValues,
  weightValues,
} from './learner.js';
import type { Target, TrainingHooks } from './port.js';
import { Predictor } from './predictor.js';
import type { RowStream } from './row-stream.js';
import type { TrainingRows } from './rows.js';
import { solverLearner } from './solver-learner.js';

/**
 * Prepares linear models, networks and k-means, over encoded rows. Fits the encoding only on `train`. Errors:
 * BAD_USER_INPUT, which names the field.
 */
export async function prepareProblem(
  config: EncodedConfig,
  rows: TrainingRows,
  train: Int32Array,
  validation: Int32Array,
  warn: TrainingHooks['onWarning'],
): Promise<Fitting> {
  const { columns, target } = rows;
  const encoding = fitEncoding(config, columns, train);
  const head = headOf(config, target, train);
  const shape = shapeOf(config, encoding, head);
  const label = (from: LabelSource, positions: Int32Array): LabelledRows => ({
    ...encodeRows(encoding, from.columns, positions),
    truth: truthOf(from.target, positions),
    weights: weightsAt(from, positions),
  });
  const labelled = (positions: Int32Array): LabelledRows => label(rows, positions);
  const inMemory = labelled(train);
  const problem: TrainingProblem = {
    config,
    shape,
    head,
    train: inMemory,
    blocks: rows.stream ? await streamedBlocks(rows.stream, label, shape, config.seed, inMemory) : oneBlock(inMemory),
    validation: labelled(validation),
    unseen: new Map(),
    classWeights: classWeightsOf(config, target, train),
  };
  problem.unseen = unseenRows(problem);
  const predictor = await Predictor.create(predictingShape(shape), head);
  const predict = (model: Float32Array, these: LabelledRows): Promise<Predictions> =>
    predictor.predict(predictingNetwork(shape, model).weights, these);
  const trainSample = labelled(sampleOf(train, config.seed));
  return {
    config,
    shape,
    head,
    classWeights: problem.classWeights,
    learner: await learnerFor(problem, predictor, warn),
    fingerprint: () =>
      fingerprintOf(
        [config, shape],
        ...[problem.train, problem.validation].flatMap((one) => [
          one.numeric,
          one.indicators,
          one.embedded,
          truthValues(one),
          weightValues(one),
        ]),
      ),
    trainCount: problem.blocks.rows,
    trainSample,
    validation: problem.validation,
    predictShown: async ({ vectors: { weights } }) => ({
      train: await predict(weights!, trainSample),
      validation: await predict(weights!, problem.validation),
    }),
    labelled,
    keepBest(state) {
      state.vectors.best = state.vectors.weights!;
    },
    modelOf({ vectors }): Trained {
      const network = predictingNetwork(shape, vectors.best ?? vectors.weights!);
      return {
        predict: (positions) => predictor.predict(network.weights, labelled(positions)),
        export: (inputs, threshold) => exportGraph({ config, columns: inputs, encoding, ...network, head, threshold }),
      };
    },
    close: () => problem.blocks.close(),
  };
}

type LabelSource = Pick<TrainingRows, 'columns' | 'target' | 'weights'>;

/** Encodes the rows of the stream once, into a file, as each epoch needs them. */
function streamedBlocks(
  { folder, rows, batches }: RowStream,
  label: (from: LabelSource, positions: Int32Array) => LabelledRows,
  { numericWidth, indicatorSlots: slots, embeddings = [] }: NetworkShape,
  seed: number,
  { truth, weights }: LabelledRows,
): Promise<TrainingBlocks> {
  if (folder === undefined) throw new Error('A training in blocks needs a folder for them.');
  const encoded = async function* (): AsyncGenerator<LabelledRows> {
    for await (const batch of batches()) yield label(batch, batch.positions);
  };
  const shape = {
    numericWidth,
    slots,
    embedded: embeddings.length,
    truth: truth.kind,
    hasWeights: weights !== undefined,
  };
  return writeBlocks(join(folder, `rows-${randomUUID()}.bin`), rows, encoded(), shape, { seed });
}

async function learnerFor(
  problem: TrainingProblem,
  predictor: Predictor,
  warn: TrainingHooks['onWarning'],
): Promise<Learner> {
  const { config } = problem;
  if (isPython(config)) throw new Error('Algorithms of Python are trained outside this process.');
  if (isKMeans(config)) return kmeansLearner({ ...problem, config }, predictor);
  return isLinear(config) && config.hyperparameters.optimizer === 'SOLVER'
    ? solverLearner({ ...problem, config })
    : gradientLearner({ ...problem, config }, warn);
}

/** A seeded sample of the training rows, in their order. */
export function sampleOf(train: Int32Array, seed: number): Int32Array {
  if (train.length <= TRAIN_SAMPLE_ROWS) return train;
  return Int32Array.from(sampleIndices(train.length, TRAIN_SAMPLE_ROWS, seed), (i) => train[i]!);
}

/** Errors: BAD_USER_INPUT for a decision threshold where there are not two classes. */
export function headOf(config: TrainingConfig, target: Target | undefined, train: Int32Array): Head {
  if (!target) return { kind: 'CLUSTERS' };
  if (target.kind === 'CLASSES') {
    if (config.decisionThreshold && target.classes.length !== 2)
      throw badInput('config.decisionThreshold', 'a target of two classes', `${target.classes.length} classes`);
    return { kind: 'CLASSES', classes: target.classes, datatype: target.datatype };
  }
  const mean = train.reduce((sum, row) => sum + target.values[row]!, 0) / train.length;
  const squares = train.reduce((sum, row) => sum + (target.values[row]! - mean) ** 2, 0);
  const std = Math.sqrt(squares / train.length);
  const largest = train.reduce((most, row) => Math.max(most, Math.abs(target.values[row]!)), 0);
  // Half a step of single precision, at the largest target.
  const isLost = largest * 2 ** -24 > ROUNDING_SHARE * std || !Number.isFinite(Math.fround(largest));
  return { kind: 'VALUE', mean, std, precision: isLost ? 'FP64' : 'FP32', quantile: quantileOf(config) };
}

function shapeOf(config: EncodedConfig, encoding: Encoding, head: Head): NetworkShape {
  const clusters = isKMeans(config) ? config.hyperparameters.clusters : 1;
  return {
    numericWidth: encoding.numericWidth,
    indicatorSlots: encoding.slots.length,
    indicatorCount: encoding.indicatorCount,
    ...(encoding.embedded.length > 0 && {
      embeddings: encoding.embedded.map(({ size, width }) => ({ categories: size, width })),
    }),
    hiddenLayers: isNetwork(config) ? config.hyperparameters.hiddenLayers : [],
    ...(isNetwork(config) && config.hyperparameters.batchNormalization && { batchNormalization: true }),
    outputs: head.kind === 'CLASSES' ? head.classes.length : clusters,
  };
}

export function truthOf(target: Target | undefined, positions: Int32Array): LabelledRows['truth'] {
  if (!target) return { kind: 'NONE' };
  if (target.kind === 'CLASSES') return { kind: 'CLASSES', labels: positions.map((row) => target.labels[row]!) };
  return { kind: 'VALUE', values: Float64Array.from(positions, (row) => target.values[row]!) };
}

export function weightsAt({ weights }: Pick<TrainingRows, 'weights'>, positions: Int32Array): Float64Array | undefined {
  return weights && Float64Array.from(positions, (row) => weights[row]!);
}

function unseenRows({ shape, train }: TrainingProblem): Map<string, number[]> {
  const { embeddings = [], indicatorCount } = shape;
  const unseen = new Map<string, number[]>();
  if (indicatorCount > 0) unseen.set('indicator_0', notAmong(train.indicators, indicatorCount));
  embeddings.forEach(({ categories }, i) => {
    const own = train.embedded.filter((_, at) => at % embeddings.length === i);
    unseen.set(`embedding_${i}`, notAmong(own, categories));
  });
  return unseen;
}

/** The indexes below `count` that are not in the list. */
function notAmong(indices: Int32Array, count: number): number[] {
  const seen = new Uint8Array(count);
  for (const index of indices) seen[index] = 1;
  return Array.from(seen.keys()).filter((index) => seen[index] === 0);
}
