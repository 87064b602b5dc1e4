import type { EntityManager } from '@mikro-orm/postgresql';
import type { Logger } from 'pino';
import { v7 as uuidv7 } from 'uuid';
import type { z } from 'zod';
import type { JobQueue } from '../../adapters/job-queue/port.js';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { JobSubject } from '../../db/entities/jobs/job-subject.entity.js';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Database, Session } from '../../db/database.js';
import { paginate, type Order, type Page, type PageRequest } from '../../db/pagination.js';
import { LockMode, type FilterQuery } from '@mikro-orm/core';
import { publishRun, requireOwn, audit, EVENTS_WAITING, type Waiter, type Waiting } from '../platform/index.js';
import { AppError, conflict, ErrorCode, notFound } from '../../errors.js';
import { type JobKind, readStored, type Stored } from './job-kind.js';
import type { ExternalHandle, JobEventRow, JobFilter, JobSubjectRef, NewJob } from './job-rows.js';
import { failureClassOf, isRetried } from './rules/failure-class.js';
import { hasJobEnded } from './rules/job-status.js';
import * as store from './store.js';

/** Why an attempt ended. */
interface Failure extends store.JobFailure {
  /** Time before the next attempt. */
  backoffMs: number;
}

/** A queued job that no worker took for this long is sent to the queue again; the queue ignores jobs it still holds. */
const REQUEUE_AFTER_MS = 15_000;
const OFFERED_AT_ONCE = 50;
const OFFERED_PER_LOOK = 500;
const LOST_PER_LOOK = 100;
export const JOBS_WAITING = 'jobs-waiting';

/** The name of the queue that carries jobs of a kind. */
export const queueOf = (kind: string, queue: string) => (queue === 'default' ? kind : `${queue}.${kind}`);

export const jobTopic = (jobId: string) => `job:${jobId}`;

/** Thrown in an attempt when the job has another attempt, was cancelled or has ended. Its writes are refused. */
export class StaleAttempt extends Error {
  constructor(jobId: string, attempt: number) {
    super(`Attempt ${attempt} of job ${jobId} has been overtaken.`);
    this.name = 'StaleAttempt';
  }
}

/** Why an attempt is aborted that was paused, or that makes room for another job. A later attempt continues. */
export class StoppedAttempt extends Error {
  constructor(
    jobId: string,
    attempt: number,
    readonly why: store.StopReason,
  ) {
    super(`Attempt ${attempt} of job ${jobId} was asked to stop.`);
    this.name = 'StoppedAttempt';
  }
}

/** The life of background jobs. The table is authoritative; the queue only delivers its rows to workers. */
export class JobService {
  private readonly kinds: ReadonlyMap<string, JobKind>;

