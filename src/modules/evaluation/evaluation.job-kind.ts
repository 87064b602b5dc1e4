import { z } from 'zod';
import { finiteOrNull, recordOf } from '../core/index.js';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';

/** Without `greaterThan`, the column has no threshold. */
export const targetColumnSchema = z.object({ column: z.string(), greaterThan: z.number().optional() });

/** The job refers to the version and to the dataset whose rows are used. */
export const EVALUATION = defineJobKind({
  kind: 'EVALUATION',
  about: 'Evaluates a version on a holdout and compares it with its baseline.',
  input: z.object({
    /** Chosen when the evaluation was requested. */
    baselineVersionId: z.guid().nullable(),
    baselineRequired: z.boolean(),
    target: targetColumnSchema.nullable(),
  }),
  result: z.object({
    evaluationId: z.guid(),
    passed: z.boolean(),
    rows: z.int(),
    metrics: recordOf(finiteOrNull),
    baselineVersionId: z.guid().nullable(),
    baselineProblem: z.string().nullable(),
  }),
  resources: { cores: 1, memoryBytes: GIB, gpus: 0 },
  maxAtOnce: 2,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: HOUR_MS,
});
