import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../src/db/embedded.js';
import { databaseOwnerContract } from './database-owner.contract.js';

let dataDir: string;
let server: EmbeddedPostgres;

// Its own server: roles belong to the whole server, and must be missing at first.
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'matih-owner-'));
  await chmod(dataDir, 0o755);
  const log = { info: () => undefined, warn: () => undefined };
  server = await startEmbeddedPostgres({ dataDir, log, settings: { fsync: 'off', synchronous_commit: 'off' } });
});
afterAll(async () => {
  await server?.stop();
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
});

databaseOwnerContract('PostgreSQL 18', () => server.url);
