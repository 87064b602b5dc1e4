import { availableParallelism } from 'node:os';
import { badInput } from '../../errors.js';
import { quantileOf, type TreesConfig } from '../../modules/algorithms/index.js';
import { weightedQuantile } from '../../modules/statistics/index.js';
import { classWeightsOf } from '../class-weights.js';
import type { Head } from '../graphs/heads.js';
import {
  type Fitting,
  fingerprintOf,
  type LabelledRows,
  type Predictions,
  type Trained,
  truthValues,
  weightValues,
} from '../learner.js';
import { headOf, sampleOf, truthOf, weightsAt } from '../problem.js';
import { learntRows, checkTreeMemory } from './learnt-rows.js';
import type { RowStream } from '../row-stream.js';
import type { TrainingRows } from '../rows.js';
import { Booster, type BoosterOptions, layOut, type Layout } from './booster.js';
import { exportTrees } from './export-trees.js';
import { fitFeatures, type TreeFeature, writeBins } from './features.js';
import { Forest } from './forest.js';
import { addTree } from './kernel.js';
import { sigmoid, softmaxOf, weightOf } from './losses.js';
import { type BinnedRows, type Loss, sharedDoubles, sharedWords } from './memory.js';

/** Prepares gradient-boosted trees. Errors: BAD_USER_INPUT, which names the field. */
export async function prepareTrees(
  config: TreesConfig,
  rows: TrainingRows,
  train: Int32Array,
  validation: Int32Array,
): Promise<Fitting> {
  const { columns, target } = rows;
  const head = headOf(config, target, train);
  const outputs = head.kind === 'CLASSES' && head.classes.length > 2 ? head.classes.length : 1;
  const features = fitFeatures(config, columns, train);
  const layout = layOut(features);
  const labelled = (positions: Int32Array): LabelledRows => ({
    rows: positions.length,
    numeric: new Float32Array(),
    indicators: new Int32Array(),
    embedded: new Int32Array(),
    truth: truthOf(target, positions),
    weights: weightsAt(rows, positions),
  });
  const classWeights = classWeightsOf(config, target, train);
  const options = boosterOptions(config, head);
  const { stream } = rows;
  if (stream) checkTreeMemory(stream.rows, layout, outputs);
  const learnt = await learntRows({ features, layout, classWeights }, stream ?? { ...rows, positions: train });
  const { goal, weights } = learnt;
  const baseline = baselineOf(options, goal, weights, outputs);
  const trainSample = sampleOf(train, config.seed);
  const sampledAt = trainSample === train ? stream?.places : placesOf(train, trainSample, stream);
  const validationRows = labelled(validation);

  let running: { booster: Booster; train: BinnedRows; validation: BinnedRows } | undefined;
  /** Starts threads at the first epoch, from the trees that the state has. */
  const start = async (forest: Forest): Promise<NonNullable<typeof running>> => {
    const words = layout.columns.map(() => sharedWords(validation.length));
    writeBins(features, layout.columns, columns, validation, words);
    const binned = (rowCount: number, columnWords: Uint32Array[]): BinnedRows => ({
      ...{ rows: rowCount, columns: columnWords },
      scores: startScores(baseline, rowCount),
    });
    const data = {
      layout,
      train: binned(goal.length, learnt.words),
      validation: binned(validation.length, words),
      target: goal,
      weights,
      outputs,
      arena: learnt.arena,
    };
    return { booster: await Booster.start(data, options, forest), train: data.train, validation: data.validation };
  };
  let forest = Forest.empty(layout.setWords);

  return {
    config,
    shape: {
      numericWidth: 0,
      indicatorSlots: 0,
      indicatorCount: 0,
      outputs: head.kind === 'CLASSES' ? head.classes.length : 1,
    },
    head,
    classWeights,
    learner: {
      converges: false,
      initialState: () => ({
        ...{ epoch: 0, step: 0, bestEpoch: 0, bestLoss: null, epochsSinceBest: 0, finished: false },
        vectors: {},
        doubles: forest.toDoubles(),
      }),
      async runEpoch(state) {
        if (!running) {
          forest = Forest.of(layout.setWords, state.doubles!);
          running = await start(forest);
        }
        running.booster.iterate(state.epoch);
        state.epoch += 1;
        state.step += 1;
        state.doubles = forest.toDoubles();
        return {};
      },
    },
    fingerprint: () =>
      fingerprintOf(
        [config, features.map(described)],
        goal,
        truthValues(validationRows),
        weights,
        weightValues(validationRows),
      ),
    trainCount: goal.length,
    trainSample: labelled(trainSample),
    validation: validationRows,
    predictShown: async () => ({
      train: predictionsOf(head, running!.train, outputs, sampledAt),
      validation: predictionsOf(head, running!.validation, outputs),
    }),
    labelled,
    // The trees of the best epoch are the first ones.
    keepBest: () => undefined,
    modelOf(state): Trained {
      const grown = Forest.of(layout.setWords, state.doubles!);
      const count = (state.bestEpoch > 0 ? state.bestEpoch : state.epoch) * outputs;
      return {
        predict: async (positions) => predict({ features, layout, baseline, columns }, grown, count, head, positions),
        export: (inputs, threshold) =>
          exportTrees({
            ...{ config, columns: inputs, features, head, baseline, threshold },
            trees: grown.trees(count),
            setWords: layout.setWords,
          }),
      };
    },
    close: async () => running?.booster.close(),
  };
}

