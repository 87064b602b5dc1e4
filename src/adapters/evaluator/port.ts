import type { EnsembleOutcome, EnsembleRequest } from './ensemble/port.js';
import type { Table } from '../dataset-files/port.js';
import type { ReferenceProfile, Signature } from '../../modules/model-contract/index.js';
import type { EvaluationReport } from '../../modules/model-quality/index.js';
import type { ImportanceRequest, ParameterImportance } from '../../modules/statistics/index.js';
import type { Task, TrainingConfig } from '../../modules/algorithms/index.js';

export interface ModelFile {
  path: string;
  /** The hash that was recorded at registration. */
  sha256: string;
  signature: Signature;
}

export interface TargetColumn {
  column: string;
  /** Two classes: 1 when the value is greater. */
  greaterThan?: number;
}

/** The rows to evaluate on. Base rates come from the training rows when there are any, otherwise from these rows. */
export type EvaluationData =
  /** The holdout rows of the training, or all rows of `other`, which must have the same columns. */
  | {
      kind: 'HOLDOUT';
      config: TrainingConfig;
      training: Table;
      other: Table | null;
      /** Of the holdout, only the half from which an ensemble has not learnt (`learntHalf`). */
      learntFromHalf: boolean;
    }
  | { kind: 'ALL'; task: Task; target: TargetColumn; file: Table };

export interface EvaluationRequest {
  candidate: ModelFile;
  baseline: (ModelFile & { versionId: string }) | null;
  data: EvaluationData;
}

export interface EvaluationOutcome {
  report: EvaluationReport;
  /**
   * Why the baseline could not predict these rows and is not in the report; null when it could, or when there is none.
   */
  baselineProblem: string | null;
  /** For the monitoring of a model that has no training here; null for a trained one. */
  reference: ReferenceProfile | null;
}

export interface ProbeRequest {
  model: ModelFile;
  /** The source of sample rows; when null, zeros and empty texts are used. */
  data: Table | null;
}

export interface ProbeOutcome {
  /** Differences between the file and its recorded signature; empty when there are none. */
  signatureProblems: string[];
  sample: { rows: number; failures: number };
  /** Of predictions of a single row, one after the other. */
  latencyP95Ms: number;
}

/**
 * Measures stored models in a child process, and runs the models in another one. Aborting ends the work at once.
 * Errors: BAD_USER_INPUT and INVALID_TENSOR when model and data do not match, and those of the inference runtime.
 */
export interface ModelEvaluator {
  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<EvaluationOutcome>;
  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeOutcome>;
  /**
   * Makes one model of several: compiles it, compares it with its members, and measures it. `onProgress` hears of the
   * training of stacked members, with its finished fraction.
   */
  combine(
    request: EnsembleRequest,
    signal: AbortSignal,
    onProgress: (share: number, message: string) => void,
  ): Promise<EnsembleOutcome>;
}

/**
 * Computes which parameters influenced a metric, outside the threads that serve requests. Errors: BAD_USER_INPUT for
 * runs that show nothing, RESOURCE_EXHAUSTED when too many analyses wait.
 */
export interface ImportanceAnalyst {
  importance(request: ImportanceRequest): Promise<ParameterImportance>;
}
