import type { Logger } from 'pino';
import { z } from 'zod';
import { type Consumer, type JobQueue, NotNow } from '../../adapters/job-queue/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Actor, Database } from '../../db/database.js';
import {
  jobTopic,
  OUTSIDE_QUEUE,
  type OutsideCompletion,
  queueOf,
  StaleAttempt,
  type JobService,
} from '../../modules/jobs/index.js';
import { Role } from '../../modules/core/index.js';
import { Admission, type Capacity, needsNothing } from './admission.js';
import type { JobDefinition, StoredAttempt } from './define-job.js';
import { AppError, ErrorCode } from '../../errors.js';

/** A row of the job table, as the queue carries it. */
export const queuedJob = z.strictObject({
  tenant: z.string().min(1).max(200),
  jobId: z.uuid(),
  attempt: z.int().min(1),
});

export interface JobRuntime {
  db: Database;
  live: LiveEvents;
  queue: JobQueue;
  logger: Logger;
  jobs: JobService;
  outsideCompletion: OutsideCompletion;
  /** A running job without a sign of life for this time is given to another worker. */
  heartbeatTimeoutMs: number;
  /** Aborts when this process stops: its jobs are handed back, and continue in another process. */
  leaving: AbortSignal;
}

const MAX_HEARTBEAT_MS = 2_000;
/** Several signs of life fit into the time after which a job counts as lost. */
const HEARTBEATS_PER_TIMEOUT = 5;
const PROGRESS_MS = 250;
const RETRY_MS = 250;

/** After a job could not begin, jobs of its kind are requested again after a change, or after this time. */
const ASK_AGAIN_MS = 5_000;

/** Lets this process run waiting jobs of every kind from its queues, as many at the same time as `capacity` allows. */
export async function consumeJobs<Services>(
  runtime: JobRuntime,
  definitions: readonly JobDefinition<Services>[],
  services: Services,
  { queues, ...capacity }: Capacity & { queues: readonly string[] },
): Promise<void> {
  const consumers: { consumer: Consumer; isIdle: boolean }[] = [];
  // A full process leaves jobs to others, and gives back those that it has requested.
  const admission = new Admission(capacity, () => {
    for (const { consumer, isIdle } of consumers) {
      if (isIdle) continue;
      if (admission.isFull) consumer.pause();
      else consumer.resume();
    }
  });
  runtime.leaving.addEventListener('abort', () => admission.close(), { once: true });
  for (const definition of definitions) {
    const { kind, maxAtOnce: mostHere, outsideAtOnce, resources } = definition;
    const queuesOfKind = outsideAtOnce === undefined ? queues : [...new Set([...queues, OUTSIDE_QUEUE])];
    for (const queue of queuesOfKind) {
      const isOutside = queue === OUTSIDE_QUEUE && outsideAtOnce !== undefined;
      const isIdle = isOutside || needsNothing(resources);
      const maxAtOnce = isOutside ? outsideAtOnce : mostHere;
      const atOnce = isIdle ? maxAtOnce : Math.min(maxAtOnce, capacity.slots);
      const consumer = await runtime.queue.consume(queueOf(kind, queue), atOnce, async (queued) => {
        const { jobId, attempt } = queuedJob.parse(queued);
        const wanted = await runtime.jobs.queued(jobId, attempt);
        if (!wanted) return;
        // Jobs of one kind that run here and on other machines have separate limits.
        const candidate = { ...wanted, kind: isOutside ? queueOf(kind, queue) : kind, maxAtOnce };
        if (!(await admission.enter(candidate))) {
          if (!runtime.leaving.aborted) askLater(consumer, () => admission.isFull);
          throw new NotNow();
        }
        try {
          const job = await runtime.jobs.claim(jobId, attempt);
          if (job) await runAttempt(runtime, job, definition.timeoutMs, (begun) => definition.run(services, begun));
        } finally {
          admission.leave(candidate);
        }
      });
      consumers.push({ consumer, isIdle });
    }
  }
}

function askLater(consumer: Consumer, isFull: () => boolean): void {
  consumer.pause();
  setTimeout(() => {
    if (!isFull()) consumer.resume();
  }, ASK_AGAIN_MS).unref();
}

