import { escapeLiteral, type Pool, type PoolClient, type QueryResult } from 'pg';

/**
 * The query builder never returns a connection to the pool when its BEGIN, COMMIT or ROLLBACK failed, as happens when
 * the server stops. Without this, each fault would shrink the pool until every request waits for ever.
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

/** The names under which connections prepare a text; all other texts are parsed and planned each time. */
const preparedNames = new Map<string, string>();

/** Makes every connection prepare this text once, under this name. */
export function prepareAs(name: string, text: string): void {
  const known = preparedNames.get(text);
  if (known === name) return;
  if (known !== undefined || [...preparedNames.values()].includes(name))
    throw new Error(`A prepared statement needs a text of its own and a name of its own: ${name}.`);
  preparedNames.set(text, name);
}

/** Makes each connection of the pool prepare the texts of `prepareAs`. */
export function prepareNamed(pool: Pool): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const [text, values] = args;
        const name = typeof text === 'string' ? preparedNames.get(text) : undefined;
        return name === undefined ? query(...args) : query({ name, text, values });
      },
    });
  });
}

/** Sends BEGIN in one message with the next statement: this saves one round trip to the server per transaction. */
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
 * because their plans are kept.
 */
function withLiterals(text: string, values: readonly unknown[]): string | null {
  if (values.length === 0) return text;
  if (!text.startsWith(SETS)) return null;
  return text.replaceAll(/\$(\d+)/g, (_, n: string) => escapeLiteral(String(values[Number(n) - 1])));
}

/** A statement that a connection prepares once, under this name; `?` marks parameters. */
export interface Prepared {
  name: string;
  text: string;
  params: readonly Param[];
}

type Param = string | number | null | readonly string[] | Buffer;

/** The names that a connection has prepared. */
const preparedBy = new WeakMap<PoolClient, Set<string>>();

/**
 * Runs statements with these settings in their own transaction, in one message to the server: a message is a
 * transaction. Returns the result of the last one.
 */
export async function sendAtOnce(
  pool: Pool,
  settings: Record<string, string>,
  statements: readonly Prepared[],
): Promise<QueryResult> {
  const sets = Object.entries(settings).map(([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`);
  const begin = `select ${sets.join(', ')}`;
  const client = await pool.connect();
  try {
    const known = preparedBy.get(client) ?? new Set();
    preparedBy.set(client, known);
    for (const { name, text } of statements) {
      if (known.has(name)) continue;
      let n = 0;
      await client.query(`${begin}; prepare ${name} as ${text.replaceAll('?', () => `$${++n}`)}`);
      known.add(name);
    }
    const calls = statements.map(({ name, params }) => `execute ${name}(${params.map(literal).join(', ')})`);
    const results: unknown = await client.query([begin, ...calls].join('; '));
    return (results as QueryResult[]).at(-1) ?? NOTHING;
  } finally {
    client.release();
  }
}

function literal(value: Param): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return escapeLiteral(value);
  if (typeof value === 'number') return String(value);
  if (Buffer.isBuffer(value)) return `decode('${value.toString('hex')}', 'hex')`;
  return `array[${(value as readonly string[]).map(literal).join(', ')}]::text[]`;
}

const NOTHING: QueryResult = { command: '', rowCount: null, oid: 0, fields: [], rows: [] };

/** Reports every statement before it is sent to the server. */
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
