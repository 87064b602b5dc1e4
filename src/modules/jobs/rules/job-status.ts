import { StateMachine } from '../../core/index.js';

/** A job that has ended goes on only when a person resumes it. */
export const JOB_STATUS = new StateMachine('A job', {
  QUEUED: ['RUNNING', 'CANCELLED'],
  RUNNING: ['QUEUED', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: [],
  FAILED: ['QUEUED'],
  CANCELLED: ['QUEUED'],
});

export type JobStatus = (typeof JOB_STATUS.states)[number];

export const ENDED: readonly JobStatus[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];

/** Whether no attempt works on the job or waits for a worker. */
export const hasJobEnded = (status: JobStatus) => ENDED.includes(status);
