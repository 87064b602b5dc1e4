import type { ModelScaling, Signature, Tensor } from '../modules/model-contract/index.js';
import type { FanOut, MemberAnswer } from './fanout/port.js';

/** Where deployed models run: the values of the column `deployment.runtime`. */
export type RuntimeName = 'ONNX' | 'TRITON' | 'RAY_SERVE' | 'VLLM' | 'V2' | 'FAN_OUT';

/**
 * What the files of a version are. ONNX: a model.onnx with tensors in and out. LANGUAGE_MODEL: none here, because a
 * server has the model under a name.
 */
export type ModelFormat = 'ONNX' | 'LANGUAGE_MODEL';

/** The processes that run a model of its own scaling. */
export interface Replicas {
  /** Those that can answer. */
  running: number;
  wanted: number;
  /** The reason of the last change, as a sentence. */
  why: string | null;
}

/** What a runtime can do, known also where it is not configured. */
export interface RuntimeKind {
  /** Formats that it serves. */
  formats: readonly ModelFormat[];
  /** Whether it answers tensors with tensors, or a text with a stream of text. */
  answers: 'TENSORS' | 'TEXT_STREAM';
  /** Whether models run on a server of its own, and not in processes of this service. */
  isRemote: boolean;
  /** What of a deployment's scaling it honours. */
  scaling: readonly (keyof ModelScaling)[];
  /** The setting that makes it available; null for a runtime that needs none. */
  setting: string | null;
  /** What a deployment promises unless it says otherwise. For TEXT_STREAM: the latency until the first token. */
  defaultSla: { latencyP95Ms: number; errorRate: number };
}

export const RUNTIME_KINDS: Record<RuntimeName, RuntimeKind> = {
  ONNX: {
    formats: ['ONNX'],
    answers: 'TENSORS',
    isRemote: false,
    scaling: ['minReplicas', 'maxReplicas', 'threads', 'scaleToZeroAfterMs', 'device'],
    setting: null,
    defaultSla: { latencyP95Ms: 50, errorRate: 0.01 },
  },
  TRITON: {
    formats: ['ONNX'],
    answers: 'TENSORS',
    isRemote: true,
    scaling: ['maxReplicas', 'threads'],
    setting: 'TRITON_URL',
    defaultSla: { latencyP95Ms: 20, errorRate: 0.01 },
  },
  RAY_SERVE: {
    formats: ['ONNX'],
    answers: 'TENSORS',
    isRemote: true,
    scaling: ['minReplicas', 'maxReplicas', 'threads', 'scaleToZeroAfterMs'],
    setting: 'RAY_SERVE_URL',
    defaultSla: { latencyP95Ms: 50, errorRate: 0.01 },
  },
  VLLM: {
    formats: ['LANGUAGE_MODEL'],
    answers: 'TEXT_STREAM',
    isRemote: true,
    scaling: [],
    setting: 'VLLM_URL',
    defaultSla: { latencyP95Ms: 100, errorRate: 0.01 },
  },
  V2: {
    formats: ['ONNX'],
    answers: 'TENSORS',
    isRemote: true,
    scaling: [],
    setting: 'V2_URL',
    defaultSla: { latencyP95Ms: 50, errorRate: 0.01 },
  },
  // Its answer is as late as the slowest of its members.
  FAN_OUT: {
    formats: ['ONNX'],
    answers: 'TENSORS',
    isRemote: false,
    scaling: [],
    setting: null,
    defaultSla: { latencyP95Ms: 100, errorRate: 0.01 },
  },
};

/** Whether a runtime continues texts, and does not answer tensors. */
export const answersTexts = (runtime: RuntimeName): boolean => RUNTIME_KINDS[runtime].answers === 'TEXT_STREAM';

/** The runtimes for tensors that are configured. */
export interface InferenceEngines {
  /** Answers requests on this machine. */
  live: InferenceEngine;
  /** The same for shadows and batch inferences: work for which nobody waits cannot delay requests. */
  background: InferenceEngine;
  /** Servers by their runtime. */
  remote: Partial<Record<RuntimeName, RemoteEngine>>;
  /** Combines what the members of an ensemble answer on these. */
  fanOut: FanOut;
}

export interface ModelSource {
  /** A stable id of the model's bytes and its scaling. */
  modelId: string;
  /** Local path of the .onnx file. */
  path: string;
  /** Null or absent: processes that it shares with other models. */
  scaling?: ModelScaling | null;
}

/** A model version, with what a server elsewhere needs to know of it. */
export interface RegisteredModel extends ModelSource {
  signature: Signature;
  sha256: string;
  /** For a server that has its models from somebody else. */
  address(): Promise<ModelAddress>;
  /** Where a server can read the file without a token: an absolute URL, or a path of this service. */
  downloadUrl(expiresInSeconds: number): Promise<string>;
}

/** A version by the name of its model and its number. */
export interface ModelAddress {
  name: string;
  version: string;
}

export interface InferOptions {
  /** Milliseconds from now. After it the call fails with DEADLINE_EXCEEDED, and a host that hangs is killed. */
  deadlineMs: number;
  /** True: never in a batch with another request, even when the model's rows are proven independent. */
  alone?: boolean;
  /** Waiting requests of a model with a lower number run first; DEFAULT_PRIORITY when absent. */
  priority?: number;
}

/** 1 comes before it, 3 and more after it. */
export const DEFAULT_PRIORITY = 2;

export interface InferResult {
  /** The first dimension is the rows of the request. */
  outputs: Tensor[];
  /** From the call to the answer, including queueing and batching. */
  latencyMs: number;
  /** Rows of the batch in which this request ran. */
  batchRows: number;
  /** Of an ensemble that asked its members: what each did. */
  members?: MemberAnswer[];
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
export interface InferenceEngine<Source extends ModelSource = RegisteredModel> {
  readonly name: string;
  /** Loads the model and warms it up; idempotent. */
  load(model: Source): Promise<Signature>;
  unload(modelId: string): Promise<void>;
  infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult>;
  stats(): EngineStats;
  /** Of a model with a scaling of its own; null, or absent, where nothing is known of its processes. */
  replicas?(modelId: string): Promise<Replicas | null>;
  close(): Promise<void>;
}

/** What a server has counted for one model since it was loaded there. */
export interface ServerStatistics {
  /** Requests. */
  succeeded: number;
  failed: number;
  rows: number;
  /** Runs of the model; of several requests, where they were joined. */
  batches: number;
  /** Sums over the requests that succeeded. */
  queueMs: number;
  computeMs: number;
  /** By rows per batch, as far as the server counts them. */
  batchSizes: { rows: number; batches: number; computeMs: number }[];
}

/**
 * Runs models on a server of its own, which may be away, restart without its models, or answer something else than it
 * should. Further errors: UNAVAILABLE (the server is away, set aside, or answered wrongly), INVALID_MODEL (it cannot
 * load the model). `infer` gives NOT_FOUND when the server has lost the model: load it again.
 */
export interface RemoteEngine extends InferenceEngine {
  /** Ids of the models of this service that the server has ready now. UNAVAILABLE when it does not answer. */
  heldModels(): Promise<string[]>;
  /** Ends the loads under way with UNAVAILABLE, because this process ends: a server may take minutes for one. */
  abandonLoads(): void;
  /** By the id of the model. Empty for a server that has none. UNAVAILABLE when it does not answer. */
  statistics(): Promise<ReadonlyMap<string, ServerStatistics>>;
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
