import { LoggedModel } from '../../db/entities/logged-models/logged-model.entity.js';
import type { Batches } from '../platform/index.js';
import { readModelHistories, readRunModels } from './logged-model-reads.js';
import { latestMetricsOf } from './store.js';

export function createLoggedModelLoaders(batches: Batches) {
  return {
    loggedModel: batches.byId(LoggedModel),
    /** The newest thousand values of a metric. */
    loggedModelHistory: batches.of(readModelHistories),
    loggedModelMetrics: batches.grouped(latestMetricsOf),
    /** Models that the run made and models that it read. */
    runLoggedModels: batches.of(readRunModels),
  };
}
