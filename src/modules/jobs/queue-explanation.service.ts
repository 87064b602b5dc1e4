import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Actor, Database } from '../../db/database.js';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import { type JobKind, OUTSIDE_QUEUE } from './job-kind.js';
import type { JobService } from './job.service.js';
import { explainShare, type ShareExplanation, WAIT_REASONS, type WaitReason, whyWaiting } from './rules/explain.js';
import { type ExpectedStart, expectedStart, History, possibleStart, queueOrder } from './rules/forecast.js';
import { hasJobEnded } from './rules/job-status.js';
import type { Capacity } from './rules/schedule.js';
import { limitOf, type Scheduler } from './scheduler.service.js';
import { lastEnded, type QueueJob, queueJobs } from './scheduling-store.js';

export interface QueueExplanation {
  job: Job;
  /** 1 is the next; null for a job that does not wait. */
  position: number | null;
  /** Ids of the jobs of the tenant that come first, at most `MAX_NAMED`. */
  aheadIds: string[];
  aheadOfOtherTenants: number;
  share: ShareExplanation;
  /** Null without a history of such jobs, and for a job that does not wait or cannot begin. */
  expectedStart: ExpectedStart | null;
  reason: WaitReason | null;
  sentence: string;
}

/** As many past jobs say how long jobs take and how often they come. */
const PAST_JOBS = 500;
const WAITING_PER_KIND = 200;
const FUTURES = 100;
const ENOUGH_FUTURES = 20;
/** Long queues get fewer possible futures. */
const MAX_MS = 1_000;
const MAX_NAMED = 100;

/** Why a job waits and when it will begin, by the same rule by which the workers choose. */
export class QueueExplainer {
  private readonly kinds: ReadonlyMap<string, JobKind>;

  constructor(
    private readonly db: Database,
    private readonly jobs: JobService,
    private readonly scheduler: Scheduler,
    kinds: readonly JobKind[],
  ) {
    this.kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
  }

  /** NOT_FOUND when the job does not exist. */
  async explain(who: Actor, jobId: string): Promise<QueueExplanation> {
    const job = await this.db.transact(who, (session) => this.jobs.get(session, jobId));
    const { rows, ended, shares, alive } = await this.db.asSystem(async (em) => ({
      rows: await queueJobs(em, { perKind: WAITING_PER_KIND, ids: [jobId] }),
      ended: await lastEnded(em, PAST_JOBS),
      shares: await this.scheduler.shares(em),
      alive: await this.scheduler.workers(em),
    }));
    const workers = alive.filter(({ queues }) => queues.includes(job.queue));
    const shared = new Set(workers.flatMap(({ queues }) => queues));
    const ids = new Set(alive.map(({ id }) => id));
    const nowMs = Date.now();
    const all = rows.map((row) => ({
      ...{ ...row, ...this.limitOf(row, workers.length) },
      // The simulation has one machine for all workers.
      room: row.roomOn !== null && ids.has(row.roomOn) ? ('HERE' as const) : undefined,
    }));
    const running = all.filter(({ status }) => status === 'RUNNING');
    const beside = running.filter(({ queue }) => shared.has(queue));
    const waiting = all.filter(({ status, queue }) => status === 'QUEUED' && queue === job.queue);
    const share = explainShare(job.tenant, running, waiting, shares);
    const none = {
      job,
      position: null,
      aheadIds: [],
      aheadOfOtherTenants: 0,
      share,
      expectedStart: null,
      reason: null,
    };
    if (job.status !== 'QUEUED') return { ...none, sentence: sentenceOf(job) };
    const own = waiting.find(({ id }) => id === jobId) ?? {
      ...{
        id: job.id,
        attempt: job.attempt,
        status: 'QUEUED' as const,
        queue: job.queue,
        begunMs: null,
        isStopping: false,
        isOutside: job.queue === OUTSIDE_QUEUE,
        notBeforeMs: job.notBefore?.getTime() ?? null,
        roomOn: null,
        room: undefined,
      },
      ...{ tenant: job.tenant, priority: job.priority, ...this.limitOf(job, workers.length) },
      ...{ cores: job.cores * job.workers, memoryBytes: job.memoryBytes * job.workers, gpus: job.gpus * job.workers },
      waitingSinceMs: Math.max(job.createdAt.getTime(), job.notBefore?.getTime() ?? 0),
    };
    const past = ended.map((one) => ({
      ...one,
      ...this.limitOf(one, workers.length),
      waitingSinceMs: one.createdMs,
    }));
    const history = new History(past, all, nowMs);
    const state = {
      ...{ machine: together(workers), shares, halfLifeMs: this.scheduler.halfLifeMs, waiting, nowMs },
      running: beside.map((one) => ({ job: one, begunMs: one.begunMs ?? nowMs })),
    };
    const order = workers.length > 0 ? queueOrder(state, history) : waiting;
    const reason = job.pausedAt
      ? 'PAUSED'
      : whyWaiting({ ...{ job: own, notBeforeMs: own.notBeforeMs, workers, running, beside }, order, shares, nowMs });
    const at = order.indexOf(own);
    const ahead = at < 0 ? [] : order.slice(0, at);
    const aheadOwn = ahead.filter(({ tenant }) => tenant === job.tenant).map(({ id }) => id);
    const aheadOfOtherTenants = ahead.length - aheadOwn.length;
    return {
      ...{ job, share, reason, aheadOfOtherTenants, aheadIds: aheadOwn.slice(0, MAX_NAMED) },
      position: at < 0 ? null : at + 1,
      expectedStart: at < 0 ? null : await this.expected(state, own, history),
      sentence: waitSentence(reason, { own: aheadOwn.length, others: aheadOfOtherTenants }, job, share),
    };
  }

