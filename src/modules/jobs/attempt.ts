import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import type { JobKind, Stored } from './job-kind.js';
import type { ExternalHandle } from './job-rows.js';

/** One attempt of a job, as the code that does its work sees it. */
export interface Attempt {
  job: Job;
  /** Counts from 1. */
  number: number;
  logger: Logger;
  /** For the processes of its work: CUDA_VISIBLE_DEVICES names the GPUs that the job was given, and no others. */
  environment: Readonly<Record<string, string>>;
  /**
   * Aborts when the job is cancelled, has another attempt or is out of time, or when this process stops and the job
   * continues elsewhere.
   */
  signal: AbortSignal;
  /** Runs a transaction as the job's owner. It is refused when another attempt has replaced this one. */
  write<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction that changes nothing. */
  read<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Reports progress, at most a few times a second; `fraction` in [0, 1]. */
  progress(fraction: number, message: string): void;
  /**
   * A token for work outside this service. With it, the work can report on this attempt and end the job (POST
   * /v1/jobs/{id}/complete).
   */
  outsideToken(): Promise<string>;
  /** Call inside `write`: stores where the work of this job runs now. A later attempt finds it in `job`. */
  attach(session: Session, handle: ExternalHandle): Promise<void>;
  /** Call inside `write`: earlier failures no longer count against the job, because it has made progress. */
  forgiveFailures(session: Session): Promise<void>;
}

/** The same for a kind of job: with its input, what earlier attempts have stored, and a typed end. */
export interface KindAttempt<Input extends Stored, Result extends Stored, SoFar extends Stored> extends Attempt {
  input: z.output<Input>;
  /** What the last attempt that stored progress has stored. */
  soFar: z.output<SoFar> | null;
  /**
   * Call inside `write`: stores progress for later attempts. The API shows it as the job's result until the job ends.
   */
  keep(session: Session, soFar: z.input<SoFar>): Promise<void>;
  /** Ends the job with its result. `work` runs in the same transaction, after the job has become SUCCEEDED. */
  succeed(result: z.input<Result>, work?: (session: Session) => Promise<void>): Promise<void>;
}

/** One attempt of a job of this kind. */
export type AttemptOf<Kind extends JobKind> =
  Kind extends JobKind<infer Input, infer Result, infer SoFar> ? KindAttempt<Input, Result, SoFar> : never;
