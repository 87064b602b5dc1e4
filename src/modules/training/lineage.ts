import { Job } from '../../db/entities/jobs/job.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage } from '../lineage/index.js';
import { TRAINING } from './training.job-kind.js';

const tables = tablesOf(Job);

export const TRAINING_LINEAGE = defineLineage({
  edgeKinds: {
    RAN: 'The job executed the run.',
  },
  links: [
    {
      from: 'JOB',
      to: 'RUN',
      kind: 'RAN',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('job')
          .select(['tenant', 'id as fromId', 'run_id as toId'])
          .where('kind', '=', TRAINING.kind),
    },
  ],
});
