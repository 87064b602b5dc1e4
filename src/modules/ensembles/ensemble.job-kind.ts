import { z } from 'zod';
import { recordOf } from '../core/index.js';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';
import { METHODS } from './rules/members.js';

/** The job refers to the dataset whose rows its members answer. */
export const ENSEMBLE = defineJobKind({
  kind: 'ENSEMBLE',
  about: 'Makes one version of several: compiles them into one model, compares it with them, and measures it.',
  input: z.object({
    modelId: z.guid(),
    method: z.enum(METHODS),
    members: z.array(z.object({ versionId: z.guid() })),
    /** Null to learn them. */
    weights: z.array(z.number()).nullable(),
    /** Absent in jobs of earlier releases. */
    growth: z.object({ estimators: z.int(), maxSamples: z.number(), learningRate: z.number() }).partial().nullish(),
    target: z.object({ column: z.string(), greaterThan: z.number().optional() }).nullable(),
    description: z.string(),
    tags: recordOf(z.string()),
  }),
  result: z.object({ modelVersionId: z.guid() }),
  resources: { cores: 1, memoryBytes: GIB, gpus: 0 },
  maxAtOnce: 1,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: HOUR_MS,
});
