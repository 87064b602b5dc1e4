import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { RedisLiveEvents } from '../../src/adapters/live-events/redis-live-events.js';
import { liveEventsContract } from '../adapters/live-events.contract.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import { engine } from './engines.js';

const logger = pino({ level: 'silent' });

liveEventsContract({
  name: 'Redis',
  url: () => engine('REDIS_URL'),
  connect: (url) => RedisLiveEvents.connect(url, logger),
  cutAll: async () => {
    const admin = new Redis(engine('REDIS_URL'));
    for (const type of ['pubsub', 'normal']) await admin.call('client', 'kill', 'type', type);
    await admin.quit();
  },
});

it('a Redis that cannot be used gives one clear sentence', async () => {
  const admin = new Redis(engine('REDIS_URL'));
  const { host } = new URL(engine('REDIS_URL'));
  await expect(RedisLiveEvents.connect('redis://127.0.0.1:1', logger)).rejects.toThrow(
    /^Cannot reach Redis at 127\.0\.0\.1:1: .*ECONNREFUSED.* Check REDIS_URL\.$/,
  );
  await admin.call('acl', 'setuser', 'guest', 'on', '>right', '~*', '&*', '+@all');
  await expect(RedisLiveEvents.connect(`redis://guest:wrong@${host}`, logger)).rejects.toThrow(
    /^Cannot reach Redis at 127\.0\.0\.1:\d+: .*WRONGPASS.*Check REDIS_URL\.$/,
  );
  await (await RedisLiveEvents.connect(`redis://guest:right@${host}`, logger)).close();
  await admin.call('acl', 'deluser', 'guest');
  await admin.quit();
});

it('a connection on which nothing comes any more is made again, and wake-ups are heard again', async () => {
  const { hostname, port } = new URL(engine('REDIS_URL'));
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  const listening = await RedisLiveEvents.connect(`redis://127.0.0.1:${proxy.port}`, logger, 500);
  const other = await RedisLiveEvents.connect(engine('REDIS_URL'), logger);
  try {
    let woken = 0;
    listening.subscribe('topic', () => woken++);
    proxy.swallow();
    other.publish('topic');
    await sleep(300);
    expect(woken).toBe(0);
    proxy.restore();
    // A new connection wakes every follower, and then hears again.
    await expect.poll(() => woken, { timeout: 5_000 }).toBeGreaterThan(0);
    const before = woken;
    other.publish('topic');
    await expect.poll(() => woken, { timeout: 2_000 }).toBe(before + 1);
  } finally {
    await Promise.all([listening.close(), other.close()]);
    await proxy.close();
  }
});
