import type { Session } from '../../db/database.js';
import { sql } from '../../db/sql.js';

/** Newest of a run, and values of a metric's history. */
const MAX_MODELS_OF_RUN = 100;
const MAX_HISTORY_POINTS = 1_000;

/** Columns of `LoggedModelMetricRow` in `LATEST_MODEL_METRICS` and the table itself. */
export const MODEL_METRIC_COLUMNS = `key, value, step::float8 as step, logged_at as "loggedAt", run_id as "runId",
  nullif(dataset_name, '') as "datasetName", nullif(dataset_digest, '') as "datasetDigest"`;

/** The value measured last of each model, metric and dataset, in the order that MLflow's search has. */
export const LATEST_MODEL_METRICS = `(select distinct on (tenant, logged_model_id, key, dataset_name, dataset_digest) * from logged_model_metric
  order by tenant, logged_model_id, key, dataset_name, dataset_digest, logged_at desc, step desc, run_id, value desc) latest`;

export interface LoggedModelMetricRow {
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
  runId: string;
  datasetName: string | null;
  datasetDigest: string | null;
}

interface ModelMetricKey {
  loggedModelId: string;
  key: string;
}

interface RunModelRow {
  runId: string;
  loggedModelId: string;
  direction: 'INPUT' | 'OUTPUT';
  step: number;
}

/** The newest values of each metric, oldest first. */
export async function readModelHistories(
  session: Session,
  keys: readonly ModelMetricKey[],
): Promise<LoggedModelMetricRow[][]> {
  const rows = await sql<LoggedModelMetricRow & { place: number }>(
    session.em,
    `select wanted.place::int as place, point.* from unnest(?::uuid[], ?::text[]) with ordinality as wanted(id, metric, place)
     cross join lateral (select ${MODEL_METRIC_COLUMNS} from logged_model_metric
       where tenant = ? and logged_model_id = wanted.id and key = wanted.metric
       order by logged_at desc, step desc, run_id, value desc limit ?) point
     order by wanted.place, point."loggedAt", point.step, point."runId", point.value`,
    [keys.map(({ loggedModelId }) => loggedModelId), keys.map(({ key }) => key), session.tenant, MAX_HISTORY_POINTS],
  );
  const byPlace = Map.groupBy(rows, ({ place }) => place);
  return keys.map((_, i) => byPlace.get(i + 1) ?? []);
}

/**
 * The models that each run made or read, in the order of their making. Who made one need not have said so again as an
 * output.
 */
export async function readRunModels(session: Session, runIds: readonly string[]): Promise<RunModelRow[][]> {
  const { tenant } = session;
  const rows = await sql<RunModelRow>(
    session.em,
    `with used as (
       select run_id, logged_model_id, direction, step from run_model where tenant = ? and run_id = any(?::uuid[])
       union all
       select l.run_id, l.id, 'OUTPUT', 0 from logged_model l where l.tenant = ? and l.run_id = any(?::uuid[])
         and not exists (select 1 from run_model m
           where m.tenant = l.tenant and m.run_id = l.run_id and m.logged_model_id = l.id and m.direction = 'OUTPUT')),
     numbered as (
       select u.*, l.created_at, row_number() over (partition by u.run_id order by l.created_at desc, l.id desc, u.step desc, u.direction) as n
       from used u join logged_model l on l.tenant = ? and l.id = u.logged_model_id and l.state = 'ACTIVE')
     select run_id as "runId", logged_model_id as "loggedModelId", direction, step::float8 as step from numbered where n <= ? order by n desc`,
    [tenant, [...runIds], tenant, [...runIds], tenant, MAX_MODELS_OF_RUN],
  );
  const byRun = Map.groupBy(rows, ({ runId }) => runId);
  return runIds.map((id) => byRun.get(id) ?? []);
}
