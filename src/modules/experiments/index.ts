export { moreChildRuns } from './child-runs.js';
export { searchExperiments } from './stores/experiment-search.js';
export { ExperimentService, type ExperimentAddress, type TagEntry } from './experiment.service.js';
export { beginCollection, deleteExperiment, deleteRun, deleteSome } from './stores/collection.js';
export { requireWhole } from './rules/experiment-state.js';
export { createExperimentLoaders } from './loaders.js';
export { MAX_COMPARED_KEYS } from './run-table.js';
export { HISTORY_POINTS, prepareHistories } from './stores/metric-history.js';
export {
  readMetricOfRuns,
  readMetricPage,
  sampleMetricOfRuns,
  type MetricPage,
  type MetricPoint,
} from './stores/metric-pages.js';
export { searchRuns } from './stores/run-search.js';
export { columnCondition, entryCondition } from './stores/record-filter-sql.js';
export {
  ANY_STEP,
  LOG_STREAMS,
  MAX_LINES_PER_RUN,
  DATASET_TEXTS,
  EXPERIMENT_TAG_VALUE,
  LOG_LINE,
  STEP,
  checkDatasetText,
  checkExperimentTag,
  checkLogLine,
  checkModelMetric,
  checkStep,
  type DatasetText,
  type LogStream,
} from './rules/logged-values.js';
export { RUN_STATUSES, isEnded } from './rules/run-status.js';
export { guessDirection } from './rules/metric-direction.js';
export { CONTEXT_TAG, RUN_TAGS, SHOWN_AS_FIELDS, sourceOf } from './rules/run-tags.js';
export { MAX_AXES, MAX_METRIC_AXES, RunAnalysisService } from './run-analysis.service.js';
export {
  CURVE_POINTS,
  CURVES,
  RunComparisonService,
  type ComparedMetric,
  MAX_COMPARED_RUNS,
} from './run-comparison.service.js';
export { RunDatasetService, DATASETS_PER_CALL } from './run-dataset.service.js';
export { readRunDetails, type DatasetReference, type RunDetails } from './stores/run-details.js';
export {
  fragment,
  joined,
  metricCondition,
  toRaw,
  type AttributeColumns,
  type Fragment,
} from './stores/run-filter-sql.js';
export { RunLifecycleService } from './run-lifecycle.service.js';
export { RunLogService, LINES_PER_CALL } from './run-log.service.js';
export type { LogLine } from './stores/logs.js';
export { requireWritable } from './run-pairs.js';
export type { ParamChange } from './stores/pairs.js';
export { RunSearchService } from './run-search.service.js';
export { RunService, METRICS_PER_CALL } from './run.service.js';
export { RUN_PREFIXES, type RunEntity } from './rules/run-filter.js';
export { exportedDatasets, exportedLines, exportedRuns, pointsAfter, runIdsAfter } from './stores/exported-runs.js';
export {
  addImportedDatasets,
  addImportedLines,
  addImportedPairs,
  addImportedPoints,
  addImportedRuns,
  findLatestPoints,
  revealRuns,
  setParents,
} from './stores/imported-runs.js';
export { linesAfter } from './stores/logs.js';
export { pairsOf } from './stores/pairs.js';
export { addUsedDataset } from './stores/datasets.js';
export { lastStepOf, pointsInOrder, type PointPosition } from './stores/metrics.js';
export { endUnfinishedRun, lockRun } from './stores/runs.js';
export { EXPERIMENTS_LINEAGE } from './lineage.js';
