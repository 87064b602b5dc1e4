import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import type { Batches } from '../platform/index.js';
import {
  LATEST_MODEL_METRICS,
  type LoggedModelMetricRow,
  MODEL_METRIC_COLUMNS,
  readModelHistories,
  readRunModels,
} from './logged-model-reads.js';

const MODEL_METRIC_ORDER = 'key collate "C", dataset_name, dataset_digest';

export function createLoggedModelLoaders(batches: Batches) {
  return {
    loggedModel: batches.byId(LoggedModel),
    /** The newest thousand values of a metric. */
    loggedModelHistory: batches.of(readModelHistories),
    loggedModelMetrics: batches.grouped<LoggedModelMetricRow>(
      LATEST_MODEL_METRICS,
      'logged_model_id',
      MODEL_METRIC_COLUMNS,
      MODEL_METRIC_ORDER,
    ),
    /** Made and read. */
    runLoggedModels: batches.of(readRunModels),
  };
}
