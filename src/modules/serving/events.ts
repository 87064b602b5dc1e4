import { defineEvents } from '../platform/index.js';

export const SERVING_EVENTS = defineEvents({
  MODEL_DEPLOYED: { about: 'A deployment is READY to serve.' },
  MODEL_UNDEPLOYED: { about: 'A deployment was stopped.' },
  MODEL_DEPLOYMENT_FAILED: { about: 'A deployment could not be loaded; the payload says why.' },
  TRAFFIC_CHANGED: { about: 'The traffic weights of an endpoint’s live deployments changed.' },
  SHADOW_EVALUATED: { about: 'The gate SHADOW of a version was decided; it passed or failed.' },
  BATCH_INFERENCE_COMPLETED: { about: 'A batch inference succeeded.' },
});
