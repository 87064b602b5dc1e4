import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { ChildLost } from '../../child-task/child-task.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { Signature, Tensor } from '../../modules/model-contract/index.js';
import {
  DEFAULT_PRIORITY,
  type InferenceEngine,
  type InferOptions,
  type InferResult,
  type ModelSource,
} from '../port.js';
import { concatRows, innerShapeKey, inSignatureOrder, sliceRows, wireBytes } from './batch.js';
import { deadlineExceeded, engineClosed, noHost, notLoaded, queueFull, requestTooLarge } from './engine-errors.js';
import { DEFAULT_ENGINE_OPTIONS, type OnnxEngineOptions, type OnnxEngineStats } from './engine-options.js';
import type { HostProcess } from './host-process.js';
import { HostSlot } from './host-slot.js';
import { ModelRunner } from './model-runner.js';
import { ServedModel, type Pending, type PendingAnswer } from './served-model.js';

/** The interval in which the deadlines of waiting requests are checked. */
const SWEEP_EVERY_MS = 20;
/** Space for names and shapes beside the elements. */
const FRAME_HEADER_BYTES = 1024 ** 2;

interface LoadWaiter {
  resolve(signature: Signature): void;
  reject(error: Error): void;
}

interface Terms {
  alone: boolean;
  priority: number;
  deadlineMs: number;
  /** By the clock of performance.now(). */
  deadlineAt: number;
}

/**
 * ONNX Runtime in a few processes that can be killed, with micro-batches of the requests of one turn of the event loop.
 */
export class OnnxEngine implements InferenceEngine<ModelSource> {
  readonly name = 'onnx';
  private readonly options: OnnxEngineOptions;
  private readonly folder = mkdtempSync(joinPath(tmpdir(), 'matih-hosts-'));
  private readonly slots: HostSlot[] = [];
  /** Those that end when their task does. */
  private readonly retiring = new Set<HostSlot>();
  private readonly runner: ModelRunner;
  private readonly models = new Map<string, ServedModel>();
  /** Models with waiting requests, in the order of their turn. */
  private readonly ready = new Set<ServedModel>();
  /** Models that are not loaded anywhere yet. */
  private readonly loading = new Map<ServedModel, LoadWaiter[]>();
  private queuedRows = 0;
  private outstanding = 0;
  private dispatchPlanned = false;
  private sweep: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(options: Partial<OnnxEngineOptions> = {}) {
    this.options = { ...DEFAULT_ENGINE_OPTIONS, ...options };
    this.runner = new ModelRunner(this.options, {
      loaded: (model) => {
        for (const waiter of this.loading.get(model) ?? []) waiter.resolve(model.signature!);
        this.loading.delete(model);
      },
      loadFailed: (model, error) => this.forget(model, error),
    });
    this.resize(this.options.hosts);
  }

  /** Starts hosts, or ends some: one that runs a batch ends after it. */
  resize(hosts: number): void {
    const options = { ...this.options, maxCpuMs: null, cwd: this.folder, hardened: false };
    while (this.slots.length < hosts)
      this.slots.push(
        new HostSlot(
          options,
          () => this.planDispatch(),
          () => this.giveUpWithoutHosts(),
        ),
      );
    while (this.slots.length > hosts) {
      const idle = this.slots.findLastIndex((slot) => !slot.busy);
      const [slot] = this.slots.splice(idle, 1);
      this.retiring.add(slot!);
      if (!slot!.busy) this.retire(slot!);
    }
  }

  stats(): OnnxEngineStats {
    return {
      queuedRows: this.queuedRows,
      outstanding: this.outstanding,
      batches: this.runner.batches,
      rows: this.runner.rows,
      hostRestarts: this.slots.reduce((sum, slot) => sum + slot.restarts, 0),
      readyHosts: this.slots.filter((slot) => slot.host).length,
    };
  }

  /** Process ids of the running hosts. */
  hostPids(): number[] {
    return this.slots.flatMap((slot) => slot.host?.pid ?? []);
  }

