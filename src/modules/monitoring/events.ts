import { defineEvents } from '../platform/index.js';

export const MONITORING_EVENTS = defineEvents({
  RETRAINING_STARTED: { about: 'An alert started a retraining, according to the policy.' },
  RETRAINING_SKIPPED: { about: 'An alert did not start a retraining; the payload says why.' },
});
