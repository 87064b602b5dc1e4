import { Dataset } from '../../db/entities/tracking/dataset.entity.js';
import { Experiment } from '../../db/entities/tracking/experiment.entity.js';
import { LoggedModel } from '../../db/entities/tracking/logged-model.entity.js';
import { Run } from '../../db/entities/tracking/run.entity.js';
import { type Batches, newest } from '../platform/batches.js';
import { ARTIFACT_COLUMNS, type ArtifactRow } from './artifact-rows.js';
import { firstChildRuns } from './child-runs.js';
import {
  LATEST_MODEL_METRICS,
  type LoggedModelMetricRow,
  MODEL_METRIC_COLUMNS,
  readModelHistories,
  readRunModels,
} from './logged-model-reads.js';
import { readHistories } from './metric-history.js';
import type { LoggedDatasetRow } from './run-dataset.service.js';
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

interface CheckpointRow {
  epoch: number;
  attempt: number;
  sizeBytes: number;
  sha256: string;
  createdAt: Date;
}

const LATEST_METRIC = 'key, value, step::float8 as step, logged_at as "loggedAt"';
const LINEAGE = 'run_id as "runId", dataset_id as "datasetId", role';
const LOGGED_DATASET =
  'id, direction, name, digest, source_type as "sourceType", source, schema, profile, tags, dataset_id as "datasetId"';
const CHECKPOINT = 'epoch, attempt, size_bytes::float8 as "sizeBytes", sha256, created_at as "createdAt"';

const MODEL_METRIC_ORDER = 'key collate "C", dataset_name, dataset_digest';
const OLDEST_FIRST = 'created_at, id';

export function createTrackingLoaders(batches: Batches) {
  return {
    dataset: batches.byId(Dataset),
    /** The newest hundred runs of each dataset. */
    datasetRuns: batches.grouped<RunDatasetRow>(
      newest('run_dataset', 'dataset_id', 100),
      'dataset_id',
      LINEAGE,
      'created_at desc, id desc',
    ),
    experiment: batches.byId(Experiment),
    jobCheckpoints: batches.grouped<CheckpointRow>('checkpoint', 'job_id', CHECKPOINT, 'epoch desc, attempt desc'),
    loggedModel: batches.byId(LoggedModel),
    loggedModelArtifacts: batches.grouped<ArtifactRow>('artifact', 'logged_model_id', ARTIFACT_COLUMNS, 'path'),
    /** The newest thousand values of a metric. */
    loggedModelHistory: batches.of(readModelHistories),
    loggedModelMetrics: batches.grouped<LoggedModelMetricRow>(
      LATEST_MODEL_METRICS,
      'logged_model_id',
      MODEL_METRIC_COLUMNS,
      MODEL_METRIC_ORDER,
    ),
    /** Thinned. */
    metricHistory: batches.of(readHistories),
    run: batches.byId(Run),
    runArtifacts: batches.grouped<ArtifactRow>('artifact', 'run_id', ARTIFACT_COLUMNS, 'path'),
    runDatasets: batches.grouped<RunDatasetRow>('run_dataset', 'run_id', LINEAGE, OLDEST_FIRST),
    runLatestMetrics: batches.grouped<LatestMetricRow>('metric_latest', 'run_id', LATEST_METRIC, 'key'),
    runLoggedDatasets: batches.grouped<LoggedDatasetRow>('logged_dataset', 'run_id', LOGGED_DATASET, OLDEST_FIRST),
    /** Made and read. */
    runLoggedModels: batches.of(readRunModels),
    runLogPages: batches.of(logPages),
    runParams: batches.grouped<KeyValueRow>('run_param', 'run_id', 'key, value', 'key'),
    runTags: batches.grouped<KeyValueRow>('run_tag', 'run_id', 'key, value', 'key'),
    /** First pages, newest first. */
    childRuns: batches.of(firstChildRuns),
  };
}
