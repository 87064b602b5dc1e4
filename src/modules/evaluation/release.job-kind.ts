import { z } from 'zod';
import { defineJobKind, HOUR_MS, NO_RESOURCES, SECOND_MS } from '../jobs/index.js';
import { RELEASE_STAGES, STAGES } from '../registry/index.js';

/** The jobs that a release has started. */
const work = z.object({ evaluationJobId: z.guid().optional(), validationJobId: z.guid().optional() });

export const RELEASE = defineJobKind({
  kind: 'RELEASE',
  about: 'Validates, evaluates and promotes a version as far as its gates allow.',
  input: z.object({
    modelVersionId: z.guid(),
    datasetId: z.guid().nullable(),
    target: z.object({ column: z.string(), greaterThan: z.number().nullable() }).nullable(),
    targetStage: z.enum(RELEASE_STAGES),
    expectedProductionVersionId: z.guid().nullable(),
  }),
  soFar: work,
  result: work.extend({
    targetStage: z.enum(RELEASE_STAGES),
    /** The current stage of the version. */
    stage: z.enum(STAGES),
    reached: z.boolean(),
    /** The first gate that stops the version; null when the version has reached its target stage. */
    firstMissing: z
      .object({
        gate: z.enum(['EVALUATION', 'VALIDATION', 'SHADOW', 'AB_TEST', 'APPROVALS']),
        problem: z.string(),
        next: z.string(),
      })
      .nullable(),
  }),
  // The release waits for its evaluation and its validation, which are jobs of their own.
  resources: NO_RESOURCES,
  maxAtOnce: 20,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 6 * HOUR_MS,
});
