import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

it('Redis never evicts a key, or queues would lose jobs', async () => {
  const url = process.env.REDIS_URL;
  if (!url) throw new Error('REDIS_URL is not set: run npm run test:engines.');
  const redis = new Redis(url);
  expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
  await redis.quit();
});
