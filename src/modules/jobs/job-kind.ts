import type { EntityManager } from '@mikro-orm/postgresql';
import { z } from 'zod';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Touched } from '../../db/database.js';
import { AppError, ErrorCode } from '../../errors.js';

/** What one job takes of the machine that works on it. */
export interface Resources {
  cores: number;
  memoryBytes: number;
  gpus: number;
}

/** How a job ended that did not succeed. */
export interface JobEnd<Input> {
  em: EntityManager;
  job: Job;
  input: Input;
  status: 'FAILED' | 'CANCELLED';
  /** Null for a job that a person cancelled. */
  failure: { code: ErrorCode; message: string } | null;
}

/** JSON objects of a shape. */
export type Stored = z.ZodType<object>;

/** A kind of background work, as services and workers know it. Its input and result are JSON of a known shape. */
export interface JobKind<Input extends Stored = Stored, Result extends Stored = Stored, SoFar extends Stored = Stored> {
  /** As it is stored and as the API names it: capitals and underscores. */
  kind: string;
  /** What such a job does, for the API. */
  about: string;
  /** Parsed when a job is created and when an attempt begins. */
  input: Input;
  /** What it leaves; parsed when it has succeeded and when somebody reads it. */
  result: Result;
  /** Keys of the result that are too large for the API. */
  unshown?: readonly string[];
  /** What an attempt keeps in the place of the result for those after it; nothing when absent. */
  soFar?: SoFar;
  resources: Resources;
  /** Jobs of this kind that one worker process works on at once. */
  maxAtOnce: number;
  /** Attempts that may fail without progress in between, and the time before the second one, which grows. */
  retry: { attempts: number; backoffMs: number };
  /** An attempt that takes longer has failed. */
  timeoutMs: number;
  /** Whether work outside this service may report on the job and end it, with the token of its attempt. */
  completesOutside?: boolean;
  /** In the transaction that gives a job up or cancels it; answers what has changed with it. */
  ended?(end: JobEnd<z.output<Input>>): Promise<Touched[]>;
}

/** Describes a kind of job in the module that owns it; `defineJob` in src/jobs says which service does the work. */
export function defineJobKind<Input extends Stored, Result extends Stored, SoFar extends Stored = never>(
  kind: JobKind<Input, Result, SoFar>,
): JobKind<Input, Result, SoFar> {
  return kind;
}

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const GIB = 1024 ** 3;

/** Of a kind that waits for others: it is admitted however busy the machine is. */
export const NO_RESOURCES: Resources = { cores: 0, memoryBytes: 0, gpus: 0 };
/** The input of a kind that needs no more than what its jobs refer to. */
export const noInput = z.object({});
/** A file that a job stored among the artifacts. */
export const storedFile = z.object({ artifactId: z.guid(), sizeBytes: z.int(), sha256: z.string() });

/** What the database holds for a job; an earlier or later version of the service may have written it. */
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
