export type { JobResult } from './job-results.js';
export type { Attempt } from './attempt.js';
export { JOBS_WAITING, JobService, StaleAttempt, jobTopic } from './job.service.js';
export { createJobLoaders } from './loaders.js';
export { JOB_CATALOG, type JobKind } from './rules/job-catalog.js';
