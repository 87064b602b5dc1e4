import { defineEvents } from '../platform/index.js';

export const AB_TEST_EVENTS = defineEvents({
  AB_TEST_STARTED: { about: 'An A/B test divides the traffic of its endpoint from now on.' },
  AB_TEST_ENDED: { about: 'An A/B test was decided, or stopped by a person; the payload says how and why.' },
});
