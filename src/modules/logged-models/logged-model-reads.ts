import type { Session } from '../../db/database.js';
import { historiesOf, modelsOfRuns } from './store.js';

/** Newest models of a run, and newest values of a metric's history. */
const MAX_MODELS_OF_RUN = 100;
const MAX_HISTORY_POINTS = 1_000;

interface LoggedModelMetricRow {
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
 * The models that each run created or read, in order of creation. A run's model counts also when the run did not log it
 * as an output.
 */
export async function readRunModels(session: Session, runIds: readonly string[]): Promise<RunModelRow[][]> {
  const rows = await modelsOfRuns(session, runIds, MAX_MODELS_OF_RUN);
  const byRun = Map.groupBy(rows, ({ runId }) => runId);
  return runIds.map((id) => byRun.get(id) ?? []);
}
