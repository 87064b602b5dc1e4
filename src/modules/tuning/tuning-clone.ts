import { z } from 'zod';
import type { Database } from '../../db/database.js';
import { type CloneRule, type JobService } from '../jobs/index.js';
import type { StudyService } from './study.service.js';
import { TUNING } from './tuning.job-kind.js';
import type { TuningService } from './tuning.service.js';

const template = z.object({ studyId: z.guid() });

/** Another study like the one of the job: same space, sampler, pruner, seed and stop rule, and no trial of it. */
export function cloneOfTuning(
  db: Database,
  tunings: TuningService,
  studies: StudyService,
  jobs: JobService,
): CloneRule<typeof template> {
  return {
    ...{ kind: TUNING, template },
    templateOf: async (_session, job) => jobs.inputOf(TUNING, job),
    check: async (actor, { studyId }) => {
      const study = await db.transact(actor, (session) => studies.get(session, studyId));
      await tunings.requireBackendOf(study);
    },
    start: async (session, { studyId }, { datasetId }) => {
      const study = await studies.get(session, studyId);
      const { job } = await tunings.startLike(session, study, datasetId ?? '');
      return job;
    },
  };
}
