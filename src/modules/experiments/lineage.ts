import type { EntityManager } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import { LoggedDataset } from '../../db/entities/experiments/logged-dataset.entity.js';
import { RunDataset } from '../../db/entities/experiments/run-dataset.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(LoggedDataset, RunDataset, Run);

/** The same data in several runs is one node with the id of its oldest row: from each row `a` to it, `f`. */
const toFirst = (em: EntityManager) =>
  tables(em)
    .selectFrom('logged_dataset as a')
    .crossJoinLateral((first) =>
      first
        .selectFrom('logged_dataset as g')
        .select('g.id')
        .whereRef('g.tenant', '=', 'a.tenant')
        .whereRef('g.name', '=', 'a.name')
        .whereRef('g.digest', '=', 'a.digest')
        .orderBy('g.id')
        .limit(1)
        .as('f'),
    )
    .select(['a.tenant', 'f.id as nodeId', 'a.run_id as runId', 'a.dataset_id as datasetId', 'a.direction']);

/** The same pairs, read from the oldest row to all rows. */
const fromFirst = (em: EntityManager) =>
  tables(em)
    .selectFrom('logged_dataset as f')
    .innerJoin('logged_dataset as a', (on) =>
      on.onRef('a.tenant', '=', 'f.tenant').onRef('a.name', '=', 'f.name').onRef('a.digest', '=', 'f.digest'),
    )
    .select(['a.tenant', 'f.id as nodeId', 'a.run_id as runId', 'a.dataset_id as datasetId', 'a.direction']);

/** Both have the same rows: the database is fast from the near end only. */
const loggedRows = (em: EntityManager, isFromNode: boolean) =>
  tables(em).selectFrom((isFromNode ? fromFirst(em) : toFirst(em)).as('d'));

export const EXPERIMENTS_LINEAGE = defineLineage({
  nodes: {
    LOGGED_DATASET: {
      about:
        'Data that clients recorded as read or written: one node for all runs that logged the same name and digest.',
      nodeIds: ({ em }) => toFirst(em).select('a.id'),
      rows: ({ em }) =>
        tables(em)
          .selectFrom('logged_dataset as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            select.ref('a.name').as('name'),
            sql<string | null>`null::text`.as('status'),
            'a.created_at as createdAt',
            properties({
              digest: select.ref('a.digest'),
              sourceType: select.ref('a.source_type'),
              source: sql`left(a.source, 1000)`,
            }),
          ]),
    },
    RUN: {
      about: 'A tracked run.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('run as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            select.ref('a.name').as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({
              experimentId: select.ref('a.experiment_id'),
              state: select.ref('a.state'),
              createdBy: select.ref('a.created_by'),
            }),
          ]),
    },
  },
  edgeKinds: {
    SAME_DATA: 'A registered dataset and a dataset that a client logged are the same data.',
  },
  links: [
    {
      from: 'DATASET',
      to: 'RUN',
      kind: 'INPUT',
      rows: ({ em }) =>
        tables(em).selectFrom('run_dataset').select(['tenant', 'dataset_id as fromId', 'run_id as toId']),
    },
    {
      from: 'DATASET',
      to: 'LOGGED_DATASET',
      kind: 'SAME_DATA',
      rows: ({ em, near }) =>
        loggedRows(em, near === 'to').select(['d.tenant', 'd.datasetId as fromId', 'd.nodeId as toId']),
    },
    {
      from: 'LOGGED_DATASET',
      to: 'RUN',
      kind: 'INPUT',
      rows: ({ em, near }) =>
        loggedRows(em, near === 'from')
          .select(['d.tenant', 'd.nodeId as fromId', 'd.runId as toId'])
          .where('d.direction', '=', 'INPUT'),
    },
    {
      from: 'RUN',
      to: 'LOGGED_DATASET',
      kind: 'OUTPUT',
      rows: ({ em, near }) =>
        loggedRows(em, near === 'to')
          .select(['d.tenant', 'd.runId as fromId', 'd.nodeId as toId'])
          .where('d.direction', '=', 'OUTPUT'),
    },
  ],
});
