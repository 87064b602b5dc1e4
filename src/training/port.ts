import type { Column, ReferenceProfile, Signature, ColumnRequest } from '../modules/model-contract/index.js';
import type { Table } from '../adapters/dataset-files/port.js';
import type {
  CrossValidationResult,
  AlgorithmName,
  FoldResult,
  Strategy,
  TrainingConfig,
  TrainingWarning,
} from '../modules/algorithms/index.js';
import type { TrainedOutside } from './outside/result.js';

export interface TrainingRequest {
  config: TrainingConfig;
  data: Table;
  /** An existing folder only for this training, which writes all its files here. The caller removes it. */
  workDir: string;
  /** A checkpoint of the same config, from which to continue. */
  resumeFromPath?: string;
  /** Threads of each process of an algorithm of Python; 1 when absent. */
  threads?: number;
  team?: Team;
  /** For the process of the training: the GPUs that it may use. */
  environment?: Readonly<Record<string, string>>;
  /** The first folds of the config's cross-validation, when an earlier attempt has measured them. */
  finishedFolds?: readonly FoldResult[];
  /** A training that has ended outside this service: its model is only evaluated, checked and exported. */
  finished?: FinishedOutside;
}

/** Processes that train one model together. */
export interface Team {
  workers: number;
  /** Undefined for algorithms that have one way only. */
  strategy: Strategy | undefined;
}

/** What a training outside this service has stored. */
export interface FinishedOutside {
  /** A file of arrays: the model, and its predictions for the validation and holdout rows. */
  arraysPath: string;
  result: TrainedOutside;
}

/** A training on other machines: it outlives the process that started it, and a later attempt of the job finds it. */
export interface OutsideTrainingRequest {
  config: TrainingConfig;
  data: Table;
  /** An existing folder only for this attempt. The caller removes it. */
  workDir: string;
  team: Team;
  /** As in `TrainingRequest`. */
  finishedFolds?: readonly FoldResult[];
  outside: OutsideWork;
}

/** The attempt that starts or continues work outside, and the files that pass between this service and the work. */
export interface OutsideFiles {
  jobId: string;
  tenant: string;
  /** The id of the work that this attempt may start; a later attempt has another one. */
  id: string;
  /** The id of the work that an earlier attempt has started; null when there is none. */
  runningId: string | null;
  /** Remembers where the work runs, and its state there. The token of work with another id is no longer valid. */
  attach(id: string, state: string): Promise<void>;
  /** With it, the work of this attempt reads its files, reports, and stores its results. */
  token(): Promise<string>;
  /** Stores a file that the work of this attempt reads. */
  give(name: string, path: string): Promise<void>;
  /** Copies a file that this work has stored to the path; false when there is none. */
  take(id: string, name: string, path: string): Promise<boolean>;
  /** Adds a line to the log. */
  note(line: string): void;
  /** Changes each time that the work of this job calls the service, at most once a second; null: it never has. */
  lastCall(): Promise<number | null>;
  /** Called after the end of the attempt: whether the work must end too. False when another attempt continues it. */
  mustEnd(): Promise<boolean>;
}

/** The attempt that starts or continues a training outside. */
export interface OutsideWork extends OutsideFiles {
  /** Copies the newest intact checkpoint to the path; false when there is none. */
  restore(path: string): Promise<boolean>;
}

export interface EpochReport {
  /** Counts from 1. */
  epoch: number;
  epochs: number;
  /** For example `train.loss`, `validation.loss`, `validation.roc_auc`; finite numbers. */
  metrics: Record<string, number>;
}

export interface CheckpointReport {
  epoch: number;
  path: string;
  sizeBytes: number;
  /** Hexadecimal digits. */
  sha256: string;
}

/** The trainer waits for each hook before it continues, so a slow receiver slows it down, and no report is lost. */
export interface TrainingHooks {
  /** Called every 100–250 ms of work; `fraction` of the whole, in [0, 1]. */
  onProgress(fraction: number, message: string): void;
  onEpoch(report: EpochReport): Promise<void>;
  onCheckpoint(report: CheckpointReport): Promise<void>;
  /** Called after each fold of a cross-validation, in their order. */
  onFold(result: FoldResult): Promise<void>;
  /** Warnings that must be shown before the end; a successful training also has them in its outcome. */
  onWarning(warning: TrainingWarning): Promise<void>;
  /**
   * Called in intervals with the load of machine and process, by metric name. It is not awaited, so it never delays a
   * training.
   */
  onUsage?(usage: Record<string, number>): void;
  /** Called for each line of text from an algorithm of Python. */
  onLine?(line: string): void;
}

