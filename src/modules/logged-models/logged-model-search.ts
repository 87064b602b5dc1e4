import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import type { Session } from '../../db/database.js';
import { tablesOf } from '../../db/tables.js';
import type { Comparison } from '../core/index.js';
import { AppError, ErrorCode } from '../../errors.js';
import {
  columnCondition,
  entryCondition,
  fragment,
  joined,
  metricCondition,
  toRaw,
  type AttributeColumns,
  type Fragment,
} from '../experiments/index.js';

const tables = tablesOf(LoggedModel);

type Entity = 'attribute' | 'metric' | 'param' | 'tag';

/** The dataset of a metric; a null digest means any digest. */
/** A null field matches any value. */
export interface DatasetOfMetric {
  name: string | null;
  digest: string | null;
}

export interface LoggedModelOrder {
  /** An attribute, or `metrics.<key>`. */
  field: string;
  direction: 'ASC' | 'DESC';
  /** The dataset whose metric points count; null for all. */
  dataset: DatasetOfMetric | null;
}

export interface LoggedModelSearch {
  comparisons: readonly Comparison<Entity>[];
  experimentIds: readonly string[];
  /** Only metrics on one of these datasets count; empty means all. */
  datasets: readonly DatasetOfMetric[];
  order: readonly LoggedModelOrder[];
  offset: number;
  limit: number;
}

const COLUMNS: AttributeColumns = {
  name: { type: 'TEXT', sql: 'l.name' },
  // The names and values that MLflow's clients know.
  model_id: { type: 'TEXT', sql: `('m-' || replace(l.id::text, '-', ''))` },
  model_type: { type: 'TEXT', sql: `coalesce(l.model_type, '')` },
  status: { type: 'TEXT', sql: 'l.status' },
  source_run_id: { type: 'TEXT', sql: `coalesce(replace(l.run_id::text, '-', ''), '')` },
  creation_timestamp: { type: 'TIME', sql: 'l.created_at' },
  last_updated_timestamp: { type: 'TIME', sql: 'l.updated_at' },
};

/** Statuses are ordered as in the life of a model. */
const ORDER_SQL: Record<string, string> = {
  'l.status': `array_position(array['PENDING', 'READY', 'FAILED'], l.status::text)`,
};

/** Other names of columns in an order. */
const ORDER_ALIASES: Record<string, string> = {
  creation_time: 'creation_timestamp',
  creation_timestamp_ms: 'creation_timestamp',
  last_updated_time: 'last_updated_timestamp',
  last_updated_timestamp_ms: 'last_updated_timestamp',
};

/** Models that are not deleted and that match all comparisons. Models without the value of the order come last. */
export async function searchLoggedModels(session: Session, search: LoggedModelSearch): Promise<LoggedModel[]> {
  const { tenant } = session;
  const ofDatasets = datasetCondition(search.datasets);
  const needsMetric = search.datasets.length > 0 && search.comparisons.every(({ entity }) => entity !== 'metric');
  const where = joined(
    [
      fragment(
        `l.tenant = ? and l.state = 'ACTIVE' and l.experiment_id = any(?::uuid[])`,
        tenant,
        search.experimentIds,
      ),
      ...search.comparisons.map((comparison) => toCondition(comparison, tenant, ofDatasets)),
      ...(needsMetric ? [hasMetric(tenant, [ofDatasets])] : []),
    ],
    ' and ',
  );
  const order = joined(
    [...search.order.map((key) => toOrder(key, tenant)), fragment('l.created_at desc'), fragment('l.id')],
    ', ',
  );
  const rows = await tables(session.em)
    .selectFrom('logged_model as l')
    .select('l.id')
    .where(toRaw(where))
    .orderBy(toRaw(order))
    .limit(search.limit)
    .offset(search.offset)
    .execute();
  const found = await session.em.find(LoggedModel, { tenant, id: { $in: rows.map(({ id }) => id) } });
  const byId = new Map(found.map((model) => [model.id, model]));
  return rows.flatMap(({ id }) => byId.get(id) ?? []);
}

function toCondition(comparison: Comparison<Entity>, tenant: string, ofDatasets: Fragment): Fragment {
  switch (comparison.entity) {
    case 'attribute':
      return columnCondition(comparison, COLUMNS);
    case 'param':
      return entryCondition('l.params', comparison);
    case 'tag':
      return entryCondition('l.tags', comparison);
    case 'metric':
      return hasMetric(tenant, [fragment('c.key = ?', comparison.key), metricCondition(comparison), ofDatasets]);
  }
}

function hasMetric(tenant: string, conditions: Fragment[]): Fragment {
  const where = joined([fragment('c.logged_model_id = l.id and c.tenant = ?', tenant), ...conditions], ' and ');
  return { ...where, text: `exists (select from logged_model_metric c where ${where.text})` };
}

function datasetCondition(datasets: readonly DatasetOfMetric[]): Fragment {
  if (datasets.length === 0) return fragment('true');
  const any = joined(
    datasets.map(({ name, digest }) => {
      const named = name === null ? [] : [fragment('c.dataset_name = ?', name)];
      const digested = digest === null ? [] : [fragment('c.dataset_digest = ?', digest)];
      return joined([fragment('true'), ...named, ...digested], ' and ');
    }),
    ' or ',
  );
  return { ...any, text: `(${any.text})` };
}

/** With the texts of MLflow's server. */
const unknownOrder = (field: string, details: { attribute?: string } = {}) =>
  new AppError(ErrorCode.BAD_USER_INPUT, `Invalid order by field name: ${field}`, { field: 'order_by', ...details });

/** Orders by a column, or by the latest value of a metric. */
function toOrder({ field, direction, dataset }: LoggedModelOrder, tenant: string): Fragment {
  const [entity, ...rest] = field.split('.');
  if (rest.length === 0) {
    const column = COLUMNS[Object.hasOwn(ORDER_ALIASES, field) ? (ORDER_ALIASES[field] ?? '') : field];
    if (!column || !Object.values(COLUMNS).includes(column)) throw unknownOrder(field, { attribute: field });
    return fragment(`${ORDER_SQL[column.sql] ?? column.sql} ${direction} nulls last`);
  }
  if (entity !== 'metrics') throw unknownOrder(`${field}. Only metrics are supported.`);
  const where = joined(
    [
      fragment('c.logged_model_id = l.id and c.tenant = ? and c.key = ?', tenant, rest.join('.')),
      datasetCondition(dataset === null ? [] : [dataset]),
    ],
    ' and ',
  );
  const latest =
    `select c.value from logged_model_metric c where ${where.text} order by c.logged_at desc, c.step desc, ` +
    'c.run_id limit 1';
  return { ...where, text: `(${latest}) ${direction} nulls last` };
}
