import { StateMachine } from '../../core/index.js';

/** RESOLVED is final: the next breach opens another alert. */
export const ALERT_STATUS = new StateMachine<'OPEN' | 'RESOLVED'>('An alert', { OPEN: ['RESOLVED'], RESOLVED: [] });
