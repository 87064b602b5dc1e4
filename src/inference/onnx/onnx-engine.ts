import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { AppError, ErrorCode, quote } from '../../errors.js';
import type { Signature, Tensor } from '../../domain/tensor.js';
import type { InferenceEngine, InferOptions, InferResult, ModelSource } from '../port.js';
import { bytesPerRow, concatRows, hasRows, inSignatureOrder, innerShapeKey, join, sliceRows } from './batch.js';
import { HostLost, type HostProcess } from './host-process.js';
import { HostSlot } from './host-slot.js';
import { deadlineExceeded, ServedModel, type Pending, type PendingAnswer } from './served-model.js';
import type { Frame, HostReply } from './wire.js';

export interface OnnxEngineOptions {
  /** Host processes. A model may hold all but one of them, so that one that hangs leaves room for the others. */
  hosts: number;
  /** Rows of one run; longer requests are cut. */
  maxBatchRows: number;
  /** Input bytes of one run, which bounds how long the event loop copies. */
  maxBatchBytes: number;
  /** Rows waiting over all models; past it requests are refused. */
  maxQueueRows: number;
  /** Resident memory of one host process, the runtime's own 90 MB included. */
  maxResidentBytes: number;
  maxLoadedModels: number;
  maxLoadedBytes: number;
  /** Largest answer of one run. */
  maxFrameBytes: number;
  startTimeoutMs: number;
  loadTimeoutMs: number;
  quarantineBaseMs: number;
  quarantineMaxMs: number;
}

const MEBIBYTE = 1024 ** 2;

const DEFAULTS: OnnxEngineOptions = {
  hosts: 2,
  maxBatchRows: 2048,
  maxBatchBytes: 8 * MEBIBYTE,
  maxQueueRows: 65_536,
  maxResidentBytes: 2048 * MEBIBYTE,
  maxLoadedModels: 64,
  maxLoadedBytes: 1024 * MEBIBYTE,
  maxFrameBytes: 256 * MEBIBYTE,
  startTimeoutMs: 20_000,
  loadTimeoutMs: 30_000,
  quarantineBaseMs: 1000,
  quarantineMaxMs: 300_000,
};

/** How often requests that wait are checked for their deadline. */
const SWEEP_EVERY_MS = 20;

export interface OnnxEngineStats {
  queuedRows: number;
  /** Runs and rows since the start. */
  batches: number;
  rows: number;
  hostRestarts: number;
  readyHosts: number;
}

interface LoadWaiter {
  resolve(signature: Signature): void;
  reject(error: Error): void;
}

/** ONNX Runtime in a few killable processes, with micro-batching on the event loop's turn. */
export class OnnxEngine implements InferenceEngine {
  readonly name = 'onnx';
  private readonly options: OnnxEngineOptions;
  private readonly folder = mkdtempSync(joinPath(tmpdir(), 'matih-hosts-'));
  private readonly slots: HostSlot[];
  private readonly models = new Map<string, ServedModel>();
  /** In order of their turn. */
  private readonly ready = new Set<ServedModel>();
  private readonly loading = new Map<ServedModel, LoadWaiter[]>();
  private readonly running = new Set<Pending>();
  private queuedRows = 0;
  private outstanding = 0;
  private batches = 0;
  private rows = 0;
  private dispatchPlanned = false;
  private sweep: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(options: Partial<OnnxEngineOptions> = {}) {
    this.options = { ...DEFAULTS, ...options };
    const hostOptions = { ...this.options, cwd: this.folder, hardened: false };
    this.slots = Array.from({ length: this.options.hosts }, () => new HostSlot(hostOptions, () => this.planDispatch()));
  }

  stats(): OnnxEngineStats {
    return {
      queuedRows: this.queuedRows,
      batches: this.batches,
      rows: this.rows,
      hostRestarts: this.slots.reduce((sum, slot) => sum + slot.restarts, 0),
      readyHosts: this.slots.filter((slot) => slot.host).length,
    };
  }

  /** Process ids of the hosts that are up. */
  hostPids(): number[] {
    return this.slots.flatMap((slot) => slot.host?.pid ?? []);
  }

