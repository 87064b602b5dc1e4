import type { FastifyInstance } from 'fastify';

/** Of the time for shutting down; what is left of it is for jobs and the database. */
const CONNECTIONS_SHARE = 0.75;
const LOOK_INTERVAL_MS = 100;

/**
 * Takes nothing new and lets answers end; connections that clients keep are closed as they fall idle, those that stand
 * still are cut in the end.
 */
export async function drain(fastify: FastifyInstance, graceMs: number): Promise<void> {
  // An answer that began before the draining has not told its client to close.
  const idle = setInterval(() => fastify.server.closeIdleConnections(), LOOK_INTERVAL_MS);
  const late = setTimeout(() => fastify.server.closeAllConnections(), graceMs * CONNECTIONS_SHARE);
  try {
    await fastify.close();
  } finally {
    clearInterval(idle);
    clearTimeout(late);
  }
}
