import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Batches } from '../platform/index.js';
import type { JobService } from './job.service.js';
import { subjectsOfJobs } from './store.js';

export function createJobLoaders(batches: Batches, jobs: JobService) {
  return {
    job: batches.byId(Job),
    jobResult: batches.of(jobs.results),
    jobSubjects: batches.grouped(subjectsOfJobs),
  };
}