  private async expected(
    state: Parameters<typeof possibleStart<QueueJob & { maxAtOnce: number }>>[0],
    job: QueueJob & { maxAtOnce: number },
    history: History,
  ): Promise<ExpectedStart | null> {
    if (history.durationsOf(job).length === 0) return null;
    const starts: (number | null)[] = [];
    for (const endMs = Date.now() + MAX_MS; starts.length < FUTURES; await nextTurn()) {
      if (Date.now() > endMs) break;
      starts.push(possibleStart(state, job, history, starts.length));
    }
    return starts.length < ENOUGH_FUTURES ? null : expectedStart(starts);
  }

  /** The limit of its kind for all workers together. */
  private limitOf(job: { kind: string; queue: string }, workers: number) {
    const { kind, maxAtOnce } = limitOf(job, this.kinds.get(job.kind));
    return { kind, maxAtOnce: maxAtOnce * Math.max(1, workers) };
  }
}

/** All workers as one machine. */
function together(workers: readonly Capacity[]): Capacity {
  const sum = (of: keyof Capacity) => workers.reduce((total, worker) => total + worker[of], 0);
  return { slots: sum('slots'), cores: sum('cores'), memoryBytes: sum('memoryBytes'), gpus: sum('gpus') };
}

function sentenceOf({ status, startedAt, endedAt, attempt }: Job): string {
  if (hasJobEnded(status)) return `It does not wait: it ended ${status} at ${endedAt?.toISOString()}.`;
  return `It does not wait: attempt ${attempt} runs; the job first began at ${startedAt?.toISOString()}.`;
}

function waitSentence(
  reason: WaitReason,
  ahead: { own: number; others: number },
  { notBefore, pausedAt, queue, gpus, workers, kind }: Job,
  { used, deserved }: ShareExplanation,
): string {
  const percent = (part: number) => `${Math.round(100 * part)} %`;
  switch (reason) {
    case 'PAUSED':
      return `It is paused since ${pausedAt?.toISOString()}: resumeJob lets it wait for its turn.`;
    case 'NOT_BEFORE':
      return `It waits until ${notBefore?.toISOString()}, the earliest time of its next attempt.`;
    case 'NO_WORKER':
      return `It waits because no worker takes jobs from the queue ${queue}: start one with it in WORKER_QUEUES.`;
    case 'NO_SUCH_GPUS':
      return `It waits because it requests ${gpus * workers} GPUs and no worker has as many.`;
    case 'KIND_LIMIT':
      return `It waits because as many ${kind} jobs run as the workers run at the same time.`;
    case 'BEHIND_OTHERS':
      return (
        `It waits behind ${ahead.own} jobs of its tenant and ${ahead.others} of others: its tenant uses ` +
        `${percent(used)} of the machines and deserves ${percent(deserved)}.`
      );
    default:
      return WAIT_REASONS[reason];
  }
}