export interface TrainingOutcome {
  /** The finished model.onnx, including preprocessing. */
  modelPath: string;
  /** With `refit`: the model that was evaluated on the holdout, before the training on all rows. */
  judged: { modelPath: string; signature: Signature } | undefined;
  signature: Signature;
  /** Final metrics by name, e.g. `holdout.log_loss`. */
  metrics: Record<string, number>;
  epochsRun: number;
  bestEpoch: number;
  stoppedEarly: boolean;
  warnings: TrainingWarning[];
  rows: { train: number; validation: number; holdout: number };
  /** Present when the config has a cross-validation. */
  crossValidation?: CrossValidationResult;
  /** The largest absolute difference between the outputs of the trainer and of ONNX Runtime for the exported model. */
  agreementMaxAbsDiff: number;
  /** Distributions of the training features and of the holdout predictions, for drift monitoring. */
  reference: ReferenceProfile;
}

export interface RunningTraining {
  /** Rejects with an AppError; after `cancel` with the code CONFLICT and details.cancelled = true. */
  outcome: Promise<TrainingOutcome>;
  /** Ends the work at once. */
  cancel(): void;
}

/** Trains a model from a dataset in child processes of this machine. */
export interface TrainingBackend {
  readonly name: string;
  /** Why this algorithm cannot be trained here, as a sentence that says what to do; null when it can. */
  problem(algorithm: AlgorithmName): Promise<string | null>;
  start(request: TrainingRequest, hooks: TrainingHooks): RunningTraining;
}

/** Trains models on a cluster. Epochs, log lines and checkpoints come from there to the API of this service. */
export interface ClusterBackend {
  readonly name: string;
  /** Why no training can start now, as a sentence that says what to do; null when one can. */
  problem(): Promise<string | null>;
  start(
    request: OutsideTrainingRequest,
    hooks: Pick<TrainingHooks, 'onProgress' | 'onWarning' | 'onFold'>,
  ): RunningTraining;
  /** What the living nodes have, as it was known last: nothing before the cluster has answered. */
  capacity(): { cores: number; memoryBytes: number; gpus: number };
  /** The cores that trainings may use together; null is no limit. */
  readonly maxCores: number | null;
  /** The state of the cluster. Errors: UNAVAILABLE. */
  look(): Promise<ClusterState>;
}

export interface ClusterState {
  version: string;
  nodes: ClusterNode[];
  /** Null when the cluster does not report it. */
  load: { used: Record<string, number>; waiting: { resources: Record<string, number>; count: number }[] } | null;
  jobs: ClusterJob[];
}

export interface ClusterNode {
  id: string;
  address: string;
  isHead: boolean;
  isAlive: boolean;
  /** Amounts by resource, as the cluster names them: CPU, GPU, memory in bytes, … */
  resources: Record<string, number>;
}

export interface ClusterJob {
  id: string;
  status: 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED';
  message: string;
  startedAt: Date | null;
  endedAt: Date | null;
  /** The job of this service whose work it is, and its tenant; null for jobs of others. */
  of: { tenant: string; jobId: string } | null;
}

/** The target, one value per row. Classes are in ascending order; `labels` are indices into them. */
export type Target =
  | { kind: 'CLASSES'; classes: string[]; datatype: 'INT64' | 'BYTES'; labels: Int32Array }
  | { kind: 'VALUES'; values: Float64Array };

/** The answer without any model: the frequency of each class, or the mean, of the training rows. */
export type BaseRate = { kind: 'SHARES'; shares: number[] } | { kind: 'MEAN'; mean: number };

/** The rows that were not used for training: in time order when the split is by time, otherwise in file order. */
export interface Holdout {
  rowCount: number;
  /** Indexes in the file, from 0. */
  rowNumbers: Float64Array;
  /** The requested columns and the target's column. `toTensors` makes a model's inputs from them. */
  columns: ReadonlyMap<string, Column>;
  /** Undefined for clustering. */
  target: Target | undefined;
  baseRate: BaseRate | undefined;
  /** For clustering: the mean silhouette of rows whose `columns` have all features, in the encoding of the training. */
  silhouetteOf(columns: ReadonlyMap<string, Column>, clusters: Int32Array): number | null;
}

/**
 * Loads the holdout of a training again, with any columns of the file, to evaluate another model on the same rows: by
 * default the config's features, else `inputs` (those of a model). Errors are those of reading the dataset for
 * training.
 */
export type LoadHoldout = (table: Table, config: TrainingConfig, inputs?: readonly ColumnRequest[]) => Promise<Holdout>;
