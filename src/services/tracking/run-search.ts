import { Run } from '../../db/entities/tracking/run.entity.js';
import type { Session } from '../../db/database.js';
import type { Page } from '../../db/pagination.js';
import { sql } from '../../db/sql.js';
import type { Filter, OrderKey } from '../../domain/platform/filter.js';
import type { RunEntity } from '../../domain/tracking/run-filter.js';
import { fragment, joined, RUN_COLUMNS, toCondition, type AttributeColumns, type Fragment } from './run-filter-sql.js';
import { RunOrder } from './run-order.js';

export interface RunSearch {
  /** All filters must hold. */
  filters: readonly Filter<RunEntity>[];
  /** None means the tenant's runs of every experiment. */
  experimentIds?: readonly string[] | null;
  states: readonly Run['state'][];
  order: readonly OrderKey<RunEntity>[];
  /** The last keys, that end with the run's id. */
  ties: readonly OrderKey<RunEntity>[];
  /** What the attributes mean where it is not what they mean here. */
  columns?: AttributeColumns;
  /** What its caller calls a cursor. */
  cursorField?: string;
}

/** One page of the runs that a search finds, keyset-paged in any order; each stretch of the first key is one statement. */
export async function searchRuns(session: Session, search: RunSearch, page: { first: number; after: string | null }): Promise<Page<Run>> {
  const columns = search.columns ?? RUN_COLUMNS;
  const order = new RunOrder({ ...search, columns, tenant: session.tenant });
  const conditions = conditionsOf(search, columns, session.tenant);
  const properties = Object.values(session.em.getMetadata().get(Run).properties).flatMap(({ fieldNames }) => fieldNames);
  const selected = `${properties.map((name) => `r.${name}`).join(', ')}, ${order.place} as place`;
  const rows: ({ place: string } & Record<string, unknown>)[] = [];
  for (const stretch of order.stretches(page.after)) {
    const wanted = page.first + 1 - rows.length;
    if (wanted <= 0) break;
    const where = joined([...conditions, ...stretch.conditions], ' and ');
    const found = await sql<{ place: string }>(
      session.em,
      `select ${selected} from run r ${stretch.joins.text} where ${where.text} order by ${order.orderBy} limit ?`,
      [...stretch.joins.params, ...where.params, wanted],
    );
    rows.push(...(found as typeof rows));
  }
  const shown = rows.slice(0, page.first);
  return {
    nodes: shown.map(({ place: _place, ...row }) => session.em.map(Run, row)),
    cursors: shown.map(({ place }) => order.encode(place)),
    hasNextPage: rows.length > page.first,
    totalCount: (reader) => countRuns(reader, conditions),
  };
}

async function countRuns(session: Session, conditions: Fragment[]): Promise<number> {
  const where = joined(conditions, ' and ');
  const [counted] = await sql<{ count: number }>(session.em, `select count(*)::float8 as count from run r where ${where.text}`, [
    ...where.params,
  ]);
  return counted?.count ?? 0;
}

function conditionsOf({ filters, experimentIds, states }: RunSearch, columns: AttributeColumns, tenant: string): Fragment[] {
  return [
    fragment('r.tenant = ?', tenant),
    fragment('r.state = any(?::text[])', states),
    ...(experimentIds ? [fragment('r.experiment_id = any(?::uuid[])', experimentIds)] : []),
    ...filters.map((filter) => toCondition(filter, tenant, columns)),
  ];
}
