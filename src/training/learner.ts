import { createHash } from 'node:crypto';
import type { TrainingConfig, TreesConfig } from '../modules/algorithms/index.js';
import type { InputColumn } from '../modules/model-contract/index.js';
import type { TrainingBlocks } from './blocks.js';
import type { TrainingState } from './checkpoint.js';
import type { EncodedRows } from './encoding.js';
import type { ExportedModel } from './graphs/export-graph.js';
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
  /** How much each row counts; all the same when absent. */
  weights?: Float64Array;
  truth: { kind: 'CLASSES'; labels: Int32Array } | { kind: 'VALUE'; values: Float64Array } | { kind: 'NONE' };
}

/** Linear models, networks and k-means, over encoded rows. */
export type EncodedConfig = Exclude<TrainingConfig, TreesConfig>;

/** What the learners over encoded rows get. */
export interface TrainingProblem<Config extends EncodedConfig = EncodedConfig> {
  config: Config;
  shape: NetworkShape;
  head: Head;
  /** The training rows in memory; a sample of them when `blocks` are read from a file. */
  train: LabelledRows;
  /** All training rows. */
  blocks: TrainingBlocks;
  validation: LabelledRows;
  /** The rows of each table of weights, by the parameter's name, that no training row uses: they stay zero. */
  unseen: ReadonlyMap<string, readonly number[]>;
  /** The weight of a row of each class; all 1 when absent. */
  classWeights?: Float64Array;
}

/** Runs one epoch at a time, from one state to the next. */
export interface Learner {
  /** A lower maximum of epochs than that of the configuration. */
  maxEpochs?: number;
  /** Whether it stops by itself. */
  converges: boolean;
  initialState(): TrainingState;
  /**
   * Runs one epoch and updates the state, including the model. `report` gets the finished fraction of the epoch every
   * 100–250 ms.
   */
  runEpoch(state: TrainingState, report: (share: number) => void): Promise<Record<string, number>>;
}

/** The sizes of an encoded row and of a prediction. */
export type PredictionShape = Pick<NetworkShape, 'numericWidth' | 'indicatorSlots' | 'indicatorCount' | 'outputs'>;

/** A prepared training. Everything that depends on the algorithm is behind this interface. */
export interface Fitting {
  config: TrainingConfig;
  shape: PredictionShape;
  head: Head;
  /** The weight of a row of each class; all 1 when absent. */
  classWeights?: Float64Array;
  learner: Learner;
  /** Identifies the configuration and the data: a checkpoint continues only the training that it came from. */
  fingerprint(): string;
  trainCount: number;
  /** Training rows whose metrics are computed in every epoch. */
  trainSample: LabelledRows;
  validation: LabelledRows;
  /** Predicts those rows with the model of this state. */
  predictShown(state: TrainingState): Promise<{ train: Predictions; validation: Predictions }>;
  /** Gives the rows at these positions, with their truth. */
  labelled(positions: Int32Array): LabelledRows;
  /** Keeps the model of this epoch as the best one. */
  keepBest(state: TrainingState): void;
  /** Gives the best model, or the model of the last epoch if none was kept. */
  modelOf(state: TrainingState): Trained;
  close(): Promise<void>;
}

/** A finished model in the trainer's own form. */
export interface Trained {
  predict(positions: Int32Array): Promise<Predictions>;
  /** `threshold`: of two classes, the probability from which the label is the second class. */
  export(columns: ReadonlyMap<string, InputColumn>, threshold: number | undefined): ExportedModel;
}

/** Maximum number of training rows whose metrics are computed in every epoch. */
export const TRAIN_SAMPLE_ROWS = 20_000;

/** Computes `Fitting.fingerprint`. */
export function fingerprintOf(parts: unknown, ...data: readonly ArrayBufferView[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts));
  for (const { buffer, byteOffset, byteLength } of data) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
}

/** Gives the truth as an array, for the fingerprint. */
export function truthValues({ truth }: LabelledRows): Int32Array | Float64Array {
  if (truth.kind === 'NONE') return new Int32Array();
  return truth.kind === 'CLASSES' ? truth.labels : truth.values;
}

/** Gives the weights of the rows, for the fingerprint. */
export function weightValues({ weights }: LabelledRows): Float64Array {
  return weights ?? new Float64Array();
}
