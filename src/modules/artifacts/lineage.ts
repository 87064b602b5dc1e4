import { sql } from 'kysely';
import { Artifact } from '../../db/entities/artifacts/artifact.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(Artifact);

export const ARTIFACTS_LINEAGE = defineLineage({
  nodes: {
    ARTIFACT: {
      about: 'A file that a job wrote, such as the predictions of a batch inference.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('artifact as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            select.ref('a.path').as('name'),
            sql<string | null>`null::text`.as('status'),
            'a.created_at as createdAt',
            properties({
              sizeBytes: select.ref('a.size_bytes'),
              sha256: select.ref('a.sha256'),
              contentType: select.ref('a.content_type'),
            }),
          ]),
    },
  },
  links: [
    {
      from: 'JOB',
      to: 'ARTIFACT',
      kind: 'OUTPUT',
      rows: ({ em }) => tables(em).selectFrom('artifact').select(['tenant', 'job_id as fromId', 'id as toId']),
    },
  ],
});
