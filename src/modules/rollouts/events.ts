import { defineEvents } from '../platform/index.js';

export const ROLLOUT_EVENTS = defineEvents({
  CANARY_STARTED: { about: 'A canary was started; its model is being loaded.' },
  CANARY_STEPPED: { about: 'A canary has begun a step; the payload has its number and weight.' },
  CANARY_PAUSED: { about: 'A canary stays at its step until a person decides; the payload says why.' },
  CANARY_WAITING_FOR_APPROVAL: { about: 'A canary has passed a step that needs an approval.' },
  CANARY_ROLLED_BACK: { about: 'A canary was proven to be worse than its control: the old version has all traffic.' },
  CANARY_PROMOTED: { about: 'The version of a canary has all traffic of its endpoint.' },
  CANARY_ABORTED: { about: 'A person ended a canary: the old version has all traffic.' },
  CANARY_LOAD_FAILED: { about: 'The version of a canary could not be loaded; the old one serves on.' },
});
