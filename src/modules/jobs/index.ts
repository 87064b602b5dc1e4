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
export { JOBS_WAITING, JobService, queueOf, StaleAttempt, jobTopic } from './job.service.js';
export { OutsideCompletion } from './outside-completion.js';
export { countJobs, deleteJobsOfRun, hasSucceededWith, JOBS_OF_RUN, keepSecret, secretOf } from './store.js';
export { createJobLoaders } from './loaders.js';
export type { StoredResult } from './job-rows.js';
export { retentionOfSteps } from './old-steps.js';
export { JOBS_LINEAGE } from './lineage.js';
