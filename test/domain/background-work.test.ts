import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { LeasedConsumer, type LeasedConsumerOptions } from '../../src/modules/platform/leased-consumer.js';
import { Ticker } from '../../src/modules/platform/ticker.js';

const lines: { ticker?: string; consumer?: string; id?: string; err?: { message: string } }[] = [];
const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]) });
const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  lines.length = 0;
});
const started = <T extends { start(): void; stop(): Promise<void> }>(one: T): T => {
  running.push(one);
  one.start();
  return one;
};
const until = async (condition: () => boolean) => {
  await expect.poll(condition, { interval: 2, timeout: 5_000 }).toBe(true);
};

describe('Ticker', () => {
  it('repeats its work, and waits for the interval after a slow turn', async () => {
    const gapsMs: number[] = [];
    let endedAt = Number.NaN;
    started(
      new Ticker({
        name: 'slow',
        intervalMs: 20,
        logger,
        run: async () => {
          if (!Number.isNaN(endedAt)) gapsMs.push(performance.now() - endedAt);
          await sleep(30);
          endedAt = performance.now();
        },
      }),
    );
    await until(() => gapsMs.length >= 3);
    for (const gap of gapsMs) expect(gap).toBeGreaterThan(15);
  });

  it('makes one more turn for all kicks during a turn, and never two at the same time', async () => {
    let [turns, atOnce, most] = [0, 0, 0];
    const ticker = new Ticker({
      name: 'kicked',
      intervalMs: 60_000,
      logger,
      run: async () => {
        turns++;
        most = Math.max(most, ++atOnce);
        await sleep(20);
        atOnce--;
      },
    });
    running.push(ticker);
    for (let i = 0; i < 100; i++) ticker.kick();
    await sleep(5);
    for (let i = 0; i < 100; i++) ticker.kick();
    await ticker.idle();
    expect({ turns, most }).toEqual({ turns: 2, most: 1 });
  });

  it('logs a failed turn and continues', async () => {
    let turns = 0;
    started(
      new Ticker({
        name: 'failing',
        intervalMs: 1,
        atStart: true,
        logger,
        run: () => (++turns < 3 ? Promise.reject(new Error(`turn ${turns}`)) : Promise.resolve()),
      }),
    );
    await until(() => turns >= 4);
    expect(lines.map(({ ticker, err }) => [ticker, err?.message])).toEqual([
      ['failing', 'turn 1'],
      ['failing', 'turn 2'],
    ]);
  });

  it('waits for the running turn when it stops, and begins none after it', async () => {
    let [begun, ended] = [0, 0];
    const ticker = new Ticker({
      name: 'stopped',
      intervalMs: 1,
      atStart: true,
      logger,
      run: async () => {
        begun++;
        await sleep(30);
        ended++;
      },
    });
    ticker.start();
    await until(() => begun === 1);
    ticker.kick();
    await ticker.stop();
    expect([begun, ended]).toEqual([1, 1]);
    ticker.kick();
    await sleep(20);
    expect(begun).toBe(1);
  });
});

describe('LeasedConsumer', () => {
  interface Item {
    id: string;
    group: string;
  }
  const itemsOf = (count: number, group: string) =>
    Array.from({ length: count }, (_, i) => ({ id: `${group}${i}`, group }));

  /** A queue in memory with leases, like a table: an item is taken until its handler has ended. */
  function consumer(queue: Item[], options: Partial<LeasedConsumerOptions<Item>>) {
    const seen: string[] = [];
    const busy = new Map<string, number>();
    let [atOnce, most, mostOfGroup] = [0, 0, 0];
    const asked: number[] = [];
    const one = new LeasedConsumer<Item>({
      name: 'items',
      concurrency: 3,
      pollMs: 10,
      atStart: true,
      logger,
      claim: async (limit, busyGroups) => {
        asked.push(limit);
        await sleep(1);
        const due = queue.filter(({ group }) => !busyGroups.includes(group)).slice(0, limit);
        for (const item of due) queue.splice(queue.indexOf(item), 1);
        return due;
      },
      idOf: ({ id }) => id,
      handle: async ({ id, group }) => {
        seen.push(id);
        most = Math.max(most, ++atOnce);
        busy.set(group, (busy.get(group) ?? 0) + 1);
        mostOfGroup = Math.max(mostOfGroup, busy.get(group)!);
        await sleep(5);
        busy.set(group, busy.get(group)! - 1);
        atOnce--;
      },
      ...options,
    });
    return { one, seen, asked, most: () => most, mostOfGroup: () => mostOfGroup };
  }

  it('works on every item once, at most `concurrency` at a time', async () => {
    const { one, seen, most, asked } = consumer(itemsOf(20, 'a'), {});
    started(one);
    await until(() => seen.length === 20);
    await one.stop();
    expect(new Set(seen).size).toBe(20);
    expect(most()).toBe(3);
    expect(Math.max(...asked)).toBe(3);
  });

  it('leaves places for other groups when one is slow', async () => {
    const slow = Promise.withResolvers<void>();
    const queue = [...itemsOf(10, 'slow'), ...itemsOf(5, 'quick')];
    const seen: string[] = [];
    const { one } = consumer(queue, {
      concurrency: 4,
      perGroup: 2,
      groupOf: ({ group }) => group,
      claim: async (limit, busyGroups) => {
        // Like the statement of the webhooks: at most two items of a group in one claim.
        const due: Item[] = [];
        for (const item of queue) {
          const ofGroup = due.filter(({ group }) => group === item.group).length;
          if (due.length < limit && ofGroup < 2 && !busyGroups.includes(item.group)) due.push(item);
        }
        for (const item of due) queue.splice(queue.indexOf(item), 1);
        return due;
      },
      handle: async ({ id, group }) => {
        seen.push(id);
        if (group === 'slow') await slow.promise;
      },
    });
    started(one);
    await until(() => seen.filter((id) => id.startsWith('quick')).length === 5);
    expect(seen.filter((id) => id.startsWith('slow'))).toHaveLength(2);
    slow.resolve();
    await until(() => seen.length === 15);
  });

  it('skips an item that it works on already', async () => {
    const held = Promise.withResolvers<void>();
    let handled = 0;
    let claims = 0;
    const { one } = consumer([], {
      claim: () => {
        claims++;
        return Promise.resolve([{ id: 'same', group: 'a' }]);
      },
      handle: async () => {
        handled++;
        await held.promise;
      },
    });
    started(one);
    await until(() => claims >= 3);
    expect(handled).toBe(1);
    held.resolve();
  });

  it('logs an item that failed, and stops only when no item is being worked on', async () => {
    let ended = 0;
    const { one } = consumer(itemsOf(3, 'a'), {
      handle: async ({ id }) => {
        await sleep(20);
        ended++;
        if (id === 'a1') throw new Error('no answer');
      },
    });
    one.start();
    await sleep(10);
    await one.stop();
    expect(ended).toBe(3);
    expect(lines).toMatchObject([{ consumer: 'items', id: 'a1', err: { message: 'no answer' } }]);
  });
});
