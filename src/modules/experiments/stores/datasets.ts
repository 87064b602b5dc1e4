import { sql } from 'kysely';
import { Dataset } from '../../../db/entities/datasets/dataset.entity.js';
import { LoggedDataset } from '../../../db/entities/experiments/logged-dataset.entity.js';
import { RunDataset } from '../../../db/entities/experiments/run-dataset.entity.js';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import { statement } from '../../../db/statement.js';
import { anyOf, tablesOf } from '../../../db/tables.js';

const tables = tablesOf(LoggedDataset, RunDataset, Run, Dataset);

/** A row as it is stored. */
export interface LoggedDatasetRow {
  id: string;
  direction: 'INPUT' | 'OUTPUT';
  name: string;
  digest: string;
  sourceType: string;
  source: string;
  schema: string | null;
  profile: string | null;
  tags: Record<string, string>;
  datasetId: string | null;
}

export interface DatasetOfExperiment {
  experimentId: string;
  name: string;
  digest: string;
  context: string | null;
}

const insertDatasets = statement({
  name: 'insert_logged_datasets',
  text: `insert into logged_dataset (id, tenant, run_id, direction, name, digest, source_type, source, schema,
    profile, tags, dataset_id)
    select id, $1, $2, direction, name, digest, source_type, source, schema, profile, tags::jsonb, dataset_id
    from unnest($3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
      $11::text[], $12::uuid[])
      as d(id, direction, name, digest, source_type, source, schema, profile, tags, dataset_id)
    on conflict (tenant, run_id, direction, name, digest) do update set tags = excluded.tags || logged_dataset.tags`,
  row: {},
});

/** If a dataset is known already, only tags with new keys are added to it. */
export async function addDatasets(
  { em, tenant }: Session,
  runId: string,
  rows: readonly LoggedDatasetRow[],
): Promise<void> {
  const column = <K extends keyof LoggedDatasetRow>(key: K) => rows.map((row) => row[key]);
  await insertDatasets(em, [
    ...[tenant, runId, column('id'), column('direction'), column('name'), column('digest'), column('sourceType')],
    ...[column('source'), column('schema'), column('profile'), rows.map(({ tags }) => JSON.stringify(tags))],
    column('datasetId'),
  ]);
}

/** Records how a run used a registered dataset. */
export function addUsedDataset(
  { em, tenant }: Session,
  runId: string,
  datasetId: string,
  role: RunDataset['role'],
): void {
  em.create(RunDataset, { tenant, runId, datasetId, role });
}

/** Copies the datasets that a run read and used to another run. */
export async function cloneDatasets({ em, tenant }: Session, from: string, to: string): Promise<void> {
  const newId = sql<string>`gen_random_uuid()`.as('id');
  const newRun = sql<string>`${to}::uuid`.as('run_id');
  await tables(em)
    .insertInto('run_dataset')
    .columns(['id', 'tenant', 'run_id', 'dataset_id', 'role'])
    .expression((select) =>
      select
        .selectFrom('run_dataset')
        .select([newId, 'tenant', newRun, 'dataset_id', 'role'])
        .where('tenant', '=', tenant)
        .where('run_id', '=', from),
    )
    .execute();
  const kept = ['direction', 'name', 'digest', 'source_type', 'source', 'schema', 'profile', 'tags'] as const;
  await tables(em)
    .insertInto('logged_dataset')
    .columns(['id', 'tenant', 'run_id', ...kept, 'dataset_id'])
    .expression((select) =>
      select
        .selectFrom('logged_dataset')
        .select([newId, 'tenant', newRun, ...kept, 'dataset_id'])
        .where('tenant', '=', tenant)
        .where('run_id', '=', from)
        .where('direction', '=', 'INPUT'),
    )
    .execute();
}

/** Each dataset that runs of these experiments read, once for each context (the value of a tag). */
export function datasetsOfExperiments(
  { em, tenant }: Session,
  experimentIds: readonly string[],
  contextTag: string,
  limit: number,
): Promise<DatasetOfExperiment[]> {
  return tables(em)
    .selectFrom('logged_dataset as d')
    .innerJoin('run as r', (on) => on.onRef('r.tenant', '=', 'd.tenant').onRef('r.id', '=', 'd.run_id'))
    .distinct()
    .select(['r.experiment_id as experimentId', 'd.name', 'd.digest'])
    .select(sql<string | null>`d.tags ->> ${contextTag}`.as('context'))
    .where('d.tenant', '=', tenant)
    .where('r.experiment_id', '=', anyOf('uuid', experimentIds))
    .where('d.direction', '=', 'INPUT')
    .orderBy(sql`1, 2, 3, 4`)
    .limit(limit)
    .execute();
}

