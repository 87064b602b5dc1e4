import { AppError, ErrorCode } from '../../errors.js';
import type { Deployment } from '../../db/entities/serving/deployment.entity.js';
import type { DeploymentLimits } from './rules/limits.js';

interface Waiting {
  rows: number;
  start(): void;
}

interface Lane {
  running: number;
  waiting: Set<Waiting>;
  waitingRows: number;
  /** How long a request runs, of the recent ones. */
  runMs: number;
}

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 60_000;

/** Holds back what is more than a deployment allows at the same time. One without limits costs nothing. */
export class Admission {
  private readonly lanes = new Map<string, Lane>();

  /**
   * Runs `work` when there is room, with the time that is then left of `deadlineMs`. RESOURCE_EXHAUSTED with
   * `retryAfterMs` when the queue is full or a request waited too long in it, DEADLINE_EXCEEDED.
   */
  run<T>(
    deployment: Pick<Deployment, 'id' | 'limits'>,
    rows: number,
    deadlineMs: number,
    work: (leftMs: number) => Promise<T>,
  ): Promise<T> {
    const { limits } = deployment;
    if (!limits) return work(deadlineMs);
    const ownMs = Math.min(deadlineMs, limits.deadlineMs ?? deadlineMs);
    if (limits.concurrency == null) return work(ownMs);
    return this.runInTurn(deployment, rows, ownMs, work);
  }

  /** The same for work that ends by itself: resolves when there is room, with what gives the room back. */
  async enter(
    { id, limits }: Pick<Deployment, 'id' | 'limits'>,
    rows: number,
    deadlineMs: number,
  ): Promise<() => void> {
    if (limits?.concurrency == null) return () => undefined;
    const lane = this.lanes.get(id) ?? { running: 0, waiting: new Set(), waitingRows: 0, runMs: 0 };
    this.lanes.set(id, lane);
    if (lane.running >= limits.concurrency) await this.wait(lane, limits, limits.concurrency, rows, deadlineMs);
    else lane.running++;
    const startedAt = performance.now();
    return () => {
      lane.runMs = 0.9 * lane.runMs + 0.1 * (performance.now() - startedAt);
      // The place passes to the one that waited longest.
      const [next] = lane.waiting;
      if (next) next.start();
      else if (--lane.running === 0) this.lanes.delete(id);
    };
  }

  private async runInTurn<T>(
    deployment: Pick<Deployment, 'id' | 'limits'>,
    rows: number,
    deadlineMs: number,
    work: (leftMs: number) => Promise<T>,
  ): Promise<T> {
    const arrivedAt = performance.now();
    const leave = await this.enter(deployment, rows, deadlineMs);
    try {
      return await work(Math.max(1, deadlineMs - (performance.now() - arrivedAt)));
    } finally {
      leave();
    }
  }

  private wait(
    lane: Lane,
    { queueRows = Infinity, queueTimeoutMs = Infinity }: DeploymentLimits,
    concurrency: number,
    rows: number,
    deadlineMs: number,
  ): Promise<void> {
    const retryAfterMs = Math.ceil(
      Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, (lane.runMs * (lane.waiting.size + 1)) / concurrency)),
    );
    if (lane.waitingRows + rows > queueRows)
      return Promise.reject(
        new AppError(
          ErrorCode.RESOURCE_EXHAUSTED,
          `The queue of this deployment is full (${lane.waitingRows} of ${queueRows} rows wait): try again later.`,
          { expected: `at most ${queueRows} rows waiting`, got: `${lane.waitingRows + rows}`, retryAfterMs },
        ),
      );
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        lane.waiting.delete(waiting);
        lane.waitingRows -= rows;
      };
      const waiting = {
        rows,
        start: () => {
          leave();
          resolve();
        },
      };
      const timer = setTimeout(
        () => {
          leave();
          reject(
            queueTimeoutMs < deadlineMs
              ? new AppError(
                  ErrorCode.RESOURCE_EXHAUSTED,
                  `The request waited ${queueTimeoutMs} ms in the queue of this deployment: try again later.`,
                  { expected: `a wait of at most ${queueTimeoutMs} ms`, retryAfterMs },
                )
              : new AppError(ErrorCode.DEADLINE_EXCEEDED, `The model did not answer within ${deadlineMs} ms.`, {
                  expected: `an answer within ${deadlineMs} ms`,
                }),
          );
        },
        Math.min(queueTimeoutMs, deadlineMs),
      );
      lane.waiting.add(waiting);
      lane.waitingRows += rows;
    });
  }
}
