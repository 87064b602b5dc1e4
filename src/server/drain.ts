import type { FastifyInstance } from 'fastify';

/** Fraction of the shutdown time; the rest is for jobs and the database. */
const CONNECTIONS_SHARE = 0.75;
const LOOK_INTERVAL_MS = 100;

/**
 * Accepts nothing new and lets answers finish. Closes kept-alive connections when they become idle, and at the end also
 * those that do not move.
 */
export async function drain(fastify: FastifyInstance, graceMs: number): Promise<void> {
  // An answer from before the drain did not tell its client to close.
  const idle = setInterval(() => fastify.server.closeIdleConnections(), LOOK_INTERVAL_MS);
  const late = setTimeout(() => fastify.server.closeAllConnections(), graceMs * CONNECTIONS_SHARE);
  try {
    await fastify.close();
  } finally {
    clearInterval(idle);
    clearTimeout(late);
  }
}
