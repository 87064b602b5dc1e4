import type { Column, ReferenceProfile, Signature, ColumnRequest } from '../modules/model-contract/index.js';
import type { Table } from '../adapters/dataset-files/port.js';
import type { TrainingConfig, TrainingWarning } from '../modules/algorithms/index.js';

export interface TrainingRequest {
  config: TrainingConfig;
  data: Table;
  /** An existing folder of this training alone; everything it writes lies here. The caller removes it. */
  workDir: string;
  /** A checkpoint of the same config to continue from. */
  resumeFromPath?: string;
}

export interface EpochReport {
  /** 1-based. */
  epoch: number;
  epochs: number;
  /** e.g. `train.loss`, `validation.loss`, `validation.roc_auc`; finite numbers. */
  metrics: Record<string, number>;
}

export interface CheckpointReport {
  epoch: number;
  path: string;
  sizeBytes: number;
  /** Hex. */
  sha256: string;
}

/** The trainer awaits each hook before it goes on, so a slow receiver slows it down instead of losing reports. */
export interface TrainingHooks {
  /** Every 100–250 ms of work; `fraction` of the whole in [0, 1]. */
  onProgress(fraction: number, message: string): void;
  onEpoch(report: EpochReport): Promise<void>;
  onCheckpoint(report: CheckpointReport): Promise<void>;
  /** Warnings of a training that is about to fail; a successful one has them in its outcome. */
  onWarning(warning: TrainingWarning): Promise<void>;
  /**
   * Every so often, by the metric’s name: what machine and process are at. Not awaited; it never holds a training up.
   */
  onUsage?(usage: Record<string, number>): void;
}

export interface TrainingOutcome {
  /** The finished model.onnx, preprocessing folded in. */
  modelPath: string;
  /** With `refit`: the model evaluated on the holdout, before the training on all rows. */
  judged: { modelPath: string; signature: Signature } | undefined;
  signature: Signature;
  /** Final metrics by name, e.g. `holdout.log_loss`. */
  metrics: Record<string, number>;
  epochsRun: number;
  bestEpoch: number;
  stoppedEarly: boolean;
  warnings: TrainingWarning[];
  rows: { train: number; validation: number; holdout: number };
  /** Largest absolute difference between the trainer's own outputs and ONNX Runtime's on the exported model. */
  agreementMaxAbsDiff: number;
  /** Distributions of the training features and of holdout predictions, for drift monitoring. */
  reference: ReferenceProfile;
}

export interface RunningTraining {
  /** Rejects with an AppError; after `cancel` with code CONFLICT and details.cancelled = true. */
  outcome: Promise<TrainingOutcome>;
  /** Ends the work at once. */
  cancel(): void;
}

/** Trains a model from a dataset. Implementations: this machine's child processes, a Ray cluster. */
export interface TrainingBackend {
  readonly name: string;
  start(request: TrainingRequest, hooks: TrainingHooks): RunningTraining;
}

/** What to learn, one value per row. Classes are in ascending order; `labels` are indices into them. */
export type Target =
  | { kind: 'CLASSES'; classes: string[]; datatype: 'INT64' | 'BYTES'; labels: Int32Array }
  | { kind: 'VALUES'; values: Float64Array };

/** What a model that knows nothing would answer: each class's share, or the mean, of the training rows. */
export type BaseRate = { kind: 'SHARES'; shares: number[] } | { kind: 'MEAN'; mean: number };

/** The rows that a training never saw: in time order where the split is by time, in file order else. */
export interface Holdout {
  rowCount: number;
  /** 0-based positions in the file. */
  rowNumbers: Float64Array;
  /** The requested columns and the target's. `toTensors` makes a model's inputs of them. */
  columns: ReadonlyMap<string, Column>;
  /** None for clustering. */
  target: Target | undefined;
  baseRate: BaseRate | undefined;
  /**
   * For clustering: mean silhouette of rows with all features among `columns`, in the space that the training saw rows
   * in.
   */
  silhouetteOf(columns: ReadonlyMap<string, Column>, clusters: Int32Array): number | null;
}

/**
 * Rebuilds the holdout of a training, with any columns of the file, to judge another model by the same rows: by
 * default the config's features, else `inputs` (those of a model). Errors: as for reading the dataset for training.
 */
export type LoadHoldout = (table: Table, config: TrainingConfig, inputs?: readonly ColumnRequest[]) => Promise<Holdout>;
