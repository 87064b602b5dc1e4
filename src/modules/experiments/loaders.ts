import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import { type Batches, newest } from '../platform/index.js';
import { firstChildRuns } from './child-runs.js';
import { readHistories } from './stores/metric-history.js';
import type { LoggedDatasetRow } from './stores/datasets.js';
import { logPages } from './run-log-pages.js';

interface KeyValueRow {
  key: string;
  value: string;
}

interface LatestMetricRow {
  key: string;
  value: number;
  step: number;
  loggedAt: Date;
}

interface RunDatasetRow {
  runId: string;
  datasetId: string;
  role: 'TRAINING' | 'EVALUATION' | 'BATCH_INPUT';
}

const LATEST_METRIC = 'key, value, step::float8 as step, logged_at as "loggedAt"';
const LINEAGE = 'run_id as "runId", dataset_id as "datasetId", role';
const LOGGED_DATASET =
  'id, direction, name, digest, source_type as "sourceType", source, schema, profile, tags, dataset_id as "datasetId"';

const OLDEST_FIRST = 'created_at, id';

export function createExperimentLoaders(batches: Batches) {
  return {
    /** The newest hundred runs of each dataset. */
    datasetRuns: batches.grouped<RunDatasetRow>(
      newest('run_dataset', 'dataset_id', 100),
      'dataset_id',
      LINEAGE,
      'created_at desc, id desc',
    ),
    experiment: batches.byId(Experiment),
    /** Thinned. */
    metricHistory: batches.of(readHistories),
    run: batches.byId(Run),
    runDatasets: batches.grouped<RunDatasetRow>('run_dataset', 'run_id', LINEAGE, OLDEST_FIRST),
    runLatestMetrics: batches.grouped<LatestMetricRow>('metric_latest', 'run_id', LATEST_METRIC, 'key'),
    runLoggedDatasets: batches.grouped<LoggedDatasetRow>('logged_dataset', 'run_id', LOGGED_DATASET, OLDEST_FIRST),
    runLogPages: batches.of(logPages),
    runParams: batches.grouped<KeyValueRow>('run_param', 'run_id', 'key, value', 'key'),
    runTags: batches.grouped<KeyValueRow>('run_tag', 'run_id', 'key, value', 'key'),
    /** First pages, newest first. */
    childRuns: batches.of(firstChildRuns),
  };
}
