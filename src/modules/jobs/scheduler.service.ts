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
import { JOB_RESOURCES } from './rules/ranges.js';
import * as queue from './scheduling-store.js';
import { askToMakeRoom, beginAttempt, keepRoom } from './store.js';

/** A job that a worker process has begun. */
export interface BegunDemand extends Demand {
  id: string;
  attempt: number;
  begunMs: number;
}

/** What a worker process says when it has room. */
export interface Room {
  workerId: string;
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
  workerIds: ReadonlySet<string>;
  lately: ReadonlyMap<string, Resources>;
  /** Until when `lately` counts, by the clock of the database. */
  until: Date;
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
/** The queue of the jobs that people start. */
const DEFAULT_QUEUE = 'default';
/** An average of cores or GPUs that makes no difference. */
const TOO_LITTLE = 1e-9;
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
      await this.read(em);
    });
  }

  async withdraw(workerId: string): Promise<void> {
    await this.db.asSystem((em) => queue.deleteWorker(em, workerId, 10 * this.silentForMs));
  }

  /** Begins the jobs that come next on this machine. */
  async beginNext({ workerId, capacity, queues, kinds, running, offered }: Room): Promise<Begun> {
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
      const ready = rows.flatMap((row) => {
        const limit = limitOf(row, kinds.get(row.kind));
        return row.status === 'QUEUED' && limit.maxAtOnce > 0 ? [{ ...row, ...limit }] : [];
      });
      if (ready.length === 0) return { jobs: [], waiting: ready, isPartial: false, replaced: [] };
      const known = await this.current(em, ready);
      const waiting = ready.map((one) => ({ ...one, room: placeOf(one.roomOn, workerId, known.workerIds) }));
      const shares = await this.sharesOf(em, known);
      const chosen = schedule(capacity, atWork, waiting, shares, Date.now());
      const free = await queue.lockWaiting(
        em,
        chosen.map(({ id }) => id),
      );
      const jobs: Job[] = [];
      for (const { id, attempt } of chosen)
        if (free.has(id) && (await beginAttempt(em, id, attempt)))
          jobs.push(await em.findOneOrFail(Job, { id }, { populate: ['result'] }));
      const room = chosen.length > 0 ? null : this.roomFor(capacity, atWork, waiting, shares);
      const replaced: string[] = [];
      if (room && (await queue.lockWaiting(em, [room.by.id])).size > 0) {
        replaced.push(...room.replaced.map(({ id }) => id));
        await askToMakeRoom(em, replaced);
        await keepRoom(em, room.by.id, workerId);
      }
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
   * not use as much. `outsideField` is given for work in a cluster outside: the field that says how much it takes.
   */
  async requested(
    { tenant }: Session,
    kind: JobKind,
    request: JobRequest | null | undefined,
    outsideField?: string,
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
      if (outsideField === undefined) await this.requireMachine(em, whole, request ?? {});
      const [share = EQUAL_SHARE] = await queue.storedShares(em, tenant);
      for (const of of RESOURCES) {
        const [quota, more] = [share.quota[of], share.borrowingLimit[of]];
        if (quota !== null && more !== null && whole[of] > quota + more)
          throw badInput(
            outsideField ?? `input.job.${of}`,
            `at most ${quota + more} for the job, the limit of the tenant`,
            whole[of],
          );
      }
    });
    if (!request) return {};
    return { resources: each, workers: count, priority: priority ?? 0, maxDurationMs, notBefore };
  }

  /**
   * BAD_USER_INPUT unless the machine of one worker process has what a person asked for, all together. A kind's own
   * amounts are no such request: a smaller machine gives all that it has. Before any worker is alive, only GPUs are
   * refused.
   */
  private async requireMachine(em: EntityManager, whole: Resources, request: JobRequest): Promise<void> {
    let able = (await this.workers(em)).filter(({ queues }) => queues.includes(DEFAULT_QUEUE));
    for (const of of ['gpus', 'cores', 'memoryBytes'] as const) {
      const isAsked = of === 'gpus' || (able.length > 0 && (request[of] != null || (request.workers ?? 1) > 1));
      const most = Math.max(0, ...able.map((worker) => worker[of]));
      if (isAsked && whole[of] > most) {
        const field = request[of] == null && of !== 'gpus' ? 'workers' : of;
        const unit = JOB_RESOURCES[of].unit;
        throw badInput(
          `input.job.${field}`,
          of === 'gpus' && most === 0
            ? '0, because no worker has a GPU'
            : `at most ${most} ${unit} for all workers of the job, as many as the largest machine has`,
          whole[of],
        );
      }
      if (isAsked) able = able.filter((worker) => worker[of] >= whole[of]);
    }
  }

  /** The running jobs that make room for a waiting one; null when none has to. */
  private roomFor<Running extends Replaceable, Waiting extends WaitingDemand>(
    capacity: Capacity,
    running: readonly Running[],
    waiting: readonly Waiting[],
    shares: Shares,
  ) {
    const { preemptAfterMs } = this;
    return preemptAfterMs === null ? null : makeRoom(capacity, running, waiting, shares, Date.now(), preemptAfterMs);
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
    return this.read(em);
  }

  /** Adds what was used since the last time, so that the jobs of long ago are read once. */
  private async read(em: EntityManager): Promise<Known> {
    const cluster = { ...NOTHING };
    const workers = await this.workers(em);
    for (const worker of workers) {
      cluster.cores += worker.cores;
      cluster.memoryBytes += worker.memoryBytes;
      cluster.gpus += worker.gpus;
    }
    const outside = this.outside?.capacity() ?? NOTHING;
    for (const of of RESOURCES) cluster[of] += outside[of];
    const { known, halfLifeMs } = this;
    const { until, used } = await queue.usedLately(em, halfLifeMs, known?.until ?? null);
    const lately = known
      ? agedBy(known.lately, (until.getTime() - known.until.getTime()) / halfLifeMs)
      : new Map<string, Resources>();
    for (const [tenant, more] of used) {
      const before = lately.get(tenant) ?? NOTHING;
      lately.set(tenant, {
        cores: before.cores + more.cores,
        memoryBytes: before.memoryBytes + more.memoryBytes,
        gpus: before.gpus + more.gpus,
      });
    }
    const workerIds = new Set(workers.map(({ id }) => id));
    this.known = { cluster, workerIds, lately, until, readMs: Date.now() };
    return this.known;
  }

  private async sharesOf(em: EntityManager, { cluster, lately }: Known): Promise<Shares> {
    const of = new Map<string, Share>();
    for (const [tenant, amounts] of lately) of.set(tenant, { ...EQUAL_SHARE, usage: dominantShare(amounts, cluster) });
    for (const { tenant, ...share } of await queue.storedShares(em))
      of.set(tenant, { ...share, usage: of.get(tenant)?.usage ?? 0 });
    return { cluster, of, outsideCores: this.outside?.maxCores ?? null };
  }
}

/** Where room is kept for a job; nowhere after the end of that process. */
function placeOf(roomOn: string | null, workerId: string, living: ReadonlySet<string>): WaitingDemand['room'] {
  if (roomOn === workerId) return 'HERE';
  return roomOn !== null && living.has(roomOn) ? 'ELSEWHERE' : undefined;
}

/** What these amounts count after some half-lives; what does not count any more is left out. */
function agedBy(used: ReadonlyMap<string, Resources>, halfLives: number): Map<string, Resources> {
  const kept = 2 ** -Math.max(0, halfLives);
  const aged = new Map<string, Resources>();
  for (const [tenant, { cores, memoryBytes, gpus }] of used)
    if (cores > TOO_LITTLE || memoryBytes > 1 || gpus > TOO_LITTLE)
      aged.set(tenant, { cores: cores * kept, memoryBytes: memoryBytes * kept, gpus: gpus * kept });
  return aged;
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
