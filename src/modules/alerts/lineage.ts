import { sql } from 'kysely';
import { Alert } from '../../db/entities/alerts/alert.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(Alert);

export const ALERTS_LINEAGE = defineLineage({
  nodes: {
    ALERT: {
      about: 'An alert about the traffic of a deployment; it may have started a retraining.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('alert as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`lower(replace(a.kind, '_', ' ')) || ' alert'`.as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({
              kind: select.ref('a.kind'),
              message: select.ref('a.message'),
              value: select.ref('a.value'),
              threshold: select.ref('a.threshold'),
            }),
          ]),
    },
  },
  edgeKinds: {
    RAISED: 'The deployment caused an alert.',
  },
  links: [
    {
      from: 'DEPLOYMENT',
      to: 'ALERT',
      kind: 'RAISED',
      rows: ({ em }) => tables(em).selectFrom('alert').select(['tenant', 'deployment_id as fromId', 'id as toId']),
    },
  ],
});
