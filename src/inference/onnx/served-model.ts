/** A model as the engine sees it: its waiting requests, its past failures, and what may run next. */
import { AppError, ErrorCode } from '../../errors.js';
import type { Signature, Tensor } from '../../modules/model-contract/index.js';
import type { ModelSource } from '../port.js';
import { deadlineExceeded } from './engine-errors.js';

/**
 * How a request may run. JOINED: with others. SUSPECT: its batch was lost, so it runs alone for a part of its time, so
 * that the other requests get their turn. ALONE: with all the time it has left; a failure now is caused by this
 * request.
 */
type Attempt = 'JOINED' | 'SUSPECT' | 'ALONE';

export interface PendingAnswer {
  outputs: Tensor[];
  batchRows: number;
}

export interface Pending {
  inputs: Tensor[];
  rows: number;
  /** Upper bound of the bytes in the message. */
  bytes: number;
  /** Requests with the same key may be joined. */
  shapeKey: string;
  deadlineMs: number;
  /** By the clock of performance.now(). */
  deadlineAt: number;
  attempt: Attempt;
  /** True for a request that is never joined with another. */
  alone: boolean;
  /** Lower numbers run first. */
  priority: number;
  /** Already answered, even if a host still works on it. */
  settled: boolean;
  resolve(answer: PendingAnswer): void;
  reject(error: Error): void;
}

interface QuarantinePolicy {
  baseMs: number;
  maxMs: number;
}

/**
 * A run does not count as hung before this time, so that a client with a very short deadline cannot make a healthy
 * model unavailable.
 */
const MIN_RUN_BUDGET_MS = 100;
const SLOW_RUN_FACTOR = 3;

export class ServedModel {
  signature: Signature | undefined;
  batchable = false;
  /** The slowest of the recent runs. */
  slowestRunMs = 0;
  /** Halved when a batch had to be killed, doubled by each batch that succeeds. */
  batchRowsCap = Number.POSITIVE_INFINITY;
  runningHosts = 0;
  /** Hosts that were lost while loading it, in a row. */
  loadLosses = 0;
  private queue: Pending[] = [];
  private suspects: Pending[] = [];
  private failures = 0;
  private quarantinedUntil = 0;

  constructor(
    readonly source: ModelSource,
    private readonly quarantine: QuarantinePolicy,
  ) {}

  get hasWork(): boolean {
    return this.queue.length > 0 || this.suspects.length > 0;
  }

  enqueue(pending: Pending): void {
    if (pending.attempt !== 'JOINED') this.suspects.push(pending);
    else if (pending.priority >= (this.queue.at(-1)?.priority ?? 0)) this.queue.push(pending);
    else {
      const behind = this.queue.findIndex(({ priority }) => priority > pending.priority);
      this.queue.splice(behind, 0, pending);
    }
  }

  /**
   * Takes the requests that run together next: one suspect, or the first of the queue and those that may be joined with
   * it.
   */
  take(maxRows: number, maxBytes: number): Pending[] {
    const suspect = this.suspects.shift();
    if (suspect) return [suspect];
    const head = this.queue[0];
    if (!head) return [];
    let { rows, bytes } = head;
    let count = 1;
    const cap = this.batchable && !head.alone ? Math.min(maxRows, this.batchRowsCap) : 0;
    for (; count < this.queue.length; count += 1) {
      const next = this.queue[count]!;
      if (rows + next.rows > cap || bytes + next.bytes > maxBytes || next.shapeKey !== head.shapeKey || next.alone)
        break;
      rows += next.rows;
      bytes += next.bytes;
    }
    return this.queue.splice(0, count);
  }

  /** How long a run of these requests may take before its host counts as hung. */
  runBudgetMs(batch: readonly Pending[], now: number): number {
    const earliest = batch.reduce((first, pending) => (pending.deadlineAt < first.deadlineAt ? pending : first));
    const left = earliest.deadlineAt - now;
    const floor = Math.max(MIN_RUN_BUDGET_MS, SLOW_RUN_FACTOR * this.slowestRunMs);
    if (earliest.attempt === 'SUSPECT') return Math.max(left / 4, floor);
    // A batch leaves half of the time to run its requests one by one.
    if (batch.length > 1) return Math.max(left / 2, floor);
    return Math.max(left, floor);
  }

  succeeded(rows: number, runMs: number): void {
    this.failures = 0;
    this.quarantinedUntil = 0;
    this.slowestRunMs = Math.max(runMs, this.slowestRunMs * 0.99);
    if (rows >= this.batchRowsCap) this.batchRowsCap *= 2;
  }

  /**
   * A run ended its host. The back-off doubles with each one in a row. Waiting requests are refused, except the
   * suspects of the same batch.
   */
  failed(now: number): void {
    this.failures += 1;
    this.quarantinedUntil = now + Math.min(this.quarantine.maxMs, this.quarantine.baseMs * 2 ** (this.failures - 1));
    const refusal = this.refusal(now);
    if (refusal) for (const pending of this.queue.splice(0)) pending.reject(refusal);
  }

  /** Why a request is not accepted now; undefined when it is. */
  refusal(now: number): AppError | undefined {
    const retryAfterMs = Math.ceil(this.quarantinedUntil - now);
    if (retryAfterMs <= 0) return undefined;
    const times = this.failures === 1 ? 'its last run' : `its last ${this.failures} runs`;
    return new AppError(
      ErrorCode.UNAVAILABLE,
      `The model is set aside for ${retryAfterMs} ms, because ${times} hung or ended the process that ran it.`,
      { retryAfterMs, failures: this.failures },
    );
  }

  /** Rejects the waiting requests whose deadline has passed. */
  expire(now: number): void {
    const alive = (pending: Pending): boolean => {
      if (!pending.settled && pending.deadlineAt <= now) pending.reject(deadlineExceeded(pending.deadlineMs));
      return !pending.settled;
    };
    if (this.queue.some((pending) => pending.settled || pending.deadlineAt <= now))
      this.queue = this.queue.filter(alive);
    if (this.suspects.some((pending) => pending.settled || pending.deadlineAt <= now))
      this.suspects = this.suspects.filter(alive);
  }

  rejectAll(error: Error): void {
    for (const pending of [...this.queue.splice(0), ...this.suspects.splice(0)]) pending.reject(error);
  }
}
