import type { EntityManager } from '@mikro-orm/postgresql';
import { sql, type AliasedExpression, type Expression, type SelectQueryBuilder } from 'kysely';
import { jsonBuildObject } from 'kysely/helpers/postgres';
import { Alert } from '../../../db/entities/alerts/alert.entity.js';
import { Artifact } from '../../../db/entities/artifacts/artifact.entity.js';
import { Dataset } from '../../../db/entities/datasets/dataset.entity.js';
import { LoggedDataset } from '../../../db/entities/experiments/logged-dataset.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import { Job } from '../../../db/entities/jobs/job.entity.js';
import { LoggedModel } from '../../../db/entities/logged-models/logged-model.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import { Model } from '../../../db/entities/registry/model.entity.js';
import { DeploymentMinute } from '../../../db/entities/serving/deployment-minute.entity.js';
import { Deployment } from '../../../db/entities/serving/deployment.entity.js';
import { Endpoint } from '../../../db/entities/serving/endpoint.entity.js';
import { PredictionLog } from '../../../db/entities/serving/prediction-log.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import type { LineageRef, LineageType } from '../rules/lineage.js';

const tables = tablesOf(
  ...([Alert, Artifact, Dataset, Deployment, DeploymentMinute, Endpoint, Job, LoggedDataset, LoggedModel] as const),
  ...([Model, ModelVersion, PredictionLog, Run] as const),
);

interface Node {
  id: string;
  name: string;
  status: string | null;
  createdAt: Date;
  properties: Record<string, unknown>;
}

export interface NodeRow extends Node {
  type: LineageType;
}

// The tables that a query reads do not matter to who runs it.
type NodeQuery = Pick<SelectQueryBuilder<never, never, Node>, 'as' | 'execute'>;

const properties = (
  values: Record<string, Expression<unknown>>,
): AliasedExpression<Record<string, unknown>, 'properties'> =>
  jsonBuildObject(values).$castTo<Record<string, unknown>>().as('properties');

