import { AppError, ErrorCode } from '../errors.js';
import type { Signature, Tensor } from '../modules/model-contract/index.js';
import type { EngineStats, InferenceEngine, InferOptions, InferResult, ModelSource } from './port.js';

/** A runtime that starts when the first model is loaded: a process that serves no model pays nothing. */
export class LazyEngine implements InferenceEngine<ModelSource> {
  private engine: InferenceEngine<ModelSource> | null = null;
  private closed = false;

  constructor(
    readonly name: string,
    private readonly create: () => InferenceEngine<ModelSource>,
  ) {}

  /** Null before the first model. */
  get started(): InferenceEngine<ModelSource> | null {
    return this.engine;
  }

  async load(model: ModelSource): Promise<Signature> {
    if (this.closed) throw new AppError(ErrorCode.UNAVAILABLE, 'The inference engine is shutting down.');
    this.engine ??= this.create();
    return this.engine.load(model);
  }

  async unload(modelId: string): Promise<void> {
    await this.engine?.unload(modelId);
  }

  infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    if (!this.engine) return Promise.reject(new AppError(ErrorCode.NOT_FOUND, 'No model is loaded for inference.'));
    return this.engine.infer(modelId, inputs, options);
  }

  stats(): EngineStats {
    return this.engine?.stats() ?? { queuedRows: 0, hostRestarts: 0, readyHosts: 0 };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.engine?.close();
  }
}
