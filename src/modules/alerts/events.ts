import { defineEvents } from '../platform/index.js';

export const ALERT_EVENTS = defineEvents({
  MODEL_DRIFT_DETECTED: { about: 'Live traffic differs from the training data (drift).' },
  ALERT_OPENED: { about: 'An alert was opened.' },
  ALERT_UPDATED: { about: 'An open alert has new values.' },
  ALERT_RESOLVED: { about: 'An alert was resolved: the problem has ended.' },
});
