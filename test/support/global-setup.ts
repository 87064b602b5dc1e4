import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { ensureTemplate } from './database.js';
import { readStatements } from './sent-statements.js';
import { checkOwnership } from './table-ownership.js';
import { buildTemplate } from './template.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The superuser's URL of the run's PostgreSQL; each test file creates its own database there from the template. */
    MATIH_TEST_DATABASE_ADMIN_URL: string;
    /** A folder for the statements that the run sends to PostgreSQL. */
    MATIH_TEST_STATEMENTS: string;
  }
}

/** One real PostgreSQL for the whole test run, with the migrated template from which test databases are copied. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'matih-test-'));
  // If root runs this, the server runs as another user, who must be able to enter the folder.
  await chmod(dataDir, 0o755);
  const log = { info: () => undefined, warn: (message: string) => console.warn(message) };
  // No data survives the run, so nothing must be written to the disk.
  const settings = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' };
  const statements = await mkdtemp(join(tmpdir(), 'matih-statements-'));
  let server: EmbeddedPostgres | null = null;
  const tearDown = async () => {
    await server?.stop();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    server = await startEmbeddedPostgres({ dataDir, log, settings });
    await ensureTemplate(server.url, buildTemplate);
    project.provide('MATIH_TEST_DATABASE_ADMIN_URL', server.url);
    project.provide('MATIH_TEST_STATEMENTS', statements);
  } catch (error) {
    await tearDown();
    throw error;
  }
  return async () => {
    await tearDown();
    try {
      await checkOwnership(await readStatements(statements));
    } finally {
      await rm(statements, { recursive: true, force: true });
    }
  };
}
