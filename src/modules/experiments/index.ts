export { moreChildRuns } from './child-runs.js';
export { searchExperiments } from './experiment-search.js';
export { ExperimentService, type ExperimentPlace, type TagEntry } from './experiment.service.js';
export { createExperimentLoaders } from './loaders.js';
export { prepareHistories } from './metric-history.js';
export {
  readMetricOfRuns,
  readMetricPage,
  sampleMetricOfRuns,
  type MetricPage,
  type MetricPoint,
} from './metric-pages.js';
export { searchRunsAsMlflow } from './mlflow-run-search.js';
export { columnCondition, entryCondition } from './record-filter-sql.js';
export { parseMlflowFilter, parseMlflowOrder } from './rules/mlflow-filter.js';
export {
  MLFLOW_EXPERIMENT_FILTER,
  MLFLOW_EXPERIMENT_ORDER,
  MLFLOW_LOGGED_MODEL_FILTER,
  MLFLOW_MODEL_VERSION_FILTER,
  MLFLOW_MODEL_VERSION_ORDER,
  MLFLOW_REGISTERED_MODEL_FILTER,
  MLFLOW_REGISTERED_MODEL_ORDER,
} from './rules/mlflow-grammars.js';
export { pythonText } from './rules/mlflow-words.js';
export { randomName } from './rules/random-name.js';
export { isEnded } from './rules/run-status.js';
export { CONTEXT_TAG, RUN_TAGS, SHOWN_AS_FIELDS, sourceOf } from './rules/run-tags.js';
export { RunAnalysisService } from './run-analysis.service.js';
export { RunComparisonService, type ComparedMetric } from './run-comparison.service.js';
export { RunDatasetService } from './run-dataset.service.js';
export { readRunDetails, type DatasetReference, type RunDetails } from './run-details.js';
export { fragment, joined, metricCondition, type AttributeColumns, type Fragment } from './run-filter-sql.js';
export { RunLifecycleService } from './run-lifecycle.service.js';
export { RunLogService, type LogLine } from './run-log.service.js';
export { requireWritable, type ParamChange } from './run-pairs.js';
export { RunSearchService } from './run-search.service.js';
export { RunService } from './run.service.js';
