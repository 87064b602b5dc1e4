import { z } from 'zod';
import { conflict } from '../../errors.js';
import type { TrainingConfig } from '../algorithms/index.js';
import type { RunService } from '../experiments/index.js';
import { type CloneRule, type JobService, keptRequest, requestOf } from '../jobs/index.js';
import { TRAINING } from './training.job-kind.js';
import type { TrainingService } from './training.service.js';

const template = z.object({ experimentId: z.guid(), input: TRAINING.input, request: keptRequest });

/** Another training with the same configuration and a new run in the same experiment; a trial becomes its own. */
export function cloneOfTraining(
  trainings: TrainingService,
  jobs: JobService,
  runs: RunService,
): CloneRule<typeof template> {
  return {
    ...{ kind: TRAINING, template },
    templateOf: async (session, job) => {
      if (job.runId == null)
        throw conflict(`The run of training ${job.id} was deleted, and its experiment is not known any more.`, {
          ...{ field: 'input.jobId', expected: 'a training whose run exists', got: job.id },
        });
      const run = await runs.get(session, job.runId);
      return { experimentId: run.experimentId, input: jobs.inputOf(TRAINING, job), request: requestOf(job) };
    },
    check: (_actor, { experimentId, input: { training: config, backend, workers, strategy } }) =>
      trainings.requireBackend({ experimentId, datasetId: '', config, backend, workers, strategy }),
    start: (session, { experimentId, input, request }, { datasetId }, { newestDataset }) =>
      trainings.start(session, {
        ...{ experimentId, datasetId: datasetId ?? '', registerModelId: input.registerModelId },
        config: newestDataset ? withOpenEnd(input.training) : input.training,
        ...{ backend: input.backend, workers: input.workers, strategy: input.strategy },
        // Processes that train one model together are named once.
        job: input.workers === undefined ? request : { ...request, workers: undefined },
      }),
  };
}

/** A training that ended at a date is repeated without that end; otherwise it would use no newer row. */
export function withOpenEnd(config: TrainingConfig): TrainingConfig {
  if (!config.window) return config;
  const { to: _end, ...window } = config.window;
  return { ...config, window };
}
