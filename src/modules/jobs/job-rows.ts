import type { z } from 'zod';
import { badInput } from '../../errors.js';
import type { Sequenced } from '../platform/index.js';
import type { JobKind, Resources } from './job-kind.js';
import type { JobStatus } from './rules/job-status.js';

export interface NewJob<Kind extends JobKind> {
  input: z.input<Kind['input']>;
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
  alertId?: string | null;
  /** Other objects that the job is about. */
  subjects?: JobSubjectRef[];
  /** The job that requested this one. */
  parentId?: string | null;
  /** -100 to 100, 0 when absent. Of the waiting jobs of a tenant, the one with the highest priority runs first. */
  priority?: number;
  /** No attempt begins before this time. */
  notBefore?: Date | null;
  /** The queue whose workers take the job; `default` when absent. */
  queue?: string;
  /** Those that are absent are the resources of its kind. */
  resources?: Partial<Resources>;
  /** The job needs its resources as many times, and begins with all of them or not at all; 1 when absent. */
  workers?: number;
  /** It fails when its attempts have run for longer than this together; no limit of its own when absent. */
  maxDurationMs?: number | null;
}

/** What a person may ask for when a job is started. */
export interface JobRequest {
  priority?: number | null;
  cores?: number | null;
  memoryBytes?: number | null;
  gpus?: number | null;
  workers?: number | null;
  maxDurationMs?: number | null;
  notBefore?: Date | null;
}

/** For work on a cluster: BAD_USER_INPUT when resources of this service's workers are asked for. */
export function requireNoResources(request: JobRequest | null | undefined): void {
  for (const of of ['cores', 'memoryBytes', 'gpus', 'workers'] as const)
    if (request?.[of] != null)
      throw badInput(`input.job.${of}`, 'nothing: the cluster has resources of its own', request[of]);
}

/** An object that a job is about, e.g. `run` and its id. */
export interface JobSubjectRef {
  type: string;
  id: string;
}

/** The work of a job on another machine: where it runs, its id there, and its state when it was last checked. */
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

/** The stored result of a job. If the job has not succeeded, it is what its attempts have stored for later ones. */
export interface StoredResult {
  id: string;
  kind: string;
  status: JobStatus;
  result: object;
}