async function runAttempt(
  runtime: JobRuntime,
  job: Job,
  timeoutMs: number,
  toWork: (attempt: StoredAttempt) => Promise<void>,
): Promise<void> {
  const { db, jobs, live } = runtime;
  const number = job.attempt;
  const logger = runtime.logger.child({ jobId: job.id, kind: job.kind, attempt: number });
  const actor: Actor = {
    principal: {
      subject: job.createdBy,
      tenant: job.tenant,
      role: Role.ENGINEER,
      expiresAt: new Date(Date.now() + timeoutMs),
    },
    requestId: job.id,
    isBackground: true,
  };
  const stale = new AbortController();
  const signal = AbortSignal.any([stale.signal, AbortSignal.timeout(timeoutMs), runtime.leaving]);
  const beat = () =>
    void jobs.heartbeat(job.id, number).then(
      (alive) => alive || stale.abort(new StaleAttempt(job.id, number)),
      (error: unknown) => logger.warn({ err: error }, 'no heartbeat'),
    );
  const timer = setInterval(beat, Math.min(MAX_HEARTBEAT_MS, runtime.heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT));
  const unsubscribe = live.subscribe(jobTopic(job.id), beat);
  const report = throttledProgress(runtime, actor, job, logger);
  const attempt: StoredAttempt = {
    job,
    number,
    logger,
    signal,
    read: (work) => db.transact(actor, work),
    write: (work) =>
      db.transact(actor, async (session) => {
        await jobs.fence(session, job.id, number);
        return work(session);
      }),
    progress: report.progress,
    outsideToken: () => runtime.outsideCompletion.tokenOf(job),
    attach: (session, handle) => jobs.attach(session, job.id, handle, number),
    forgiveFailures: (session) => jobs.forgiveFailures(session, job.id),
    keep: (session, soFar) => jobs.forgiveFailures(session, job.id, soFar),
    succeed: async (result, more) => {
      await report.flush();
      await db.transact(actor, async (session) => {
        await jobs.succeed(session, job.id, number, result);
        await more?.(session);
      });
    },
  };
  logger.info('job started');
  try {
    await toWork(attempt);
    logger.info('job done');
  } catch (error) {
    if (stale.signal.aborted || error instanceof StaleAttempt) {
      logger.info('attempt ended: cancelled or overtaken');
      return;
    }
    if (runtime.leaving.aborted) {
      logger.info('attempt handed back: this process stops');
      await jobs.handBack(job);
      return;
    }
    // A process that was frozen first sees broken connections, before it learns that another attempt has replaced it.
    if (!(await jobs.heartbeat(job.id, number).catch(() => true))) {
      logger.info({ err: error }, 'attempt ended: cancelled or overtaken');
      return;
    }
    const reason = signal.aborted
      ? new AppError(ErrorCode.DEADLINE_EXCEEDED, `The job took longer than ${timeoutMs / 60_000} minutes.`)
      : error;
    logger.error({ err: reason }, 'job failed');
    await retryWhileUnavailable(() => jobs.attemptFailed(job, reason), runtime.heartbeatTimeoutMs);
  } finally {
    clearInterval(timer);
    unsubscribe();
  }
}

/**
 * Retries while the database is away, which may be why the attempt failed. After `forMs` the reconciler considers the
 * job lost.
 */
async function retryWhileUnavailable(work: () => Promise<void>, forMs: number): Promise<void> {
  for (const deadlineMs = Date.now() + forMs; ; await new Promise((resolve) => setTimeout(resolve, RETRY_MS))) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== ErrorCode.UNAVAILABLE || Date.now() > deadlineMs) throw error;
    }
  }
}

/** Keeps the last report and writes at most one every 250 ms. */
function throttledProgress(runtime: JobRuntime, actor: Actor, job: Job, logger: Logger) {
  let latest: { fraction: number; message: string } | null = null;
  let writing: Promise<void> | null = null;
  const write = async () => {
    while (latest) {
      const { fraction, message } = latest;
      latest = null;
      try {
        await runtime.db.transact(actor, (session) =>
          runtime.jobs.progress(session, job.id, job.attempt, fraction, message),
        );
      } catch (error) {
        if (!(error instanceof StaleAttempt)) logger.warn({ err: error }, 'progress not written');
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, PROGRESS_MS));
    }
  };
  return {
    progress(fraction: number, message: string): void {
      latest = { fraction, message };
      writing ??= write().finally(() => {
        writing = null;
      });
    },
    async flush(): Promise<void> {
      latest = null;
      await writing;
    },
  };
}