/** How the nodes of each type are read: their name, status, time and what else is worth showing. */
const NODES: Record<LineageType, (em: EntityManager, tenant: string, ids: readonly string[]) => NodeQuery> = {
  DATASET: (em, tenant, ids) =>
    tables(em)
      .selectFrom('dataset as a')
      .select((select) => [
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
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  LOGGED_DATASET: (em, tenant, ids) =>
    tables(em)
      .selectFrom('logged_dataset as a')
      .select((select) => [
        'a.id',
        select.ref('a.name').as('name'),
        sql<string | null>`null::text`.as('status'),
        'a.created_at as createdAt',
        properties({
          digest: select.ref('a.digest'),
          sourceType: select.ref('a.source_type'),
          source: sql`left(a.source, 1000)`,
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  RUN: (em, tenant, ids) =>
    tables(em)
      .selectFrom('run as a')
      .select((select) => [
        'a.id',
        select.ref('a.name').as('name'),
        select.ref('a.status').$castTo<string | null>().as('status'),
        'a.created_at as createdAt',
        properties({
          experimentId: select.ref('a.experiment_id'),
          state: select.ref('a.state'),
          createdBy: select.ref('a.created_by'),
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  LOGGED_MODEL: (em, tenant, ids) =>
    tables(em)
      .selectFrom('logged_model as a')
      .select((select) => [
        'a.id',
        select.ref('a.name').as('name'),
        select.ref('a.status').$castTo<string | null>().as('status'),
        'a.created_at as createdAt',
        properties({
          experimentId: select.ref('a.experiment_id'),
          modelType: select.ref('a.model_type'),
          state: select.ref('a.state'),
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  MODEL_VERSION: (em, tenant, ids) =>
    tables(em)
      .selectFrom('model_version as a')
      .innerJoin('model as m', (on) => on.onRef('m.tenant', '=', 'a.tenant').onRef('m.id', '=', 'a.model_id'))
      .select((select) => [
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
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  JOB: (em, tenant, ids) =>
    tables(em)
      .selectFrom('job as a')
      .select((select) => [
        'a.id',
        sql<string>`lower(replace(a.kind, '_', ' '))`.as('name'),
        select.ref('a.status').$castTo<string | null>().as('status'),
        'a.created_at as createdAt',
        properties({ kind: select.ref('a.kind'), createdBy: select.ref('a.created_by') }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  ARTIFACT: (em, tenant, ids) =>
    tables(em)
      .selectFrom('artifact as a')
      .select((select) => [
        'a.id',
        select.ref('a.path').as('name'),
        sql<string | null>`null::text`.as('status'),
        'a.created_at as createdAt',
        properties({
          sizeBytes: select.ref('a.size_bytes'),
          sha256: select.ref('a.sha256'),
          contentType: select.ref('a.content_type'),
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  DEPLOYMENT: (em, tenant, ids) =>
    tables(em)
      .selectFrom('deployment as a')
      .innerJoin('endpoint as e', (on) => on.onRef('e.tenant', '=', 'a.tenant').onRef('e.id', '=', 'a.endpoint_id'))
      .innerJoin('model_version as v', (on) =>
        on.onRef('v.tenant', '=', 'a.tenant').onRef('v.id', '=', 'a.model_version_id'),
      )
      .innerJoin('model as m', (on) => on.onRef('m.tenant', '=', 'v.tenant').onRef('m.id', '=', 'v.model_id'))
      .select((select) => [
        'a.id',
        sql<string>`m.name || ' v' || v.version || ' at ' || e.name`.as('name'),
        select.ref('a.status').$castTo<string | null>().as('status'),
        'a.created_at as createdAt',
        properties({
          mode: select.ref('a.mode'),
          weightBps: select.ref('a.weight_bps'),
          engine: select.ref('a.engine'),
          endpointId: select.ref('a.endpoint_id'),
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  ENDPOINT: (em, tenant, ids) =>
    tables(em)
      .selectFrom('endpoint as a')
      .select((select) => [
        'a.id',
        select.ref('a.name').as('name'),
        sql<string | null>`null::text`.as('status'),
        'a.created_at as createdAt',
        properties({
          modelId: select.ref('a.model_id'),
          followStage: select.ref('a.follow_stage'),
          followAlias: select.ref('a.follow_alias'),
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  PREDICTION_LOG: (em, tenant, ids) =>
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
        'a.id',
        sql<string>`'predictions at ' || e.name`.as('name'),
        sql<string | null>`null::text`.as('status'),
        select.ref('l.first_at').$castTo<Date>().as('createdAt'),
        properties({
          ...{ requests: select.ref('c.requests'), rows: select.ref('c.rows'), errors: select.ref('c.errors') },
          ...{ loggedFrom: select.ref('l.first_at'), loggedTo: select.ref('l.last_at') },
        }),
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
  ALERT: (em, tenant, ids) =>
    tables(em)
      .selectFrom('alert as a')
      .select((select) => [
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
      ])
      .where('a.tenant', '=', tenant)
      .where('a.id', '=', anyOf('uuid', ids)),
};

/** All of these nodes, in one statement. */
export async function readNodes(
  { em, tenant }: Session,
  idsByType: ReadonlyMap<LineageType, readonly string[]>,
): Promise<NodeRow[]> {
  const [first, ...others] = [...idsByType].map(([type, ids]) =>
    tables(em)
      .selectFrom(NODES[type](em, tenant, ids).as('n'))
      .select([sql<LineageType>`${sql.lit(type)}`.as('type'), 'n.id', 'n.name', 'n.status', 'n.createdAt'])
      .select('n.properties'),
  );
  if (!first) return [];
  return others.reduce((all, one) => all.unionAll(one), first).execute();
}

/** The id of the node that it is: data that several runs logged is one node. Null when there is no such thing. */
export async function nodeIdOf({ em, tenant }: Session, { type, id }: LineageRef): Promise<string | null> {
  const query =
    type === 'LOGGED_DATASET'
      ? tables(em)
          .selectFrom('logged_dataset as a')
          .innerJoin('logged_dataset as g', (on) =>
            on.onRef('g.tenant', '=', 'a.tenant').onRef('g.name', '=', 'a.name').onRef('g.digest', '=', 'a.digest'),
          )
          .select('g.id')
          .where('a.tenant', '=', tenant)
          .where('a.id', '=', id)
          .orderBy('g.id')
          .limit(1)
      : NODES[type](em, tenant, [id]);
  const [found] = await query.execute();
  return found?.id ?? null;
}
