import { Job } from '../../db/entities/jobs/job.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage } from '../lineage/index.js';
import { SCRIPT } from './script.job-kind.js';

const tables = tablesOf(Job);

export const SCRIPTS_LINEAGE = defineLineage({
  links: [
    {
      from: 'JOB',
      to: 'RUN',
      kind: 'RAN',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('job')
          .select(['tenant', 'id as fromId', 'run_id as toId'])
          .where('kind', '=', SCRIPT.kind),
    },
  ],
});
