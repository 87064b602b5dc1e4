import type { Pool, PoolClient, QueryResult } from 'pg';

/**
 * The query builder never gives a connection back whose BEGIN, COMMIT or ROLLBACK failed, as they do when the server goes away. Without
 * this, each fault would shrink the pool, until nothing is left and every request waits for ever.
 */
export function giveBackDeadConnections(pool: Pool): void {
  const connect = pool.connect.bind(pool) as () => Promise<PoolClient>;
  const connectAndWatch = async (): Promise<PoolClient> => {
    const client = await connect();
    const release = client.release;
    let isOut = true;
    const giveBack = (broken?: Error | boolean) => {
      if (!isOut) return;
      isOut = false;
      client.off('end', onEnd);
      release(broken);
    };
    const onEnd = () => giveBack(true);
    client.on('end', onEnd);
    client.release = giveBack;
    return client;
  };
  Object.assign(pool, { connect: connectAndWatch });
}

const PREPARED = /^\/\*prepared:(\w+)\*\//;

/** Begins a statement that connections are to prepare once: the layers between know only of texts. */
export const asPrepared = (name: string): string => `/*prepared:${name}*/`;

/** Has each connection prepare the statements that are marked so. */
export function prepareMarked(pool: Pool): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const [text, values] = args;
        const name = typeof text === 'string' ? PREPARED.exec(text)?.[1] : undefined;
        return name === undefined ? query(...args) : query({ name, text, values });
      },
    });
  });
}

/** BEGIN travels with the statement after it: one way to the server and back less for each transaction. */
export function sendBeginWithNext(pool: Pool): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<QueryResult | QueryResult[]>;
    let isHeld = false;
    const joined = async (...args: unknown[]): Promise<QueryResult | QueryResult[]> => {
      const [text, values] = args;
      if (text === 'begin') {
        isHeld = true;
        return NOTHING;
      }
      if (!isHeld) return query(...args);
      isHeld = false;
      if (text === 'commit' || text === 'rollback') return NOTHING;
      if (typeof text === 'string' && Array.isArray(values) && values.length === 0) {
        const results = await query(`begin; ${text}`);
        return Array.isArray(results) ? (results.at(-1) ?? NOTHING) : results;
      }
      const [, result] = await Promise.all([query('begin'), query(...args)]);
      return result;
    };
    Object.assign(client, { query: joined });
  });
}

const NOTHING: QueryResult = { command: '', rowCount: null, oid: 0, fields: [], rows: [] };

/** Shows every statement on its way to the server. */
export function watchStatements(pool: Pool, onStatement: (sql: string, params: readonly unknown[]) => void): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const { text, values } = args[0] as { text?: string; values?: unknown[] };
        onStatement(String(text ?? args[0]), values ?? (Array.isArray(args[1]) ? args[1] : []));
        return query(...args);
      },
    });
  });
}
