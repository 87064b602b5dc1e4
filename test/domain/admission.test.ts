import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  blocksOthers,
  type Capacity,
  EQUAL_SHARE,
  schedule,
  type WaitingDemand as Candidate,
} from '../../src/modules/jobs/rules/schedule.js';

const GIB = 1024 ** 3;
const MACHINE: Capacity = { slots: 4, cores: 4, memoryBytes: 8 * GIB, gpus: 0 };
const job = (of: Partial<Candidate> = {}): Candidate => ({
  ...{ tenant: 'acme', kind: 'TRAINING', maxAtOnce: 100, priority: 0, waitingSinceMs: 0 },
  ...{ cores: 1, memoryBytes: GIB, gpus: 0 },
  ...of,
});

/** The jobs of one tenant that begin beside running ones in the only process. */
const admitted = (machine: Capacity, running: Candidate[], waiting: Candidate[], nowMs: number) =>
  schedule(
    machine,
    running.map((one) => ({ ...one, isHere: true })),
    waiting,
    { cluster: machine, of: new Map([['acme', EQUAL_SHARE]]) },
    nowMs,
  );

describe('jobs begin', () => {
  it('as many as there are places, by priority and then by waiting time', () => {
    const waiting = [
      job({ waitingSinceMs: 3 }),
      job({ waitingSinceMs: 2 }),
      job({ waitingSinceMs: 9, priority: 5 }),
      job({ waitingSinceMs: 1 }),
    ];
    expect(admitted(MACHINE, [job(), job()], waiting, 10)).toEqual([waiting[2], waiting[3]]);
    expect(
      admitted(
        MACHINE,
        Array.from({ length: 4 }, () => job()),
        waiting,
        10,
      ),
    ).toEqual([]);
  });

  it('of one kind, no more than that kind allows', () => {
    const one = (kind: string) => job({ kind, maxAtOnce: 1 });
    const waiting = [one('TRAINING'), one('TRAINING'), one('EVALUATION')];
    expect(admitted(MACHINE, [], waiting, 0)).toEqual([waiting[0], waiting[2]]);
  });

  it('as long as cores, memory and GPUs are free', () => {
    const waiting = [job({ cores: 3 }), job({ cores: 2 }), job({ cores: 1 })];
    expect(admitted(MACHINE, [], waiting, 0)).toEqual([waiting[0], waiting[2]]);
    expect(admitted(MACHINE, [job({ memoryBytes: 7.5 * GIB })], [job()], 0)).toEqual([]);
    expect(admitted(MACHINE, [], [job({ gpus: 1 })], 0)).toEqual([]);
    const withGpu = { ...MACHINE, gpus: 1 };
    expect(admitted(withGpu, [], [job({ gpus: 1 }), job({ gpus: 1 })], 0)).toHaveLength(1);
  });

  it('alone when they need more than the machine has', () => {
    const huge = job({ cores: 64, memoryBytes: 1024 * GIB });
    expect(admitted(MACHINE, [], [huge], 0)).toEqual([huge]);
    expect(admitted(MACHINE, [job({ cores: 0.1, memoryBytes: 1 })], [huge], 0)).toEqual([]);
  });

  it('however busy the machine is when they only wait for others', () => {
    const release = job({ kind: 'RELEASE', cores: 0, memoryBytes: 0, maxAtOnce: 2 });
    const busy = Array.from({ length: 4 }, () => job());
    expect(admitted(MACHINE, busy, [release, release, release], 0)).toHaveLength(2);
    expect(
      admitted(
        MACHINE,
        [release, release],
        Array.from({ length: 5 }, () => job()),
        0,
      ),
    ).toHaveLength(4);
  });

  it('and running jobs never use more than the machine has', () => {
    const candidate = fc.record({
      tenant: fc.constantFrom('acme', 'globex'),
      kind: fc.constantFrom('A', 'B', 'C'),
      maxAtOnce: fc.integer({ min: 1, max: 3 }),
      priority: fc.integer({ min: -100, max: 100 }),
      waitingSinceMs: fc.nat(1e6),
      cores: fc.constantFrom(0.25, 1, 2, 8),
      memoryBytes: fc.constantFrom(GIB, 4 * GIB, 64 * GIB),
      gpus: fc.constantFrom(0, 1),
    });
    fc.assert(
      fc.property(fc.array(candidate, { maxLength: 30 }), fc.nat(1e6), (waiting, nowMs) => {
        const begun = admitted({ ...MACHINE, gpus: 1 }, [], waiting, nowMs);
        const sum = (of: (one: Candidate) => number) => begun.reduce((total, one) => total + of(one), 0);
        expect(begun.length).toBeLessThanOrEqual(4);
        expect(sum(({ cores }) => Math.min(4, cores))).toBeLessThanOrEqual(4);
        expect(sum(({ memoryBytes }) => Math.min(8 * GIB, memoryBytes))).toBeLessThanOrEqual(8 * GIB);
        expect(sum(({ gpus }) => gpus)).toBeLessThanOrEqual(1);
        if (waiting.length > 0) expect(begun.length).toBeGreaterThan(0);
      }),
    );
  });
});

describe('no job waits for ever', () => {
  it('a job is overtaken for a while, then blocks others for as long, in periods that double', () => {
    const spans = [0, 29_999, 30_000, 59_999, 60_000, 119_999, 120_000, 239_999, 240_000, 479_999, 480_000];
    expect(spans.map(blocksOthers)).toEqual([
      ...[false, false, true, true, false, false, true, true, false, false, true],
    ]);
  });

  /** Minutes until each job has begun, when every small job takes `minutes` and a new one comes each minute. */
  function play(minutes: number, untilMinute: number): { bigBeganAt: number | null; smallBegan: number[] } {
    const running: { job: Candidate; endsAt: number }[] = [];
    const big = job({ kind: 'BIG', cores: 4 });
    const waiting: Candidate[] = [big];
    let bigBeganAt: number | null = null;
    const smallBegan: number[] = [];
    for (let minute = 0; minute < untilMinute && bigBeganAt === null; minute += 0.5) {
      for (const one of running.filter(({ endsAt }) => endsAt <= minute)) running.splice(running.indexOf(one), 1);
      if (Number.isInteger(minute)) waiting.push(job({ waitingSinceMs: minute * 60_000 }));
      const now = running.map((one) => one.job);
      // The first small job is there before the big one can begin.
      if (minute === 0) waiting.splice(waiting.indexOf(big), 1);
      for (const one of admitted(MACHINE, now, waiting, minute * 60_000)) {
        waiting.splice(waiting.indexOf(one), 1);
        running.push({ job: one, endsAt: minute + minutes });
        if (one === big) bigBeganAt = minute;
        else smallBegan.push(minute);
      }
      if (minute === 0) waiting.push(big);
    }
    return { bigBeganAt, smallBegan };
  }

  it('neither one that needs the whole machine behind small ones, nor small ones behind it', () => {
    for (const minutes of [2, 5, 30]) {
      const { bigBeganAt, smallBegan } = play(minutes, 10_000);
      console.log(
        `small jobs of ${minutes} minutes: the big one began after ${bigBeganAt}, ${smallBegan.length} small before`,
      );
      expect(bigBeganAt).not.toBeNull();
      expect(smallBegan.length).toBeGreaterThan(1);
    }
  });
});
