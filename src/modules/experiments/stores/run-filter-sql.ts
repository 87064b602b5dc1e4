import { sql as template, type RawBuilder } from 'kysely';
import { type Comparison, type Filter, fromHexId } from '../../core/index.js';
import type { RunEntity } from '../rules/run-filter.js';
import { RUN_TAGS } from '../rules/run-tags.js';

/** SQL with `?` for its parameters. The parameters are passed separately. */
export interface Fragment {
  text: string;
  params: readonly unknown[];
}

export const fragment = (text: string, ...params: unknown[]): Fragment => ({ text, params });

export function joined(pieces: readonly Fragment[], separator: string): Fragment {
  return { text: pieces.map(({ text }) => text).join(separator), params: pieces.flatMap(({ params }) => params) };
}

/** The same fragment for the query builder. */
export function toRaw<T = boolean>({ text, params }: Fragment): RawBuilder<T> {
  const parts = text.split('?');
  return template<T>(Object.assign(parts, { raw: parts }), ...params);
}

/** SQL of the attributes of the run `r`. An id is compared as a whole, or as text. */
export interface AttributeColumn {
  type: 'TEXT' | 'ID' | 'TIME';
  sql: string;
  /** The same expression as an index contains it. */
  indexed?: string;
  isNullable?: boolean;
}

export type AttributeColumns = Readonly<Record<string, AttributeColumn>>;

export const RUN_COLUMNS: AttributeColumns = {
  run_id: { type: 'ID', sql: 'r.id' },
  experiment_id: { type: 'ID', sql: 'r.experiment_id' },
  parent_run_id: { type: 'ID', sql: 'r.parent_run_id', isNullable: true },
  run_name: { type: 'TEXT', sql: 'r.name', indexed: 'r.name collate "C"' },
  status: { type: 'TEXT', sql: 'r.status' },
  user_id: { type: 'TEXT', sql: 'r.created_by' },
  start_time: { type: 'TIME', sql: 'r.started_at' },
  end_time: { type: 'TIME', sql: 'r.ended_at', isNullable: true },
  created_at: { type: 'TIME', sql: 'r.created_at' },
  // The names that clients of other trackers know.
  client_status: { type: 'TEXT', sql: `case r.status when 'QUEUED' then 'SCHEDULED' else r.status end` },
  client_user: {
    type: 'TEXT',
    sql:
      'coalesce((select u.value from run_tag u where u.run_id = r.id and u.tenant = r.tenant and u.key = ' +
      `'${RUN_TAGS.user}'), r.created_by)`,
  },
  artifact_uri: {
    type: 'TEXT',
    sql: `(select coalesce(
        case when e.artifact_location not like 'mlflow-artifacts:%' then rtrim(e.artifact_location, '/') end,
        'mlflow-artifacts:/' || case when e.is_default then '0' else replace(e.id::text, '-', '') end)
      || '/' || replace(r.id::text, '-', '') || '/artifacts'
      from experiment e where e.id = r.experiment_id and e.tenant = r.tenant)`,
  },
};

/**
 * A condition on the run `r`: true or false, never null. It tests one-to-many data with EXISTS, because the planner can
 * join it from the smaller side.
 */
export function toCondition(filter: Filter<RunEntity>, tenant: string): Fragment {
  switch (filter.type) {
    case 'and':
    case 'or': {
      if (filter.terms.length === 0) return fragment(filter.type === 'and' ? 'true' : 'false');
      const inner = joined(
        filter.terms.map((term) => toCondition(term, tenant)),
        ` ${filter.type} `,
      );
      return { ...inner, text: `(${inner.text})` };
    }
    case 'not': {
      const inner = toCondition(filter.term, tenant);
      return { ...inner, text: `not (${inner.text})` };
    }
    case 'comparison':
      return comparisonCondition(filter, tenant);
  }
}

function comparisonCondition(comparison: Comparison<RunEntity>, tenant: string): Fragment {
  const { entity, key, comparator } = comparison;
  const isMissing = comparator === 'IS NULL';
  const isPresent = comparator === 'IS NOT NULL';
  switch (entity) {
    case 'metric':
    case 'param':
    case 'tag': {
      const table = TABLES[entity];
      const value =
        isMissing || isPresent
          ? null
          : entity === 'metric'
            ? metricCondition(comparison)
            : pairCondition(comparison, tenant);
      const where = fragment(`c.run_id = r.id and c.tenant = ? and c.key = ?`, tenant, key);
      const inner = value ? joined([where, value], ' and ') : where;
      return { ...inner, text: `${isMissing ? 'not ' : ''}exists (select from ${table} c where ${inner.text})` };
    }
    case 'dataset':
      return datasetCondition(comparison, tenant);
    case 'attribute': {
      const column = RUN_COLUMNS[key];
      if (!column) throw new Error(`no column for the attribute ${key}`);
      if (isMissing || isPresent) return fragment(`${column.sql} is ${isMissing ? '' : 'not '}null`);
      const condition = attributeCondition(comparison, column);
      return column.isNullable
        ? { ...condition, text: `(${column.sql} is not null and ${condition.text})` }
        : condition;
    }
  }
}

export const TABLES = { metric: 'metric_latest', param: 'run_param', tag: 'run_tag' } as const;

/**
 * In PostgreSQL NaN is greater than all numbers. Here, as in MLflow, NaN is greater than no number and equals only
 * itself.
 */
export function metricCondition({ comparator, value }: Comparison): Fragment {
  const condition = fragment(`c.value ${comparator === '!=' ? '<>' : comparator} ?::float8`, value);
  return comparator === '>' || comparator === '>='
    ? { ...condition, text: `${condition.text} and c.value < 'NaN'` }
    : condition;
}

