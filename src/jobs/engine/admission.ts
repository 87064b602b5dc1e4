import type { Resources } from '../../modules/jobs/index.js';

/** The resources of this worker's machine for jobs. */
export interface Capacity extends Resources {
  /** Jobs that run at the same time; those that only wait for other jobs do not count. */
  slots: number;
}

/** A job that is ready to begin. */
export interface Candidate extends Resources {
  kind: string;
  /** The maximum number of jobs of its kind that run at the same time. */
  maxAtOnce: number;
  priority: number;
  /** The time since when it could have begun. */
  waitingSinceMs: number;
}

/** How long smaller jobs may overtake a job that needs more than is free, at first. */
const PASSED_FOR_MS = 30_000;

/**
 * A job that needs no resources waits for other jobs: it must begin however busy the machine is, otherwise both would
 * wait for ever.
 */
export const needsNothing = ({ cores, memoryBytes, gpus }: Resources) => cores === 0 && memoryBytes === 0 && gpus === 0;

/**
 * Whether other jobs must no longer overtake a job that has waited this long. Periods with and without overtaking
 * alternate, and each is twice as long as the one before: finally, a period without overtaking is longer than any
 * running job, so no job waits for ever.
 */
export function blocksOthers(waitedMs: number): boolean {
  return waitedMs >= PASSED_FOR_MS && Math.floor(Math.log2(waitedMs / PASSED_FOR_MS)) % 2 === 0;
}

/** Which of the waiting jobs may begin beside the running ones: by priority, then by waiting time. */
export function admitted<Of extends Candidate>(
  capacity: Capacity,
  running: readonly Candidate[],
  waiting: readonly Of[],
  nowMs: number,
): Of[] {
  const atWork = [...running];
  const isFree = (one: Candidate) => {
    const working = atWork.filter((other) => !needsNothing(other));
    const used = (of: (other: Candidate) => number) => working.reduce((sum, other) => sum + of(other), 0);
    // Cores and memory: a job that needs more than the machine has gets all of it. GPUs: all must exist.
    return (
      working.length < capacity.slots &&
      used(({ cores }) => cores) + Math.min(one.cores, capacity.cores) <= capacity.cores &&
      used(({ memoryBytes }) => memoryBytes) + Math.min(one.memoryBytes, capacity.memoryBytes) <=
        capacity.memoryBytes &&
      used(({ gpus }) => gpus) + one.gpus <= capacity.gpus
    );
  };
  const begin: Of[] = [];
  let isBlocked = false;
  for (const one of waiting.toSorted((a, b) => b.priority - a.priority || a.waitingSinceMs - b.waitingSinceMs)) {
    if (atWork.filter(({ kind }) => kind === one.kind).length >= one.maxAtOnce) continue;
    if (needsNothing(one) || (!isBlocked && isFree(one))) {
      atWork.push(one);
      begin.push(one);
    } else if (one.gpus <= capacity.gpus && blocksOthers(nowMs - one.waitingSinceMs)) isBlocked = true;
  }
  return begin;
}

/** Jobs that are delivered at about the same time are compared with each other. */
const GATHER_MS = 25;
/** A job that cannot begin is held for this long, then left to other workers. */
const HOLD_MS = 1_000;

/** Lets jobs begin in this process, within the limits of its machine and its settings. */
export class Admission {
  private readonly running = new Set<Candidate>();
  private readonly waiting = new Map<Candidate, (mayBegin: boolean) => void>();
  private deciding: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(
    private readonly capacity: Capacity,
    /** Called when a job begins or leaves. */
    private readonly onChange: () => void,
  ) {}

  /** Whether all slots are taken; jobs that need no resources can still begin. */
  get isFull(): boolean {
    return [...this.running].filter((one) => !needsNothing(one)).length >= this.capacity.slots;
  }

  /** True when the job may begin; the caller must then call `leave`. False when other workers should take it. */
  async enter(candidate: Candidate): Promise<boolean> {
    if (this.isClosed) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.waiting.set(candidate, resolve);
    const giveUp = setInterval(() => {
      // While no job may overtake it, it waits here for the resources that become free.
      if (!blocksOthers(Date.now() - candidate.waitingSinceMs)) resolve(false);
    }, HOLD_MS);
    this.decideSoon();
    try {
      return await promise;
    } finally {
      clearInterval(giveUp);
      this.waiting.delete(candidate);
    }
  }

  leave(candidate: Candidate): void {
    this.running.delete(candidate);
    this.onChange();
    this.decideSoon();
  }

  /** No job begins after this call. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.deciding);
    for (const resolve of this.waiting.values()) resolve(false);
  }

  private decideSoon(): void {
    if (this.isClosed) return;
    this.deciding ??= setTimeout(() => {
      this.deciding = undefined;
      const begin = admitted(this.capacity, [...this.running], [...this.waiting.keys()], Date.now());
      for (const one of begin) {
        this.running.add(one);
        this.waiting.get(one)?.(true);
        this.waiting.delete(one);
      }
      if (begin.length > 0) this.onChange();
    }, GATHER_MS);
  }
}
