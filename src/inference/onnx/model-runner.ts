/** Runs the waiting requests of a model on one host, and handles failures there. */
import { ChildLost } from '../../child-task/child-task.js';
import { type AppError, ErrorCode } from '../../errors.js';
import { hasRows, join, sliceRows } from './batch.js';
import { fromLoss, fromReply } from './engine-errors.js';
import type { OnnxEngineOptions } from './engine-options.js';
import type { HostProcess } from './host-process.js';
import type { HostSlot } from './host-slot.js';
import type { Pending, ServedModel } from './served-model.js';
import type { Frame, HostReply } from './wire.js';

interface LoadObserver {
  loaded(model: ServedModel): void;
  /** The first load failed finally. */
  loadFailed(model: ServedModel, error: AppError): void;
}

export class ModelRunner {
  batches = 0;
  rows = 0;
  /** One entry per batch: a set of requests would change with each request and leave unused tables in V8's old heap. */
  private readonly running = new Set<Pending[]>();

  constructor(
    private readonly options: Pick<
      OnnxEngineOptions,
      'maxBatchRows' | 'maxBatchBytes' | 'loadTimeoutMs' | 'threads' | 'device'
    >,
    private readonly observer: LoadObserver,
  ) {}

  inFlight(): Pending[] {
    return [...this.running].flat();
  }

  /** Loads the model if the host does not have it, then runs one batch. */
  async serve(slot: HostSlot, host: HostProcess, model: ServedModel): Promise<void> {
    model.runningHosts += 1;
    try {
      if (!slot.loaded.has(model.source.modelId) && !(await this.load(slot, host, model))) return;
      // Taken only now, so that it contains the requests that arrived during the load.
      const batch = model
        .take(this.options.maxBatchRows, this.options.maxBatchBytes)
        .filter((pending) => !pending.settled);
      if (batch.length > 0) await this.run(slot, host, model, batch);
    } finally {
      model.runningHosts -= 1;
    }
  }

  private async load(slot: HostSlot, host: HostProcess, model: ServedModel): Promise<boolean> {
    const first = model.signature === undefined;
    try {
      const { modelId, path } = model.source;
      const { threads, device, loadTimeoutMs } = this.options;
      const { header } = await host.request({ kind: 'load', modelId, path, threads, device }, [], loadTimeoutMs);
      if (header.kind === 'loaded') {
        for (const evicted of header.evicted) slot.loaded.delete(evicted);
        slot.loaded.add(model.source.modelId);
        model.loadLosses = 0;
        model.signature ??= header.signature;
        // A model that was once seen to mix rows is never batched again.
        model.batchable = header.batchable && (first || model.batchable);
        model.slowestRunMs = Math.max(model.slowestRunMs, header.slowestRunMs);
        this.observer.loaded(model);
        return true;
      }
      const error = fromReply(header);
      // What was refused by its size has taken no memory.
      if (header.kind === 'error' && header.code === 'RESOURCE_EXHAUSTED') slot.recycle();
      this.giveUp(model, first, error);
    } catch (cause) {
      const error = fromLoss(cause, `load within ${this.options.loadTimeoutMs} ms`);
      model.loadLosses += 1;
      // The process may have been ended from outside: the load is repeated once, on another host.
      if (error.code !== ErrorCode.UNAVAILABLE || model.loadLosses > 1) {
        model.failed(performance.now());
        this.giveUp(model, first, error);
      }
    }
    return false;
  }

  private giveUp(model: ServedModel, first: boolean, error: AppError): void {
    if (first) this.observer.loadFailed(model, error);
    model.rejectAll(error);
  }

  private async run(slot: HostSlot, host: HostProcess, model: ServedModel, batch: Pending[]): Promise<void> {
    const rows = batch.reduce((sum, pending) => sum + pending.rows, 0);
    const tensors = join(
      batch.map((pending) => pending.inputs),
      rows,
    );
    const startedAt = performance.now();
    this.running.add(batch);
    try {
      const reply = await host.request(
        { kind: 'run', modelId: model.source.modelId },
        tensors,
        model.runBudgetMs(batch, startedAt),
      );
      if (reply.header.kind === 'result') {
        this.batches += 1;
        this.rows += rows;
        model.succeeded(rows, performance.now() - startedAt);
        this.answer(model, batch, rows, reply);
      } else {
        const error = fromReply(reply.header);
        // The runtime may keep memory that it got before the allocation that failed.
        if (error.code === ErrorCode.RESOURCE_EXHAUSTED) slot.recycle();
        if (batch.length > 1) this.retryAlone(model, batch);
        else batch[0]!.reject(error);
      }
    } catch (cause) {
      // No request caused this: another host runs those that have time left.
      if (cause instanceof ChildLost && cause.reason === 'SILENCE') this.retry(model, batch);
      else this.lost(model, batch, rows, fromLoss(cause, `answer within ${batch[0]!.deadlineMs} ms`));
    } finally {
      this.running.delete(batch);
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

  /**
   * A run has ended its host. The requests of the batch run again one by one, and only the one that causes it fails.
   */
  private lost(model: ServedModel, batch: Pending[], rows: number, error: AppError): void {
    const timedOut = error.code === ErrorCode.DEADLINE_EXCEEDED;
    const [only] = batch;
    if (batch.length > 1) {
      if (timedOut) model.batchRowsCap = Math.max(1, Math.floor(rows / 2));
      // If no request of the batch is left to run again, it cannot be found out which one caused it.
      if (!this.retryAlone(model, batch)) model.failed(performance.now());
    } else if (!only!.settled && only!.attempt === (timedOut ? 'SUSPECT' : 'JOINED')) {
      // A suspect request had only a part of its time, and a process may also have been ended from outside.
      only!.attempt = 'ALONE';
      model.enqueue(only!);
    } else {
      only!.reject(error);
      model.failed(performance.now());
    }
  }

  private retry(model: ServedModel, batch: Pending[]): void {
    for (const pending of batch) if (!pending.settled) model.enqueue(pending);
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
