import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LATENCY_BUCKETS,
  LATENCY_EDGES_MS,
  latencyBucket,
} from '../../src/modules/model-contract/rules/latency-histogram.js';
import { nextAction, requireGrowingSteps, weightsOfStep } from '../../src/modules/rollouts/rules/canary-plan.js';
import { judgeGuards, overallVerdict } from '../../src/modules/rollouts/rules/guards.js';
import { binomialSequence, percentileSequence } from '../../src/modules/statistics/rules/binomial-sequence.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { fixture } from './fixture.js';

describe('sequences of intervals', () => {
  it('agree with the beta-binomial mixture of scipy', () => {
    interface Case {
      successes: number;
      trials: number;
      alpha: number;
      low: number;
      high: number;
    }
    for (const { successes, trials, alpha, low, high } of fixture<Case>('binomial-sequence')) {
      const interval = binomialSequence(successes, trials, alpha);
      expect(interval.low).toBeCloseTo(low, 9);
      expect(interval.high).toBeCloseTo(high, 9);
    }
    expect(binomialSequence(0, 0, 0.05)).toEqual({ low: 0, high: 1 });
  });

  it('of a percentile agree with scipy at the edges of the histogram', () => {
    const cases = fixture<{ counts: number[]; alpha: number; low: number; high: number | null }>('percentile-sequence');
    for (const { counts, alpha, low, high } of cases) {
      const interval = percentileSequence(counts, LATENCY_EDGES_MS, 0.95, alpha);
      expect(interval.low).toBeCloseTo(low, 9);
      if (high === null) expect(interval.high).toBe(Infinity);
      else expect(interval.high).toBeCloseTo(high, 9);
    }
  });

  it('contain what was measured, and shrink as the same share repeats', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 2, max: 50 }), (x, more, times) => {
        const trials = x + more;
        const once = binomialSequence(x, trials, 0.05);
        const often = binomialSequence(x * times, trials * times, 0.05);
        expect(once.low).toBeLessThanOrEqual(x / trials);
        expect(once.high).toBeGreaterThanOrEqual(x / trials);
        expect(often.high - often.low).toBeLessThanOrEqual(once.high - once.low + 1e-12);
      }),
    );
  });

  it('are wrong no more often than alpha, though one looks after every 20 requests', () => {
    const random = new SeededRandom(11);
    const wrong = { share: 0, percentile: 0 };
    const runs = 300;
    const truth = 0.04;
    // A latency of 1 to 2 ms, and 5 % of the requests above: the percentile is 2 ms, an edge of the histogram.
    const p95 = 2;
    for (let run = 0; run < runs; run++) {
      let errors = 0;
      const counts = new Array<number>(LATENCY_BUCKETS).fill(0);
      const missed = { share: false, percentile: false };
      for (let n = 1; n <= 2_000; n++) {
        if (random.next() < truth) errors++;
        counts[latencyBucket(random.next() < 0.95 ? 1 + random.next() : 3)]!++;
        if (n % 20 > 0) continue;
        const share = binomialSequence(errors, n, 0.1);
        if (share.low > truth || share.high < truth) missed.share = true;
        const percentile = percentileSequence(counts, LATENCY_EDGES_MS, 0.95, 0.1);
        if (percentile.low >= p95 || percentile.high < p95) missed.percentile = true;
      }
      if (missed.share) wrong.share++;
      if (missed.percentile) wrong.percentile++;
    }
    const [share, percentile] = [wrong.share / runs, wrong.percentile / runs];
    console.log(`100 looks at alpha 0.1: share wrong in ${share}, percentile in ${percentile} of ${runs} runs`);
    expect(share).toBeLessThanOrEqual(0.1);
    expect(percentile).toBeLessThanOrEqual(0.1);
  });
});

const counts = (requests: number, errors: number, latencyMs = 4) => {
  const latencyCounts = new Array<number>(LATENCY_BUCKETS).fill(0);
  latencyCounts[latencyBucket(latencyMs)] = requests;
  return { requests, errors, latencyCounts, labelled: requests, wrong: errors };
};
const errorRate = { guards: [{ kind: 'ERROR_RATE' as const, maxIncrease: 0.01 }], alpha: 0.05, minRequests: 100 };
const latency = { guards: [{ kind: 'LATENCY_P95' as const, maxIncrease: 0.5 }], alpha: 0.05, minRequests: 100 };
const verdictOf = (...args: Parameters<typeof judgeGuards>) => overallVerdict(judgeGuards(...args));