  constructor(
    private readonly live: LiveEvents,
    private readonly queue: JobQueue,
    private readonly db: Database,
    private readonly logger: Logger,
    private readonly waiting: Waiting,
    kinds: readonly JobKind[],
  ) {
    this.kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** The kinds whose jobs are deleted with their run. */
  kindsOfRun(): string[] {
    return [...this.kinds.values()].filter(({ isOfRun }) => isOfRun).map(({ kind }) => kind);
  }

  create<Kind extends JobKind>(
    session: Session,
    kind: Kind,
    { input, subjects = [], resources, ...rest }: NewJob<Kind>,
  ): Job {
    const { tenant } = session;
    const row = session.em.create(Job, {
      ...rest,
      ...kind.resources,
      ...resources,
      id: uuidv7(),
      kind: kind.kind,
      config: kind.input.parse(input),
      tenant,
      createdBy: session.principal.subject,
    });
    for (const { type, id } of [...subjectsOf(row), ...subjects])
      session.em.create(JobSubject, { tenant, jobId: row.id, type, subjectId: id });
    session.afterCommit(() => this.live.publish(JOBS_WAITING));
    return row;
  }

  async get(session: Session, id: string, kind?: JobKind): Promise<Job> {
    const job = await session.em.findOne(Job, { id, tenant: session.tenant, ...(kind && { kind: kind.kind }) });
    if (!job) throw notFound(kind ? `${kind.kind.toLowerCase().replace('_', '-')} job` : 'job', id);
    return job;
  }

  /** The result of a job of this kind; CONFLICT when it has none. */
  async resultOf<Result extends Stored>(
    session: Session,
    { kind, result }: { kind: string; result: Result },
    id: string,
  ): Promise<z.output<Result>> {
    const [stored] = await store.storedResults(session, [id]);
    return readStored(result, stored?.result, { what: 'result', kind, id });
  }

  /** The state of each of these jobs that exists. */
  statesOf(session: Session, ids: readonly string[]): Promise<store.JobOutcomeRow[]> {
    return store.outcomesOf(session, ids);
  }

  /** The input of a job of this kind. */
  inputOf<Input extends Stored>({ kind, input }: { kind: string; input: Input }, { id, config }: Job): z.output<Input> {
    return readStored(input, config, { what: 'input', kind, id });
  }

  /** Starts a job. Returns it when it has ended, or after `waitMs`. */
  async begunAndWaited(who: Waiter, waitMs: number, start: (session: Session) => Promise<Job>): Promise<Job> {
    const job = await this.db.transact(who, start);
    return waitMs === 0 ? job : this.afterWait(who, job.id, waitMs, 'input.waitMs');
  }

  /** The job once it has ended, or as it is after `waitMs`. */
  async afterWait(who: Waiter, id: string, waitMs: number, field = 'waitMs'): Promise<Job> {
    const hasEnded = () => this.db.transact(who, (session) => this.hasEnded(session, id));
    await this.waiting.until(who, { topic: jobTopic(id), waitMs, field }, hasEnded, Boolean);
    return this.db.transact(who, (session) => this.get(session, id));
  }

  /** NOT_FOUND when the job does not exist. */
  async hasEnded(session: Session, id: string): Promise<boolean> {
    const status = await store.statusOf(session, id);
    if (status === null) throw notFound('job', id);
    return hasJobEnded(status);
  }

  async list(session: Session, filter: JobFilter, page: PageRequest, order: Order<'createdAt'>): Promise<Page<Job>> {
    await requireOwn(session, Run, 'run', [filter.runId]);
    await requireOwn(session, ModelVersion, 'model version', [filter.modelVersionId]);
    await requireOwn(session, Dataset, 'dataset', [filter.datasetId]);
    const { status, ...equal } = filter;
    const where: FilterQuery<Job> = { tenant: session.tenant };
    for (const [field, value] of Object.entries(equal)) if (value != null) Object.assign(where, { [field]: value });
    if (status?.length) Object.assign(where, { status: { $in: status } });
    return paginate(session, Job, where, page, order);
  }

  /** Ends a job at once in any state. Its worker notices by the wake-up. */
  async cancel(session: Session, id: string): Promise<Job> {
    const job = await this.get(session, id);
    await session.em.lock(job, LockMode.PESSIMISTIC_WRITE);
    await session.em.refresh(job);
    const before = { status: job.status };
    if (!(await store.cancelJob(session.em, job, `Cancelled by ${session.principal.subject}`)))
      throw conflict(`Job ${id} has already ended (${job.status}).`, {
        expected: 'a queued or running job',
        got: job.status,
      });
    const ended = await this.notifyEnd(session.em, job, 'CANCELLED', null);
    audit(session, 'cancelJob', { type: 'job', id }, before, { status: 'CANCELLED' });
    session.afterCommit(() => ended.forEach((one) => this.tell(one)));
    await session.em.refresh(job);
    return job;
  }

  /** Ends a job, for those to whom its own end is as good. False when it had ended already. */
  async cancelUnlessEnded(session: Session, id: string): Promise<boolean> {
    try {
      await this.cancel(session, id);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === ErrorCode.CONFLICT) return false;
      throw error;
    }
  }

  /**
   * A queued job does not begin any more; a running one stops when its progress is stored, and waits. CONFLICT when it
   * has ended or is paused already.
   */
  async pause(session: Session, id: string): Promise<Job> {
    return this.changePause(session, 'pauseJob', id, true);
  }

