import type { Signature, Tensor } from '../modules/model-contract/index.js';

export interface ModelSource {
  /** A stable id of the model's bytes: the id of the version. */
  modelId: string;
  /** Local path of the .onnx file. */
  path: string;
}

export interface InferOptions {
  /** Milliseconds from now. After it the call fails with DEADLINE_EXCEEDED, and a host that hangs is killed. */
  deadlineMs: number;
  /** True: never in a batch with another request, even when the model's rows are proven independent. */
  alone?: boolean;
}

export interface InferResult {
  /** The first dimension is the rows of the request. */
  outputs: Tensor[];
  /** From the call to the answer, including queueing and batching. */
  latencyMs: number;
  /** Rows of the batch in which this request ran. */
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
 * Runs models. Inputs must already match the signature (`tensor-check.ts` of the model contract). Errors: NOT_FOUND
 * (not loaded), DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED (memory or queue), UNAVAILABLE (in quarantine, or host lost),
 * INVALID_TENSOR (the runtime refused the values).
 */
export interface InferenceEngine {
  readonly name: string;
  /** Loads the model and warms it up; idempotent. */
  load(model: ModelSource): Promise<Signature>;
  unload(modelId: string): Promise<void>;
  infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult>;
  stats(): EngineStats;
  close(): Promise<void>;
}

/** What the check of an uploaded file finds. */
export interface ModelFacts {
  signature: Signature;
}

/**
 * Checks an uploaded file, which may be hostile: reads its bytes, then tries it in a process that can be killed.
 * Errors: INVALID_MODEL with a sentence that says what is wrong and what to do.
 */
export type ModelChecker = (path: string) => Promise<ModelFacts>;
