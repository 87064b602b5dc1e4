/** One job as it travels: ids only, the rest is read from the database. */
export interface QueuedJob {
  tenant: string;
  jobId: string;
  attempt: number;
}

/**
 * Dispatch of background jobs. Delivery is at least once and the queue may lose everything: the job table is the truth.
 */
export interface JobQueue {
  readonly name: string;
  /** Idempotent for the same job and attempt while that waits or runs. */
  enqueue(kind: string, job: QueuedJob): Promise<void>;
  /** Calls `handle` for jobs of `kind`, at most `concurrency` at once in this process. */
  consume(kind: string, concurrency: number, handle: (job: QueuedJob) => Promise<void>): Promise<void>;
  /** Takes no more jobs and waits for the running ones. */
  close(): Promise<void>;
}
