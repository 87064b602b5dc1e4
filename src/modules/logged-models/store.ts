import { sql } from 'kysely';
import { LoggedModelMetric as Metric } from '../../db/entities/logged-models/logged-model-metric.entity.js';
import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import { RunModel } from '../../db/entities/logged-models/run-model.entity.js';
import type { Session } from '../../db/database.js';
import { statement } from '../../db/statement.js';
import { anyOf, tablesOf } from '../../db/tables.js';

const tables = tablesOf(LoggedModel, RunModel, Metric);

export interface NewModelMetric {
  loggedModelId: string;
  key: string;
  step: number;
  loggedAt: Date;
  value: number;
  datasetName?: string | null;
  datasetDigest?: string | null;
}

const linkModels = statement({
  name: 'link_logged_models',
  text: `insert into run_model (id, tenant, run_id, logged_model_id, direction, step)
    select id, $1, $2, model, $3, step from unnest($4::uuid[], $5::uuid[], $6::bigint[]) as m(id, model, step)
    on conflict do nothing`,
  row: {},
});

/** Records that a run read or created these models. The same again adds nothing. */
export async function addLinks(
  { em, tenant }: Session,
  runId: string,
  direction: RunModel['direction'],
  links: readonly { id: string; loggedModelId: string; step: number }[],
): Promise<void> {
  await linkModels(em, [
    ...[tenant, runId, direction, links.map(({ id }) => id)],
    ...[links.map(({ loggedModelId }) => loggedModelId), links.map(({ step }) => step)],
  ]);
}

const insertMetrics = statement({
  name: 'insert_logged_model_metrics',
  text: `insert into logged_model_metric (tenant, logged_model_id, run_id, key, step, logged_at, value,
    dataset_name, dataset_digest)
    select $1, model, $2, key, step, timestamptz 'epoch' + ms * interval '1 millisecond', value, name, digest
    from unnest($3::uuid[], $4::text[], $5::bigint[], $6::float8[], $7::float8[], $8::text[],
      $9::text[]) as m(model, key, step, ms, value, name, digest)
    on conflict do nothing`,
  row: {},
});

/** The same point again adds nothing. */
export async function addMetrics(
  { em, tenant }: Session,
  runId: string,
  metrics: readonly NewModelMetric[],
): Promise<void> {
  await insertMetrics(em, [
    ...[tenant, runId, metrics.map(({ loggedModelId }) => loggedModelId), metrics.map(({ key }) => key)],
    ...[metrics.map(({ step }) => step), metrics.map(({ loggedAt }) => loggedAt.getTime())],
    ...[metrics.map(({ value }) => String(value)), metrics.map(({ datasetName }) => datasetName ?? '')],
    metrics.map(({ datasetDigest }) => datasetDigest ?? ''),
  ]);
}

/** All metrics of each model as JSON, oldest first. */
export function metricsOfModels<T>(
  { em, tenant }: Session,
  ids: readonly string[],
): Promise<{ id: string; metrics: T[] }[]> {
  return tables(em)
    .selectFrom('logged_model_metric')
    .select([
      'logged_model_id as id',
      sql<T[]>`json_agg(json_build_object('key', key, 'value', value, 'step', step,
        'timeMs', (extract(epoch from logged_at) * 1000)::bigint, 'runId', run_id, 'datasetName', dataset_name, 'datasetDigest', dataset_digest)
        order by logged_at, key, step, value)`.as('metrics'),
    ])
    .where('tenant', '=', tenant)
    .where('logged_model_id', '=', anyOf('uuid', ids))
    .groupBy('logged_model_id')
    .execute();
}

/** The latest value for each model, metric and dataset, in the order of MLflow's search. */
export function latestMetricsOf({ em, tenant }: Session, ids: readonly string[]) {
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('logged_model_metric')
        .distinctOn(['logged_model_id', 'key', 'dataset_name', 'dataset_digest'])
        .selectAll()
        .where('tenant', '=', tenant)
        .where('logged_model_id', '=', anyOf('uuid', ids))
        .orderBy('logged_model_id')
        .orderBy('key')
        .orderBy('dataset_name')
        .orderBy('dataset_digest')
        .orderBy('logged_at', 'desc')
        .orderBy('step', 'desc')
        .orderBy('run_id')
        .orderBy('value', 'desc')
        .as('latest'),
    )
    .select(['logged_model_id as ownerId', 'key', 'value', 'step', 'logged_at as loggedAt', 'run_id as runId'])
    .select((select) => [
      select.fn<string | null>('nullif', ['dataset_name', select.val('')]).as('datasetName'),
      select.fn<string | null>('nullif', ['dataset_digest', select.val('')]).as('datasetDigest'),
    ])
    .orderBy(sql`key collate "C"`)
    .orderBy('dataset_name')
    .orderBy('dataset_digest')
    .execute();
}

