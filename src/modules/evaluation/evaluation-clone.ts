import { z } from 'zod';
import { type CloneRule, type JobService } from '../jobs/index.js';
import { EVALUATION } from './evaluation.job-kind.js';
import type { EvaluationService } from './evaluation.service.js';

const template = z.object({ input: EVALUATION.input });

/** Another evaluation; its baseline is the version in production then, unless the first one was asked for by its id. */
export function cloneOfEvaluation(evaluations: EvaluationService, jobs: JobService): CloneRule<typeof template> {
  return {
    ...{ kind: EVALUATION, template },
    templateOf: async (_session, job) => ({ input: jobs.inputOf(EVALUATION, job) }),
    start: (session, { input: { baselineVersionId, baselineRequired, target } }, { datasetId, modelVersionId }) =>
      evaluations.start(session, {
        ...{ modelVersionId: modelVersionId ?? '', datasetId, target },
        baselineVersionId: baselineRequired ? baselineVersionId : null,
      }),
  };
}
