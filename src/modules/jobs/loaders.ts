import { Job } from '../../db/entities/jobs/job.entity.js';
import type { Batches } from '../platform/index.js';
import type { JobSubjectRef } from './job-rows.js';
import type { JobService } from './job.service.js';

export function createJobLoaders(batches: Batches, jobs: JobService) {
  return {
    job: batches.byId(Job),
    jobResult: batches.of(jobs.results),
    jobSubjects: batches.grouped<JobSubjectRef>('job_subject', 'job_id', 'type, subject_id as id', 'type, subject_id'),
  };
}
