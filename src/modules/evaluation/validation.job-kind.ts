import { z } from 'zod';
import { defineJobKind, GIB, MINUTE_MS, noInput, SECOND_MS } from '../jobs/index.js';

/** The job refers to the version, and to a dataset with sample rows when one is known. */
export const VALIDATION = defineJobKind({
  kind: 'VALIDATION',
  about:
    'Validates a version: signature, sample predictions, metric bounds, latency, agreement of trainer and runtime.',
  input: noInput,
  result: z.object({
    passed: z.boolean(),
    failedChecks: z.array(z.string()),
    latencyP95Ms: z.number().nullable(),
    sampleRows: z.int(),
  }),
  resources: { cores: 1, memoryBytes: 0.5 * GIB, gpus: 0 },
  maxAtOnce: 2,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 15 * MINUTE_MS,
});