const modelHistories = statement({
  name: 'logged_model_histories',
  text: `select wanted.place::int as place, point.* from unnest($1::uuid[],
    $2::text[]) with ordinality as wanted(id, metric, place)
    cross join lateral (
      select key, value, step, logged_at as "loggedAt", run_id as "runId",
        nullif(dataset_name, '') as "datasetName", nullif(dataset_digest, '') as "datasetDigest"
      from logged_model_metric where tenant = $3 and logged_model_id = wanted.id and key = wanted.metric
      order by logged_at desc, step desc, run_id, value desc limit $4) point
    order by wanted.place, point."loggedAt", point.step, point."runId", point.value`,
  row: {
    place: 'integer',
    key: 'text',
    value: 'double precision',
    step: 'bigint',
    loggedAt: 'timestamp with time zone',
    runId: 'uuid',
    datasetName: 'text?',
    datasetDigest: 'text?',
  },
});

/** The newest `limit` values of each metric, oldest first; `place` numbers the metrics from 1. */
export function historiesOf(
  { em, tenant }: Session,
  keys: readonly { loggedModelId: string; key: string }[],
  limit: number,
) {
  return modelHistories(em, [
    ...[keys.map(({ loggedModelId }) => loggedModelId), keys.map(({ key }) => key)],
    ...[tenant, limit],
  ]);
}

/**
 * The newest `limit` active models that each run read or created, in order of creation. A run's model counts also when
 * the run did not log it as an output.
 */
export function modelsOfRuns({ em, tenant }: Session, runIds: readonly string[], limit: number) {
  return tables(em)
    .with('used', (from) =>
      from
        .selectFrom('run_model')
        .select(['run_id', 'logged_model_id', 'direction', 'step'])
        .where('tenant', '=', tenant)
        .where('run_id', '=', anyOf('uuid', runIds))
        .unionAll(
          from
            .selectFrom('logged_model as l')
            .select([
              sql<string>`l.run_id`.as('run_id'),
              'l.id as logged_model_id',
              sql<RunModel['direction']>`'OUTPUT'`.as('direction'),
              sql<number>`0`.as('step'),
            ])
            .where('l.tenant', '=', tenant)
            .where('l.run_id', '=', anyOf('uuid', runIds))
            .where((where) =>
              where.not(
                where.exists(
                  where
                    .selectFrom('run_model as m')
                    .select('m.id')
                    .whereRef('m.tenant', '=', 'l.tenant')
                    .whereRef('m.run_id', '=', 'l.run_id')
                    .whereRef('m.logged_model_id', '=', 'l.id')
                    .where('m.direction', '=', 'OUTPUT'),
                ),
              ),
            ),
        ),
    )
    .with('numbered', (from) =>
      from
        .selectFrom('used as u')
        .innerJoin('logged_model as l', (on) =>
          on.on('l.tenant', '=', tenant).onRef('l.id', '=', 'u.logged_model_id').on('l.state', '=', 'ACTIVE'),
        )
        .select(['u.run_id', 'u.logged_model_id', 'u.direction', 'u.step'])
        .select(
          sql<number>`row_number() over (partition by u.run_id order by l.created_at desc, l.id desc, u.step desc, u.direction)`.as(
            'n',
          ),
        ),
    )
    .selectFrom('numbered')
    .select(['run_id as runId', 'logged_model_id as loggedModelId', 'direction', 'step'])
    .where('n', '<=', limit)
    .orderBy('n', 'desc')
    .execute();
}

/** Deletes the row, with the rows that refer to it by foreign keys. */
export async function deleteLoggedModel({ em, tenant }: Session, id: string): Promise<void> {
  await tables(em).deleteFrom('logged_model').where('tenant', '=', tenant).where('id', '=', id).execute();
}