const datasetsByDigest = statement({
  name: 'datasets_by_digest',
  text: `select d.digest, newest.id from unnest($1::text[]) as d(digest) cross join lateral (
      select id from dataset where tenant = $2 and sha256 >= rpad(d.digest, 64, '0') and sha256 <= rpad(d.digest,
        64, 'f')
        and left(sha256, length(d.digest)) = d.digest
      order by created_at desc, id desc limit 1) newest`,
  row: { digest: 'text', id: 'uuid' },
});

/** For each digest, the newest registered dataset whose SHA-256 begins with it. */
export async function registeredAs({ em, tenant }: Session, digests: readonly string[]): Promise<Map<string, string>> {
  if (digests.length === 0) return new Map();
  const found = await datasetsByDigest(em, [digests, tenant]);
  return new Map(found.map(({ digest, id }) => [digest, id]));
}

/** The data that each run logged, oldest first. */
export function loggedByRuns({ em, tenant }: Session, runIds: readonly string[]) {
  return tables(em)
    .selectFrom('logged_dataset')
    .select(['run_id as ownerId', 'id', 'direction', 'name', 'digest', 'source_type as sourceType', 'source'])
    .select(['schema', 'profile', 'tags', 'dataset_id as datasetId'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** The registered datasets that each run used, oldest first. */
export function usedByRuns({ em, tenant }: Session, runIds: readonly string[]) {
  return tables(em)
    .selectFrom('run_dataset')
    .select(['run_id as ownerId', 'run_id as runId', 'dataset_id as datasetId', 'role'])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** The newest `limit` runs that used each registered dataset. */
export function newestUsesOf({ em, tenant }: Session, datasetIds: readonly string[], limit: number) {
  return tables(em)
    .selectFrom((from) =>
      from
        .selectFrom('run_dataset')
        .select(['id', 'created_at', 'run_id', 'dataset_id', 'role'])
        .select((select) =>
          select.fn
            .agg<number>('row_number')
            .over((over) => over.partitionBy('dataset_id').orderBy('created_at', 'desc').orderBy('id', 'desc'))
            .as('place'),
        )
        .where('tenant', '=', tenant)
        .where('dataset_id', '=', anyOf('uuid', datasetIds))
        .as('newest'),
    )
    .select(['dataset_id as ownerId', 'run_id as runId', 'dataset_id as datasetId', 'role'])
    .where('place', '<=', limit)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** How a run used a dataset: the direction of a logged one, the role of a registered one. */
type DatasetUse = LoggedDataset['direction'] | RunDataset['role'];

/** Registered datasets that runs used, and data that their clients logged, each with its runs. */
export function datasetsOfRuns({ em, tenant }: Session, runIds: readonly string[], limit: number) {
  return tables(em)
    .selectFrom('logged_dataset')
    .select([
      sql<'logged' | 'registered'>`'logged'`.as('source'),
      sql<DatasetUse>`direction`.as('use'),
      ...(['name', 'digest'] as const),
      sql<string | null>`max(dataset_id::text)`.as('datasetId'),
      sql<string[]>`array_agg(run_id::text)`.as('runIds'),
    ])
    .where('tenant', '=', tenant)
    .where('run_id', '=', anyOf('uuid', runIds))
    .groupBy(['direction', 'name', 'digest'])
    .unionAll((from) =>
      from
        .selectFrom('run_dataset as u')
        .innerJoin('dataset as d', (on) => on.onRef('d.tenant', '=', 'u.tenant').onRef('d.id', '=', 'u.dataset_id'))
        .select([
          sql<'logged' | 'registered'>`'registered'`.as('source'),
          sql<DatasetUse>`u.role`.as('use'),
          ...(['d.name', 'd.sha256 as digest'] as const),
          sql<string | null>`d.id::text`.as('datasetId'),
          sql<string[]>`array_agg(u.run_id::text)`.as('runIds'),
        ])
        .where('u.tenant', '=', tenant)
        .where('u.run_id', '=', anyOf('uuid', runIds))
        .groupBy(['u.role', 'd.id', 'd.name', 'd.sha256']),
    )
    .orderBy('name')
    .orderBy('use')
    .orderBy('source')
    .limit(limit)
    .execute();
}