/** A text with thousands of terms is not repeated for each of them. */
function described(feature: TreeFeature): unknown {
  return feature.kind === 'TERM' ? { ...feature, text: feature.text.terms[feature.at] } : feature;
}

function boosterOptions(config: TreesConfig, head: Head): BoosterOptions {
  const { hyperparameters, seed } = config;
  const quantile = quantileOf(config);
  return {
    ...hyperparameters,
    loss: lossOf(head, quantile),
    quantile: quantile ?? 0.5,
    seed,
    threads: availableParallelism(),
  };
}

function lossOf(head: Head, quantile: number | undefined): Loss {
  if (head.kind === 'CLASSES') return head.classes.length > 2 ? 'SOFTMAX' : 'LOGISTIC';
  return quantile === undefined ? 'SQUARED' : 'QUANTILE';
}

/** The best constant scores: the mean, the quantile, or the logarithms of the classes' odds. */
function baselineOf(
  { loss, quantile }: BoosterOptions,
  goal: Float64Array,
  weights: Float64Array,
  outputs: number,
): Float64Array {
  if (loss === 'QUANTILE')
    return Float64Array.of(weightedQuantile(goal, weights.length > 0 ? weights : undefined, quantile));
  const sums = new Float64Array(Math.max(2, outputs));
  let [total, weighted] = [0, 0];
  for (let row = 0; row < goal.length; row++) {
    const weight = weightOf(weights, row);
    total += weight;
    weighted += weight * goal[row]!;
    if (loss === 'SOFTMAX') sums[goal[row]!]! += weight;
  }
  if (!(total > 0)) throw badInput('config.sampleWeight.column', 'a weight above 0 for a training row', 'only 0');
  if (loss === 'LOGISTIC' && (weighted === 0 || weighted === total))
    throw badInput('config.sampleWeight.column', 'a weight above 0 for training rows of both classes', 'one class');
  if (loss === 'SQUARED') return Float64Array.of(weighted / total);
  if (loss === 'LOGISTIC') return Float64Array.of(Math.log(weighted / (total - weighted)));
  // A class that no training row has keeps a small probability.
  return sums.map((sum) => Math.log(Math.max(sum, 0.5) / total));
}

function startScores(baseline: Float64Array, rows: number): Float64Array {
  const scores = sharedDoubles(rows * baseline.length);
  baseline.forEach((score, output) => scores.fill(score, output * rows, (output + 1) * rows));
  return scores;
}

/** For each of `some`, which are among `all` in the same order, its place among the rows that are learnt from. */
function placesOf(all: Int32Array, some: Int32Array, stream: RowStream | undefined): Int32Array {
  let at = 0;
  return some.map((position) => {
    while (all[at] !== position) at++;
    return stream ? stream.places[at]! : at;
  });
}

function predictionsOf(head: Head, { rows, scores }: BinnedRows, outputs: number, some?: Int32Array): Predictions {
  const count = some?.length ?? rows;
  const rowAt = (i: number): number => (some ? some[i]! : i);
  if (head.kind !== 'CLASSES')
    return { kind: 'VALUE', values: Float64Array.from({ length: count }, (_, i) => scores[rowAt(i)]!) };
  const classCount = head.classes.length;
  const probabilities = new Float32Array(count * classCount);
  const ofRow = new Float64Array(outputs);
  for (let i = 0; i < count; i++) {
    const row = rowAt(i);
    if (outputs === 1) {
      const second = sigmoid(scores[row]!);
      probabilities[i * 2] = 1 - second;
      probabilities[i * 2 + 1] = second;
      continue;
    }
    softmaxOf(scores, rows, row, ofRow);
    probabilities.set(ofRow, i * outputs);
  }
  return { kind: 'CLASSES', classCount, probabilities };
}

interface Scoring {
  features: readonly TreeFeature[];
  layout: Layout;
  baseline: Float64Array;
  columns: TrainingRows['columns'];
}

function predict(
  { features, layout, baseline, columns }: Scoring,
  forest: Forest,
  trees: number,
  head: Head,
  positions: Int32Array,
): Predictions {
  const outputs = baseline.length;
  const words = layout.columns.map(() => new Uint32Array(positions.length));
  writeBins(features, layout.columns, columns, positions, words);
  const rows: BinnedRows = { rows: positions.length, columns: words, scores: startScores(baseline, positions.length) };
  let output = 0;
  for (const tree of forest.trees(trees)) addTree(layout, tree, rows, output++ % outputs, 0, rows.rows);
  return predictionsOf(head, rows, outputs);
}
