import { listingEndpoints } from './artifacts/listing.js';
import { multipartEndpoints } from './artifacts/multipart.js';
import { proxyEndpoints } from './artifacts/proxy.js';
import type { Endpoint } from './endpoint.js';
import { aliasEndpoints } from './registry/aliases.js';
import { modelEndpoints } from './registry/models.js';
import { versionEndpoints } from './registry/versions.js';
import { experimentEndpoints } from './tracking/experiments.js';
import { loggedModelEndpoints } from './tracking/logged-models.js';
import { loggingEndpoints } from './tracking/logging.js';
import { metricHistoryEndpoints } from './tracking/metric-history.js';
import { runSearchEndpoints } from './tracking/run-search.js';
import { runEndpoints } from './tracking/runs.js';
import { searchEndpoints } from './tracking/search.js';
import { webhookEndpoints } from './webhooks.js';

/** Every endpoint of the protocol that this service has; what is not here is ENDPOINT_NOT_FOUND. */
export const ENDPOINTS: Endpoint[] = [
  ...proxyEndpoints,
  ...multipartEndpoints,
  ...listingEndpoints,
  ...modelEndpoints,
  ...versionEndpoints,
  ...aliasEndpoints,
  ...experimentEndpoints,
  ...runEndpoints,
  ...runSearchEndpoints,
  ...loggingEndpoints,
  ...metricHistoryEndpoints,
  ...loggedModelEndpoints,
  ...searchEndpoints,
  ...webhookEndpoints,
];
