import { createHmac, timingSafeEqual } from 'node:crypto';
import { LockMode } from '@mikro-orm/core';
import { z } from 'zod';
import type { Actor, Database, Session } from '../../db/database.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { AppError, badInput, conflict, ErrorCode, unauthenticated } from '../../errors.js';
import { Role } from '../core/index.js';
import type { SigningKeys } from '../platform/index.js';
import type { JobKind } from './job-kind.js';
import type { JobService } from './job.service.js';
import { hasJobEnded } from './rules/job-status.js';

/** What work outside this service can report about a job. */
export type OutsideReport =
  | { progress: number; message: string; state?: string }
  | { result: object }
  | { failure: string; retry: boolean };

/** A token identifies one attempt of one job. */
const claims = z.strictObject({
  key: z.uuid(),
  tenant: z.string(),
  job: z.uuid(),
  attempt: z.int().min(1),
});
type Claims = z.infer<typeof claims>;

const PREFIX = 'matih-job';
/** Signs of life are kept at most this often. */
const HEARD_EVERY_MS = 1_000;

/**
 * Lets work outside this service report on its job. It shows a token that is valid for one attempt only. The service
 * signs the token with its own key, so that nothing has to be stored.
 */
export class OutsideCompletion {
  private readonly kinds: ReadonlyMap<string, JobKind>;

  constructor(
    private readonly db: Database,
    private readonly jobs: JobService,
    private readonly keys: SigningKeys,
    kinds: readonly JobKind[],
  ) {
    this.kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** The token for the work of this attempt. Its holder can end the job. */
  async tokenOf({ id, tenant, kind, attempt }: Job): Promise<string> {
    if (!this.kinds.get(kind)?.reportsOutside) this.requireOutside(kind);
    const key = await this.keys.newest();
    const body = Buffer.from(JSON.stringify({ key: key.id, tenant, job: id, attempt } satisfies Claims));
    return `${PREFIX}.${body.toString('base64url')}.${signatureOf(key.secret, body).toString('base64url')}`;
  }

  /**
   * Records progress, the result or the failure of the job. UNAUTHENTICATED when the token is not for this job;
   * CONFLICT when the job has another attempt, has ended, or is of a kind that cannot be completed from outside;
   * BAD_USER_INPUT for a result of a wrong shape.
   */
  async report(token: string | null, jobId: string, report: OutsideReport): Promise<Job> {
    const { actor, attempt } = await this.holderOf(token, jobId);
    const job = await this.db.transact(actor, async (session) => {
      const found = await this.current(session, jobId, attempt);
      const kind = this.requireOutside(found.kind);
      if ('result' in report) {
        await this.jobs.succeed(session, jobId, attempt, parsedResult(kind, report.result));
      } else if ('progress' in report) {
        await this.jobs.progress(session, jobId, attempt, report.progress, report.message);
        const { externalBackend: backend, externalId: id } = found;
        if (report.state !== undefined && backend != null && id != null)
          await this.jobs.attach(session, jobId, { backend, id, state: report.state }, attempt);
      }
      return found;
    });
    if ('progress' in report) await this.jobs.heartbeat(jobId, attempt);
    if ('failure' in report) await this.jobs.attemptFailed(job, failureOf(report));
    return this.db.transact(actor, (session) => this.jobs.get(session, jobId));
  }

  /**
   * Runs a transaction for the work that a worker has started outside and waits for. The job is locked. The work stays
   * valid while its worker is lost and while a later attempt continues it; it is over when an attempt has started other
   * work. Errors: UNAUTHENTICATED and CONFLICT, as for `report`.
   */
  async asWork<T>(token: string | null, jobId: string, work: (session: Session, job: Job) => Promise<T>): Promise<T> {
    const { actor, attempt } = await this.holderOf(token, jobId);
    return this.db.transact(actor, async (session) => {
      const job = await this.jobs.get(session, jobId);
      await session.em.lock(job, LockMode.PESSIMISTIC_WRITE);
      await session.em.refresh(job);
      if (!this.kinds.get(job.kind)?.reportsOutside)
        throw conflict(`A job of the kind ${job.kind} takes no reports from outside.`, { got: job.kind });
      requireNotEnded(job);
      if ((job.externalAttempt ?? job.attempt) !== attempt) throw isOver(job, attempt);
      if (Date.now() - (job.heardAt?.getTime() ?? 0) >= HEARD_EVERY_MS) job.heardAt = new Date();
      return work(session, job);
    });
  }

  /** The holder of a token of an attempt of this job. */
  private async holderOf(token: string | null, jobId: string): Promise<{ actor: Actor; attempt: number }> {
    const { tenant, attempt } = await this.read(token, jobId);
    const subject = `attempt ${attempt} of job ${jobId}`;
    const principal = { subject, tenant, role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) };
    return { actor: { principal, requestId: jobId }, attempt };
  }

  /** The job, if this attempt may still report on it. */
  private async current(session: Session, id: string, attempt: number): Promise<Job> {
    const job = await this.jobs.get(session, id);
    requireNotEnded(job);
    if (job.attempt !== attempt || job.status !== 'RUNNING') throw isOver(job, attempt);
    return job;
  }

  private requireOutside(kind: string): JobKind {
    const found = this.kinds.get(kind);
    if (found?.completesOutside) return found;
    throw conflict(`A job of the kind ${kind} is completed by a worker of this service, not from outside.`, {
      expected: 'a job of a kind that is completed from outside',
      got: kind,
    });
  }

  private async read(token: string | null, jobId: string): Promise<Claims> {
    const [prefix, body = '', signature = '', ...more] = (token ?? '').split('.');
    if (prefix !== PREFIX || more.length > 0) throw unauthenticated();
    const bytes = Buffer.from(body, 'base64url');
    const read = claims.safeParse(jsonOf(bytes.toString()));
    const key = read.success ? await this.keys.find(read.data.key) : null;
    if (!read.success || !key) throw unauthenticated();
    const [expected, got] = [signatureOf(key.secret, bytes), Buffer.from(signature, 'base64url')];
    if (got.length !== expected.length || !timingSafeEqual(got, expected) || read.data.job !== jobId)
      throw unauthenticated();
    return read.data;
  }
}

function requireNotEnded({ id, status }: Job): void {
  if (!hasJobEnded(status)) return;
  throw conflict(`Job ${id} has already ended (${status}): stop its work.`, { expected: 'a running job', got: status });
}

function isOver({ id, attempt: current }: Job, attempt: number): AppError {
  return conflict(`Attempt ${attempt} of job ${id} is over, attempt ${current} is the current one: stop its work.`, {
    expected: `attempt ${current}`,
    got: String(attempt),
  });
}

/** The prefix separates it from other signed data. */
function signatureOf(secret: string, body: Buffer): Buffer {
  return createHmac('sha256', secret).update(`${PREFIX}\n`).update(body).digest();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function parsedResult(kind: JobKind, result: object): object {
  const parsed = kind.result.safeParse(result);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badInput(['result', ...(issue?.path ?? [])].join('.'), issue?.message ?? 'a result of this kind', result);
}

/** Without a retry, the failure is the fault of the work itself; with one, another attempt may succeed. */
function failureOf({ failure, retry }: { failure: string; retry: boolean }): AppError {
  return new AppError(retry ? ErrorCode.UNAVAILABLE : ErrorCode.CONFLICT, failure);
}
