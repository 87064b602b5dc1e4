import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { RunModel } from '../../db/entities/logged-models/run-model.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(LoggedModel, RunModel);

export const LOGGED_MODELS_LINEAGE = defineLineage({
  nodes: {
    LOGGED_MODEL: {
      about: 'A logged model: made by a run and not yet registered.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('logged_model as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            select.ref('a.name').as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({
              experimentId: select.ref('a.experiment_id'),
              modelType: select.ref('a.model_type'),
              state: select.ref('a.state'),
            }),
          ]),
    },
  },
  links: [
    {
      from: 'LOGGED_MODEL',
      to: 'RUN',
      kind: 'INPUT',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('run_model')
          .select(['tenant', 'logged_model_id as fromId', 'run_id as toId'])
          .where('direction', '=', 'INPUT'),
    },
    {
      from: 'RUN',
      to: 'LOGGED_MODEL',
      kind: 'OUTPUT',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('run_model')
          .select(['tenant', 'run_id as fromId', 'logged_model_id as toId'])
          .where('direction', '=', 'OUTPUT'),
    },
    {
      from: 'RUN',
      to: 'LOGGED_MODEL',
      kind: 'OUTPUT',
      rows: ({ em }) => tables(em).selectFrom('logged_model').select(['tenant', 'run_id as fromId', 'id as toId']),
    },
  ],
});
