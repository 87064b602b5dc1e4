import { isNetwork, type TrainingConfig } from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import { classWeightsOf } from './class-weights.js';
import { encodeRows, type Encoding } from './encoding.js';
import { fitEncoding, ROUNDING_SHARE } from './fit-encoding.js';
import type { Head } from './graphs/heads.js';
import type { NetworkShape } from './graphs/network.js';
import type { LabelledRows, TrainingProblem } from './learner.js';
import type { Target } from './port.js';
import type { TrainingRows } from './rows.js';

/** A problem with its fitted encoding; `encode` encodes any rows. */
export interface PreparedProblem {
  problem: TrainingProblem;
  encoding: Encoding;
  encode(positions: Int32Array): LabelledRows;
}

/** Fits only on `train`. Errors: BAD_USER_INPUT, which names the field. */
export function prepareProblem(
  config: TrainingConfig,
  rows: TrainingRows,
  train: Int32Array,
  validation: Int32Array,
): PreparedProblem {
  const { columns, target } = rows;
  const encoding = fitEncoding(config, columns, train);
  const head = headOf(target, train);
  if (config.decisionThreshold && head.kind === 'CLASSES' && head.classes.length !== 2)
    throw badInput('config.decisionThreshold', 'a target of two classes', `${head.classes.length} classes`);
  const shape = shapeOf(config, encoding, head);
  const encode = (positions: Int32Array): LabelledRows => ({
    ...encodeRows(encoding, columns, positions),
    truth: truthOf(target, positions),
  });
  const problem: TrainingProblem = {
    config,
    shape,
    head,
    train: encode(train),
    validation: encode(validation),
    unseenIndicators: [],
    classWeights: classWeightsOf(config, target, train),
  };
  problem.unseenIndicators = unseenIndicators(problem);
  return { problem, encoding, encode };
}

function headOf(target: Target | undefined, train: Int32Array): Head {
  if (!target) return { kind: 'CLUSTERS' };
  if (target.kind === 'CLASSES') return { kind: 'CLASSES', classes: target.classes, datatype: target.datatype };
  const mean = train.reduce((sum, row) => sum + target.values[row]!, 0) / train.length;
  const squares = train.reduce((sum, row) => sum + (target.values[row]! - mean) ** 2, 0);
  const std = Math.sqrt(squares / train.length);
  const largest = train.reduce((most, row) => Math.max(most, Math.abs(target.values[row]!)), 0);
  // Half a step of single precision, at the largest target.
  const isLost = largest * 2 ** -24 > ROUNDING_SHARE * std || !Number.isFinite(Math.fround(largest));
  return { kind: 'VALUE', mean, std, precision: isLost ? 'FP64' : 'FP32' };
}

function shapeOf({ modelType, hyperparameters }: TrainingConfig, encoding: Encoding, head: Head): NetworkShape {
  const outputs = {
    CLASSES: head.kind === 'CLASSES' ? head.classes.length : 0,
    VALUE: 1,
    CLUSTERS: hyperparameters.clusters,
  }[head.kind];
  return {
    numericWidth: encoding.numericWidth,
    indicatorSlots: encoding.slots.length,
    indicatorCount: encoding.indicatorCount,
    hiddenLayers: isNetwork(modelType) ? hyperparameters.hiddenLayers : [],
    outputs,
  };
}

function truthOf(target: Target | undefined, positions: Int32Array): LabelledRows['truth'] {
  if (!target) return { kind: 'NONE' };
  if (target.kind === 'CLASSES') return { kind: 'CLASSES', labels: positions.map((row) => target.labels[row]!) };
  return { kind: 'VALUE', values: Float64Array.from(positions, (row) => target.values[row]!) };
}

function unseenIndicators({ shape, train: { indicators } }: TrainingProblem): number[] {
  const seen = new Uint8Array(shape.indicatorCount);
  for (const indicator of indicators) seen[indicator] = 1;
  return Array.from(seen.keys()).filter((indicator) => seen[indicator] === 0);
}
