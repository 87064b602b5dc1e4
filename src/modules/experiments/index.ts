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
export { searchRuns } from './run-search.js';
export { columnCondition, entryCondition } from './record-filter-sql.js';
export {
  ANY_STEP,
  LOG_STREAMS,
  MAX_LINES_PER_RUN,
  MAX_LOGGED_MODEL_VALUE_CHARACTERS,
  checkDatasetText,
  checkExperimentTag,
  checkLogLine,
  checkModelMetric,
  checkStep,
  type DatasetText,
  type LogStream,
} from './rules/logged-values.js';
export { RUN_STATUSES, isEnded } from './rules/run-status.js';
export { CONTEXT_TAG, RUN_TAGS, SHOWN_AS_FIELDS, sourceOf } from './rules/run-tags.js';
export { RunAnalysisService } from './run-analysis.service.js';
export { RunComparisonService, type ComparedMetric, MAX_COMPARED_RUNS } from './run-comparison.service.js';
export { RunDatasetService, MAX_DATASETS_PER_CALL } from './run-dataset.service.js';
export { readRunDetails, type DatasetReference, type RunDetails } from './run-details.js';
export { fragment, joined, metricCondition, type AttributeColumns, type Fragment } from './run-filter-sql.js';
export { RunLifecycleService } from './run-lifecycle.service.js';
export { RunLogService, type LogLine, MAX_LINES_PER_CALL } from './run-log.service.js';
export { requireWritable, type ParamChange } from './run-pairs.js';
export { RunSearchService } from './run-search.service.js';
export { RunService, MAX_METRICS_PER_CALL } from './run.service.js';
export { RUN_PREFIXES, type RunEntity } from './rules/run-filter.js';
