import type { EntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Touched } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { Resources } from './rules/schedule.js';

export type { Resources } from './rules/schedule.js';

/** The end of a job that did not succeed. */
export interface JobEnd<Input> {
  em: EntityManager;
  job: Job;
  /** Null when another release of the service has stored it in another form. */
  input: Input | null;
  status: 'FAILED' | 'CANCELLED';
  /** Null for a job that was cancelled. */
  failure: { code: ErrorCode; message: string } | null;
  /** Cancels another job that was only for this one, unless it has ended. */
  cancel(jobId: string): Promise<void>;
}

/**
 * The queue of jobs that only wait for work on other machines: they need no resources here, and start however busy the
 * machine is. Every worker takes them.
 */
export const OUTSIDE_QUEUE = 'outside';

/** The schema of JSON objects. */
export type Stored = z.ZodType<object>;

/** A kind of job, as services and workers know it. Its input and its result are JSON of a known shape. */
export interface JobKind<Input extends Stored = Stored, Result extends Stored = Stored, SoFar extends Stored = Stored> {
  /** The name in the database and in the API: capitals and underscores. */
  kind: string;
  /** What such a job does, for the descriptions of the API. */
  about: string;
  /** Parsed when a job is created and when an attempt begins. */
  input: Input;
  /** The result, parsed when the job succeeds and when it is read. */
  result: Result;
  /** What an attempt stores for later attempts, in the place of the result; nothing when absent. */
  soFar?: SoFar;
  resources: Resources;
  /** The maximum number of jobs of this kind that a worker process runs at the same time. */
  maxAtOnce: number;
  /** The same for its jobs in the queue OUTSIDE_QUEUE, whose work runs on other machines; none when absent. */
  outsideAtOnce?: number;
  /**
   * How many attempts may fail without progress in between, and the wait before the second one; further waits are
   * longer.
   */
  retry: { attempts: number; backoffMs: number };
  /**
   * Whether an attempt continues from progress that an earlier one has stored. Only such jobs make room for others, and
   * one that shall stop does so after it has stored its progress.
   */
  keepsProgress?: boolean;
  /** An attempt that takes longer than this fails. */
  timeoutMs: number;
  /** Whether work outside this service may report on the job and end it, with the token of its attempt. */
  completesOutside?: boolean;
  /** Whether work outside may report on the job with the token of its attempt, while an attempt of a worker ends it. */
  reportsOutside?: boolean;
  /** Whether such a job is only about its run: it is deleted with the run, and its files too. */
  isOfRun?: boolean;
  /** Called in the transaction that fails or cancels the job. Returns what it has changed. */
  ended?(end: JobEnd<z.output<Input>>): Promise<Touched[]>;
}

/** Describes a kind of job in the module that owns it. `defineJob` in src/jobs says which service does the work. */
export function defineJobKind<Input extends Stored, Result extends Stored, SoFar extends Stored = never>(
  kind: JobKind<Input, Result, SoFar>,
): JobKind<Input, Result, SoFar> {
  return kind;
}

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const GIB = 1024 ** 3;

/** For a kind that only waits for other jobs: it starts however busy the machine is. */
export const NO_RESOURCES: Resources = { cores: 0, memoryBytes: 0, gpus: 0 };
/** The input of a kind whose jobs need only the objects that they refer to. */
export const noInput = z.object({});
/** A file that a job has stored as an artifact. */
export const storedFile = z.object({ artifactId: z.guid(), sizeBytes: z.int(), sha256: z.string() });

/** Reads what the database has for a job; an earlier or later release of the service may have written it. */
export function readStored<Schema extends Stored>(
  schema: Schema,
  stored: unknown,
  of: { what: 'input' | 'result'; kind: string; id: string },
): z.output<Schema> {
  const parsed = schema.safeParse(stored);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = [of.what, ...(issue?.path ?? [])].join('.');
  const expected = issue?.message ?? 'JSON of another shape';
  throw new AppError(
    ErrorCode.CONFLICT,
    `The ${of.what} of job ${of.id} (${of.kind}) cannot be read, as another version of the service stored it: ` +
      `${field}: ${expected}. Start such a job anew.`,
    { field, expected },
  );
}
