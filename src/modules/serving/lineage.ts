import { sql } from 'kysely';
import { ModelVersion } from '../../db/entities/registry/model-version.entity.js';
import { Model } from '../../db/entities/registry/model.entity.js';
import { DeploymentMinute } from '../../db/entities/serving/deployment-minute.entity.js';
import { Deployment } from '../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../db/entities/serving/endpoint.entity.js';
import { PredictionLog } from '../../db/entities/serving/prediction-log.entity.js';
import { tablesOf } from '../../db/tables.js';
import { defineLineage, properties } from '../lineage/index.js';

const tables = tablesOf(ModelVersion, Model, DeploymentMinute, Deployment, Endpoint, PredictionLog);

export const SERVING_LINEAGE = defineLineage({
  nodes: {
    DEPLOYMENT: {
      about: 'A deployed version.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('deployment as a')
          .innerJoin('endpoint as e', (on) => on.onRef('e.tenant', '=', 'a.tenant').onRef('e.id', '=', 'a.endpoint_id'))
          .innerJoin('model_version as v', (on) =>
            on.onRef('v.tenant', '=', 'a.tenant').onRef('v.id', '=', 'a.model_version_id'),
          )
          .innerJoin('model as m', (on) => on.onRef('m.tenant', '=', 'v.tenant').onRef('m.id', '=', 'v.model_id'))
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`m.name || ' v' || v.version || ' at ' || e.name`.as('name'),
            select.ref('a.status').$castTo<string | null>().as('status'),
            'a.created_at as createdAt',
            properties({
              mode: select.ref('a.mode'),
              weightBps: select.ref('a.weight_bps'),
              runtime: select.ref('a.runtime'),
              endpointId: select.ref('a.endpoint_id'),
            }),
          ]),
    },
    ENDPOINT: {
      about: 'An endpoint: the stable name that clients call.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('endpoint as a')
          .select((select) => [
            'a.tenant',
            'a.id',
            select.ref('a.name').as('name'),
            sql<string | null>`null::text`.as('status'),
            'a.created_at as createdAt',
            properties({
              modelId: select.ref('a.model_id'),
              followStage: select.ref('a.follow_stage'),
              followAlias: select.ref('a.follow_alias'),
            }),
          ]),
    },
    PREDICTION_LOG: {
      about: 'All logged predictions of a deployment as one node; its id is the id of the deployment.',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('deployment as a')
          .innerJoin('endpoint as e', (on) => on.onRef('e.tenant', '=', 'a.tenant').onRef('e.id', '=', 'a.endpoint_id'))
          .innerJoinLateral(
            (logged) =>
              logged
                .selectFrom('prediction_log as p')
                .select((select) => [
                  select.fn.min('p.created_at').as('first_at'),
                  select.fn.max('p.created_at').as('last_at'),
                ])
                .whereRef('p.tenant', '=', 'a.tenant')
                .whereRef('p.deployment_id', '=', 'a.id')
                .as('l'),
            (on) => on.on('l.first_at', 'is not', null),
          )
          .crossJoinLateral((counted) =>
            counted
              .selectFrom('deployment_minute as d')
              .select([
                sql<number>`coalesce(sum(d.requests), 0)`.as('requests'),
                sql<number>`coalesce(sum(d.rows), 0)`.as('rows'),
                sql<number>`coalesce(sum(d.errors), 0)`.as('errors'),
              ])
              .whereRef('d.tenant', '=', 'a.tenant')
              .whereRef('d.deployment_id', '=', 'a.id')
              .as('c'),
          )
          .select((select) => [
            'a.tenant',
            'a.id',
            sql<string>`'predictions at ' || e.name`.as('name'),
            sql<string | null>`null::text`.as('status'),
            select.ref('l.first_at').$castTo<Date>().as('createdAt'),
            properties({
              ...{ requests: select.ref('c.requests'), rows: select.ref('c.rows'), errors: select.ref('c.errors') },
              ...{ loggedFrom: select.ref('l.first_at'), loggedTo: select.ref('l.last_at') },
            }),
          ]),
    },
  },
  edgeKinds: {
    DEPLOYED_AS: 'The version was deployed.',
    SERVED_AT: 'The deployment answered requests of the endpoint.',
    LOGGED: 'The deployment logged predictions.',
  },
  links: [
    {
      from: 'MODEL_VERSION',
      to: 'DEPLOYMENT',
      kind: 'DEPLOYED_AS',
      rows: ({ em }) =>
        tables(em).selectFrom('deployment').select(['tenant', 'model_version_id as fromId', 'id as toId']),
    },
    {
      from: 'DEPLOYMENT',
      to: 'ENDPOINT',
      kind: 'SERVED_AT',
      rows: ({ em }) => tables(em).selectFrom('deployment').select(['tenant', 'id as fromId', 'endpoint_id as toId']),
    },
    {
      from: 'DEPLOYMENT',
      to: 'PREDICTION_LOG',
      kind: 'LOGGED',
      rows: ({ em }) =>
        tables(em)
          .selectFrom('deployment as a')
          .select(['a.tenant', 'a.id as fromId', 'a.id as toId'])
          .where(({ exists, selectFrom }) =>
            exists(
              selectFrom('prediction_log as p')
                .select('p.id')
                .whereRef('p.tenant', '=', 'a.tenant')
                .whereRef('p.deployment_id', '=', 'a.id'),
            ),
          ),
    },
  ],
});