  load(source: ModelSource): Promise<Signature> {
    if (this.closed) return Promise.reject(closedError());
    let model = this.models.get(source.modelId);
    if (model?.signature) return Promise.resolve(model.signature);
    if (!model) {
      model = new ServedModel(source, { baseMs: this.options.quarantineBaseMs, maxMs: this.options.quarantineMaxMs });
      this.models.set(source.modelId, model);
    }
    const waiters = this.loading.get(model) ?? [];
    this.loading.set(model, waiters);
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject });
      this.ready.add(model);
      this.planDispatch();
    });
  }

  async unload(modelId: string): Promise<void> {
    const model = this.models.get(modelId);
    if (!model) return;
    this.forget(model, notLoaded(modelId));
    await Promise.all(this.slots.map((slot) => this.unloadFrom(slot, modelId)));
  }

  async infer(modelId: string, inputs: Tensor[], { deadlineMs }: InferOptions): Promise<InferResult> {
    const startedAt = performance.now();
    const model = this.models.get(modelId);
    if (!model?.signature) throw notLoaded(modelId);
    const ordered = inSignatureOrder(model.signature, inputs);
    if (!ordered || ordered.length === 0) throw new AppError(ErrorCode.INVALID_TENSOR, 'An input of the model is missing.', { field: 'inputs' });
    const rows = ordered[0]!.shape[0] ?? 1;
    const deadlineAt = startedAt + deadlineMs;
    const maxRows = Math.max(1, Math.min(this.options.maxBatchRows, Math.floor(this.options.maxBatchBytes / bytesPerRow(ordered, rows))));
    const answer =
      rows <= maxRows || !model.batchable
        ? await this.submit(model, ordered, rows, deadlineMs, deadlineAt)
        : await this.submitInChunks(model, ordered, rows, maxRows, deadlineMs, deadlineAt);
    return { ...answer, latencyMs: performance.now() - startedAt };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.sweep);
    for (const model of this.models.values()) this.forget(model, closedError());
    for (const pending of this.running) pending.reject(closedError());
    await Promise.all(this.slots.map((slot) => slot.close()));
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async submitInChunks(
    model: ServedModel,
    inputs: Tensor[],
    rows: number,
    maxRows: number,
    deadlineMs: number,
    deadlineAt: number,
  ): Promise<PendingAnswer> {
    const chunks: Tensor[][] = [];
    let batchRows = 0;
    // One after the other, so that a long request takes its turn among the short ones.
    for (let from = 0; from < rows; from += maxRows) {
      const count = Math.min(maxRows, rows - from);
      const answer = await this.submit(model, sliceRows(inputs, from, count), count, deadlineMs, deadlineAt);
      chunks.push(answer.outputs);
      batchRows = Math.max(batchRows, answer.batchRows);
    }
    return { outputs: concatRows(chunks), batchRows };
  }

  private submit(model: ServedModel, inputs: Tensor[], rows: number, deadlineMs: number, deadlineAt: number): Promise<PendingAnswer> {
    const refusal = this.closed ? closedError() : (model.refusal(performance.now()) ?? this.queueRefusal(rows));
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
        inputs,
        rows,
        shapeKey: innerShapeKey(inputs),
        deadlineMs,
        deadlineAt,
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

  private queueRefusal(rows: number): AppError | undefined {
    if (this.queuedRows + rows <= this.options.maxQueueRows || this.queuedRows === 0) return undefined;
    return new AppError(ErrorCode.RESOURCE_EXHAUSTED, `${this.queuedRows} rows are waiting for inference already; try again later.`, {
      expected: `at most ${this.options.maxQueueRows} rows waiting`,
    });
  }

  private expire(): void {
    const now = performance.now();
    for (const model of this.models.values()) model.expire(now);
    for (const pending of this.running) if (pending.deadlineAt <= now) pending.reject(deadlineExceeded(pending));
    this.sweep = this.outstanding > 0 ? setTimeout(() => this.expire(), SWEEP_EVERY_MS) : undefined;
  }

  private forget(model: ServedModel, error: Error): void {
    this.models.delete(model.source.modelId);
    this.ready.delete(model);
    for (const waiter of this.loading.get(model) ?? []) waiter.reject(error);
    this.loading.delete(model);
    model.rejectAll(error);
  }

  private async unloadFrom(slot: HostSlot, modelId: string): Promise<void> {
    if (slot.loaded.delete(modelId)) slot.unwanted.add(modelId);
    if (slot.idle) await this.hold(slot, () => Promise.resolve());
  }

  /** Once per turn of the event loop: what arrived during the turn is joined. */
  private planDispatch(): void {
    if (this.dispatchPlanned || this.closed) return;
    this.dispatchPlanned = true;
    setImmediate(() => {
      this.dispatchPlanned = false;
      this.dispatch();
    });
  }

  private dispatch(): void {
    const allButOne = Math.max(1, this.slots.length - 1);
    for (const model of this.ready) {
      const loads = this.loading.has(model);
      if (!loads && !model.hasWork) {
        this.ready.delete(model);
        continue;
      }
      if (model.runningHosts >= allButOne || (loads && this.busyLoading() >= allButOne)) continue;
      const slot = this.freeSlot(model);
      if (!slot) return;
      this.ready.delete(model);
      void this.hold(slot, (host) => this.serve(slot, host, model, loads));
      if (model.hasWork) this.ready.add(model);
    }
  }

  private busyLoading(): number {
    return [...this.loading.keys()].filter((model) => model.runningHosts > 0).length;
  }

  private freeSlot(model: ServedModel): HostSlot | undefined {
    const free = this.slots.filter((slot) => slot.idle);
    return free.find((slot) => slot.loaded.has(model.source.modelId)) ?? free.sort((a, b) => a.loaded.size - b.loaded.size)[0];
  }

  private async hold(slot: HostSlot, task: (host: HostProcess) => Promise<unknown>): Promise<void> {
    slot.busy = true;
    const host = slot.host!;
    try {
      for (const modelId of slot.unwanted) {
        slot.unwanted.delete(modelId);
        await host.request({ kind: 'unload', modelId }, [], this.options.loadTimeoutMs);
      }
      await task(host);
    } catch (error) {
      // A host that is lost in between is replaced; what it was asked has been dealt with by the task.
      if (!(error instanceof HostLost)) throw error;
    } finally {
      slot.busy = false;
      this.planDispatch();
    }
  }

  private async serve(slot: HostSlot, host: HostProcess, model: ServedModel, firstLoad: boolean): Promise<void> {
    model.runningHosts += 1;
    try {
      if (!slot.loaded.has(model.source.modelId) && !(await this.loadInto(slot, host, model, firstLoad))) return;
      // Taken only now, with all that arrived during the load.
      const batch = model.take(this.options.maxBatchRows).filter((pending) => !pending.settled);
      if (batch.length > 0) await this.runBatch(slot, host, model, batch);
    } finally {
      model.runningHosts -= 1;
      if (model.hasWork && this.models.has(model.source.modelId)) this.ready.add(model);
    }
  }

  private async loadInto(slot: HostSlot, host: HostProcess, model: ServedModel, firstLoad: boolean): Promise<boolean> {
    let error: AppError;
    try {
      const { header } = await host.request({ kind: 'load', ...model.source }, [], this.options.loadTimeoutMs);
      if (header.kind === 'loaded') {
        for (const evicted of header.evicted) slot.loaded.delete(evicted);
        slot.loaded.add(model.source.modelId);
        model.signature ??= header.signature;
        // Once seen to mix rows, always so.
        model.batchable = header.batchable && (firstLoad || model.batchable);
        model.slowestRunMs = Math.max(model.slowestRunMs, header.slowestRunMs);
        for (const waiter of this.loading.get(model) ?? []) waiter.resolve(model.signature);
        this.loading.delete(model);
        return true;
      }
      error = fromReply(header);
      if (error.code === ErrorCode.RESOURCE_EXHAUSTED) slot.recycle();
    } catch (cause) {
      error = fromLoss(cause, `load within ${this.options.loadTimeoutMs} ms`);
      model.failed(performance.now());
    }
    if (firstLoad) this.forget(model, error);
    else model.rejectAll(error);
    return false;
  }

  private async runBatch(slot: HostSlot, host: HostProcess, model: ServedModel, batch: Pending[]): Promise<void> {
    const rows = batch.reduce((sum, pending) => sum + pending.rows, 0);
    const tensors = join(batch.map((pending) => pending.inputs), rows);
    const startedAt = performance.now();
    for (const pending of batch) this.running.add(pending);
    try {
      const reply = await host.request({ kind: 'run', modelId: model.source.modelId }, tensors, model.runBudgetMs(batch, startedAt));
      if (reply.header.kind === 'result') {
        this.batches += 1;
        this.rows += rows;
        model.succeeded(rows, performance.now() - startedAt);
        this.answer(model, batch, rows, reply);
      } else {
        const error = fromReply(reply.header);
        // The runtime may hold on to what it got before the allocation that failed.
        if (error.code === ErrorCode.RESOURCE_EXHAUSTED) slot.recycle();
        this.fault(model, batch, error);
      }
    } catch (cause) {
      this.lost(model, batch, rows, fromLoss(cause, `answer within ${batch[0]!.deadlineMs} ms`));
    } finally {
      for (const pending of batch) this.running.delete(pending);
    }
  }

  private answer(model: ServedModel, batch: Pending[], rows: number, { tensors }: Frame<HostReply>): void {
    if (batch.length === 1) {
      batch[0]!.resolve({ outputs: tensors, batchRows: rows });
      return;
    }
    if (!hasRows(tensors, rows)) {
      model.batchable = false;
      this.retryAlone(model, batch);
      return;
    }
    let from = 0;
    for (const pending of batch) {
      pending.resolve({ outputs: sliceRows(tensors, from, pending.rows), batchRows: rows });
      from += pending.rows;
    }
  }

  /** The run failed, its host lives. */
  private fault(model: ServedModel, batch: Pending[], error: AppError): void {
    if (batch.length > 1) this.retryAlone(model, batch);
    else batch[0]!.reject(error);
  }

  /** The run took its host with it. Requests that shared it run again one by one, and only the guilty one fails. */
  private lost(model: ServedModel, batch: Pending[], rows: number, error: AppError): void {
    const timedOut = error.code === ErrorCode.DEADLINE_EXCEEDED;
    const [only] = batch;
    if (batch.length > 1) {
      if (timedOut) model.batchRowsCap = Math.max(1, Math.floor(rows / 2));
      // Nobody may be left who could show whose fault it was.
      if (!this.retryAlone(model, batch)) model.failed(performance.now());
    } else if (!only!.settled && only!.attempt === (timedOut ? 'SUSPECT' : 'JOINED')) {
      // A suspect had a part of its time only; a process may also have been ended from outside.
      only!.attempt = 'ALONE';
      model.enqueue(only!);
    } else {
      only!.reject(error);
      model.failed(performance.now());
    }
  }

  private retryAlone(model: ServedModel, batch: Pending[]): boolean {
    const alive = batch.filter((pending) => !pending.settled);
    for (const pending of alive) {
      pending.attempt = 'SUSPECT';
      model.enqueue(pending);
    }
    return alive.length > 0;
  }
}

function notLoaded(modelId: string): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `The model ${quote(modelId)} is not loaded for inference.`, { got: quote(modelId) });
}

function closedError(): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, 'The inference engine is shutting down.');
}

function fromReply(header: HostReply): AppError {
  if (header.kind !== 'error') return new AppError(ErrorCode.INTERNAL, `An inference host answered with "${header.kind}".`);
  const message = header.code === 'RESOURCE_EXHAUSTED' ? `The model needs more memory than a host may hold: ${header.message}` : header.message;
  return new AppError(ErrorCode[header.code], message);
}

function fromLoss(cause: unknown, expected: string): AppError {
  if (!(cause instanceof HostLost)) throw cause;
  switch (cause.reason) {
    case 'TIMEOUT':
      return new AppError(ErrorCode.DEADLINE_EXCEEDED, `The model did not ${expected}; the process that ran it was ended.`, { expected });
    case 'MEMORY':
      return new AppError(ErrorCode.RESOURCE_EXHAUSTED, 'The model needs more memory than a host may hold; the process that ran it was ended.');
    case 'CRASH':
      return new AppError(ErrorCode.UNAVAILABLE, `The process that ran the model ended: ${cause.message}.`);
    case 'CLOSED':
      return closedError();
  }
}
