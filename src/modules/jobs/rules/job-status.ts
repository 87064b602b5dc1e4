import { StateMachine } from '../../core/index.js';

/** An ended job continues only when a person resumes it. */
export const JOB_STATUS = new StateMachine('A job', {
  QUEUED: ['RUNNING', 'CANCELLED'],
  RUNNING: ['QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: ['QUEUED'],
  CANCELLED: ['QUEUED'],
});

export type JobStatus = (typeof JOB_STATUS.states)[number];

export const ENDED: readonly JobStatus[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** Whether no attempt of the job runs or waits for a worker. */
export const hasJobEnded = (status: JobStatus) => ENDED.includes(status);
