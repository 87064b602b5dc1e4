import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Batches } from '../platform/index.js';
import { storedResults, subjectsOfJobs } from './store.js';

export function createJobLoaders(batches: Batches) {
  return {
    job: batches.byId(Job),
    jobResult: batches.of(storedResults),
    jobSubjects: batches.grouped(subjectsOfJobs),
  };
}