  load(source: ModelSource): Promise<Signature> {
    if (this.closed) return Promise.reject(engineClosed());
    let model = this.models.get(source.modelId);
    if (model?.signature) return Promise.resolve(model.signature);
    if (!model) {
      model = new ServedModel(source, { baseMs: this.options.quarantineBaseMs, maxMs: this.options.quarantineMaxMs });
      this.models.set(source.modelId, model);
    }
    const waiters = this.loading.get(model) ?? [];
    this.loading.set(model, waiters);
    this.ready.add(model);
    this.planDispatch();
    return new Promise((resolve, reject) => waiters.push({ resolve, reject }));
  }

  async unload(modelId: string): Promise<void> {
    const model = this.models.get(modelId);
    if (!model) return;
    this.forget(model, notLoaded(modelId));
    for (const slot of this.slots) if (slot.loaded.delete(modelId)) slot.unwanted.add(modelId);
    await Promise.all(this.slots.filter((slot) => slot.idle).map((slot) => this.hold(slot, () => Promise.resolve())));
  }

  async infer(modelId: string, inputs: Tensor[], options: InferOptions): Promise<InferResult> {
    const { deadlineMs, alone = false, priority = DEFAULT_PRIORITY } = options;
    const startedAt = performance.now();
    const model = this.models.get(modelId);
    if (!model?.signature) throw notLoaded(modelId);
    const ordered = inSignatureOrder(model.signature, inputs);
    if (!ordered?.[0])
      throw new AppError(ErrorCode.INVALID_TENSOR, 'An input of the model is missing.', { field: 'inputs' });
    const rows = ordered[0].shape[0] ?? 1;
    const terms = { deadlineMs, deadlineAt: startedAt + deadlineMs, alone, priority };
    const maxRows = Math.max(
      1,
      Math.min(this.options.maxBatchRows, Math.floor((this.options.maxBatchBytes * rows) / (wireBytes(ordered) + 1))),
    );
    const answer =
      rows <= maxRows || alone || !model.batchable
        ? await this.submit(model, ordered, rows, terms)
        : await this.submitInChunks(model, ordered, rows, maxRows, terms);
    return { ...answer, latencyMs: performance.now() - startedAt };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.sweep);
    for (const model of [...this.models.values()]) this.forget(model, engineClosed());
    for (const pending of this.runner.inFlight()) pending.reject(engineClosed());
    await Promise.all([...this.slots, ...this.retiring].map((slot) => slot.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async submitInChunks(
    model: ServedModel,
    inputs: Tensor[],
    rows: number,
    maxRows: number,
    terms: Terms,
  ): Promise<PendingAnswer> {
    const chunks: Tensor[][] = [];
    let batchRows = 0;
    // One part after the other, so that a long request takes turns with short ones.
    for (let from = 0; from < rows; from += maxRows) {
      const count = Math.min(maxRows, rows - from);
      const answer = await this.submit(model, sliceRows(inputs, from, count), count, terms);
      chunks.push(answer.outputs);
      batchRows = Math.max(batchRows, answer.batchRows);
    }
    return { outputs: concatRows(chunks), batchRows };
  }

  private submit(model: ServedModel, inputs: Tensor[], rows: number, terms: Terms): Promise<PendingAnswer> {
    const bytes = wireBytes(inputs);
    const refusal = this.refusal(model, rows, bytes);
    if (refusal) return Promise.reject(refusal);
    this.queuedRows += rows;
    this.outstanding += 1;
    return new Promise((resolve, reject) => {
      const settle = (pending: Pending): boolean => {
        if (pending.settled) return false;
        pending.settled = true;
        this.queuedRows -= rows;
        this.outstanding -= 1;
        return true;
      };
      const pending: Pending = {
        ...terms,
        inputs,
        rows,
        bytes,
        shapeKey: innerShapeKey(inputs),
        attempt: 'JOINED',
        settled: false,
        resolve: (answer) => settle(pending) && resolve(answer),
        reject: (error) => settle(pending) && reject(error),
      };
      model.enqueue(pending);
      this.ready.add(model);
      this.planDispatch();
      this.sweep ??= setTimeout(() => this.expire(), SWEEP_EVERY_MS);
    });
  }

  private refusal(model: ServedModel, rows: number, bytes: number): AppError | undefined {
    if (this.closed) return engineClosed();
    const maxBytes = this.options.maxFrameBytes - FRAME_HEADER_BYTES;
    if (bytes > maxBytes) return requestTooLarge(bytes, maxBytes);
    // A single request may be longer than the queue.
    const full = this.queuedRows > 0 && this.queuedRows + rows > this.options.maxQueueRows;
    return (
      model.refusal(performance.now()) ?? (full ? queueFull(this.queuedRows, this.options.maxQueueRows) : undefined)
    );
  }

  private expire(): void {
    const now = performance.now();
    for (const model of this.models.values()) model.expire(now);
    for (const pending of this.runner.inFlight())
      if (pending.deadlineAt <= now) pending.reject(deadlineExceeded(pending.deadlineMs));
    this.sweep = this.outstanding > 0 ? setTimeout(() => this.expire(), SWEEP_EVERY_MS) : undefined;
  }

  private giveUpWithoutHosts(): void {
    const failures = this.slots.flatMap((slot) => slot.startFailure ?? []);
    if (failures.length < this.slots.length) return;
    const error = noHost(failures[0]!);
    for (const model of [...this.loading.keys()]) this.forget(model, error);
    for (const model of this.models.values()) model.rejectAll(error);
  }

  private forget(model: ServedModel, error: Error): void {
    this.models.delete(model.source.modelId);
    this.ready.delete(model);
    for (const waiter of this.loading.get(model) ?? []) waiter.reject(error);
    this.loading.delete(model);
    model.rejectAll(error);
  }

  /** Once per turn of the event loop: requests that arrived during the turn are joined. */
  private planDispatch(): void {
    if (this.dispatchPlanned || this.closed) return;
    this.dispatchPlanned = true;
    setImmediate(() => {
      this.dispatchPlanned = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    const most = Math.max(1, this.slots.length - this.options.spareHosts);
    for (const model of [...this.ready]) {
      const loads = this.loading.has(model);
      if (!loads && !model.hasWork && model.runningHosts === 0) this.ready.delete(model);
      if (!loads && !model.hasWork) continue;
      if (model.runningHosts >= most || (loads && this.busyLoading() >= most)) continue;
      const slot = this.freeSlot(model);
      if (!slot) return;
      // Behind the other models, for its next turn.
      this.ready.delete(model);
      this.ready.add(model);
      void this.hold(slot, (host) => this.runner.serve(slot, host, model));
    }
  }

  private busyLoading(): number {
    return [...this.loading.keys()].filter((model) => model.runningHosts > 0).length;
  }

  private freeSlot(model: ServedModel): HostSlot | undefined {
    const free = this.slots.filter((slot) => slot.idle);
    return (
      free.find((slot) => slot.loaded.has(model.source.modelId)) ??
      free.sort((a, b) => a.loaded.size - b.loaded.size)[0]
    );
  }

  private async hold(slot: HostSlot, task: (host: HostProcess) => Promise<void>): Promise<void> {
    const host = slot.host!;
    slot.busy = true;
    try {
      for (const modelId of slot.unwanted) {
        slot.unwanted.delete(modelId);
        await host.request({ kind: 'unload', modelId }, [], this.options.loadTimeoutMs);
      }
      await task(host);
    } catch (error) {
      // The host was lost before the task began; the task is still waiting.
      if (!(error instanceof ChildLost)) throw error;
    } finally {
      slot.busy = false;
      if (this.retiring.has(slot)) this.retire(slot);
      this.planDispatch();
    }
  }

  private retire(slot: HostSlot): void {
    void slot.close().then(() => this.retiring.delete(slot));
  }
}
