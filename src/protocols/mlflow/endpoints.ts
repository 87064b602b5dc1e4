import type { Endpoint } from './endpoint.js';
import { experimentEndpoints } from './tracking/experiments.js';
import { runEndpoints } from './tracking/runs.js';

/** Every endpoint of the protocol that this service has; what is not here is ENDPOINT_NOT_FOUND. */
export const ENDPOINTS: Endpoint[] = [...experimentEndpoints, ...runEndpoints];
