import type { Endpoint } from './endpoint.js';

/** Every endpoint of the protocol that this service has; what is not here is ENDPOINT_NOT_FOUND. */
export const ENDPOINTS: Endpoint[] = [];
