import type { FinishReason, Prompt, Sampling, TokenUsage } from '../../modules/model-contract/index.js';

/** The next part of an answer. */
export interface TextPart {
  /** May be empty. */
  text: string;
  /** In the last part with text; null before. */
  finishReason: FinishReason | null;
  /** The tokens so far; null when the server did not say. */
  usage: TokenUsage | null;
}

export interface TextRequest {
  /** The name by which the server knows the model, or an adapter of it. */
  model: string;
  prompt: Prompt;
  sampling: Sampling;
}

export interface GenerateOptions {
  /** Ends the answer, also at the server. */
  signal: AbortSignal;
  /** Longest wait for the first token, in milliseconds. */
  firstTokenMs: number;
  /** Longest wait for every other one. */
  silenceMs: number;
}

/** A model that the server has. */
export interface ServedModel {
  name: string;
  /** The model of which it is an adapter; null for a model. */
  adapterOf: string | null;
}

/**
 * A server of language models. Errors of all its methods: UNAVAILABLE (away, or its answer is no answer),
 * RESOURCE_EXHAUSTED with `retryAfterMs` (too many requests).
 */
export interface TextEngine {
  /** All models and adapters. */
  models(): Promise<ServedModel[]>;
  /** Makes an adapter known under a name; nothing happens when it is known. BAD_USER_INPUT when its files are unfit. */
  loadAdapter(name: string, folder: string): Promise<void>;
  /** Forgets an adapter; answers that run go on. */
  unloadAdapter(name: string): Promise<void>;
  /**
   * The answer part by part. Who stops reading ends the work of the server. Errors: BAD_USER_INPUT (refused values),
   * NOT_FOUND (the server does not have the model), DEADLINE_EXCEEDED (no token for too long).
   */
  generate(request: TextRequest, options: GenerateOptions): AsyncGenerator<TextPart, void, undefined>;
}
