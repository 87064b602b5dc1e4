import { defineEvents } from '../platform/index.js';

export const SCHEDULE_EVENTS = defineEvents({
  SCHEDULED_JOB_STARTED: { about: 'A schedule started a job.' },
  SCHEDULED_JOB_REFUSED: { about: 'A schedule could not start a job; the payload says why.' },
});
