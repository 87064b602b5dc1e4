import { createHash } from 'node:crypto';
import type { TrainingConfig } from '../modules/algorithms/index.js';
import type { TrainingState } from './checkpoint.js';
import type { EncodedRows } from './encoding.js';
import type { Head } from './graphs/heads.js';
import type { NetworkShape } from './graphs/network.js';

/** A model's predictions for rows, in the form that metrics need. */
export type Predictions =
  /** With a `threshold`, the second of two classes is predicted from that probability on. */
  | { kind: 'CLASSES'; classCount: number; probabilities: Float32Array; threshold?: number }
  | { kind: 'VALUE'; values: Float64Array }
  | { kind: 'CLUSTERS'; clusters: Int32Array; squaredDistances: Float64Array };

/** Encoded rows with their target: class indices, values, or nothing for clustering. */
export interface LabelledRows extends EncodedRows {
  truth: { kind: 'CLASSES'; labels: Int32Array } | { kind: 'VALUE'; values: Float64Array } | { kind: 'NONE' };
}

export interface TrainingProblem {
  config: TrainingConfig;
  shape: NetworkShape;
  head: Head;
  train: LabelledRows;
  validation: LabelledRows;
  /** Indicators that no training row has: their weights stay zero. */
  unseenIndicators: readonly number[];
  /** The weight of a row of each class; all 1 when absent. */
  classWeights?: Float64Array;
}

/** Runs one epoch at a time, from one state to the next; `state.vectors.weights` is the model. */
export interface Learner {
  /** A lower maximum of epochs than that of the configuration. */
  maxEpochs?: number;
  /** Whether it stops by itself. */
  converges: boolean;
  initialState(): TrainingState;
  /**
   * Runs one epoch and updates the state, including its weights. `report` gets the finished fraction of the epoch every
   * 100–250 ms.
   */
  runEpoch(state: TrainingState, report: (share: number) => void): Promise<Record<string, number>>;
}

/** Identifies config and data, so that a checkpoint is not continued with others. */
export function fingerprintOf({ config, shape, train, validation }: TrainingProblem): string {
  const hash = createHash('sha256').update(JSON.stringify([config, shape]));
  for (const { numeric, indicators, truth } of [train, validation]) {
    hash.update(bytesOf(numeric)).update(bytesOf(indicators));
    if (truth.kind === 'CLASSES') hash.update(bytesOf(truth.labels));
    if (truth.kind === 'VALUE') hash.update(bytesOf(truth.values));
  }
  return hash.digest('hex');
}

function bytesOf(values: Float32Array | Float64Array | Int32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
