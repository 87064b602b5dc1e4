import { StateMachine } from '../../core/index.js';

/** PENDING until its files are stored. */
export const VERSION_STATUS = new StateMachine<'PENDING' | 'READY' | 'FAILED'>('A version', {
  PENDING: ['READY', 'FAILED'],
  READY: [],
  FAILED: [],
});
