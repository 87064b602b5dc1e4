import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import { z } from 'zod';
import { type Consumer, type JobQueue, NotNow } from '../../adapters/job-queue/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Actor, Database, Session } from '../../db/database.js';
import {
  type Capacity,
  type Gpu,
  GpuPool,
  type JobKind,
  jobTopic,
  type JobService,
  needsNothing,
  OUTSIDE_QUEUE,
  type OutsideCompletion,
  queueOf,
  type Scheduler,
  StaleAttempt,
  StoppedAttempt,
} from '../../modules/jobs/index.js';
import { Role } from '../../modules/core/index.js';
import { Admission } from './admission.js';
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
  scheduler: Scheduler;
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
/** A job that shall stop, and has stored no progress for this long, stops without it. */
const STOP_WITHIN_MS = 120_000;

/** After a job could not begin, jobs of its kind are requested again after a change, or after this time. */
const ASK_AGAIN_MS = 5_000;

/**
 * Lets this process run waiting jobs of every kind from its queues, as many at the same time as `capacity` allows. The
 * function that it returns waits for the end of the last job, after `leaving`.
 */
export async function consumeJobs<Services>(
  runtime: JobRuntime,
  definitions: readonly JobDefinition<Services>[],
  services: Services,
  { queues, devices = [], ...capacity }: Capacity & { queues: readonly string[]; devices?: readonly Gpu[] },
): Promise<() => Promise<void>> {
  const { leaving, logger, scheduler } = runtime;
  const consumers: { consumer: Consumer; isIdle: boolean }[] = [];
  const allQueues = [...new Set([...queues, OUTSIDE_QUEUE])];
  const pool = new GpuPool(devices);
  const workerId = uuidv7();
  const kinds = new Map(definitions.map((definition) => [definition.kind, definition]));
  const admission = new Admission({
    capacity,
    beginNext: (running, offered) =>
      scheduler.beginNext({ workerId, capacity, queues: allQueues, kinds, running, offered }),
    run: async (job) => {
      const definition = kinds.get(job.kind)!;
      const key = `${job.id}/${job.attempt}`;
      const environment = { CUDA_VISIBLE_DEVICES: pool.take(key, job.gpus * job.workers).join(',') };
      try {
        await runAttempt(runtime, job, definition, (begun) => definition.run(services, { ...begun, environment }));
      } finally {
        pool.release(key);
      }
    },
    // A full process leaves jobs to others, and gives back those that it has requested.
    changed: () => {
      for (const { consumer, isIdle } of consumers) {
        if (isIdle) continue;
        if (admission.isFull) consumer.pause();
        else consumer.resume();
      }
    },
    failed: (error) => logger.warn({ err: error }, 'no job could be chosen'),
  });
  const stopReports = await keepReporting(runtime, { id: workerId, queues: allQueues, ...capacity }, () =>
    admission.look(),
  );
  leaving.addEventListener('abort', () => admission.close(), { once: true });
  for (const { kind, maxAtOnce: mostHere, outsideAtOnce, resources } of definitions) {
    for (const queue of outsideAtOnce === undefined ? queues : allQueues) {
      const isOutside = queue === OUTSIDE_QUEUE && outsideAtOnce !== undefined;
      const isIdle = isOutside || needsNothing(resources);
      const maxAtOnce = isOutside ? outsideAtOnce : mostHere;
      const atOnce = isIdle ? maxAtOnce : Math.min(maxAtOnce, capacity.slots);
      const consumer = await runtime.queue.consume(queueOf(kind, queue), atOnce, async (queued) => {
        const { jobId, attempt } = queuedJob.parse(queued);
        const entered = await admission.enter(jobId, attempt);
        if (entered === 'GONE') return;
        if (entered !== 'WAITS') return entered.run;
        if (!leaving.aborted) askLater(consumer, () => !isIdle && admission.isFull);
        throw new NotNow();
      });
      consumers.push({ consumer, isIdle });
    }
  }
  return async () => {
    await admission.ended();
    await stopReports();
  };
}

