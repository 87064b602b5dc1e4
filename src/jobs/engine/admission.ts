import type { Job } from '../../db/entities/jobs/job.entity.js';
import {
  type Begun,
  type BegunDemand,
  type Capacity,
  limitOf,
  OUTSIDE_QUEUE,
  takesRoom,
} from '../../modules/jobs/index.js';

/** Jobs that are delivered at about the same time are compared with each other. */
const GATHER_MS = 25;
/** A job that cannot begin is held for this long, then left to other workers. */
const HOLD_MS = 1_000;

/** How the jobs of this process are chosen and run. */
export interface AdmissionRules {
  capacity: Pick<Capacity, 'slots'>;
  /** Begins the jobs that come next, beside those that run here. */
  beginNext(running: readonly BegunDemand[], offered: readonly string[]): Promise<Begun>;
  run(job: Job): Promise<void>;
  /** Called when a job begins or leaves. */
  changed(): void;
  /** Called when the jobs that begin could not be chosen and nobody waits for them. */
  failed(error: unknown): void;
}

/** What became of a delivered job: it begins here, or waits on, or there is nothing to do. */
export type Entered = { run: Promise<void> } | 'WAITS' | 'GONE';

interface Offered {
  id: string;
  entered(as: Entered): void;
  failed(error: unknown): void;
}

/**
 * The jobs of this process. A delivered job, or one that ends, is a reason to ask which jobs come next; these begin,
 * whether or not they were delivered here.
 */
export class Admission {
  private readonly running = new Map<string, { demand: BegunDemand; run: Promise<void> }>();
  private readonly offered = new Map<string, Offered>();
  private asking: NodeJS.Timeout | Promise<void> | undefined;
  private askAgain = false;
  private isClosed = false;

  constructor(private readonly rules: AdmissionRules) {}

  /** Whether all slots are taken; jobs that need no room of this machine can still begin. */
  get isFull(): boolean {
    let working = 0;
    for (const { demand } of this.running.values()) if (takesRoom(demand)) working++;
    return working >= this.rules.capacity.slots;
  }

  /** Call for each delivered attempt. */
  async enter(id: string, attempt: number): Promise<Entered> {
    const here = this.running.get(keyOf({ id, attempt }));
    if (here) return { run: here.run };
    if (this.isClosed) return 'WAITS';
    const key = keyOf({ id, attempt });
    const { promise, resolve, reject } = Promise.withResolvers<Entered>();
    this.offered.set(key, { id, entered: resolve, failed: reject });
    const giveUp = setTimeout(() => resolve('WAITS'), HOLD_MS);
    this.askSoon();
    try {
      return await promise;
    } finally {
      clearTimeout(giveUp);
      this.offered.delete(key);
    }
  }

  /** Asks which jobs come next, although nothing happened here. */
  look(): void {
    this.askSoon();
  }

  /** No job begins after this call. */
  close(): void {
    this.isClosed = true;
    if (!(this.asking instanceof Promise)) clearTimeout(this.asking);
    for (const { entered } of this.offered.values()) entered('WAITS');
  }

  /** When the last job of this process has ended. */
  async ended(): Promise<void> {
    if (this.asking instanceof Promise) await this.asking;
    while (this.running.size > 0) await Promise.allSettled([...this.running.values()].map(({ run }) => run));
  }

  private askSoon(): void {
    if (this.isClosed) return;
    if (this.asking instanceof Promise) this.askAgain = true;
    this.asking ??= setTimeout(() => {
      this.asking = this.ask().finally(() => {
        this.asking = undefined;
        if (this.askAgain) this.askSoon();
      });
    }, GATHER_MS);
  }

  private async ask(): Promise<void> {
    this.askAgain = false;
    const offered = [...this.offered];
    try {
      const demands = [...this.running.values()].map(({ demand }) => demand);
      const { jobs, waiting, isPartial } = await this.rules.beginNext(
        demands,
        offered.map(([, { id }]) => id),
      );
      for (const job of jobs) this.begin(job);
      if (isPartial) this.askAgain = true;
      const waits = new Set(waiting.map(keyOf));
      for (const [key, { entered }] of offered) if (!waits.has(key)) entered('GONE');
    } catch (error) {
      for (const [, { failed }] of offered) failed(error);
      if (offered.length === 0) this.rules.failed(error);
    }
  }

  private begin(job: Job): void {
    const { id, attempt, tenant, priority, workers, begunAt } = job;
    const { kind } = limitOf(job, undefined);
    const all = { cores: job.cores * workers, memoryBytes: job.memoryBytes * workers, gpus: job.gpus * workers };
    const demand = {
      ...{ id, attempt, tenant, kind, priority, ...all, isOutside: job.queue === OUTSIDE_QUEUE },
      begunMs: begunAt?.getTime() ?? Date.now(),
    };
    const key = keyOf(job);
    const run = this.rules.run(job).finally(() => {
      this.running.delete(key);
      this.rules.changed();
      this.askSoon();
    });
    // Who waits for the delivered job learns of a failure; for other jobs nobody waits.
    run.catch(() => undefined);
    this.running.set(key, { demand, run });
    this.offered.get(key)?.entered({ run });
    this.rules.changed();
  }
}

const keyOf = ({ id, attempt }: { id: string; attempt: number }) => `${id}/${attempt}`;
