import { Experiment } from '../../../db/entities/experiments/experiment.entity.js';
import type { Session } from '../../../db/database.js';
import { sql } from 'kysely';
import { tablesOf } from '../../../db/tables.js';
import type { Comparison, OrderKey } from '../../core/index.js';
import { columnCondition, entryCondition } from './record-filter-sql.js';
import { fragment, joined, toRaw, type AttributeColumns } from './run-filter-sql.js';

const tables = tablesOf(Experiment);

type Entity = 'attribute' | 'tag';

export interface ExperimentSearch {
  comparisons: readonly Comparison<Entity>[];
  states: readonly Experiment['state'][];
  order: readonly OrderKey<'attribute'>[];
  offset: number;
  limit: number;
}

const COLUMNS: AttributeColumns = {
  name: { type: 'TEXT', sql: 'e.name' },
  // The ids as MLflow's clients know them.
  experiment_id: { type: 'TEXT', sql: `case when e.is_default then '0' else replace(e.id::text, '-', '') end` },
  creation_time: { type: 'TIME', sql: 'e.created_at' },
  last_update_time: { type: 'TIME', sql: 'e.updated_at' },
};

/** Experiments that match all comparisons. The order ends with the id. */
export async function searchExperiments(session: Session, search: ExperimentSearch): Promise<Experiment[]> {
  const where = joined(
    [
      fragment('e.tenant = ?', session.tenant),
      fragment('e.state = any(?::text[])', search.states),
      ...search.comparisons.map((comparison) =>
        comparison.entity === 'tag' ? entryCondition('e.tags', comparison) : columnCondition(comparison, COLUMNS),
      ),
    ],
    ' and ',
  );
  const order = search.order.map(({ key, direction }) => `${COLUMNS[key]?.sql} ${direction}`);
  const rows = await tables(session.em)
    .selectFrom('experiment as e')
    .select('e.id')
    .where(toRaw(where))
    .orderBy(sql.raw([...order, 'e.id'].join(', ')))
    .limit(search.limit)
    .offset(search.offset)
    .execute();
  const found = await session.em.find(Experiment, { tenant: session.tenant, id: { $in: rows.map(({ id }) => id) } });
  const byId = new Map(found.map((experiment) => [experiment.id, experiment]));
  return rows.flatMap(({ id }) => byId.get(id) ?? []);
}
