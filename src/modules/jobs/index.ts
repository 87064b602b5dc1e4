export type { Attempt, AttemptOf, KindAttempt } from './attempt.js';
export {
  defineJobKind,
  GIB,
  HOUR_MS,
  type JobKind,
  MINUTE_MS,
  NO_RESOURCES,
  noInput,
  OUTSIDE_QUEUE,
  readStored,
  type Resources,
  SECOND_MS,
  type Stored,
  storedFile,
} from './job-kind.js';
export { JOBS_WAITING, JobService, queueOf, StaleAttempt, StoppedAttempt, jobTopic } from './job.service.js';
export { type CloneChoice, type CloneRule, type JobTemplate, JobCloner, keptRequest, requestOf } from './job-cloner.js';
export { OutsideCompletion } from './outside-completion.js';
export { countJobs, deleteJobsOfRun, hasSucceededWith, keepSecret, secretOf } from './store.js';
export { type Begun, type BegunDemand, limitOf, Scheduler } from './scheduler.service.js';
export { type Capacity, needsNothing, NO_AMOUNTS, takesRoom } from './rules/schedule.js';
export {
  JOB_DURATION,
  JOB_PRIORITY,
  JOB_RESOURCES,
  JOB_WORKERS,
  RESOURCE_AMOUNTS,
  SHARE_WEIGHT,
  TENANT_NAME,
} from './rules/ranges.js';
export { type Gpu, GpuPool, readGpus, visibleGpus } from './rules/gpus.js';
export { FAILURE_CLASSES, type FailureClass, isRetried } from './rules/failure-class.js';
export { WAIT_REASONS } from './rules/explain.js';
export { QueueExplainer } from './queue-explanation.service.js';
export { ShareService } from './share.service.js';
export { createJobLoaders } from './loaders.js';
export { type JobRequest, requireNoResources, type StoredResult } from './job-rows.js';
export { retentionOfSteps } from './old-steps.js';
export { JOBS_LINEAGE, ranLink } from './lineage.js';
