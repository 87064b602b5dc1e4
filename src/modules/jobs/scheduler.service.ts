import type { EntityManager } from '@mikro-orm/postgresql';
import type { LiveEvents } from '../../adapters/live-events/port.js';
import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Database, Session } from '../../db/database.js';
import { badInput } from '../../errors.js';
import type { JobRequest, NewJob } from './job-rows.js';
import type { Logger } from 'pino';
import { type JobKind, OUTSIDE_QUEUE } from './job-kind.js';
import { jobTopic, queueOf } from './job.service.js';
import {
  type Capacity,
  dominantShare,
  EQUAL_SHARE,
  type Demand,
  makeRoom,
  RESOURCES,
  schedule,
  type Share,
  type Shares,
} from './rules/schedule.js';
import type { Replaceable, Resources, WaitingDemand } from './rules/schedule.js';
import * as queue from './scheduling-store.js';
import { askToMakeRoom, beginAttempt } from './store.js';

/** A job that a worker process has begun. */
export interface BegunDemand extends Demand {
  id: string;
  attempt: number;
  begunMs: number;
}

/** What a worker process says when it has room. */
export interface Room {
  capacity: Capacity;
  queues: readonly string[];
  /** The kinds that it runs, and how many jobs of each at the same time. */
  kinds: ReadonlyMap<string, Pick<JobKind, 'maxAtOnce' | 'outsideAtOnce' | 'keepsProgress'>>;
  /** Its own running jobs. */
  running: readonly BegunDemand[];
  /** Jobs that were delivered to it. */
  offered: readonly string[];
}

/** A cluster outside on which jobs run. */
export interface OutsidePool {
  /** What it has, as far as it is known. */
  capacity(): Resources;
  /** The cores that jobs may use there together; null is no limit. */
  maxCores: number | null;
}

interface Known {
  cluster: Resources;
  lately: ReadonlyMap<string, Resources>;
  readMs: number;
}

export interface Begun {
  jobs: Job[];
  /** The attempts that waited, among them the offered ones. */
  waiting: readonly { id: string; attempt: number }[];
  /** Whether another transaction held a job that comes next: ask again soon. */
  isPartial: boolean;
}

/** What was used lately is read again after this time when several tenants wait. */
const USAGE_AGE_MS = 250;
const NOTHING: Resources = { cores: 0, memoryBytes: 0, gpus: 0 };

/**
 * Decides which jobs begin. A worker process with room asks here; one after the other, they choose from the job table
 * by the rule `schedule`, each for its own machine and with the shares of all.
 */
export class Scheduler {
  /** What there is, and what tenants used lately; read with each report of the worker, and when it matters. */
  private known: Known | undefined;
  private outside: OutsidePool | undefined;

  constructor(
    private readonly db: Database,
    private readonly live: LiveEvents,
    private readonly logger: Logger,
    readonly halfLifeMs: number,
    /** A worker that is silent for this long has ended. */
    private readonly silentForMs: number,
    /** Jobs that have run for this long may have to make room; null: none has to. */
    private readonly preemptAfterMs: number | null,
  ) {}

  /** From now on, jobs of the queue OUTSIDE_QUEUE run in this cluster. */
  runOutside(pool: OutsidePool): void {
    this.outside = pool;
  }

  /** Says that a worker is alive and what it has. */
  async report(worker: queue.WorkerReport): Promise<void> {
    await this.db.asSystem(async (em) => {
      await queue.saveWorker(em, worker);
      this.known = await this.read(em);
    });
  }

  async withdraw(workerId: string): Promise<void> {
    await this.db.asSystem((em) => queue.deleteWorker(em, workerId, 10 * this.silentForMs));
  }

  /** Begins the jobs that come next on this machine. */
  async beginNext({ capacity, queues, kinds, running, offered }: Room): Promise<Begun> {
    const begun = await this.db.asSystem(async (em) => {
      await queue.lockQueue(em);
      const rows = await queue.queueJobs(em, { queues, ids: offered });
      const here = new Set(running.map(({ id }) => id));
      const stopping = new Set(rows.filter(({ isStopping }) => isStopping).map(({ id }) => id));
      const own = running.map((one) => ({
        ...{ ...one, isHere: true, isStopping: stopping.has(one.id) },
        keepsProgress: kinds.get(one.kind)?.keepsProgress ?? false,
      }));
      const atWork = [
        ...own,
        ...rows
          .filter(({ id, status }) => status === 'RUNNING' && !here.has(id))
          .map((row) => ({ ...row, isHere: false, keepsProgress: false, begunMs: row.begunMs ?? Date.now() })),
      ];
      const waiting = rows.flatMap((row) => {
        const limit = limitOf(row, kinds.get(row.kind));
        return row.status === 'QUEUED' && limit.maxAtOnce > 0 ? [{ ...row, ...limit }] : [];
      });
      if (waiting.length === 0) return { jobs: [], waiting, isPartial: false, replaced: [] };
      const shares = await this.sharesOf(em, await this.current(em, waiting));
      const chosen = schedule(capacity, atWork, waiting, shares, Date.now());
      const free = await queue.lockWaiting(
        em,
        chosen.map(({ id }) => id),
      );
      const jobs: Job[] = [];
      for (const { id, attempt } of chosen)
        if (free.has(id) && (await beginAttempt(em, id, attempt)))
          jobs.push(await em.findOneOrFail(Job, { id }, { populate: ['result'] }));
      const replaced = chosen.length > 0 ? [] : this.replaced(capacity, atWork, waiting, shares);
      if (replaced.length > 0) await askToMakeRoom(em, replaced);
      return { jobs, waiting, isPartial: jobs.length < chosen.length, replaced };
    });
    for (const id of begun.replaced) {
      this.logger.info({ jobId: id }, 'job asked to make room');
      this.live.publish(jobTopic(id));
    }
    for (const { id } of begun.jobs) this.live.publish(jobTopic(id));
    return begun;
  }

