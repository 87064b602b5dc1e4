import type { Run } from '../../db/entities/experiments/run.entity.js';
import type { Session } from '../../db/database.js';
import type { Page } from '../../db/pagination.js';
import type { OrderKey } from '../core/index.js';
import { parseMlflowFilter, parseMlflowOrder } from './rules/mlflow-filter.js';
import { MLFLOW_RUN_FILTER, MLFLOW_RUN_ORDER, type RunEntity } from './rules/run-filter.js';
import { RUN_TAGS } from './rules/run-tags.js';
import { RUN_COLUMNS, type AttributeColumns } from './run-filter-sql.js';
import { searchRuns } from './run-search.js';

interface MlflowRunSearch {
  experimentIds: readonly string[];
  filter: string;
  orderBy: readonly string[];
  states: readonly Run['state'][];
}

/** What its attributes are where MLflow shows others than this service does. */
const MLFLOW_COLUMNS: AttributeColumns = {
  ...RUN_COLUMNS,
  status: { type: 'TEXT', sql: `case r.status when 'QUEUED' then 'SCHEDULED' else r.status end` },
  user_id: {
    type: 'TEXT',
    sql:
      'coalesce((select u.value from run_tag u where u.run_id = r.id and u.tenant = r.tenant and u.key = ' +
      `'${RUN_TAGS.user}'), r.created_by)`,
  },
  artifact_uri: {
    type: 'TEXT',
    sql: `(select coalesce(case when e.artifact_location not like 'mlflow-artifacts:%' then rtrim(e.artifact_location, '/') end, 'mlflow-artifacts:/' || case when e.is_default then '0' else replace(e.id::text, '-', '') end)
      || '/' || replace(r.id::text, '-', '') || '/artifacts' from experiment e where e.id = r.experiment_id and e.tenant = r.tenant)`,
  },
};

/** MLflow's own: runs that are equal in all keys stand newest first, and then by id. */
const TIES: readonly OrderKey<RunEntity>[] = [
  { entity: 'attribute', key: 'start_time', direction: 'DESC' },
  { entity: 'attribute', key: 'run_id', direction: 'ASC' },
];

/** Runs as MLflow's server finds and orders them. */
export function searchRunsAsMlflow(
  session: Session,
  { experimentIds, filter, orderBy, states }: MlflowRunSearch,
  page: { first: number; after: string | null },
): Promise<Page<Run>> {
  const search = {
    filters: parseMlflowFilter(filter, MLFLOW_RUN_FILTER),
    experimentIds,
    states,
    order: parseMlflowOrder(orderBy, MLFLOW_RUN_ORDER),
    ties: TIES,
    columns: MLFLOW_COLUMNS,
    cursorField: 'page_token',
  };
  return searchRuns(session, search, page);
}
