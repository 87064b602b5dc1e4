import type { CircuitBreakerPolicy } from 'cockatiel';
import { AppError, ErrorCode, quote } from '../../errors.js';
import { allocate, type Signature, type Tensor } from '../../modules/model-contract/index.js';
import type {
  EngineStats,
  InferOptions,
  InferResult,
  RegisteredModel,
  RemoteEngine,
  Replicas,
  RuntimeName,
  ServerStatistics,
} from '../port.js';
import { guarded, modelBreaker, serverBreaker } from './breakers.js';
import { checkedAnswer, refuseNaN } from './checked-answer.js';
import { ServerFault } from './server-fault.js';

/** A server that runs models. Its errors are `ServerFault`s, or `AppError`s that the request or the model has caused. */
export interface ModelServer {
  /** Makes it ready there. Idempotent. INVALID_MODEL when the server cannot load it. Rejects when `ending` aborts. */
  load(model: RegisteredModel, ending: AbortSignal): Promise<void>;
  unload(modelId: string): Promise<void>;
  infer(model: RegisteredModel, inputs: Tensor[], options: SentOptions): Promise<Tensor[]>;
  /** Ids of the models of this service that are ready. */
  heldModels(): Promise<string[]>;
  /** Of a model with a scaling of its own; absent where the server does not tell. */
  replicas?(modelId: string): Promise<Replicas | null>;
  /** Absent for a server that has no statistics. */
  statistics?(): Promise<ReadonlyMap<string, ServerStatistics>>;
  close(): Promise<void>;
}

export interface SentOptions {
  alone: boolean;
  signal: AbortSignal;
}

interface Served {
  source: RegisteredModel;
  breaker: CircuitBreakerPolicy;
  /** The slowest of the recent answers. */
  slowestMs: number;
}

/** Only then does a missing answer count as a fault: a caller with a short deadline cannot set a model aside. */
const MIN_SLOW_MS = 1_000;
const SLOW_FACTOR = 3;
const WARM_UP_MS = 30_000;

/**
 * A runtime on a server of its own. What the server answers is checked against the signature. A server that is away,
 * and a model that is slow or answers wrongly, are set aside for a while.
 */
export class RemoteRuntime implements RemoteEngine {
  private readonly served = new Map<string, Served>();
  private readonly breaker = serverBreaker();
  private readonly ending = new AbortController();
  private rowsInFlight = 0;
  private isAnswering = false;

  constructor(
    readonly name: RuntimeName,
    private readonly server: ModelServer,
  ) {}

  async load(source: RegisteredModel): Promise<Signature> {
    await this.server.load(source, this.ending.signal);
    const served = { source, breaker: modelBreaker(), slowestMs: 0 };
    await this.warmUp(served);
    this.served.set(source.modelId, served);
    return source.signature;
  }

  async unload(modelId: string): Promise<void> {
    this.served.delete(modelId);
    await this.server.unload(modelId);
  }

  async infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    const startedAt = performance.now();
    const served = this.served.get(modelId);
    if (!served)
      throw new AppError(ErrorCode.NOT_FOUND, `The model ${quote(modelId)} is not loaded for inference.`, {
        got: quote(modelId),
      });
    const rows = inputs[0]?.shape[0] ?? 1;
    this.rowsInFlight += rows;
    try {
      const outputs = await guarded(served.breaker, `This model on ${this.name}`, () =>
        guarded(this.breaker, `The runtime ${this.name}`, () => this.ask(served, inputs, options)),
      );
      refuseNaN(inputs, outputs);
      const latencyMs = performance.now() - startedAt;
      served.slowestMs = Math.max(latencyMs, served.slowestMs * 0.99);
      this.isAnswering = true;
      return { outputs, latencyMs, batchRows: rows };
    } catch (error) {
      if (error instanceof ServerFault && error.kind === 'AWAY') this.isAnswering = false;
      throw error;
    } finally {
      this.rowsInFlight -= rows;
    }
  }

  abandonLoads(): void {
    this.ending.abort(new AppError(ErrorCode.UNAVAILABLE, 'This process is ending.'));
  }

  async heldModels(): Promise<string[]> {
    const held = await this.server.heldModels();
    this.isAnswering = true;
    return held;
  }

  async statistics(): Promise<ReadonlyMap<string, ServerStatistics>> {
    return (await this.server.statistics?.()) ?? new Map<string, ServerStatistics>();
  }

  stats(): EngineStats {
    return { queuedRows: this.rowsInFlight, hostRestarts: 0, readyHosts: this.isAnswering ? 1 : 0 };
  }

  async replicas(modelId: string): Promise<Replicas | null> {
    return (await this.server.replicas?.(modelId)) ?? null;
  }

  close(): Promise<void> {
    return this.server.close();
  }

  private async ask(
    { source, slowestMs }: Served,
    inputs: Tensor[],
    { deadlineMs, alone = false }: InferOptions,
  ): Promise<Tensor[]> {
    const signal = AbortSignal.timeout(Math.ceil(deadlineMs));
    try {
      const answered = await this.server.infer(source, inputs, { alone, signal });
      return checkedAnswer(source.signature, inputs, answered);
    } catch (error) {
      if (!signal.aborted) throw error;
      const message = `The model did not answer within ${deadlineMs} ms.`;
      if (deadlineMs >= Math.max(MIN_SLOW_MS, SLOW_FACTOR * slowestMs))
        throw new ServerFault('SLOW', message, { cause: error });
      throw new AppError(ErrorCode.DEADLINE_EXCEEDED, message, {}, { cause: error });
    }
  }

  /** One row of zeros: shows that the server answers as the signature says, before any request does. */
  private async warmUp(served: Served): Promise<void> {
    const inputs = served.source.signature.inputs.map(({ name, datatype, shape }): Tensor => {
      const one = shape.map((size) => Math.max(1, size));
      return {
        name,
        datatype,
        shape: one,
        data: allocate(
          datatype,
          one.reduce((product, size) => product * size, 1),
        ),
      };
    });
    try {
      await this.ask(served, inputs, { deadlineMs: WARM_UP_MS });
    } catch (error) {
      // A model may refuse zeros; a server must not answer them wrongly.
      if (error instanceof AppError && error.code === ErrorCode.INVALID_TENSOR) return;
      throw error;
    }
  }
}
