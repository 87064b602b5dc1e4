/** A job in the queue: only ids; the rest is read from the database. */
export interface QueuedJob {
  tenant: string;
  jobId: string;
  attempt: number;
}

/** Thrown by a handler that cannot run the job now. */
export class NotNow extends Error {
  constructor() {
    super('This process cannot work on the job now.');
    this.name = 'NotNow';
  }
}

/** Takes jobs of one kind in this process. */
export interface Consumer {
  /** Takes no more jobs; one that is being delivered may still arrive. */
  pause(): void;
  resume(): void;
}

/**
 * Delivers background jobs. Each is delivered at least once, and the queue may lose everything: the job table is
 * authoritative.
 */
export interface JobQueue {
  readonly name: string;
  /**
   * Idempotent for the same job and attempt while it waits or runs. Of the waiting jobs, the one with the highest
   * `priority` (-100 to 100) is delivered first; of equal ones, the oldest.
   */
  enqueue(kind: string, job: QueuedJob, priority?: number): Promise<void>;
  /**
   * Calls `handle` for jobs of `kind`, at most `concurrency` at the same time in this process. A job whose handler
   * throws `NotNow` waits again, for any process.
   */
  consume(kind: string, concurrency: number, handle: (job: QueuedJob) => Promise<void>): Promise<Consumer>;
  /** Takes no more jobs and waits for the running ones. */
  close(): Promise<void>;
}
