import { StateMachine } from '../../core/index.js';

/** PENDING until its model is loaded; READY until it is stopped. */
export const DEPLOYMENT_STATUS = new StateMachine<'PENDING' | 'READY' | 'FAILED' | 'STOPPED'>('A deployment', {
  PENDING: ['READY', 'FAILED', 'STOPPED'],
  READY: ['STOPPED'],
  FAILED: [],
  STOPPED: [],
});
