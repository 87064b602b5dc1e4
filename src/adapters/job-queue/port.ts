/** One job as it travels: ids only, the rest is read from the database. */
export interface QueuedJob {
  tenant: string;
  jobId: string;
  attempt: number;
}

/** Thrown by a handler that cannot work on the job now. */
export class NotNow extends Error {
  constructor() {
    super('This process cannot work on the job now.');
    this.name = 'NotNow';
  }
}

/** What takes jobs of one kind in this process. */
export interface Consumer {
  /** Takes no more jobs; one that is on its way may still come. */
  pause(): void;
  resume(): void;
}

/**
 * Dispatch of background jobs. Delivery is at least once and the queue may lose everything: the job table is the truth.
 */
export interface JobQueue {
  readonly name: string;
  /**
   * Idempotent for the same job and attempt while that waits or runs. Of jobs that wait, the highest `priority` (-100
   * to 100) is delivered first, and of equal ones the first.
   */
  enqueue(kind: string, job: QueuedJob, priority?: number): Promise<void>;
  /**
   * Calls `handle` for jobs of `kind`, at most `concurrency` at once in this process. A job whose handler throws
   * `NotNow` waits again, for any process.
   */
  consume(kind: string, concurrency: number, handle: (job: QueuedJob) => Promise<void>): Promise<Consumer>;
  /** Takes no more jobs and waits for the running ones. */
  close(): Promise<void>;
}
