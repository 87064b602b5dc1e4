import { escapeLiteral, type Pool, type PoolClient, type QueryResult } from 'pg';

/**
 * The query builder never gives a connection back whose BEGIN, COMMIT or ROLLBACK failed, as they do when the server
 * goes away. Without this, each fault would shrink the pool, until nothing is left and every request waits for ever.
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

/**
 * BEGIN travels in one message with the statement after it: one way to the server and back less for each transaction.
 */
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
      const whole = typeof text === 'string' && Array.isArray(values) ? withLiterals(text, values) : null;
      if (whole !== null) {
        const results = await query(`begin; ${whole}`);
        return Array.isArray(results) ? (results.at(-1) ?? NOTHING) : results;
      }
      const [, result] = await Promise.all([query('begin'), query(...args)]);
      return result;
    };
    Object.assign(client, { query: joined });
  });
}

const SETS = 'select set_config(';

/**
 * A statement without parameters, or one that sets the session's context with its values in the text; null for others,
 * whose plans are kept.
 */
function withLiterals(text: string, values: readonly unknown[]): string | null {
  if (values.length === 0) return text;
  if (!text.startsWith(SETS)) return null;
  return text.replaceAll(/\$(\d+)/g, (_, n: string) => escapeLiteral(String(values[Number(n) - 1])));
}

/**
 * One statement in a transaction of its own with these settings, in one message to the server: a message is a
 * transaction.
 */
export async function sendAtOnce(
  pool: Pool,
  settings: Record<string, string>,
  text: string,
  values: readonly string[],
): Promise<void> {
  const sets = Object.entries(settings).map(
    ([name, value]) => `set_config(${escapeLiteral(name)}, ${escapeLiteral(value)}, true)`,
  );
  let n = 0;
  const statement = text.replaceAll('?', () => escapeLiteral(values[n++] ?? ''));
  const client = await pool.connect();
  try {
    await client.query(`select ${sets.join(', ')}; ${statement}`);
  } finally {
    client.release();
  }
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
