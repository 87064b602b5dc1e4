import { defineEvents } from '../platform/index.js';

export const EVALUATION_EVENTS = defineEvents({
  MODEL_EVALUATED: { about: 'A version was evaluated on a holdout and compared with its baseline.' },
  MODEL_VALIDATED: { about: 'The validation pipeline of a version ended; it passed or failed.' },
});
