import { afterEach, expect, test, vi } from 'vitest';
import { Topics } from '../../src/adapters/live-events/topics.js';
import { LiveFeeds } from '../../src/modules/platform/live-feed.js';

const FOLLOWERS = 20;

afterEach(() => {
  vi.useRealTimers();
});

test('one wake-up brings a row to every follower of a log, with one read and without the poll', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  const topics = new Topics(async () => undefined);
  const feeds = new LiveFeeds({
    publish: (topic) => topics.publish(topic),
    subscribe: (topic, listener) => topics.subscribe(topic, listener),
    close: () => topics.flushed(),
  });
  const log: { seq: number }[] = [];
  let readings = 0;
  const read = async (seq: number, limit: number) => {
    readings++;
    await new Promise((resolve) => setTimeout(resolve, 5));
    const rows = seq < 0 ? log.slice(-1) : log.filter((row) => row.seq > seq).slice(0, limit);
    return { rows, hasEnded: log.length === 2 };
  };
  const stop = new AbortController();
  const followers = Array.from({ length: FOLLOWERS }, () => feeds.follow('log', 'topic', read, 0, stop.signal));
  for (const seq of [1, 2]) {
    const next = followers.map((follower) => follower.next());
    // All have read to the end and wait.
    await new Promise((resolve) => setTimeout(resolve, 50));
    readings = 0;
    log.push({ seq });
    topics.publish('topic');
    expect((await Promise.all(next)).map(({ value }) => value?.seq)).toEqual(new Array(FOLLOWERS).fill(seq));
    expect(readings).toBeLessThanOrEqual(2);
  }
  const ends = await Promise.all(followers.map((follower) => follower.next()));
  expect(ends.every(({ done }) => done)).toBe(true);
}, 10_000);
