// A separate process that takes one job and never ends it, so that a test can kill it: node queue-worker.mjs
// <postgres|redis> <url> <kind> <timings>
import { pino } from 'pino';
import { createPostgresJobQueue, createRedisJobQueue } from '../../dist/adapters/job-queue/bullmq-job-queue.js';

const [engine, url, kind, timings] = process.argv.slice(2);
const create = engine === 'redis' ? createRedisJobQueue : createPostgresJobQueue;
const queue = await create(url, pino({ level: 'silent' }), JSON.parse(timings));
await queue.consume(kind, 1, async ({ jobId }) => {
  process.stdout.write(`${jobId}\n`);
  await new Promise(() => setInterval(() => {}, 60_000));
});
