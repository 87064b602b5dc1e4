import { sql, type JoinBuilder } from 'kysely';
import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import type { Page } from '../../../db/pagination.js';
import { tablesOf } from '../../../db/tables.js';
import type { Filter, OrderKey } from '../../core/index.js';
import type { RunEntity } from '../rules/run-filter.js';
import { fragment, joined, toCondition, toRaw, type Fragment } from './run-filter-sql.js';
import { RunOrder, type ValueJoin } from './run-order.js';

const tables = tablesOf(Run);

const SHOWN = [
  ...(['id', 'tenant', 'createdAt', 'experimentId', 'name', 'status', 'startedAt', 'endedAt', 'parentRunId'] as const),
  ...(['state', 'deletedAt', 'collectionBeganAt', 'createdBy', 'lastLogSeq', 'warnings'] as const),
] as const;

const COLUMNS = [
  ...(['r.id', 'r.tenant', 'r.created_at as createdAt', 'r.experiment_id as experimentId', 'r.name'] as const),
  ...(['r.status', 'r.started_at as startedAt', 'r.ended_at as endedAt', 'r.parent_run_id as parentRunId'] as const),
  ...(['r.state', 'r.deleted_at as deletedAt', 'r.collection_began_at as collectionBeganAt'] as const),
  ...(['r.created_by as createdBy', 'r.last_log_seq as lastLogSeq', 'r.warnings'] as const),
] as const;

type Found = Run & { place: string };

const runs = ({ em }: Session) => tables(em).selectFrom('run as r');
type RunQuery = ReturnType<typeof runs>;

/** The query goes on as one of runs: what it orders by in the joined table is named as text. */
function withValue(query: RunQuery, { table, alias, key, isInner }: ValueJoin, tenant: string): RunQuery {
  const values = sql<{ run_id: string }>`${sql.table(table)}`.as<'v'>(sql.ref(alias));
  const of = (column: string) => sql.ref(`${alias}.${column}`);
  const on = (join: JoinBuilder<never, never>) =>
    join.on(sql<boolean>`${of('run_id')} = r.id and ${of('tenant')} = ${tenant} and ${of('key')} = ${key}`);
  return (isInner ? query.innerJoin(values, on) : query.leftJoin(values, on)) as RunQuery;
}

export interface RunSearch {
  /** All filters must hold. */
  filters: readonly Filter<RunEntity>[];
  /** When absent: runs of all experiments of the tenant. */
  experimentIds?: readonly string[] | null;
  states: readonly Run['state'][];
  order: readonly OrderKey<RunEntity>[];
  /** The last keys; they end with the run's id. */
  ties: readonly OrderKey<RunEntity>[];
  /** The caller's name for a cursor. */
  cursorField?: string;
}

/**
 * One page of the runs that match a search, with keyset paging in any order. Each part of the first key is one
 * statement.
 */
export async function searchRuns(
  session: Session,
  search: RunSearch,
  page: { first: number; after: string | null },
): Promise<Page<Run>> {
  const order = new RunOrder(search);
  const conditions = conditionsOf(search, session.tenant);
  const rows: Found[] = [];
  for (const stretch of order.stretches(page.after)) {
    const wanted = page.first + 1 - rows.length;
    if (wanted <= 0) break;
    const where = joined([...conditions, ...stretch.conditions], ' and ');
    const found = await tables(session.em)
      .selectFrom(
        stretch.joins
          .reduce((query, join) => withValue(query, join, session.tenant), runs(session))
          .select(COLUMNS)
          .select(order.values)
          .where(toRaw(where))
          .orderBy(sql.raw(order.orderBy))
          .limit(wanted)
          .as('page'),
      )
      .select(SHOWN)
      .select(sql<string>`${sql.raw(order.place)}`.as('place'))
      .execute();
    rows.push(...found);
  }
  const shown = rows.slice(0, page.first);
  return {
    nodes: shown.map(({ place: _place, ...run }) => run),
    cursors: shown.map(({ place }) => order.encode(place)),
    hasNextPage: rows.length > page.first,
    totalCount: (reader) => countRuns(reader, conditions),
  };
}

async function countRuns(session: Session, conditions: Fragment[]): Promise<number> {
  const where = joined(conditions, ' and ');
  const { count } = await runs(session)
    .select((select) => select.fn.countAll<number>().as('count'))
    .where(toRaw(where))
    .executeTakeFirstOrThrow();
  return count;
}

function conditionsOf({ filters, experimentIds, states }: RunSearch, tenant: string): Fragment[] {
  return [
    fragment('r.tenant = ?', tenant),
    amongst('r.state', 'text', states),
    ...(experimentIds ? [amongst('r.experiment_id', 'uuid', experimentIds)] : []),
    ...filters.map((filter) => toCondition(filter, tenant)),
  ];
}

/** A single value is compared directly: with 100,000 runs, searching in an array costs several times as much. */
function amongst(column: string, type: 'text' | 'uuid', values: readonly string[]): Fragment {
  return values.length === 1
    ? fragment(`${column} = ?::${type}`, values[0])
    : fragment(`${column} = any(?::${type}[])`, values);
}
