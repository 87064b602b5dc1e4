import { sql } from 'kysely';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(ModelVersion, Model);

export const REGISTRY_LINEAGE = defineLineage({
  nodes: {
    MODEL_VERSION: {
      about: 'A version in the model registry.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('model_version as a')
          .innerJoin('model as m', (on) => on.onRef('m.tenant', '=', 'a.tenant').onRef('m.id', '=', 'a.model_id'))
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`m.name || ' v' || a.version`.as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({
              modelId: select.ref('a.model_id'),
              version: select.ref('a.version'),
              semanticVersion: select.ref('a.semantic_version'),
              stage: select.ref('a.stage'),
            }),
          ]),
    },
  },
  edgeKinds: {
    REGISTERED_AS: 'The model was registered as a version.',
  },
  links: [
    {
      from: 'RUN',
      to: 'MODEL_VERSION',
      kind: 'REGISTERED_AS',
      rows: ({ em }) => tables(em).selectFrom('model_version').select(['tenant', 'run_id as fromId', 'id as toId']),
    },
    {
      from: 'LOGGED_MODEL',
      to: 'MODEL_VERSION',
      kind: 'REGISTERED_AS',
      rows: ({ em }) =>
        tables(em).selectFrom('model_version').select(['tenant', 'logged_model_id as fromId', 'id as toId']),
    },
  ],
});
