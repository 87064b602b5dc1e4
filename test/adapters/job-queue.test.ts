import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import { createPostgresJobQueue } from '../../src/adapters/job-queue/bullmq-job-queue.js';
import { createDatabaseFromTemplate, type TestDatabase } from '../support/database.js';
import { jobQueueContract } from './job-queue.contract.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabaseFromTemplate();
});
afterAll(() => database?.drop());

jobQueueContract({
  name: 'BullMQ on PostgreSQL',
  engine: 'postgres',
  url: () => database.url,
  connect: (url, timings) => createPostgresJobQueue(url, pino({ level: 'error' }), timings),
});