  /**
   * What a job shall have that a person requests; BAD_USER_INPUT when no worker process can give it, or the tenant may
   * not use as much.
   */
  async requested(
    { tenant }: Session,
    kind: JobKind,
    request: JobRequest | null | undefined,
    fieldOf: (of: keyof Resources) => string = (of) => `input.job.${of}`,
  ): Promise<Omit<NewJob<JobKind>, 'input'>> {
    const { cores, memoryBytes, gpus, workers, priority, maxDurationMs, notBefore } = request ?? {};
    const each = {
      cores: cores ?? kind.resources.cores,
      memoryBytes: memoryBytes ?? kind.resources.memoryBytes,
      gpus: gpus ?? kind.resources.gpus,
    };
    const count = workers ?? 1;
    const whole = { cores: each.cores * count, memoryBytes: each.memoryBytes * count, gpus: each.gpus * count };
    await this.db.asSystem(async (em) => {
      if (whole.gpus > 0) {
        const most = Math.max(0, ...(await this.workers(em)).map((worker) => worker.gpus));
        if (most < whole.gpus)
          throw badInput(
            'input.job.gpus',
            most === 0 ? '0, because no worker has a GPU' : `at most ${most} GPUs for all workers of the job`,
            whole.gpus,
          );
      }
      const [share = EQUAL_SHARE] = await queue.storedShares(em, tenant);
      for (const of of RESOURCES) {
        const [quota, more] = [share.quota[of], share.borrowingLimit[of]];
        if (quota !== null && more !== null && whole[of] > quota + more)
          throw badInput(fieldOf(of), `at most ${quota + more} for the job, the limit of the tenant`, whole[of]);
      }
    });
    if (!request) return {};
    return { resources: each, workers: count, priority: priority ?? 0, maxDurationMs, notBefore };
  }

  /** The ids of running jobs that make room for a waiting one. */
  private replaced(
    capacity: Capacity,
    running: readonly (Replaceable & { id: string })[],
    waiting: readonly WaitingDemand[],
    shares: Shares,
  ): string[] {
    if (this.preemptAfterMs === null) return [];
    return makeRoom(capacity, running, waiting, shares, Date.now(), this.preemptAfterMs).map(({ id }) => id);
  }

  /** The shares of all tenants, and what they have used lately. */
  async shares(em: EntityManager): Promise<Shares> {
    return this.sharesOf(em, await this.read(em));
  }

  workers(em: EntityManager): Promise<queue.WorkerReport[]> {
    return queue.workersSeen(em, this.silentForMs);
  }

  /** A lone tenant needs no exact figures, so that its job begins without another query. */
  private async current(em: EntityManager, waiting: readonly Demand[]): Promise<Known> {
    const { known } = this;
    const isRecent = known && Date.now() - known.readMs < USAGE_AGE_MS;
    const isLone = waiting.every(({ tenant }) => tenant === waiting[0]?.tenant);
    if (known && (isRecent || isLone)) return known;
    this.known = await this.read(em);
    return this.known;
  }

  private async read(em: EntityManager): Promise<Known> {
    const cluster = { ...NOTHING };
    for (const worker of await this.workers(em)) {
      cluster.cores += worker.cores;
      cluster.memoryBytes += worker.memoryBytes;
      cluster.gpus += worker.gpus;
    }
    const outside = this.outside?.capacity() ?? NOTHING;
    for (const of of RESOURCES) cluster[of] += outside[of];
    return { cluster, lately: await queue.usedLately(em, this.halfLifeMs), readMs: Date.now() };
  }

  private async sharesOf(em: EntityManager, { cluster, lately }: Known): Promise<Shares> {
    const of = new Map<string, Share>();
    for (const [tenant, amounts] of lately) of.set(tenant, { ...EQUAL_SHARE, usage: dominantShare(amounts, cluster) });
    for (const { tenant, ...share } of await queue.storedShares(em))
      of.set(tenant, { ...share, usage: of.get(tenant)?.usage ?? 0 });
    return { cluster, of, outsideCores: this.outside?.maxCores ?? null };
  }
}

/** Jobs of one kind that run here and on other machines have separate limits: they count as two kinds. */
export function limitOf(
  { kind, queue: of }: { kind: string; queue: string },
  known: Pick<JobKind, 'maxAtOnce' | 'outsideAtOnce'> | undefined,
): { kind: string; maxAtOnce: number } {
  return of === OUTSIDE_QUEUE
    ? { kind: queueOf(kind, of), maxAtOnce: known?.outsideAtOnce ?? known?.maxAtOnce ?? 0 }
    : { kind, maxAtOnce: known?.maxAtOnce ?? 0 };
}
