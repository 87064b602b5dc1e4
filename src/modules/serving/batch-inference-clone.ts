import { z } from 'zod';
import { type CloneRule, type JobService, keptRequest, requestOf } from '../jobs/index.js';
import { BATCH_INFERENCE } from './batch-inference.job-kind.js';
import type { BatchInferenceService } from './batch-inference.service.js';

const template = z.object({ input: BATCH_INFERENCE.input, request: keptRequest });

export function cloneOfBatchInference(batches: BatchInferenceService, jobs: JobService): CloneRule<typeof template> {
  return {
    ...{ kind: BATCH_INFERENCE, template },
    templateOf: async (_session, job) => ({ input: jobs.inputOf(BATCH_INFERENCE, job), request: requestOf(job) }),
    check: (_actor, { input }) => batches.requireBackend({ ...input, datasetId: '' }),
    start: (session, { input: { follows, ...input }, request }, { modelVersionId, datasetId }, { productionVersion }) =>
      batches.start(session, {
        ...{ ...input, datasetId: datasetId ?? '', job: request },
        ...(follows && !productionVersion ? follows : { modelVersionId: modelVersionId ?? '' }),
      }),
  };
}
