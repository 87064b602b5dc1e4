import { z } from 'zod';
import { defineJobKind, GIB, HOUR_MS, noInput, SECOND_MS } from '../jobs/index.js';

/** The job refers to the run. */
export const RUN_ARCHIVE = defineJobKind({
  kind: 'RUN_ARCHIVE',
  about: 'Stores the log and the metric histories of an ended run as files of the run.',
  input: noInput,
  result: z.object({
    files: z.array(z.object({ path: z.string(), rows: z.int(), sizeBytes: z.int(), sha256: z.string() })).optional(),
    /** Why nothing was stored. */
    skipped: z.string().optional(),
  }),
  resources: { cores: 0.25, memoryBytes: 0.25 * GIB, gpus: 0 },
  maxAtOnce: 1,
  isOfRun: true,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: HOUR_MS,
});
