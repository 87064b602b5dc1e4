import { sql } from 'kysely';
import { Dataset } from '../../db/entities/datasets/dataset.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(Dataset);

export const DATASETS_LINEAGE = defineLineage({
  nodes: {
    DATASET: {
      about: 'A version of a registered dataset.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('dataset as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`a.name || ' v' || a.version`.as('name'),
            sql<string | null>`null::text`.as('status'),
            'a.created_at as createdAt',
            properties({
              name: select.ref('a.name'),
              version: select.ref('a.version'),
              format: select.ref('a.format'),
              rowCount: select.ref('a.row_count'),
            }),
          ]),
    },
  },
});
