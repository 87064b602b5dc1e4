import type { EntityManager } from '@mikro-orm/postgresql';
import { type NotNull, sql, type UpdateObject } from 'kysely';
import type { Session } from '../../db/database.js';
import { JobEvent } from '../../db/entities/jobs/job-event.entity.js';
import { JobSecret } from '../../db/entities/jobs/job-secret.entity.js';
import { JobSubject } from '../../db/entities/jobs/job-subject.entity.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { anyOf, type TablesOf, tablesOf, toJson } from '../../db/tables.js';
import type { ErrorCode } from '../../errors.js';
import type { JobKind } from './job-kind.js';
import type { ExternalHandle, JobEventRow, StoredResult } from './job-rows.js';
import type { FailureClass } from './rules/failure-class.js';
import { ENDED, JOB_STATUS, type JobStatus } from './rules/job-status.js';

const tables = tablesOf(Job, JobEvent, JobSecret, JobSubject);

type Columns = UpdateObject<TablesOf<typeof Job>, 'job'>;

const NOW = sql<Date>`now()`;
const laterBy = (ms: number) => sql<Date>`now() + ${ms} * interval '1 millisecond'`;

/** The state of a job, as it is or as a change expects it. */
export interface JobState {
  id: string;
  attempt: number;
  status: JobStatus;
}

/** Why an attempt failed. */
export interface JobFailure {
  class: FailureClass;
  code: ErrorCode;
  message: string;
}

interface NextAttempt {
  message: string;
  failures: number;
  backoffMs?: number | null;
  /** Why the last attempt failed, if it did. */
  failure?: JobFailure;
  /** Whether a person resumes a job that had ended: it gets its maximum duration again. */
  isResumed?: boolean;
}

/** Takes a queued attempt. */
export function beginAttempt(em: EntityManager, id: string, attempt: number): Promise<boolean> {
  return changeStatus(em, { id, attempt, status: 'QUEUED' }, 'RUNNING', {
    message: attempt === 1 ? 'Started' : `Continued by attempt ${attempt}`,
    heartbeat_at: NOW,
    begun_at: NOW,
    room_on: null,
    started_at: sql<Date>`coalesce(started_at, now())`,
  });
}

/** Queues the attempt after this one, which begins at once when `backoffMs` is null. */
export function queueNextAttempt(
  em: EntityManager,
  job: JobState,
  { message, failures, backoffMs = null, failure, isResumed = false }: NextAttempt,
): Promise<boolean> {
  const usedMs = sql<number>`used_ms
    + coalesce(1000 * extract(epoch from coalesce(ended_at, now()) - begun_at), 0)::bigint`;
  return changeStatus(em, job, 'QUEUED', {
    ...{ message, failures, attempt: job.attempt + 1 },
    ...{ error_code: null, error_message: null, ended_at: null, begun_at: null, preempted_at: null },
    used_ms: usedMs,
    used_until: sql<Date | null>`case when begun_at is null then used_until else coalesce(ended_at, now()) end`,
    ...(isResumed && { used_before_ms: usedMs }),
    not_before: backoffMs === null ? null : laterBy(backoffMs),
    ...(failure && lastFailure(failure)),
    // After the end of the job, work that ran outside is over: it is not attached to again.
    ...(ENDED.includes(job.status) && {
      ...{ external_backend: null, external_id: null, external_state: null, external_attempt: null, report_seq: 0 },
    }),
  });
}

export function succeedJob(em: EntityManager, id: string, attempt: number, result: object): Promise<boolean> {
  return changeStatus(em, { id, attempt, status: 'RUNNING' }, 'SUCCEEDED', {
    ...{ message: 'Done', progress: 1, result: toJson(result), ended_at: NOW },
  });
}

export function failJob(
  em: EntityManager,
  job: JobState,
  { failures, failure }: { failures: number; failure: JobFailure },
): Promise<boolean> {
  const { code, message } = failure;
  return changeStatus(em, job, 'FAILED', {
    ...{ message, failures, error_code: code, error_message: message, ended_at: NOW, ...lastFailure(failure) },
  });
}

/** It stays while later attempts run. */
function lastFailure({ class: failureClass, message }: JobFailure) {
  return { failure_class: failureClass, failure_message: message };
}

export function cancelJob(em: EntityManager, job: JobState, message: string): Promise<boolean> {
  return changeStatus(em, job, 'CANCELLED', { message, ended_at: NOW });
}

