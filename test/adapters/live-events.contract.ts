import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { LiveEvents } from '../../src/adapters/live-events/port.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

export interface LiveEventsUnderTest {
  name: string;
  url(): string;
  /** A connection for wake-ups, as one process has it. */
  connect(url: string): Promise<LiveEvents>;
  /** Closes every connection of live events at the server. */
  cutAll(): Promise<void>;
}

/** What every transport of wake-ups must do. */
export function liveEventsContract({ name, url, connect, cutAll }: LiveEventsUnderTest): void {
  describe(`live events: ${name}`, () => {
    const cleanups: (() => Promise<unknown>)[] = [];
    const member = async (address = url()) => {
      const live = await connect(address);
      cleanups.push(() => live.close());
      return live;
    };
    const listen = (live: LiveEvents, topic: string) => {
      const heard = { count: 0, stop: live.subscribe(topic, () => heard.count++) };
      return heard;
    };
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    it('wake every process once, including the sender, and nobody on another topic', async () => {
      const processes = [await member(), await member(), await member()] as const;
      const heard = processes.map((live) => listen(live, 'run:1'));
      const others = processes.map((live) => listen(live, 'run:10'));
      const begun = performance.now();
      processes[0].publish('run:1');
      await expect.poll(() => heard.map(({ count }) => count), { interval: 1 }).toEqual([1, 1, 1]);
      console.log(`${name}: wake-up of two other processes after ${(performance.now() - begun).toFixed(1)} ms`);
      await sleep(100);
      expect(heard.map(({ count }) => count)).toEqual([1, 1, 1]);
      expect(others.map(({ count }) => count)).toEqual([0, 0, 0]);
    });

    it('are combined: a topic that is published repeatedly wakes only a few times', async () => {
      const [sender, receiver] = [await member(), await member()];
      const heard = listen(receiver, 'hot');
      for (let i = 0; i < 1_000; i++) sender.publish('hot');
      await expect.poll(() => heard.count).toBe(1);
      for (let i = 0; i < 1_000; i++) {
        sender.publish('hot');
        await new Promise((resolve) => setImmediate(resolve));
      }
      await sleep(200);
      console.log(`${name}: 1,000 turns of the event loop became ${heard.count - 1} wake-ups`);
      expect(heard.count).toBeGreaterThan(1);
      expect(heard.count).toBeLessThan(1_000);
    });

    it('carry more topics at once than one message holds', async () => {
      const [sender, receiver] = [await member(), await member()];
      const topics = Array.from({ length: 2_000 }, (_, i) => `events:grüße-${String(i).padStart(50, '0')}`);
      const heard = topics.map((topic) => listen(receiver, topic));
      for (const topic of topics) sender.publish(topic);
      await expect.poll(() => heard.filter(({ count }) => count === 1).length, { timeout: 5_000 }).toBe(topics.length);
    });

    it('do not reach a listener that has stopped', async () => {
      const [sender, receiver] = [await member(), await member()];
      const [first, second] = [listen(receiver, 'topic'), listen(receiver, 'topic')];
      first.stop();
      sender.publish('topic');
      await expect.poll(() => second.count).toBe(1);
      second.stop();
      sender.publish('topic');
      await sleep(100);
      expect([first.count, second.count]).toEqual([0, 1]);
    });

    it('that were published before closing are sent', async () => {
      const [sender, receiver] = [await connect(url()), await member()];
      const heard = listen(receiver, 'last');
      sender.publish('last');
      await sender.close();
      await expect.poll(() => heard.count).toBe(1);
    });

    it('arrive again after the server cut every connection, and every follower reads once more', async () => {
      const [sender, receiver] = [await member(), await member()];
      const heard = listen(receiver, 'cut');
      await cutAll();
      const begun = performance.now();
      await expect.poll(() => heard.count, { timeout: 10_000, interval: 10 }).toBeGreaterThan(0);
      console.log(`${name}: connected again ${(performance.now() - begun).toFixed(0)} ms after the cut`);
      await expect
        .poll(
          async () => {
            const before = heard.count;
            sender.publish('cut');
            await sleep(50);
            return heard.count > before;
          },
          { timeout: 10_000 },
        )
        .toBe(true);
    });

    it.each(['cut', 'swallow'] as const)('survive a server that is away for a while: %s', async (how) => {
      const { hostname, port } = new URL(url());
      const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
      cleanups.push(proxy.close);
      const [sender, receiver] = [
        await member(Object.assign(new URL(url()), { hostname: '127.0.0.1', port: String(proxy.port) }).href),
        await member(),
      ];
      const heard = listen(receiver, 'away');
      proxy[how]();
      for (let i = 0; i < 20; i++) {
        sender.publish('away');
        sender.publish(`away:${i}`);
        await sleep(10);
      }
      expect(heard.count).toBe(0);
      if (how === 'swallow') proxy.cut();
      proxy.restore();
      await expect
        .poll(
          async () => {
            sender.publish('away');
            await sleep(50);
            return heard.count;
          },
          { timeout: 10_000 },
        )
        .toBeGreaterThan(0);
    });
  });
}
