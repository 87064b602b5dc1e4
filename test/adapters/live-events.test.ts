import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import { PostgresLiveEvents } from '../../src/adapters/live-events/postgres-live-events.js';
import { createDatabaseFromTemplate, type TestDatabase } from '../support/database.js';
import { sql } from '../support/embedded.js';
import { liveEventsContract } from './live-events.contract.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabaseFromTemplate();
});
afterAll(() => database?.drop());

liveEventsContract({
  name: 'PostgreSQL',
  url: () => database.url,
  connect: async (url) => {
    const live = new PostgresLiveEvents(url, pino({ level: 'silent' }));
    await live.connect();
    return live;
  },
  cutAll: async () => {
    await sql(
      database.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'matih-live' and ` +
        'datname = current_database()',
    );
  },
});
