import { sql } from 'kysely';
import { Job } from '../../db/entities/jobs/job.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, type LineageLinkType, properties } from '../lineage/index.js';
import type { JobKind } from './job-kind.js';

const tables = tablesOf(Job);

/** The link from the jobs of a kind to the runs that they executed. */
export function ranLink({ kind }: JobKind): LineageLinkType {
  return {
    from: 'JOB',
    to: 'RUN',
    kind: 'RAN',
    rows: ({ em }) =>
      tables(em).selectFrom('job').select(['tenant', 'id as fromId', 'run_id as toId']).where('kind', '=', kind),
  };
}

export const JOBS_LINEAGE = defineLineage({
  nodes: {
    JOB: {
      about: 'A job of this service: training, evaluation, validation, batch inference, conversion.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('job as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`lower(replace(a.kind, '_', ' '))`.as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({ kind: select.ref('a.kind'), createdBy: select.ref('a.created_by') }),
          ]),
    },
  },
  edgeKinds: {
    RAN: 'The job executed the run.',
    TRIGGERED: 'The alert started a retraining.',
  },
  links: [
    {
      from: 'DATASET',
      to: 'JOB',
      kind: 'INPUT',
      rows: ({ em }) => tables(em).selectFrom('job').select(['tenant', 'dataset_id as fromId', 'id as toId']),
    },
    {
      from: 'MODEL_VERSION',
      to: 'JOB',
      kind: 'INPUT',
      rows: ({ em }) => tables(em).selectFrom('job').select(['tenant', 'model_version_id as fromId', 'id as toId']),
    },
    {
      from: 'ALERT',
      to: 'JOB',
      kind: 'TRIGGERED',
      rows: ({ em }) => tables(em).selectFrom('job').select(['tenant', 'alert_id as fromId', 'id as toId']),
    },
  ],
});
