import {
  DEFAULT_SCALE_TO_ZERO_MS,
  type ModelScaling,
  type Signature,
  TARGET_ONGOING,
  type Tensor,
} from '../../modules/model-contract/index.js';
import type { EngineStats, InferenceEngine, InferOptions, InferResult, ModelSource, Replicas } from '../port.js';
import { nextState, type ScaleState, startState } from './autoscaler.js';
import { engineClosed, notLoaded } from './engine-errors.js';
import type { OnnxEngineOptions } from './engine-options.js';
import { OnnxEngine } from './onnx-engine.js';

type Own = ModelSource & { scaling: ModelScaling };

/** Hosts of one model. */
interface Pool {
  source: Own;
  signature: Signature;
  /** Null while it is scaled to zero. */
  engine: OnnxEngine | null;
  /** The start after zero that is under way. */
  starting: Promise<OnnxEngine> | null;
  scale: ScaleState;
  lastUsedAt: number;
  why: string;
}

const SAMPLE_MS = 500;

/**
 * The hosts of this process: some that all models share, and for each model that asks for it some of its own, whose
 * number follows the requests. A model that may have none ends them when nobody asks, and its next request starts one.
 */
export class HostPools implements InferenceEngine<ModelSource> {
  readonly name = 'onnx';
  private shared: OnnxEngine | null = null;
  private readonly own = new Map<string, Pool>();
  private timer: NodeJS.Timeout | null = null;
  private closed = false;
  /** Restarts of hosts of pools that are gone. */
  private pastRestarts = 0;

  constructor(private readonly options: Partial<OnnxEngineOptions>) {}

  async load(source: ModelSource): Promise<Signature> {
    if (this.closed) throw engineClosed();
    if (!isOwn(source)) {
      // A process that serves no model pays nothing.
      this.shared ??= new OnnxEngine(this.options);
      return this.shared.load(source);
    }
    const known = this.own.get(source.modelId);
    if (known) return known.signature;
    const replicas = Math.max(1, source.scaling.minReplicas ?? 1);
    const engine = this.newEngine(source.scaling, replicas);
    try {
      const signature = await engine.load(source);
      if (this.closed) throw engineClosed();
      this.own.set(source.modelId, {
        source,
        signature,
        engine,
        starting: null,
        scale: startState(replicas, Date.now()),
        lastUsedAt: Date.now(),
        why: 'As at its start.',
      });
    } catch (error) {
      await engine.close();
      throw error;
    }
    this.timer ??= setInterval(() => this.sample(), SAMPLE_MS);
    return this.own.get(source.modelId)!.signature;
  }

  async unload(modelId: string): Promise<void> {
    const pool = this.own.get(modelId);
    if (!pool) return this.shared?.unload(modelId);
    this.own.delete(modelId);
    if (this.own.size === 0 && this.timer) {
      clearInterval(this.timer);
      this.timer = null;
    }
    await this.end(pool);
  }

  async infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    const pool = this.own.get(modelId);
    if (!pool) {
      if (!this.shared) throw notLoaded(modelId);
      return this.shared.infer(modelId, inputs, options);
    }
    const startedAt = performance.now();
    pool.lastUsedAt = Date.now();
    const engine = pool.engine ?? (await this.started(pool));
    try {
      const leftMs = Math.max(1, options.deadlineMs - (performance.now() - startedAt));
      const answer = await engine.infer(modelId, inputs, { ...options, deadlineMs: leftMs });
      return { ...answer, latencyMs: performance.now() - startedAt };
    } finally {
      pool.lastUsedAt = Date.now();
    }
  }

  stats(): EngineStats {
    const engines = [this.shared, ...[...this.own.values()].map(({ engine }) => engine)].filter((one) => one !== null);
    const sum = { queuedRows: 0, hostRestarts: this.pastRestarts, readyHosts: 0 };
    for (const engine of engines) {
      const { queuedRows, hostRestarts, readyHosts } = engine.stats();
      sum.queuedRows += queuedRows;
      sum.hostRestarts += hostRestarts;
      sum.readyHosts += readyHosts;
    }
    return sum;
  }

  async replicas(modelId: string): Promise<Replicas | null> {
    const pool = this.own.get(modelId);
    if (!pool) return null;
    return {
      running: pool.engine?.stats().readyHosts ?? 0,
      wanted: pool.engine ? pool.scale.replicas : 0,
      why: pool.why,
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.timer) clearInterval(this.timer);
    const pools = [...this.own.values()];
    this.own.clear();
    await Promise.all([this.shared?.close(), ...pools.map((pool) => this.end(pool))]);
  }

  private newEngine({ threads = 1, device = 'CPU' }: ModelScaling, hosts: number): OnnxEngine {
    return new OnnxEngine({ ...this.options, hosts, threads, device, spareHosts: 0 });
  }

  private started(pool: Pool): Promise<OnnxEngine> {
    pool.starting ??= this.start(pool).finally(() => {
      pool.starting = null;
    });
    return pool.starting;
  }

  private async start(pool: Pool): Promise<OnnxEngine> {
    const engine = this.newEngine(pool.source.scaling, 1);
    try {
      await engine.load(pool.source);
    } catch (error) {
      await engine.close();
      throw error;
    }
    if (this.closed || this.own.get(pool.source.modelId) !== pool) {
      await engine.close();
      throw engineClosed();
    }
    pool.engine = engine;
    pool.scale = startState(1, Date.now());
    pool.lastUsedAt = Date.now();
    pool.why = `A request came after none had come for ${zeroAfterMs(pool)} ms.`;
    return engine;
  }

  private sample(): void {
    const now = Date.now();
    for (const pool of this.own.values()) {
      const { engine, source } = pool;
      if (!engine) continue;
      const { outstanding } = engine.stats();
      const { minReplicas = 1, maxReplicas = Math.max(1, minReplicas) } = source.scaling;
      if (minReplicas === 0 && outstanding === 0 && now - pool.lastUsedAt >= zeroAfterMs(pool)) {
        pool.engine = null;
        pool.why = `No request came for ${zeroAfterMs(pool)} ms; the next one starts a host.`;
        this.pastRestarts += engine.stats().hostRestarts;
        void engine.close();
        continue;
      }
      const before = pool.scale.replicas;
      pool.scale = nextState(pool.scale, outstanding, now, { min: minReplicas, max: maxReplicas });
      if (pool.scale.replicas === before) continue;
      engine.resize(pool.scale.replicas);
      pool.why =
        `${pool.scale.ongoing.toFixed(1)} requests at the same time, on average; a replica shall have ` +
        `${TARGET_ONGOING}.`;
    }
  }

  private async end(pool: Pool): Promise<void> {
    this.pastRestarts += pool.engine?.stats().hostRestarts ?? 0;
    await pool.engine?.close();
    await pool.starting?.catch(() => undefined);
  }
}

function isOwn(source: ModelSource): source is Own {
  return source.scaling != null;
}

function zeroAfterMs({ source }: Pool): number {
  return source.scaling.scaleToZeroAfterMs ?? DEFAULT_SCALE_TO_ZERO_MS;
}
