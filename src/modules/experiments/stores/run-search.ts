import { Run } from '../../../db/entities/experiments/run.entity.js';
import type { Session } from '../../../db/database.js';
import type { Page } from '../../../db/pagination.js';
import { sql } from '../../../db/sql.js';
import type { Filter, OrderKey } from '../../core/index.js';
import type { RunEntity } from '../rules/run-filter.js';
import { fragment, joined, toCondition, type Fragment } from './run-filter-sql.js';
import { RunOrder } from './run-order.js';

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
  const order = new RunOrder({ ...search, tenant: session.tenant });
  const conditions = conditionsOf(search, session.tenant);
  const properties = Object.values(session.em.getMetadata().get(Run).properties);
  const selected = properties.map(({ name, fieldNames }) => `r.${fieldNames[0]} as "${name}"`).join(', ');
  const shownColumns = properties.map(({ name }) => `"${name}"`).join(', ');
  const rows: (Run & { place: string })[] = [];
  for (const stretch of order.stretches(page.after)) {
    const wanted = page.first + 1 - rows.length;
    if (wanted <= 0) break;
    const where = joined([...conditions, ...stretch.conditions], ' and ');
    const found = await sql<Run & { place: string }>(
      session.em,
      `select ${shownColumns}, ${order.place} as place from (
         select ${selected}, ${order.values} from run r ${stretch.joins.text} where ${where.text}
           order by ${order.orderBy} limit ?) page`,
      [...stretch.joins.params, ...where.params, wanted],
    );
    rows.push(...found);
  }
  const shown = rows.slice(0, page.first);
  return {
    nodes: shown.map(({ place: _place, ...run }) => run as Run),
    cursors: shown.map(({ place }) => order.encode(place)),
    hasNextPage: rows.length > page.first,
    totalCount: (reader) => countRuns(reader, conditions),
  };
}

async function countRuns(session: Session, conditions: Fragment[]): Promise<number> {
  const where = joined(conditions, ' and ');
  const [counted] = await sql<{ count: number }>(
    session.em,
    `select count(*)::float8 as count from run r where ${where.text}`,
    [...where.params],
  );
  return counted?.count ?? 0;
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