  /** A paused job waits for its turn again. CONFLICT when it is not paused. */
  async unpause(session: Session, id: string): Promise<Job> {
    return this.changePause(session, 'resumeJob', id, false);
  }

  private async changePause(session: Session, action: string, id: string, isPaused: boolean): Promise<Job> {
    const job = await this.get(session, id);
    const isChanged = await store.setPaused(session, id, isPaused);
    await session.em.refresh(job);
    if (!isChanged) {
      const expected = isPaused ? 'a queued or running job that is not paused' : 'a paused job';
      const got = `${job.status}${job.pausedAt ? ', paused' : ''}`;
      throw conflict(`Job ${id} cannot be ${isPaused ? 'paused' : 'resumed'}: it is ${got}.`, { expected, got });
    }
    audit(session, action, { type: 'job', id }, { isPaused: !isPaused }, { isPaused });
    session.afterCommit(() => {
      this.live.publish(jobTopic(id));
      this.live.publish(JOBS_WAITING);
    });
    return job;
  }

  /** Changes the place of a waiting job among those of its tenant. CONFLICT when it does not wait. */
  async setPriority(session: Session, id: string, priority: number): Promise<Job> {
    const job = await this.get(session, id);
    const before = { priority: job.priority };
    if (!(await store.setPriority(session, id, priority))) {
      await session.em.refresh(job);
      throw conflict(`Job ${id} does not wait any more (${job.status}).`, {
        expected: 'a queued job',
        got: job.status,
      });
    }
    audit(session, 'setJobPriority', { type: 'job', id }, before, { priority });
    session.afterCommit(() => this.live.publish(JOBS_WAITING));
    await session.em.refresh(job);
    return job;
  }

  /** Gives a failed or cancelled job another attempt, and resets its count of failures. */
  async resume(session: Session, action: string, id: string, kind: JobKind): Promise<Job> {
    const job = await this.get(session, id, kind);
    await session.em.lock(job, LockMode.PESSIMISTIC_WRITE);
    await session.em.refresh(job);
    const message = `Continued by ${session.principal.subject}`;
    const isResumed =
      hasJobEnded(job.status) &&
      (await store.queueNextAttempt(session.em, job, { message, failures: 0, isResumed: true }));
    if (!isResumed)
      throw conflict(`Job ${id} is ${job.status}.`, { expected: 'a failed or cancelled job', got: job.status });
    if (job.pausedAt) await store.setPaused(session, id, false);
    audit(session, action, { type: 'job', id }, { status: job.status }, { status: 'QUEUED' });
    session.afterCommit(() => {
      this.live.publish(jobTopic(id));
      this.live.publish(JOBS_WAITING);
    });
    await session.em.refresh(job);
    return job;
  }

  /**
   * Takes a delivered attempt. Null when there is nothing to do: it was taken already, replaced by a later one, or the
   * job has ended.
   */
  async claim(id: string, attempt: number): Promise<Job | null> {
    const claimed = await this.db.asSystem(async (em) => {
      if (!(await store.beginAttempt(em, id, attempt))) return null;
      return em.findOneOrFail(Job, { id }, { populate: ['result'] });
    });
    if (claimed) this.live.publish(jobTopic(id));
    return claimed;
  }

  /** Records that the attempt is alive, and says whether it may go on. */
  pulse(id: string, attempt: number): Promise<store.Pulse> {
    return this.db.asSystem((em) => store.beat(em, id, attempt));
  }

  /** Records that the attempt is alive; false when a later attempt has replaced it. */
  async heartbeat(id: string, attempt: number): Promise<boolean> {
    return (await this.pulse(id, attempt)) !== 'OVERTAKEN';
  }

  /** Call first in every transaction of an attempt. Locks the job and refuses an attempt that was replaced. */
  async fence(session: Session, id: string, attempt: number): Promise<void> {
    if (!(await store.lockRunning(session, id, attempt))) throw new StaleAttempt(id, attempt);
  }