/** The index has a hash of each pair, and the beginning of its value; a short value is there completely. */
function pairCondition(comparison: Comparison, tenant: string): Fragment {
  const { key, comparator, value } = comparison;
  const isShort = (one: string) => one.length < INDEXED_CHARACTERS;
  if (comparator === '=') {
    const column = isShort(String(value)) ? 'c.value_start' : 'c.value';
    return fragment(`c.pair_hash = ${PAIR_HASH} and ${column} = ?`, value, key, tenant, value);
  }
  if (comparator === 'IN') {
    const values = value as readonly string[];
    const column = values.every(isShort) ? 'c.value_start' : 'c.value';
    const hashes = values.map(() => PAIR_HASH).join(', ');
    const pairs = values.flatMap((one) => [one, key, tenant]);
    return fragment(`c.pair_hash = any(array[${hashes}]::bigint[]) and ${column} = any(?::text[])`, ...pairs, values);
  }
  return patternCondition('c.value', 'c.value_start', comparison);
}

/**
 * For a pattern with a fixed beginning, this range lets the index be used and the planner estimate the number of rows.
 * With row-level security, PostgreSQL can do neither with LIKE.
 */
function patternCondition(sql: string, indexed: string, comparison: Comparison): Fragment {
  const { comparator, value } = comparison;
  const condition = textCondition(sql, comparison);
  const start = comparator === 'LIKE' ? /^[^%_\\]*/.exec(String(value))![0].slice(0, INDEXED_CHARACTERS) : '';
  if (start === '' || !start.isWellFormed()) return condition;
  const begins = fragment(`${indexed} ^@ ?`, start);
  return value === `${start}%` ? begins : joined([begins, condition], ' and ');
}

/** The same expression that makes the column `pair_hash`: of value, key and tenant. */
const PAIR_HASH = 'hashtextextended(?, hashtextextended(?, hashtextextended(?, 0)))';

/** Characters of a value that its column `value_start` has. */
const INDEXED_CHARACTERS = 100;

/** Matches data that clients log, and registered data that a job of this service used. */
function datasetCondition(comparison: Comparison, tenant: string): Fragment {
  const columns = DATASET_COLUMNS[comparison.key];
  if (!columns) throw new Error(`no column for the dataset's ${comparison.key}`);
  const compare = comparison.key === 'id' ? idCondition : textCondition;
  const logged = compare(columns.logged, comparison);
  const used = compare(columns.used, comparison);
  return fragment(
    `(exists (select from logged_dataset d where d.run_id = r.id and d.tenant = ? and d.direction = 'INPUT'
      and ${logged.text})
      or exists (select from run_dataset u join dataset d on d.id = u.dataset_id and d.tenant = u.tenant
        where u.run_id = r.id and u.tenant = ? and ${used.text}))`,
    tenant,
    ...logged.params,
    tenant,
    ...used.params,
  );
}

const DATASET_COLUMNS: Record<string, { logged: string; used: string }> = {
  id: { logged: 'd.dataset_id', used: 'd.id' },
  name: { logged: 'd.name', used: 'd.name' },
  digest: { logged: 'd.digest', used: 'd.sha256' },
  context: { logged: `d.tags ->> 'mlflow.data.context'`, used: 'lower(u.role)' },
};

export function attributeCondition(comparison: Comparison, { type, sql, indexed }: AttributeColumn): Fragment {
  if (type === 'TEXT' && indexed !== undefined) {
    const isFound = comparison.comparator === '=' || comparison.comparator === 'IN';
    return isFound ? textCondition(indexed, comparison) : patternCondition(sql, indexed, comparison);
  }
  if (type === 'TEXT') return textCondition(sql, comparison);
  if (type === 'ID') return idCondition(sql, comparison);
  const symbol = comparison.comparator === '!=' ? '<>' : comparison.comparator;
  return fragment(
    `${sql} ${symbol} timestamptz 'epoch' + ?::float8 * interval '1 millisecond'`,
    withinTime(Number(comparison.value)),
  );
}

/**
 * A text that is not an id equals no run's id: it matches nothing and is unequal to all. Patterns match the id without
 * dashes, as MLflow shows it.
 */
function idCondition(sql: string, comparison: Comparison): Fragment {
  const { comparator, value } = comparison;
  if (comparator === 'LIKE' || comparator === 'ILIKE')
    return textCondition(`replace(${sql}::text, '-', '')`, comparison);
  const ids = (Array.isArray(value) ? (value as string[]) : [String(value)]).flatMap((text) => fromHexId(text) ?? []);
  return fragment(`${comparator === '=' || comparator === 'IN' ? '' : 'not '}${sql} = any(?::uuid[])`, ids);
}

export function textCondition(sql: string, { comparator, value }: Comparison): Fragment {
  switch (comparator) {
    case 'IN':
      return fragment(`${sql} = any(?::text[])`, value);
    case 'NOT IN':
      return fragment(`${sql} <> all(?::text[])`, value);
    case '!=':
      return fragment(`${sql} <> ?`, value);
    default:
      return fragment(`${sql} ${comparator} ?`, value);
  }
}

/** The range of times that both a PostgreSQL timestamp and a JavaScript Date can hold. */
const EARLIEST_MS = -2e14;
const LATEST_MS = 8.64e15;

function withinTime(ms: number): number {
  return Math.min(Math.max(ms, EARLIEST_MS), LATEST_MS);
}
