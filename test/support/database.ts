import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { inject } from 'vitest';

const TEMPLATE = 'matih_template';

export interface TestDatabase {
  /** The superuser's URL of a new database with the migrated schema and no rows. */
  url: string;
  drop(): Promise<void>;
}

function withDatabase(url: string, database: string): string {
  return Object.assign(new URL(url), { pathname: `/${database}` }).href;
}

async function asAdmin(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

/** Creates the template once per run; `build` fills it and must leave no connection open. */
export async function ensureTemplate(adminUrl: string, build: (url: string) => Promise<void>): Promise<void> {
  await asAdmin(adminUrl, `CREATE DATABASE ${TEMPLATE}`);
  await build(withDatabase(adminUrl, TEMPLATE));
}

/** A new copy of the template, which takes some tens of milliseconds. */
export async function createDatabaseFromTemplate(): Promise<TestDatabase> {
  const adminUrl = inject('MATIH_TEST_DATABASE_ADMIN_URL');
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asAdmin(adminUrl, `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${TEMPLATE}`);
  return {
    url: withDatabase(adminUrl, name),
    drop: () => asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`),
  };
}
