import { pino } from 'pino';
import { createRedisJobQueue } from '../../src/adapters/job-queue/bullmq-job-queue.js';
import { jobQueueContract } from '../adapters/job-queue.contract.js';
import { engine } from './engines.js';

jobQueueContract({
  name: 'BullMQ on Redis',
  engine: 'redis',
  url: () => engine('REDIS_URL'),
  connect: (url, timings) => createRedisJobQueue(url, pino({ level: 'error' }), timings),
});
