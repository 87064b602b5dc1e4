import { z } from 'zod';

/** Work on one row of the job table. `attempt` fences: a handler of an older attempt may write nothing. */
const jobPayload = z.strictObject({
  tenant: z.string().min(1).max(200),
  jobId: z.uuid(),
  attempt: z.int().min(1),
});

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Every job: its payload, how many attempts may fail without progress in between, the time before the next one, after
 * which time it counts as hung, and how many run at once in one worker process. Trainings run one at a time because
 * each uses the cores of its machine.
 */
export const JOB_CATALOG = {
  TRAINING: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 24 * HOUR_MS, concurrency: 1 },
  EVALUATION: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: HOUR_MS, concurrency: 2 },
  VALIDATION: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 15 * MINUTE_MS, concurrency: 2 },
  BATCH_INFERENCE: {
    payload: jobPayload,
    attempts: 3,
    backoffMs: 5 * SECOND_MS,
    timeoutMs: 24 * HOUR_MS,
    concurrency: 2,
  },
  CONVERSION: { payload: jobPayload, attempts: 2, backoffMs: 5 * SECOND_MS, timeoutMs: 30 * MINUTE_MS, concurrency: 1 },
  /**
   * Waits for its evaluation and validation, which have jobs of their own, and so takes nothing from those who work.
   */
  RELEASE: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: 6 * HOUR_MS, concurrency: 20 },
  /** Of every run of outside code that ends: one at a time, beside everything else. */
  RUN_ARCHIVE: { payload: jobPayload, attempts: 3, backoffMs: 5 * SECOND_MS, timeoutMs: HOUR_MS, concurrency: 1 },
  GARBAGE_COLLECTION: {
    payload: jobPayload,
    attempts: 3,
    backoffMs: 5 * SECOND_MS,
    timeoutMs: 24 * HOUR_MS,
    concurrency: 1,
  },
  EXPERIMENT_EXPORT: {
    payload: jobPayload,
    attempts: 3,
    backoffMs: 5 * SECOND_MS,
    timeoutMs: 24 * HOUR_MS,
    concurrency: 1,
  },
  EXPERIMENT_IMPORT: {
    payload: jobPayload,
    attempts: 3,
    backoffMs: 5 * SECOND_MS,
    timeoutMs: 24 * HOUR_MS,
    concurrency: 1,
  },
  MLFLOW_IMPORT: {
    payload: jobPayload,
    attempts: 3,
    backoffMs: 5 * SECOND_MS,
    timeoutMs: 24 * HOUR_MS,
    concurrency: 1,
  },
} as const;

export type JobKind = keyof typeof JOB_CATALOG;
