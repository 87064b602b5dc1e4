import { StateMachine } from '../../core/index.js';

/** An ended study goes on when somebody extends or resumes it, or has its failed trials run again. */
export const STUDY_STATUS = new StateMachine('A study', {
  RUNNING: ['COMPLETED', 'FAILED', 'CANCELLED'],
  COMPLETED: ['RUNNING'],
  FAILED: ['RUNNING'],
  CANCELLED: ['RUNNING'],
});
export type StudyStatus = (typeof STUDY_STATUS.states)[number];

/**
 * QUEUED: waits for a trainer, because it was enqueued, or because it is to run again. A trial that has a result keeps
 * it.
 */
export const TRIAL_STATUS = new StateMachine('A trial', {
  QUEUED: ['RUNNING'],
  RUNNING: ['COMPLETE', 'PRUNED', 'FAILED', 'CANCELLED', 'QUEUED'],
  COMPLETE: [],
  PRUNED: [],
  FAILED: ['QUEUED'],
  CANCELLED: ['QUEUED'],
});
export type TrialStatus = (typeof TRIAL_STATUS.states)[number];