  async progress(session: Session, id: string, attempt: number, fraction: number, message: string): Promise<void> {
    await this.fence(session, id, attempt);
    await store.addStep(session.em, { id, attempt }, Math.min(1, Math.max(0, fraction)), message);
    session.afterCommit(() => this.live.publish(jobTopic(id)));
  }

  /** Records progress that survives a crash: earlier failures no longer count against the job. */
  forgiveFailures(session: Session, id: string, soFar?: object): Promise<void> {
    return store.clearFailures(session, id, soFar);
  }

  /** The same for progress that work outside has stored: its attempt learns of it, which may have to stop after it. */
  async forgiveFailuresOutside(session: Session, id: string): Promise<void> {
    await store.clearFailures(session, id);
    session.afterCommit(() => this.live.publish(jobTopic(id)));
  }

  /** Stores where the job's work runs, so that a later attempt can attach to it and does not start again. */
  attach(session: Session, id: string, handle: ExternalHandle, attempt: number): Promise<void> {
    return store.setExternal(session, id, handle, attempt);
  }

  /** Call in the transaction that keeps the reports of outside work, up to this number. */
  acknowledge(session: Session, id: string, seq: number): Promise<void> {
    return store.setReportSeq(session, id, seq);
  }

  /** Call in the transaction that stores the job's outcome. */
  async succeed(session: Session, id: string, attempt: number, result: object): Promise<void> {
    if (!(await store.succeedJob(session.em, id, attempt, result))) throw new StaleAttempt(id, attempt);
    session.afterCommit(() => this.live.publish(jobTopic(id)));
  }

  /**
   * Call after an attempt threw. The job gets another attempt or ends with a readable reason. A mistake of the user is
   * not retried.
   */
  async attemptFailed(job: Job, error: unknown): Promise<void> {
    const known = error instanceof AppError;
    const code = known ? error.code : ErrorCode.INTERNAL;
    const message = known ? error.message : 'The worker met an unexpected error; its log has the details.';
    const backoffMs = (this.kinds.get(job.kind)?.retry.backoffMs ?? 0) * (job.failures + 1);
    const ended = await this.db.asSystem((em) =>
      this.retryOrEnd(em, job.id, job.attempt, { class: failureClassOf(code), code, message, backoffMs }),
    );
    for (const one of [job, ...ended]) this.tell(one);
    this.live.publish(EVENTS_WAITING);
  }

  /** Ends an attempt that stops before its work is done. Another one continues; this does not count as a failure. */
  async handBack({ id, attempt }: Job, reason: string): Promise<void> {
    await this.db.asSystem(async (em) => {
      const job = await this.lockRunning(em, id, attempt);
      if (!job) return;
      const message = `${reason}; attempt ${attempt + 1} follows`;
      await store.queueNextAttempt(em, job, { message, failures: job.failures });
    });
    this.live.publish(jobTopic(id));
    this.live.publish(JOBS_WAITING);
  }

  /** Sends waiting jobs to the queue. Jobs that were never sent come first, however many others wait. */
  async dispatch(): Promise<void> {
    const waiting = await this.db.asSystem((em) => store.jobsToOffer(em, REQUEUE_AFTER_MS, OFFERED_PER_LOOK));
    for (let from = 0; from < waiting.length; from += OFFERED_AT_ONCE) {
      const offered = waiting.slice(from, from + OFFERED_AT_ONCE);
      await Promise.all(
        offered.map(({ id, tenant, kind, attempt, queue, priority }) =>
          this.queue.enqueue(queueOf(kind, queue), { tenant, jobId: id, attempt }, priority),
        ),
      );
      await this.db.asSystem((em) => store.markOffered(em, offered));
    }
  }

  /** Finds running jobs without a sign of life and gives them another attempt. */
  async reconcile(heartbeatTimeoutMs: number): Promise<void> {
    const silent = await this.db.asSystem((em) => store.silentJobs(em, heartbeatTimeoutMs, LOST_PER_LOOK));
    // Each in a transaction of its own: a job that cannot be ended does not keep the others.
    for (const job of silent)
      try {
        await this.recover(job, heartbeatTimeoutMs);
      } catch (error) {
        this.logger.error({ err: error, jobId: job.id }, 'lost job neither continued nor ended');
      }
    await this.dispatch();
  }

