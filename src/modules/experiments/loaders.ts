import { Experiment } from '../../db/entities/experiments/experiment.entity.js';
import { Run } from '../../db/entities/experiments/run.entity.js';
import type { Batches } from '../platform/index.js';
import { firstChildRuns } from './child-runs.js';
import { logPages } from './run-log-pages.js';
import { loggedByRuns, newestUsesOf, usedByRuns } from './stores/datasets.js';
import { readHistories } from './stores/metric-history.js';
import { newestValuesOf } from './stores/metrics.js';
import { allPairsOfRuns } from './stores/pairs.js';

const MAX_RUNS_OF_DATASET = 100;

export function createExperimentLoaders(batches: Batches) {
  return {
    /** The newest hundred runs of each dataset. */
    datasetRuns: batches.grouped((session, datasetIds) => newestUsesOf(session, datasetIds, MAX_RUNS_OF_DATASET)),
    experiment: batches.byId(Experiment),
    /** Reduced to the requested number of points. */
    metricHistory: batches.of(readHistories),
    run: batches.byId(Run),
    runDatasets: batches.grouped(usedByRuns),
    runLatestMetrics: batches.grouped(newestValuesOf),
    runLoggedDatasets: batches.grouped(loggedByRuns),
    runLogPages: batches.of(logPages),
    runParams: batches.grouped(allPairsOfRuns('run_param')),
    runTags: batches.grouped(allPairsOfRuns('run_tag')),
    /** First pages, newest first. */
    childRuns: batches.of(firstChildRuns),
  };
}
