import { StateMachine } from '../../core/index.js';

/** A resolved alert stays so: the next breach opens another one. */
export const ALERT_STATUS = new StateMachine<'OPEN' | 'RESOLVED'>('An alert', { OPEN: ['RESOLVED'], RESOLVED: [] });