/** Says again and again that this worker is alive and what it has. */
async function keepReporting(
  { scheduler, logger, heartbeatTimeoutMs }: JobRuntime,
  worker: Parameters<Scheduler['report']>[0],
  /** Called after each report: what was not due then, or not allowed, may be so now. */
  reported: () => void,
): Promise<() => Promise<void>> {
  const tell = (error: unknown) => logger.warn({ err: error }, 'no report of this worker');
  await scheduler.report(worker);
  const timer = setInterval(
    () => void scheduler.report(worker).then(reported).catch(tell),
    heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT,
  );
  return async () => {
    clearInterval(timer);
    await scheduler.withdraw(worker.id).catch(tell);
  };
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
  kind: Pick<JobKind, 'timeoutMs' | 'keepsProgress'>,
  toWork: (attempt: Omit<StoredAttempt, 'environment'>) => Promise<void>,
): Promise<void> {
  const { db, jobs, live } = runtime;
  const number = job.attempt;
  const leftMs = Math.max(1, (job.maxDurationMs ?? Infinity) - (job.usedMs - job.usedBeforeMs));
  const timeoutMs = Math.min(kind.timeoutMs, leftMs);
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
  const stopped = new AbortController();
  const signal = AbortSignal.any([stale.signal, stopped.signal, AbortSignal.timeout(timeoutMs), runtime.leaving]);
  let stopsBy: NodeJS.Timeout | undefined;
  let stopFor: StoppedAttempt['why'] = 'PAUSE';
  const stop = () => stopped.abort(new StoppedAttempt(job.id, number, stopFor));
  const beat = () =>
    void jobs.pulse(job.id, number).then(
      (pulse) => {
        if (pulse === 'OVERTAKEN') stale.abort(new StaleAttempt(job.id, number));
        else if (pulse === 'GO') stopsBy = void clearTimeout(stopsBy);
        else {
          ({ stopFor } = pulse);
          // Its next progress ends it, or the end of this time. Work outside may store it without this process.
          stopsBy ??= setTimeout(stop, kind.keepsProgress ? STOP_WITHIN_MS : 0);
          if (pulse.isStored) stop();
        }
      },
      (error: unknown) => logger.warn({ err: error }, 'no heartbeat'),
    );
  const progressStored = (session: Session) =>
    session.afterCommit(() => {
      if (stopsBy) stop();
    });
  const timer = setInterval(beat, Math.min(MAX_HEARTBEAT_MS, runtime.heartbeatTimeoutMs / HEARTBEATS_PER_TIMEOUT));
  const unsubscribe = live.subscribe(jobTopic(job.id), beat);
  const report = throttledProgress(runtime, actor, job, logger);
  const attempt: Omit<StoredAttempt, 'environment'> = {
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
    forgiveFailures: async (session) => {
      await jobs.forgiveFailures(session, job.id);
      progressStored(session);
    },
    keep: async (session, soFar) => {
      await jobs.forgiveFailures(session, job.id, soFar);
      progressStored(session);
    },
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
      await jobs.handBack(job, 'Its worker stopped');
      return;
    }
    if (stopped.signal.aborted) {
      logger.info({ stopFor }, 'attempt handed back: it was asked to stop');
      await jobs.handBack(job, stopFor === 'PAUSE' ? 'It was paused' : 'It made room for another job');
      return;
    }
    // A process that was frozen first sees broken connections, before it learns that another attempt has replaced it.
    if (!(await jobs.heartbeat(job.id, number).catch(() => true))) {
      logger.info({ err: error }, 'attempt ended: cancelled or overtaken');
      return;
    }
    const reason = signal.aborted
      ? new AppError(
          ErrorCode.DEADLINE_EXCEEDED,
          `The job took longer than ${(leftMs < kind.timeoutMs ? job.maxDurationMs! : kind.timeoutMs) / 60_000} minutes.`,
        )
      : error;
    logger.error({ err: reason }, 'job failed');
    await retryWhileUnavailable(() => jobs.attemptFailed(job, reason), runtime.heartbeatTimeoutMs);
  } finally {
    clearInterval(timer);
    clearTimeout(stopsBy);
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