describe('guards', () => {
  it('prove that a canary is worse, or not worse, than its control, and decide nothing before that', () => {
    expect(verdictOf(errorRate, counts(500, 50), counts(500, 0))).toBe('FAIL');
    expect(verdictOf(errorRate, counts(2_000, 0), counts(2_000, 0))).toBe('PASS');
    expect(verdictOf(errorRate, counts(300, 1), counts(300, 0))).toBe('INCONCLUSIVE');
    // Errors that both have are not the canary's.
    expect(verdictOf(errorRate, counts(500, 50), counts(500, 50))).toBe('INCONCLUSIVE');
    expect(verdictOf(latency, counts(1_000, 0, 40), counts(1_000, 0, 4))).toBe('FAIL');
    expect(verdictOf(latency, counts(1_000, 0, 4), counts(1_000, 0, 4))).toBe('PASS');
    expect(verdictOf(latency, counts(1_000, 0, 4.5), counts(1_000, 0, 4))).toBe('PASS');
    const wrong = { ...errorRate, guards: [{ kind: 'WRONG_ANSWERS' as const, maxIncrease: 0.05 }] };
    expect(verdictOf(wrong, counts(2_000, 1_000), counts(2_000, 600))).toBe('FAIL');
    expect(verdictOf(wrong, counts(20_000, 3_000), counts(20_000, 3_000))).toBe('PASS');
    const both = { ...errorRate, guards: [...errorRate.guards, ...latency.guards] };
    expect(verdictOf(both, counts(3_000, 0, 40), counts(3_000, 0, 4))).toBe('FAIL');
    expect(verdictOf(both, counts(3_000, 0, 4), counts(3_000, 0, 4))).toBe('PASS');
  });

  it('say nothing below the minimum of requests, however bad they look', () => {
    const [one] = judgeGuards(errorRate, counts(99, 99), counts(500, 0));
    expect(one).toMatchObject({ verdict: 'INCONCLUSIVE', reason: '99 of at least 100 requests per variant.' });
    expect(verdictOf(errorRate, counts(500, 500), counts(99, 0))).toBe('INCONCLUSIVE');
  });

  it('more errors of the canary never make a verdict better', () => {
    const rank = { PASS: 0, INCONCLUSIVE: 1, FAIL: 2 };
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 3_000 }),
        fc.nat(100),
        fc.nat(99),
        fc.nat(100),
        (n, errors, more, control) => {
          const of = (x: number) =>
            rank[verdictOf(errorRate, counts(n, Math.min(x, n)), counts(n, Math.min(control, n)))];
          expect(of(errors + more)).toBeGreaterThanOrEqual(of(errors));
        },
      ),
    );
  });

  it('roll back an equal canary in at most alpha of all canaries, with a look after every 20 requests', () => {
    const random = new SeededRandom(5);
    let rolledBack = 0;
    const runs = 200;
    const policy = { ...errorRate, guards: [{ kind: 'ERROR_RATE' as const, maxIncrease: 0 }] };
    for (let run = 0; run < runs; run++) {
      const [canary, control] = [counts(0, 0), counts(0, 0)];
      for (let n = 1; n <= 2_000; n++) {
        for (const variant of [canary, control]) {
          variant.requests++;
          if (random.next() < 0.05) variant.errors++;
        }
        if (n % 20 === 0 && verdictOf(policy, canary, control) === 'FAIL') {
          rolledBack++;
          break;
        }
      }
    }
    console.log(`A/A: ${rolledBack} of ${runs} equal canaries rolled back at alpha 0.05 and 100 looks`);
    expect(rolledBack / runs).toBeLessThanOrEqual(0.05);
  });
});

describe('plan of a canary', () => {
  const steps = [
    { weightBps: 500, bakeSeconds: 10, approval: 'NONE' as const },
    { weightBps: 5_000, bakeSeconds: 10, approval: 'PERSON' as const },
    { weightBps: 8_000, bakeSeconds: 10, approval: 'NONE' as const },
  ];
  const stand = {
    ...{ status: 'RUNNING' as const, step: 0, steps, stepStartedAt: 0 },
    ...{ verdict: 'PASS' as const, failures: 0, failureLimit: 2 },
  };

  it('divides all traffic, with a control as large as the canary while that is possible', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9_900 }), (weightBps) => {
        const { canary, control, stable } = weightsOfStep({ weightBps });
        expect(canary + control + stable).toBe(10_000);
        expect(Math.min(control, stable)).toBeGreaterThanOrEqual(0);
        if (weightBps <= 5_000) expect(control).toBe(canary);
      }),
    );
    expect(() => requireGrowingSteps(steps, 'input.steps')).not.toThrow();
    expect(() => requireGrowingSteps([steps[1]!, steps[0]!], 'input.steps')).toThrow('input.steps[1].weightBps');
  });

  it('waits for the time of the step, then goes on, pauses or asks; a failure does not wait', () => {
    expect(nextAction(stand, 9_999)).toBe('STAY');
    expect(nextAction(stand, 10_000)).toBe('ADVANCE');
    expect(nextAction({ ...stand, step: 1 }, 10_000)).toBe('ASK');
    expect(nextAction({ ...stand, step: 2 }, 10_000)).toBe('PROMOTE');
    expect(nextAction({ ...stand, verdict: 'INCONCLUSIVE' }, 10_000)).toBe('PAUSE');
    expect(nextAction({ ...stand, verdict: 'FAIL', failures: 1 }, 10_000)).toBe('STAY');
    expect(nextAction({ ...stand, verdict: 'FAIL', failures: 2 }, 0)).toBe('ROLL_BACK');
    expect(nextAction({ ...stand, status: 'PAUSED', verdict: 'FAIL', failures: 2 }, 0)).toBe('ROLL_BACK');
    expect(nextAction({ ...stand, status: 'PAUSED' }, 20_000)).toBe('STAY');
    expect(nextAction({ ...stand, status: 'WAITING_FOR_APPROVAL' }, 20_000)).toBe('STAY');
  });
});
