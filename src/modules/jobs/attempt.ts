import type { Logger } from 'pino';
import type { z } from 'zod';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Session } from '../../db/database.js';
import type { JobKind, Stored } from './job-kind.js';
import type { ExternalHandle } from './job-rows.js';

/** One attempt at a job, as all that works for it sees it. */
export interface Attempt {
  job: Job;
  /** Counts from 1. */
  number: number;
  logger: Logger;
  /**
   * Aborts when the job is cancelled, overtaken by another attempt or out of time, or continues elsewhere as this
   * process stops.
   */
  signal: AbortSignal;
  /** One transaction as the job's owner, refused when another attempt has overtaken this one. */
  write<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** A transaction that changes nothing. */
  read<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Reports progress, at most a few times a second; `fraction` in [0, 1]. */
  progress(fraction: number, message: string): void;
  /** For work outside this service: lets it report on this attempt and end the job (POST /v1/jobs/{id}/complete). */
  outsideToken(): Promise<string>;
  /** Inside `write`: where the work of this job lives now; a later attempt finds it in `job`. */
  attach(session: Session, handle: ExternalHandle): Promise<void>;
  /** Inside `write`: what failed before no longer counts against the job, as it has come further. */
  forgiveFailures(session: Session): Promise<void>;
}

/** The same for a kind: what it was asked, what earlier attempts have kept, and its typed end. */
export interface KindAttempt<Input extends Stored, Result extends Stored, SoFar extends Stored> extends Attempt {
  input: z.output<Input>;
  /** What the last attempt that kept something has kept. */
  soFar: z.output<SoFar> | null;
  /** Inside `write`: keeps it for later attempts; the API shows it as the job's result until the job ends. */
  keep(session: Session, soFar: z.input<SoFar>): Promise<void>;
  /** Ends the job with its result; `work` follows in the same transaction and sees the job as SUCCEEDED. */
  succeed(result: z.input<Result>, work?: (session: Session) => Promise<void>): Promise<void>;
}

/** One attempt at a job of this kind. */
export type AttemptOf<Kind extends JobKind> =
  Kind extends JobKind<infer Input, infer Result, infer SoFar> ? KindAttempt<Input, Result, SoFar> : never;
