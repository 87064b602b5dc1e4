import type { Session } from '../../db/database.js';
import { historiesOf, modelsOfRuns } from './store.js';

/** Newest of a run, and values of a metric's history. */
const MAX_MODELS_OF_RUN = 100;
const MAX_HISTORY_POINTS = 1_000;

/** Columns of `LoggedModelMetricRow` in `LATEST_MODEL_METRICS` and the table itself. */
export const MODEL_METRIC_COLUMNS = `key, value, step::float8 as step, logged_at as "loggedAt", run_id as "runId",
  nullif(dataset_name, '') as "datasetName", nullif(dataset_digest, '') as "datasetDigest"`;

/** The value measured last of each model, metric and dataset, in the order that MLflow's search has. */
export const LATEST_MODEL_METRICS = `(select distinct on (tenant, logged_model_id, key, dataset_name,
  dataset_digest) * from logged_model_metric
  order by tenant, logged_model_id, key, dataset_name, dataset_digest, logged_at desc, step desc, run_id,
    value desc) latest`;

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
  const rows = await historiesOf(session, keys, MAX_HISTORY_POINTS);
  const byPlace = Map.groupBy(rows, ({ place }) => place);
  return keys.map((_, i) => byPlace.get(i + 1) ?? []);
}

/**
 * The models that each run made or read, in order of creation. The run that made a model need not have logged it as
 * an output.
 */
export async function readRunModels(session: Session, runIds: readonly string[]): Promise<RunModelRow[][]> {
  const rows = await modelsOfRuns(session, runIds, MAX_MODELS_OF_RUN);
  const byRun = Map.groupBy(rows, ({ runId }) => runId);
  return runIds.map((id) => byRun.get(id) ?? []);
}
