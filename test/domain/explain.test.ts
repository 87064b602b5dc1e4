import { describe, expect, it } from 'vitest';
import { type Waits, whyWaiting } from '../../src/modules/jobs/rules/explain.js';
import { expectedStart, History, possibleStart } from '../../src/modules/jobs/rules/forecast.js';
import type { Demand, WaitingDemand } from '../../src/modules/jobs/rules/schedule.js';

const WORKER = { slots: 2, cores: 4, memoryBytes: 8, gpus: 0 };
const SHARES = { cluster: WORKER, of: new Map() };
const job = (of: Partial<WaitingDemand> = {}): WaitingDemand => ({
  ...{ tenant: 'acme', kind: 'TRAINING', maxAtOnce: 9, priority: 0, waitingSinceMs: 0 },
  ...{ cores: 1, memoryBytes: 1, gpus: 0 },
  ...of,
});
const why = (of: Partial<Waits<WaitingDemand>>) => {
  const one = of.job ?? job();
  const running: readonly Demand[] = of.running ?? [];
  const none = { notBeforeMs: null, workers: [WORKER], order: [one], shares: SHARES, nowMs: 1_000 };
  return whyWaiting({ ...none, job: one, running, beside: running, ...of });
};

describe('the reason why a job waits', () => {
  it('is its earliest time only when it has one, whatever the clock of another machine says', () => {
    expect(why({ job: job({ waitingSinceMs: 1_500 }) })).toBe('NEXT');
    expect(why({ notBeforeMs: 1_500 })).toBe('NOT_BEFORE');
    expect(why({ notBeforeMs: 500 })).toBe('NEXT');
  });

  it('is no lack of room where jobs run that take none, or run on machines of other queues', () => {
    const idle = Array.from({ length: 5 }, () => job({ kind: 'RELEASE', cores: 0, memoryBytes: 0 }));
    expect(why({ running: idle })).toBe('NEXT');
    const wide = [job({ cores: 4 })];
    expect(why({ running: wide })).toBe('NO_ROOM');
    expect(why({ running: wide, beside: [] })).toBe('NEXT');
    expect(why({ running: [job(), job()] })).toBe('NO_ROOM');
    expect(why({ running: wide, job: job({ cores: 0, memoryBytes: 0 }) })).toBe('NEXT');
    expect(why({ job: job({ cores: 64 }) })).toBe('NEXT');
  });
});

describe('the expected start', () => {
  const nowMs = 1_000_000;
  const waiting = job({ waitingSinceMs: nowMs });
  const past = (kind: string, durationMs: number) => ({
    ...job({ kind }),
    ...{ createdMs: 0, endedMs: nowMs - 1, durationMs },
  });
  const startOf = (history: History) => {
    const state = {
      ...{ machine: { ...WORKER, slots: 1 }, shares: SHARES, halfLifeMs: 60_000, waiting: [waiting], nowMs },
      running: [{ job: job({ kind: 'NEW' }), begunMs: nowMs - 60_000 }],
    };
    return expectedStart(Array.from({ length: 50 }, (_, seed) => possibleStart(state, waiting, history, seed)));
  };

  it('is known behind a job of a kind of which none has ended', () => {
    const { p10Ms, p50Ms } = startOf(new History([past('TRAINING', 90_000)], [], nowMs))!;
    expect([p10Ms, p50Ms]).toEqual([nowMs + 30_000, nowMs + 30_000]);
    // Longer than every past job of any kind: it goes on about as long as it has lasted.
    const long = startOf(new History([past('TRAINING', 10_000)], [], nowMs))!;
    expect(long.p10Ms).toBeGreaterThan(nowMs);
    expect(long.p50Ms).toBeGreaterThan(nowMs + 20_000);
  });

  it('comes from the kind itself as soon as one has ended', () => {
    const history = new History([past('TRAINING', 90_000), past('NEW', 61_000)], [], nowMs);
    expect(history.durationsOf({ kind: 'NEW', tenant: 'acme' })).toEqual([61_000]);
    expect(startOf(history)!.p50Ms).toBe(nowMs + 1_000);
  });
});
