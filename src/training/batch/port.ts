import type { Column, Signature, Tensor } from '../../modules/model-contract/index.js';
import type { OutsideFiles } from '../port.js';

/** Rows of the dataset, by their numbers from 0; `endRow` is the row after the last one. */
export interface BatchPart {
  startRow: number;
  endRow: number;
}

export interface PreparedPart extends BatchPart {
  /** The model's inputs, in the order of the signature. */
  inputs: Tensor[];
  /** Columns of texts that come back with the outputs; the work does not see them. */
  kept: Column[];
}

export interface PredictedPart extends BatchPart {
  /** In the order of the signature. */
  outputs: Tensor[];
  kept: Column[];
}

/** Predictions on other machines: they outlive the process that started them, and a later attempt finds them. */
export interface BatchRequest {
  outside: OutsideFiles;
  /** An existing folder only for this attempt. The caller removes it. */
  workDir: string;
  /** Processes that predict at the same time. */
  workers: number;
  modelPath: string;
  signature: Signature;
  /** The names of the columns that are kept. */
  keptColumns: readonly string[];
  /** The rows before this one are predicted and stored. */
  firstRow: number;
  /** The parts of all rows from `firstRow` on, in their order; called when new work begins. */
  prepare(): AsyncIterable<PreparedPart>;
  /** Stores a part; called in the order of the rows. */
  store(part: PredictedPart): Promise<void>;
  /** What the job waits for. */
  onWaiting(message: string): void;
}

/** Predicts on a cluster with the runtime of this service, ONNX Runtime. */
export interface BatchPredictor {
  /** As in `external` of a job. */
  readonly name: string;
  /** Why no batch inference can start now, as a sentence that says what to do; null when one can. */
  problem(): Promise<string | null>;
  /**
   * Continues the work of an earlier attempt, or begins new work, until every part is stored. Errors: CONFLICT when the
   * rows can never be predicted, UNAVAILABLE when another attempt may succeed, RESOURCE_EXHAUSTED when the cluster has
   * no room.
   */
  predict(request: BatchRequest, signal: AbortSignal): Promise<void>;
}
