import type { Signature, Tensor } from '../modules/model-contract/index.js';

export interface ModelSource {
  /** Stable id of the model's bytes, the version's id. */
  modelId: string;
  /** Local path of the .onnx file. */
  path: string;
}

export interface InferOptions {
  /** Milliseconds from now; past it the call fails with DEADLINE_EXCEEDED and the host that hangs is killed. */
  deadlineMs: number;
  /** Never beside another request, even where the model's rows are proven independent. */
  alone?: boolean;
}

export interface InferResult {
  /** First dimension = rows of the request. */
  outputs: Tensor[];
  /** From the call to the answer, queueing and batching included. */
  latencyMs: number;
  /** Rows of the batch that this request ran in. */
  batchRows: number;
}

export interface EngineStats {
  /** Rows that wait for a host. */
  queuedRows: number;
  /** Hosts that had to be replaced since the start. */
  hostRestarts: number;
  readyHosts: number;
}

/**
 * Runs models. Inputs must already agree with the signature (`domain/serving/tensor-check.ts`).
 * Errors: NOT_FOUND (not loaded), DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (memory or queue), UNAVAILABLE (quarantined or
 * host lost), INVALID_TENSOR (the runtime refused the values).
 */
export interface InferenceEngine {
  readonly name: string;
  /** Loads and warms; idempotent. */
  load(model: ModelSource): Promise<Signature>;
  unload(modelId: string): Promise<void>;
  infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult>;
  stats(): EngineStats;
  close(): Promise<void>;
}

/** What the check of an uploaded file finds; it may know more. */
export interface ModelFacts {
  signature: Signature;
}

/**
 * Checks an uploaded file, which may be hostile, by reading its bytes and then trying it in a killable process.
 * Errors: INVALID_MODEL with a sentence that says what is wrong and what to do.
 */
export type ModelChecker = (path: string) => Promise<ModelFacts>;
