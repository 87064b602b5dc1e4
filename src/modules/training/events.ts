import { defineEvents } from '../platform/index.js';

export const TRAINING_EVENTS = defineEvents({
  MODEL_TRAINING_STARTED: { about: 'A training was requested and queued.' },
  MODEL_TRAINING_COMPLETED: { about: 'A training succeeded; its model is stored with the run.' },
  MODEL_TRAINING_FAILED: { about: 'A training failed.' },
});
