import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Sequenced } from '../platform/index.js';

export type JobKind = Job['kind'];
export type JobStatus = Job['status'];

export interface NewJob {
  kind: JobKind;
  config: Record<string, unknown>;
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
  alertId?: string | null;
}

export interface JobFilter {
  kind?: JobKind | null;
  status?: JobStatus[] | null;
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
}

/** A step of a job, as its followers see it. */
export interface JobEventRow extends Sequenced {
  jobId: string;
  status: JobStatus;
  attempt: number;
  progress: number;
  message: string;
  loggedAt: Date;
}
