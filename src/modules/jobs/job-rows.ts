import type { z } from 'zod';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { Sequenced } from '../platform/index.js';
import type { JobKind, Resources } from './job-kind.js';

export type JobStatus = Job['status'];

export interface NewJob<Kind extends JobKind> {
  input: z.input<Kind['input']>;
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
  alertId?: string | null;
  /** What else it is about. */
  subjects?: JobSubjectRef[];
  /** The job that has this one done. */
  parentId?: string | null;
  /** -100 to 100, 0 when absent; of jobs that wait, the highest is worked on first. */
  priority?: number;
  /** No attempt begins before. */
  notBefore?: Date | null;
  /** Which workers take it, `default` when absent. */
  queue?: string;
  /** Those of its kind when absent. */
  resources?: Resources;
}

/** What a worker looks at before it takes a job. */
export interface WaitingJob extends Resources {
  priority: number;
  /** Since when an attempt could have begun. */
  waitingSinceMs: number;
}

/** A thing that a job is about, e.g. `run` and its id. */
export interface JobSubjectRef {
  type: string;
  id: string;
}

/** Work of a job that lives on another machine: where, its id there, and how it stood when somebody last looked. */
export interface ExternalHandle {
  backend: string;
  id: string;
  state: string;
}

export interface JobFilter {
  kind?: string | null;
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
