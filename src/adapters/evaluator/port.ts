import type { Table } from '../dataset-files/port.js';
import type { ReferenceProfile, Signature } from '../../modules/model-contract/index.js';
import type { EvaluationReport } from '../../modules/model-quality/index.js';
import type { ImportanceRequest, ParameterImportance } from '../../modules/statistics/index.js';
import type { Task, TrainingConfig } from '../../modules/algorithms/index.js';

export interface ModelFile {
  path: string;
  /** As registered. */
  sha256: string;
  signature: Signature;
}

export interface TargetColumn {
  column: string;
  /** Two classes: 1 where the value is greater. */
  greaterThan?: number;
}

/** The rows to evaluate on. Base rates come from the training rows if any, else from these rows. */
export type JudgedData =
  /** What the training never saw, or all rows of `other`, which must have the same columns. */
  | { kind: 'HOLDOUT'; config: TrainingConfig; training: Table; other: Table | null }
  | { kind: 'ALL'; task: Task; target: TargetColumn; file: Table };

export interface EvaluationRequest {
  candidate: ModelFile;
  baseline: (ModelFile & { versionId: string }) | null;
  data: JudgedData;
}

export interface EvaluationOutcome {
  report: EvaluationReport;
  /**
   * Why the baseline could not predict these rows and is missing in the report; null when it could, or there is none.
   */
  baselineProblem: string | null;
  /** For monitoring of a model that no training here describes; null for one that was trained. */
  reference: ReferenceProfile | null;
}

export interface ProbeRequest {
  model: ModelFile;
  /** Sample rows come from here; zeros and empty texts without. */
  data: Table | null;
}

export interface ProbeOutcome {
  /** What differs between the file and its record; empty when nothing does. */
  signatureProblems: string[];
  sample: { rows: number; failures: number };
  /** Of single-row predictions, one after the other. */
  latencyP95Ms: number;
}

/**
 * Measures stored models, outside the process that asks and with the models outside the process that measures. Aborting
 * ends the work at once. Errors: BAD_USER_INPUT and INVALID_TENSOR when model and data do not fit, and those of the
 * inference engine.
 */
export interface ModelEvaluator {
  evaluate(request: EvaluationRequest, signal: AbortSignal): Promise<EvaluationOutcome>;
  probe(request: ProbeRequest, signal: AbortSignal): Promise<ProbeOutcome>;
}

/**
 * Computes which parameters influenced a metric, outside the threads that serve requests. Errors: BAD_USER_INPUT for
 * runs that show nothing, RESOURCE_EXHAUSTED when too many wait.
 */
export interface ImportanceAnalyst {
  importance(request: ImportanceRequest): Promise<ParameterImportance>;
}
