import type { Registry } from '@prometheus-io/client';
import type { FastifyInstance } from 'fastify';

export interface OpsOptions {
  /** The names of the parts that are not ready; empty when all are ready. */
  notReady(): Promise<string[]>;
  registry: Registry;
}

/** Health and metrics, which need no token. */
export function registerOps(app: FastifyInstance, { notReady, registry }: OpsOptions): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const missing = await notReady();
    if (missing.length > 0) reply.code(503);
    return { status: missing.length > 0 ? 'not ready' : 'ready', missing };
  });
  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', registry.contentType);
    return registry.metrics();
  });
}
