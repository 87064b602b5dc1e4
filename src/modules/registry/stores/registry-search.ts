import { sql } from 'kysely';
import { ModelAlias } from '../../../db/entities/registry/model-alias.entity.js';
import { Model } from '../../../db/entities/registry/model.entity.js';
import { ModelVersion } from '../../../db/entities/registry/model-version.entity.js';
import type { Session } from '../../../db/database.js';
import { anyOf, tablesOf } from '../../../db/tables.js';
import type { Comparison, OrderKey } from '../../core/index.js';
import {
  columnCondition,
  entryCondition,
  type AttributeColumns,
  type Fragment,
  fragment,
  joined,
  toRaw,
} from '../../experiments/index.js';

const tables = tablesOf(Model, ModelVersion, ModelAlias);

export interface RegistrySearch {
  comparisons: readonly Comparison<'attribute' | 'tag'>[];
  order: readonly OrderKey<'attribute'>[];
  offset: number;
  limit: number;
}

const MODEL_COLUMNS: AttributeColumns = {
  name: { type: 'TEXT', sql: 'm.name' },
  creation_timestamp: { type: 'TIME', sql: 'm.created_at' },
  last_updated_timestamp: { type: 'TIME', sql: 'm.updated_at' },
  timestamp: { type: 'TIME', sql: 'm.updated_at' },
};

const VERSION_NUMBER = 'v.version';
const VERSION_COLUMNS: AttributeColumns = {
  name: { type: 'TEXT', sql: 'm.name' },
  run_id: { type: 'ID', sql: 'v.run_id', isNullable: true },
  source_path: { type: 'TEXT', sql: 'v.source_uri', isNullable: true },
  creation_timestamp: { type: 'TIME', sql: 'v.created_at' },
  last_updated_timestamp: { type: 'TIME', sql: 'v.updated_at' },
};

/** Registered models that match all comparisons. The order ends with the name. */
export async function searchModels(session: Session, search: RegistrySearch): Promise<Model[]> {
  const rows = await tables(session.em)
    .selectFrom('model as m')
    .select('m.id')
    .where(toRaw(conditions(session, 'm', search, MODEL_COLUMNS)))
    .orderBy(sql.raw(orderOf(search, MODEL_COLUMNS, ['m.name'])))
    .limit(search.limit)
    .offset(search.offset)
    .execute();
  return inOrder(rows, await session.em.find(Model, { tenant: session.tenant, id: { $in: rows.map(({ id }) => id) } }));
}

/** Fields of a version in a list; signatures and profiles are left out, because they may be long. */
const LISTED = [
  ...(['id', 'modelId', 'version', 'stage', 'status', 'error', 'description', 'tags'] as const),
  ...(['sourceUri', 'runId', 'runLink', 'createdAt', 'updatedAt'] as const),
] as const;
export type ListedVersion = Pick<ModelVersion, (typeof LISTED)[number]>;

/** Versions that match all comparisons, each with its model. The order ends with the name and the newest number. */
export async function searchVersions(session: Session, search: RegistrySearch): Promise<ListedVersion[]> {
  const rows = await tables(session.em)
    .selectFrom('model_version as v')
    .innerJoin('model as m', (on) => on.onRef('m.id', '=', 'v.model_id').onRef('m.tenant', '=', 'v.tenant'))
    .select('v.id')
    .where(toRaw(conditions(session, 'v', search, VERSION_COLUMNS)))
    .orderBy(sql.raw(orderOf(search, VERSION_COLUMNS, ['m.name', 'v.version desc'])))
    .limit(search.limit)
    .offset(search.offset)
    .execute();
  const ids = rows.map(({ id }) => id);
  return inOrder(
    rows,
    await session.em.find(ModelVersion, { tenant: session.tenant, id: { $in: ids } }, { fields: LISTED }),
  );
}

/** The newest version of each stage of each model. */
export async function newestOfStages(session: Session, modelIds: readonly string[]): Promise<ModelVersion[]> {
  const rows = await tables(session.em)
    .selectFrom('model_version')
    .distinctOn(['model_id', 'stage'])
    .select('id')
    .where('tenant', '=', session.tenant)
    .where('model_id', '=', anyOf('uuid', modelIds))
    .orderBy('model_id')
    .orderBy('stage')
    .orderBy('version', 'desc')
    .execute();
  return session.em.find(
    ModelVersion,
    { tenant: session.tenant, id: { $in: rows.map(({ id }) => id) } },
    { orderBy: { version: 'ASC' } },
  );
}

/** Null when there is none. */
export function findModelByName(session: Session, name: string): Promise<Model | null> {
  return session.em.findOne(Model, { tenant: session.tenant, name });
}

/** Null when there is none. */
export function findVersionByNumber(session: Session, modelId: string, version: number): Promise<ModelVersion | null> {
  return session.em.findOne(ModelVersion, { tenant: session.tenant, modelId, version });
}

/** Names of models, by id. */
export async function namesOf(session: Session, modelIds: readonly string[]): Promise<Map<string, string>> {
  const models = await session.em.find(
    Model,
    { tenant: session.tenant, id: { $in: [...modelIds] } },
    { fields: ['name'] },
  );
  return new Map(models.map(({ id, name }) => [id, name]));
}

export interface NumberedAlias {
  modelId: string;
  alias: string;
  version: number;
}

/** The aliases of models, in the order of the models. */
export function aliasesOf({ em, tenant }: Session, modelIds: readonly string[]): Promise<NumberedAlias[]> {
  return tables(em)
    .selectFrom('model_alias as a')
    .innerJoin('model_version as v', (on) =>
      on.onRef('v.id', '=', 'a.model_version_id').onRef('v.tenant', '=', 'a.tenant'),
    )
    .select(['a.model_id as modelId', 'a.alias', 'v.version'])
    .where('a.tenant', '=', tenant)
    .where('a.model_id', '=', anyOf('uuid', modelIds))
    .orderBy(sql`a.alias collate "C"`)
    .execute();
}

function conditions(
  session: Session,
  table: string,
  { comparisons }: RegistrySearch,
  columns: AttributeColumns,
): Fragment {
  const condition = (comparison: Comparison<'attribute' | 'tag'>): Fragment => {
    const { entity, key, comparator, value } = comparison;
    if (entity === 'tag') return entryCondition(`${table}.tags`, comparison);
    if (key === 'version_number')
      return fragment(`${VERSION_NUMBER} ${comparator === '!=' ? '<>' : comparator} ?::float8`, value);
    // A version without a run is found by ''.
    if (key === 'run_id' && value === '') return fragment(`v.run_id is ${comparator === '!=' ? 'not ' : ''}null`);
    return columnCondition(comparison, columns);
  };
  return joined([fragment(`${table}.tenant = ?`, session.tenant), ...comparisons.map(condition)], ' and ');
}

function orderOf({ order }: RegistrySearch, columns: AttributeColumns, ties: string[]): string {
  const column = (key: string) => (key === 'version_number' ? VERSION_NUMBER : columns[key]?.sql);
  return [...order.map(({ key, direction }) => `${column(key)} ${direction}`), ...ties].join(', ');
}

function inOrder<T extends { id: string }>(rows: { id: string }[], found: T[]): T[] {
  const byId = new Map(found.map((one) => [one.id, one]));
  return rows.flatMap(({ id }) => byId.get(id) ?? []);
}
