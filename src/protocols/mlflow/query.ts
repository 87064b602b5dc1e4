import type { FastifyRequest } from 'fastify';
import { refuseUnstorable } from './protobuf-json.js';

/**
 * The query of a request whose endpoint has no schema. Of a repeated name the first value counts, as in MLflow's
 * server.
 */
export function queryOf({ query }: FastifyRequest): Record<string, string | undefined> {
  refuseUnstorable(query);
  return Object.fromEntries(
    Object.entries(query as Record<string, string | string[]>).map(([name, value]) => [name, [value].flat()[0]]),
  );
}
