import { StateMachine } from '../../core/index.js';

export type CanaryStatus =
  | 'LOADING'
  | 'RUNNING'
  | 'PAUSED'
  | 'WAITING_FOR_APPROVAL'
  | 'PROMOTED'
  | 'ROLLED_BACK'
  | 'ABORTED'
  | 'LOAD_FAILED';

/** LOADING until the model of the canary is loaded; then its traffic flows until one of the last states. */
export const CANARY_STATUS = new StateMachine<CanaryStatus>('A canary', {
  LOADING: ['RUNNING', 'PROMOTED', 'LOAD_FAILED', 'ABORTED'],
  // The next step.
  RUNNING: ['RUNNING', 'PAUSED', 'WAITING_FOR_APPROVAL', 'PROMOTED', 'ROLLED_BACK', 'ABORTED'],
  PAUSED: ['RUNNING', 'PROMOTED', 'ROLLED_BACK', 'ABORTED'],
  WAITING_FOR_APPROVAL: ['RUNNING', 'PAUSED', 'PROMOTED', 'ROLLED_BACK', 'ABORTED'],
  PROMOTED: [],
  ROLLED_BACK: [],
  ABORTED: [],
  LOAD_FAILED: [],
});
