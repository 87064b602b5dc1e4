import { StateMachine } from '../../core/index.js';

/** PLANNED while the past of keys is counted, RUNNING until it is decided or a person ends it. */
export const AB_TEST_STATUS = new StateMachine<'PLANNED' | 'RUNNING' | 'DECIDED' | 'STOPPED'>('An A/B test', {
  PLANNED: ['RUNNING', 'STOPPED'],
  RUNNING: ['DECIDED', 'STOPPED'],
  DECIDED: [],
  STOPPED: [],
});
