import { z } from 'zod';
import { Event } from '../../db/entities/platform/event.entity.js';
import { endUnfinishedRun } from '../experiments/index.js';
import {
  foldResultSchema,
  STRATEGIES,
  type Strategy,
  trainingConfigSchema,
  trainingResultSchema,
  trainingWarningSchema,
} from '../algorithms/index.js';
import { defineJobKind, GIB, HOUR_MS, SECOND_MS } from '../jobs/index.js';
import { eventRow } from '../platform/index.js';
import { TRAINING_EVENTS } from './events.js';

/** The job refers to its run and to its dataset; both always exist. */
export const TRAINING = defineJobKind({
  kind: 'TRAINING',
  about: 'Trains a model from a dataset.',
  input: z.object({
    training: trainingConfigSchema,
    /** The model of which a version is registered when the training succeeds. */
    registerModelId: z.guid().nullable(),
    /** Warnings from the time of the request; absent in jobs of earlier releases. */
    warnings: z.array(trainingWarningSchema).optional(),
    /** LOCAL when absent. */
    backend: z.enum(['LOCAL', 'RAY']).optional(),
    /** Processes that train one model together; 1 when absent. */
    workers: z.int().min(1).optional(),
    /** How they share the work; absent where there is one way only. */
    strategy: z.enum(Object.keys(STRATEGIES) as [Strategy, ...Strategy[]]).optional(),
  }),
  /** The folds of a cross-validation that are measured. */
  soFar: z.object({ folds: z.array(foldResultSchema) }),
  result: trainingResultSchema,
  resources: { cores: 1, memoryBytes: 2 * GIB, gpus: 0 },
  maxAtOnce: 1,
  outsideAtOnce: 20,
  reportsOutside: true,
  keepsProgress: true,
  isOfRun: true,
  retry: { attempts: 3, backoffMs: 5 * SECOND_MS },
  timeoutMs: 24 * HOUR_MS,
  async ended({ em, job, input, status, failure }) {
    const { id: jobId, tenant, runId } = job;
    if (failure) {
      const payload = { runId, errorCode: failure.code, errorMessage: failure.message };
      const refs = { modelId: input?.registerModelId ?? null };
      const subject = { type: 'job', id: jobId };
      em.create(Event, eventRow(tenant, TRAINING_EVENTS.MODEL_TRAINING_FAILED, subject, payload, refs));
    }
    if (runId == null) return [];
    await endUnfinishedRun({ em, tenant }, runId, status === 'FAILED' ? 'FAILED' : 'KILLED');
    return [{ type: 'run', id: runId }];
  },
});
