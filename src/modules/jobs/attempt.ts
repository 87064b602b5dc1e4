import type { Logger } from 'pino';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';

/** One attempt at a job, as its handler sees it. */
export interface Attempt {
  job: Job;
  /** Counts from 1. */
  number: number;
  logger: Logger;
  /**
   * Aborts when the job was cancelled, overtaken by another attempt, ran out of time, or goes on elsewhere as this
   * process stops.
   */
  signal: AbortSignal;
  /** One transaction as the job's owner, refused when another attempt has overtaken this one. */
  write<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction that changes nothing. */
  read<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Reports progress, at most a few times a second; `fraction` in [0, 1]. */
  progress(fraction: number, message: string): void;
  /** Ends the job with its result; `work` follows in the same transaction and sees the job as SUCCEEDED. */
  succeed(result: Record<string, unknown>, work?: (session: Session) => Promise<void>): Promise<void>;
}
