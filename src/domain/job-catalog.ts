import { z } from 'zod';

/** Work on one row of the job table. `attempt` fences: a handler of an older attempt may write nothing. */
const jobPayload = z.strictObject({
  tenant: z.string().min(1).max(200),
  jobId: z.uuid(),
  attempt: z.int().min(1),
});
export type JobPayload = z.infer<typeof jobPayload>;

/** A repeating tick over all tenants; it carries nothing. */
const tickPayload = z.strictObject({});

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Every job: its payload, how often it is tried, after which time it counts as hung, and how many run at once in one worker process.
 * A resumable one is handed on when its process stops; the others are waited for. Trainings run one at a time because each uses the cores of its machine.
 */
export const JOB_CATALOG = {
  TRAINING: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 24 * HOUR_MS, concurrency: 1, resumable: true },
  EVALUATION: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: HOUR_MS, concurrency: 2, resumable: false },
  VALIDATION: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 15 * MINUTE_MS, concurrency: 2, resumable: false },
  BATCH_INFERENCE: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 24 * HOUR_MS, concurrency: 2, resumable: true },
  /** Compares the last window of every deployment with its reference. */
  MONITORING: { payload: tickPayload, attempts: 1, backoffMs: 0, timeoutMs: 5 * MINUTE_MS, concurrency: 1 },
  /** Finishes or undoes what a crash left, and re-enqueues what a queue forgot. */
  SWEEP: { payload: tickPayload, attempts: 1, backoffMs: 0, timeoutMs: 5 * MINUTE_MS, concurrency: 1 },
} as const;

export type JobKind = keyof typeof JOB_CATALOG;
export const JOB_KINDS = Object.keys(JOB_CATALOG) as JobKind[];

/** Kinds that have a row in the job table. */
export const ROW_JOB_KINDS = ['TRAINING', 'EVALUATION', 'VALIDATION', 'BATCH_INFERENCE'] as const satisfies readonly JobKind[];
export type RowJobKind = (typeof ROW_JOB_KINDS)[number];

/** The queue's id of an attempt. A queue silently drops a job whose id exists, so that enqueueing twice is harmless. */
export function queueJobId({ jobId, attempt }: JobPayload): string {
  return `${jobId}-${attempt}`;
}
