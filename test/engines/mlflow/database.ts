import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { engine } from '../engines.js';

export interface MlflowDatabase {
  /** The URL in SQLAlchemy's form. */
  store: string;
  query(sql: string): Promise<void>;
  drop(): Promise<void>;
}

/** An empty PostgreSQL database for an MLflow server. */
export async function newMlflowDatabase(): Promise<MlflowDatabase> {
  const adminUrl = engine('MATIH_POSTGRES_ADMIN_URL');
  const name = `mlflow_${randomBytes(6).toString('hex')}`;
  const url = Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href;
  // Letters outside of ASCII have upper and lower case; text is ordered by code point.
  await query(adminUrl, `CREATE DATABASE ${name} TEMPLATE template0 LC_CTYPE 'C.UTF-8' LC_COLLATE 'C'`);
  return {
    store: url.replace('postgresql:', 'postgresql+psycopg2:'),
    query: (sql) => query(url, sql),
    drop: () => query(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

async function query(connectionString: string, sql: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
