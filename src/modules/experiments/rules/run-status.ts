import { StateMachine } from '../../core/index.js';

export const RUN_STATUSES = ['QUEUED', 'RUNNING', 'FINISHED', 'FAILED', 'KILLED'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

const othersThan = (status: RunStatus) => RUN_STATUSES.filter((other) => other !== status);

/**
 * External code reports the status of its run, so every status may follow every other: a client of MLflow continues a
 * run that has failed, or corrects how it ended.
 */
export const RUN_STATUS = new StateMachine<RunStatus>('A run', {
  QUEUED: othersThan('QUEUED'),
  RUNNING: othersThan('RUNNING'),
  FINISHED: othersThan('FINISHED'),
  FAILED: othersThan('FAILED'),
  KILLED: othersThan('KILLED'),
});

const ENDED: readonly RunStatus[] = ['FINISHED', 'FAILED', 'KILLED'];

/** The statuses of a run that has not ended. */
export const UNFINISHED: readonly RunStatus[] = ['QUEUED', 'RUNNING'];

/** True when nothing more is logged, unless the run is resumed. */
export function isEnded(status: RunStatus): boolean {
  return ENDED.includes(status);
}
