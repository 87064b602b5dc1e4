import { AsyncLocalStorage } from 'node:async_hooks';
import type { Pool } from 'pg';

/** The time limit for each statement of the current work; when there is none, the pool's own limit. */
const limitMs = new AsyncLocalStorage<number>();

/** The server ends a statement at its limit. When no answer comes for this much longer, the server counts as frozen. */
const GRACE_MS = 500;

export function withStatementLimit<T>(ms: number, work: () => Promise<T>): Promise<T> {
  return limitMs.run(ms, work);
}

/**
 * Closes a connection whose server does not answer a statement: the server is frozen, or the network drops packets.
 * Requests that wait on that connection fail at once, and the pool makes a new one.
 */
export function giveUpSilentServer(pool: Pool, defaultLimitMs: number): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const { stream } = client.connection;
    Object.assign(client, {
      query: async (...args: unknown[]) => {
        const timer = setTimeout(
          () => stream.destroy(new SilentServer()),
          (limitMs.getStore() ?? defaultLimitMs) + GRACE_MS,
        );
        try {
          return await query(...args);
        } finally {
          clearTimeout(timer);
        }
      },
    });
  });
}

/** Has the code of the operating system's error for a peer that does not answer. */
class SilentServer extends Error {
  readonly code = 'ETIMEDOUT';

  constructor() {
    super('The database did not answer in time.');
  }
}
