export { cloneOfBatchInference } from './batch-inference-clone.js';
export {
  BATCH_WORKERS,
  BatchInferenceService,
  MAX_KEY_COLUMNS,
  MAX_PARTITION_COLUMNS,
  MAX_PARTITIONS,
} from './batch-inference.service.js';
export { DeploymentRows } from './deployment-rows.js';
export { DeploymentService, type TrafficHolder } from './deployment.service.js';
export { EndpointService } from './endpoint.service.js';
export {
  SLA_ERROR_RATE,
  SLA_LATENCY_MS,
  SLA_MIN_REQUESTS,
  SLA_WINDOW_MINUTES,
  slaOf,
  type DeclaredSla,
  type Sla,
} from './sla.js';
export { createServingLoaders } from './loaders.js';
export {
  LoggedPredictionService,
  findEndpoint,
  loggedAnswersOf,
  notLogged,
  usedTwice,
} from './logged-predictions.service.js';
export {
  DEADLINE_MS,
  REQUEST_KEY,
  ROWS_PER_REQUEST,
  deployedVersion,
  type NamedEndpoint,
  type PlainTensor,
  type PredictService,
  type Prediction,
} from './predict.service.js';
export { jsonElements, predictedRows } from './prediction-view.js';
export type { Route, Target } from './routes.js';
export { ModelRepositoryService, type DeploymentStatistics, type RepositoryEntry } from './model-repository.service.js';
export { RolloutService } from './rollout.service.js';
export {
  type DeploymentLimits,
  CONCURRENCY,
  DEPLOYMENT_DEADLINE_MS,
  QUEUE_ROWS,
  QUEUE_TIMEOUT_MS,
  WARM_UP_ROWS,
} from './rules/limits.js';
export { MAX_REPLICAS, MIN_REPLICAS, SCALE_TO_ZERO_MS, THREADS } from './rules/scaling.js';
export {
  type GivenFanOut,
  type StoredFanOut,
  MEMBER_DEADLINE_MS,
  MEMBER_RUNTIMES,
  MINIMUM_MEMBERS,
  sameFanOut,
} from './fan-out.js';
export { RUNTIME_NAMES, Runtimes } from './runtimes.js';
export { LOG_ARCHIVE_DAYS, LOG_ARCHIVE_DELAY_HOURS, LOG_RETENTION_DAYS, REDACTED_FIELDS } from './rules/request-log.js';
export type { RowPrediction } from './rules/answers.js';
export { deploymentReadiness, type Readiness } from './rules/readiness.js';
export { Serving } from './serving.js';
export { ShadowService } from './shadow.service.js';
export { TextModels } from './text-models.js';
export { isFault } from './traffic-recorder.js';
export { inSample } from './rules/traffic.js';
export { endedDeployments, textEndpoints } from './stores/deployments.js';
export { minuteCounters } from './stores/traffic.js';
export type { KeyedAnswer, TrafficRecorder } from './traffic-recorder.js';
export { readCounts, readTraffic, type DeploymentCounts } from './traffic.service.js';
export { VersionFollowing } from './version-following.js';
export {
  CALLER_ATTRIBUTES,
  type CallerAttribute,
  type RequestHeaders,
  type TrafficRule,
} from './rules/traffic-policy.js';
export { BATCH_INFERENCE, type BatchBackend } from './batch-inference.job-kind.js';
export { readEnsemble } from './fan-out-models.js';
export { SERVING_EVENTS } from './events.js';
export { answeringDeployments, nameOfModel } from './stores/deployments.js';
export {
  answeredPage,
  deleteOldPredictions,
  loggedRowsOf,
  newestAnswered,
  type LogCursor,
} from './stores/prediction-log.js';
export { deploymentsInHour, hoursDue, moveArchiveEnd, settledLogTime } from './stores/log-archive.js';
export { countersSince } from './stores/traffic.js';
export { retentionOfTraffic } from './old-minutes.js';
export { SERVING_LINEAGE } from './lineage.js';