  private async recover(job: Pick<Job, 'id' | 'attempt' | 'runId'>, heartbeatTimeoutMs: number): Promise<void> {
    const { id, attempt } = job;
    const ended = await this.db.asSystem(async (em) => {
      if (!(await store.lockSilent(em, id, attempt, heartbeatTimeoutMs))) return null;
      const lost = { class: 'WORKER_LOST', code: ErrorCode.UNAVAILABLE, message: 'Its worker was lost' } as const;
      return this.retryOrEnd(em, id, attempt, { ...lost, backoffMs: 0 });
    });
    if (!ended) return;
    this.logger.warn({ jobId: id, attempt }, 'job lost its worker');
    this.live.publish(EVENTS_WAITING);
    for (const one of [job, ...ended]) this.tell(one);
  }

  /** The steps of a job after a sequence number; -1 asks for the newest only. */
  eventsAfter(session: Session, jobId: string, seq: number, limit: number): Promise<JobEventRow[]> {
    return store.eventsAfter(session, jobId, seq, limit);
  }

  /** Wakes the followers of a job that may have ended, and those of its run. */
  private tell({ id, runId }: Pick<Job, 'id' | 'runId'>): void {
    this.live.publish(jobTopic(id));
    if (runId) publishRun(this.live, runId);
  }

  /** Returns the jobs that have ended by it. */
  private async retryOrEnd(
    em: EntityManager,
    id: string,
    attempt: number,
    { backoffMs, ...failure }: Failure,
  ): Promise<Job[]> {
    const job = await this.lockRunning(em, id, attempt);
    if (!job) return [];
    const failures = job.failures + 1;
    const { code, message } = failure;
    if (!isRetried(failure.class) || failures >= (this.kinds.get(job.kind)?.retry.attempts ?? 1)) {
      await store.failJob(em, job, { failures, failure });
      return this.notifyEnd(em, job, 'FAILED', { code, message });
    }
    const follows = `${message}; attempt ${attempt + 1} follows`;
    await store.queueNextAttempt(em, job, { message: follows, failures, backoffMs, failure });
    return [];
  }

  /**
   * Locks the job of a running attempt. Without the lock, a cancellation that is committed meanwhile would be undone.
   */
  private lockRunning(em: EntityManager, id: string, attempt: number): Promise<Job | null> {
    return em.findOne(Job, { id, attempt, status: 'RUNNING' }, { lockMode: LockMode.PESSIMISTIC_WRITE });
  }

  /**
   * Lets the module of the job's kind end what depends on a job that did not succeed. Returns the job, and the jobs
   * that were cancelled with it.
   */
  private async notifyEnd(
    em: EntityManager,
    job: Job,
    status: 'FAILED' | 'CANCELLED',
    failure: { code: ErrorCode; message: string } | null,
  ): Promise<Job[]> {
    const ended = [job];
    const kind = this.kinds.get(job.kind);
    if (!kind?.ended) return ended;
    const { data: input = null } = kind.input.safeParse(job.config);
    const cancel = async (jobId: string) => {
      const other = await em.findOne(
        Job,
        { id: jobId, tenant: job.tenant, status: { $in: ['QUEUED', 'RUNNING'] } },
        { lockMode: LockMode.PESSIMISTIC_WRITE },
      );
      if (other && (await store.cancelJob(em, other, `Cancelled with job ${job.id}`)))
        ended.push(...(await this.notifyEnd(em, other, 'CANCELLED', null)));
    };
    await this.db.notifyTouched(em, job.tenant, await kind.ended({ em, job, input, status, failure, cancel }));
    return ended;
  }
}

/** The subjects for which the job has a column. */
function subjectsOf({ runId, modelVersionId, datasetId, alertId }: Job): JobSubjectRef[] {
  return Object.entries({ run: runId, modelVersion: modelVersionId, dataset: datasetId, alert: alertId }).flatMap(
    ([type, id]) => (id == null ? [] : [{ type, id }]),
  );
}