/**
 * The only function that changes the status of a job, by compare and set. False when the rules do not allow the change,
 * or when the job is no longer in the expected state.
 */
async function changeStatus(
  em: EntityManager,
  { id, attempt, status }: JobState,
  to: JobStatus,
  set: Step,
): Promise<boolean> {
  if (!JOB_STATUS.can(status, to)) return false;
  const steps = await withStep(em, { ...set, status: to }, { id, attempt, status }).execute();
  return steps.length > 0;
}

/** Changes the priority of a job that waits. */
export async function setPriority({ em, tenant }: Session, id: string, priority: number): Promise<boolean> {
  const { numUpdatedRows } = await tables(em)
    .updateTable('job')
    .set({ priority })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .where('status', '=', 'QUEUED')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Records progress of an attempt that the transaction has fenced. */
export async function addStep(
  em: EntityManager,
  running: Omit<JobState, 'status'>,
  progress: number,
  message: string,
): Promise<void> {
  await withStep(em, { progress, message }, { ...running, status: 'RUNNING' }).execute();
}

/** The changes of a step. */
type Step = Columns & { message: string };

/**
 * Changes a job and appends the step to its log. The job's own row numbers the steps, so that numbers are committed in
 * order. The secret of a job is deleted when the job ends.
 */
function withStep(em: EntityManager, set: Step, { id, attempt, status }: JobState) {
  return tables(em)
    .with('changed', (on) =>
      on
        .updateTable('job')
        .set({ ...set, event_seq: sql<number>`event_seq + 1` })
        .where('id', '=', id)
        .where('attempt', '=', attempt)
        .where('status', '=', status)
        .returning(['tenant', 'id', 'event_seq', 'status', 'attempt', 'progress', 'message']),
    )
    .with('gone', (on) =>
      on
        .deleteFrom('job_secret')
        .using('changed')
        .whereRef('job_secret.job_id', '=', 'changed.id')
        .where('changed.status', 'in', ENDED),
    )
    .insertInto('job_event')
    .columns(['tenant', 'job_id', 'seq', 'status', 'attempt', 'progress', 'message'])
    .expression((from) => from.selectFrom('changed').selectAll())
    .returning('seq');
}

export async function statusOf({ em, tenant }: Session, id: string): Promise<JobStatus | null> {
  const job = await tables(em)
    .selectFrom('job')
    .select('status')
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  return job?.status ?? null;
}

/** Why an attempt shall stop: a person has paused the job, or it makes room for another one. */
export type StopReason = 'PAUSE' | 'ROOM';

/**
 * Whether the attempt may go on, was replaced by a later one, or shall stop when its progress is stored; `isStored`
 * says that this has happened since it was asked to.
 */
export type Pulse = 'GO' | 'OVERTAKEN' | { stopFor: StopReason; isStored: boolean };

/** Records that the attempt is alive. */
export async function beat(em: EntityManager, id: string, attempt: number): Promise<Pulse> {
  const [row] = await tables(em)
    .updateTable('job')
    .set({ heartbeat_at: NOW })
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('status', '=', 'RUNNING')
    .returning(['paused_at', 'preempted_at'])
    .returning(sql<boolean>`coalesce(progress_at > least(paused_at, preempted_at), false)`.as('isStored'))
    .execute();
  if (!row) return 'OVERTAKEN';
  const { paused_at: pausedAt, preempted_at: preemptedAt, isStored } = row;
  if (pausedAt === null && preemptedAt === null) return 'GO';
  return { stopFor: pausedAt === null ? 'ROOM' : 'PAUSE', isStored };
}

/** Pauses or continues a job that has not ended. */
export async function setPaused({ em, tenant }: Session, id: string, isPaused: boolean): Promise<boolean> {
  const { numUpdatedRows } = await tables(em)
    .updateTable('job')
    .set(isPaused ? { paused_at: NOW, room_on: null } : { paused_at: null })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .where('status', 'in', ['QUEUED', 'RUNNING'])
    .where('paused_at', isPaused ? 'is' : 'is not', null)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Asks running attempts to make room. */
export async function askToMakeRoom(em: EntityManager, ids: readonly string[]): Promise<void> {
  await tables(em)
    .updateTable('job')
    .set({ preempted_at: NOW })
    .where('id', '=', anyOf('uuid', ids))
    .where('status', '=', 'RUNNING')
    .where('preempted_at', 'is', null)
    .execute();
}

/** The next free room in this worker process is for this job, while it waits. */
export async function keepRoom(em: EntityManager, id: string, workerId: string): Promise<void> {
  await tables(em)
    .updateTable('job')
    .set({ room_on: workerId })
    .where('id', '=', id)
    .where('status', '=', 'QUEUED')
    .execute();
}

/** Locks the job; false when this attempt is not the running one. */
export async function lockRunning({ em, tenant }: Session, id: string, attempt: number): Promise<boolean> {
  const rows = await tables(em)
    .selectFrom('job')
    .select('id')
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .where('attempt', '=', attempt)
    .where('status', '=', 'RUNNING')
    .forUpdate()
    .execute();
  return rows.length > 0;
}

/** Progress is stored, so earlier failures no longer count; `soFar` replaces the result. */
export async function clearFailures({ em, tenant }: Session, id: string, soFar?: object): Promise<void> {
  await tables(em)
    .updateTable('job')
    .set({ failures: 0, progress_at: NOW, ...(soFar && { result: toJson(soFar) }) })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .execute();
}

/** Other work than before was started by this attempt, and has not reported yet. */
export async function setExternal(
  { em, tenant }: Session,
  id: string,
  { backend, id: externalId, state }: ExternalHandle,
  attempt: number,
): Promise<void> {
  await tables(em)
    .updateTable('job')
    .set({
      ...{ external_backend: backend, external_id: externalId, external_state: state },
      external_attempt: sql<number>`case when external_id = ${externalId} then coalesce(external_attempt, ${attempt})
        else ${attempt} end`,
      report_seq: sql<number>`case when external_id = ${externalId} then report_seq else 0 end`,
    })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .execute();
}

/** Records that all reports of the outside work up to this number were received. */
export async function setReportSeq({ em, tenant }: Session, id: string, seq: number): Promise<void> {
  await tables(em)
    .updateTable('job')
    .set({ report_seq: seq })
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .execute();
}

/** Jobs to send to the queue: first those that were never sent, then others again after `againAfterMs`. */
export function jobsToOffer(em: EntityManager, againAfterMs: number, limit: number) {
  return tables(em)
    .selectFrom('job')
    .select(['id', 'tenant', 'kind', 'attempt', 'queue', 'priority'])
    .where('status', '=', 'QUEUED')
    .where('paused_at', 'is', null)
    .where((where) => where.or([where('not_before', 'is', null), where('not_before', '<=', NOW)]))
    .where((where) =>
      where.or([
        where('enqueued_attempt', '<', where.ref('attempt')),
        where('enqueued_at', '<', laterBy(-againAfterMs)),
      ]),
    )
    .orderBy(sql`enqueued_attempt = attempt`)
    .orderBy('priority', 'desc')
    .orderBy('created_at')
    .limit(limit)
    .execute();
}

export async function markOffered(
  em: EntityManager,
  offered: readonly { id: string; attempt: number }[],
): Promise<void> {
  const attempts = sql<{ id: string; attempt: number }>`unnest(${offered.map(({ id }) => id)}::uuid[],
    ${offered.map(({ attempt }) => attempt)}::int[])`;
  await tables(em)
    .updateTable('job')
    .from(attempts.as<'offered'>(sql`offered(id, attempt)`))
    .set((set) => ({ enqueued_attempt: set.ref('job.attempt'), enqueued_at: NOW }))
    .whereRef('job.id', '=', 'offered.id')
    .whereRef('job.attempt', '=', 'offered.attempt')
    .execute();
}

/** Running jobs without a sign of life for this time, locked. */
export function silentJobs(em: EntityManager, silentForMs: number, limit: number) {
  return tables(em)
    .selectFrom('job')
    .select(['id', 'attempt', 'run_id as runId'])
    .where('status', '=', 'RUNNING')
    .where('heartbeat_at', '<', laterBy(-silentForMs))
    .orderBy('heartbeat_at')
    .limit(limit)
    .execute();
}

/** False when the attempt is over, shows life again, or another process handles it. */
export async function lockSilent(
  em: EntityManager,
  id: string,
  attempt: number,
  silentForMs: number,
): Promise<boolean> {
  const row = await tables(em)
    .selectFrom('job')
    .select('id')
    .where('id', '=', id)
    .where('attempt', '=', attempt)
    .where('status', '=', 'RUNNING')
    .where('heartbeat_at', '<', laterBy(-silentForMs))
    .forUpdate()
    .skipLocked()
    .executeTakeFirst();
  return row !== undefined;
}

/** The steps of a job after a sequence number; -1 asks for the newest only. */
export function eventsAfter(
  { em, tenant }: Session,
  jobId: string,
  seq: number,
  limit: number,
): Promise<JobEventRow[]> {
  return tables(em)
    .selectFrom('job_event')
    .select(['job_id as jobId', 'seq', 'status', 'attempt', 'progress', 'message', 'created_at as loggedAt'])
    .where('tenant', '=', tenant)
    .where('job_id', '=', jobId)
    .where('seq', '>', seq)
    .orderBy('seq', seq < 0 ? 'desc' : 'asc')
    .limit(limit)
    .execute();
}

/** How a job stands, and why it failed. */
export interface JobOutcomeRow {
  id: string;
  status: JobStatus;
  errorMessage: string | null;
}

export function outcomesOf({ em, tenant }: Session, ids: readonly string[]): Promise<JobOutcomeRow[]> {
  return tables(em)
    .selectFrom('job')
    .select(['id', 'status', 'error_message as errorMessage'])
    .where('tenant', '=', tenant)
    .where('id', '=', anyOf('uuid', ids))
    .execute();
}

/** The results of jobs; null for a job without one. */
export async function storedResults({ em, tenant }: Session, ids: readonly string[]): Promise<(StoredResult | null)[]> {
  const rows = await tables(em)
    .selectFrom('job')
    .select(['id', 'kind', 'status', 'result'])
    .where('tenant', '=', tenant)
    .where('id', '=', anyOf('uuid', ids))
    .$narrowType<{ result: NotNull }>()
    .where('result', 'is not', null)
    .execute();
  const found = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => found.get(id) ?? null);
}

/** The subjects of each of these jobs. */
export function subjectsOfJobs({ em, tenant }: Session, jobIds: readonly string[]) {
  return tables(em)
    .selectFrom('job_subject')
    .select(['job_id as ownerId', 'type', 'subject_id as id'])
    .where('tenant', '=', tenant)
    .where('job_id', '=', anyOf('uuid', jobIds))
    .orderBy('type')
    .orderBy('subject_id')
    .execute();
}

/** Deletes the jobs of these kinds that are about the run, and clears the run in other jobs that name it. */
export async function deleteJobsOfRun({ em, tenant }: Session, runId: string, kinds: readonly string[]): Promise<void> {
  await tables(em)
    .deleteFrom('job')
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .where('kind', '=', anyOf('text', kinds))
    .execute();
  await tables(em)
    .updateTable('job')
    .set({ run_id: null })
    .where('tenant', '=', tenant)
    .where('run_id', '=', runId)
    .execute();
}

/** Whether a job of this kind has succeeded with a result that has these values. */
export async function hasSucceededWith({ em, tenant }: Session, { kind }: JobKind, values: object): Promise<boolean> {
  const found = await tables(em)
    .selectFrom('job')
    .select('id')
    .where('tenant', '=', tenant)
    .where('kind', '=', kind)
    .where('status', '=', 'SUCCEEDED')
    .where(sql<boolean>`result @> ${JSON.stringify(values)}::jsonb`)
    .limit(1)
    .execute();
  return found.length > 0;
}

/** Stores what a new job needs to know and nobody may read. It is deleted when the job ends. */
export async function keepSecret({ em, tenant }: Session, jobId: string, secret: object): Promise<void> {
  await tables(em)
    .insertInto('job_secret')
    .values({ tenant, job_id: jobId, secret: toJson({ ...secret }) })
    .execute();
}

/** Null when the job has no secret any more. */
export async function secretOf({ em, tenant }: Session, jobId: string): Promise<Record<string, unknown> | null> {
  const row = await tables(em)
    .selectFrom('job_secret')
    .select('secret')
    .where('tenant', '=', tenant)
    .where('job_id', '=', jobId)
    .executeTakeFirst();
  return row?.secret ?? null;
}

/**
 * Counts of all tenants, by kind and status. Jobs that ended more than an hour ago are left out, so that the query
 * stays cheap.
 */
export function countJobs(em: EntityManager) {
  return tables(em)
    .selectFrom('job')
    .select((select) => ['kind', 'status', select.fn.countAll<number>().as('count')])
    .where((where) =>
      where.or([
        where('status', 'in', ['QUEUED', 'RUNNING']),
        where('ended_at', '>', sql<Date>`now() - interval '1 hour'`),
      ]),
    )
    .groupBy(['kind', 'status'])
    .execute();
}
