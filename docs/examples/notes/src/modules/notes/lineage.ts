import { sql } from 'kysely';
import { Note } from '../../db/entities/notes/note.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(Note);

export const NOTES_LINEAGE = defineLineage({
  nodes: {
    NOTE: {
      about: 'A note on an experiment.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('note')
          .select((select) => [
            'tenant',
            'id',
            sql<string>`left(body, 50)`.as('name'),
            sql<string | null>`null::text`.as('status'),
            'created_at as createdAt',
            properties({ createdBy: select.ref('created_by') }),
          ]),
    },
  },
  edgeKinds: { NOTED_ON: 'The note was written about the run.' },
  links: [
    {
      from: 'RUN',
      to: 'NOTE',
      kind: 'NOTED_ON',
      rows: ({ em }) => tables(em).selectFrom('note').select(['tenant', 'run_id as fromId', 'id as toId']),
    },
  ],
});
