import { defineEvents } from '../platform/index.js';

export const TUNING_EVENTS = defineEvents({
  STUDY_STARTED: { about: 'A study of hyperparameters was started, or goes on.' },
  STUDY_COMPLETED: { about: 'A study has spent its budget or met its stop rule; it has a best trial.' },
  STUDY_FAILED: { about: 'A study ended without any trial with a result.' },
});
