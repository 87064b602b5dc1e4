import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  chiSquareTwoSample,
  holmAdjusted,
  kolmogorovSmirnov,
  poolSparseCells,
  psi,
  sum,
} from '../../src/modules/statistics/rules/drift-statistics.js';
import { wilsonInterval } from '../../src/modules/statistics/rules/intervals.js';
import { chiSquareTail, kolmogorovTail, logGamma } from '../../src/modules/statistics/rules/special-functions.js';
import { fixture } from './fixture.js';

const ascending = (values: number[]): Float64Array => Float64Array.from(values).sort();

describe('Kolmogorov–Smirnov', () => {
  it('agrees with scipy ks_2samp(method="asymp")', () => {
    for (const { a, b, statistic, pValue } of fixture<{ a: number[]; b: number[]; statistic: number; pValue: number }>(
      'kolmogorov-smirnov',
    )) {
      const result = kolmogorovSmirnov(ascending(a), ascending(b));
      expect(result.statistic).toBeCloseTo(statistic, 12);
      if (pValue < 0.02) expect(result.pValue / pValue).toBeCloseTo(1, 6);
      else expect(Math.abs(result.pValue - pValue)).toBeLessThan(1e-3);
    }
  });

  it('tail agrees with scipy kstwo.sf, exactly where a test decides', () => {
    let worst = 0;
    for (const { n, d, pValue } of fixture<{ n: number; d: number; pValue: number }>('kolmogorov-tail')) {
      const tail = kolmogorovTail(n, d);
      if (n * d * d >= 2.2) expect(tail / pValue).toBeCloseTo(1, 6);
      else worst = Math.max(worst, Math.abs(tail - pValue));
    }
    console.log(`largest difference from kstwo.sf where p > 0.02: ${worst.toExponential(1)}`);
    expect(worst).toBeLessThan(1e-3);
  });

  it('gives the published critical values of large samples', () => {
    // Smirnov's limit: 1.358/√n at 5 %, 1.628/√n at 1 %.
    expect(kolmogorovTail(1e6, 1.3581 / 1e3)).toBeCloseTo(0.05, 3);
    expect(kolmogorovTail(1e6, 1.6276 / 1e3)).toBeCloseTo(0.01, 4);
    // Massey (1951), n = 20: D = 0.294 at 5 %, 0.356 at 1 %.
    expect(kolmogorovTail(20, 0.294)).toBeCloseTo(0.05, 2);
    expect(kolmogorovTail(20, 0.356)).toBeCloseTo(0.01, 2);
  });

  it('is symmetric, within [0, 1], and 0 against itself', () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(values, values, (a, b) => {
        const forward = kolmogorovSmirnov(ascending(a), ascending(b));
        expect(forward).toEqual(kolmogorovSmirnov(ascending(b), ascending(a)));
        expect(forward.statistic).toBeGreaterThanOrEqual(0);
        expect(forward.statistic).toBeLessThanOrEqual(1);
        expect(forward.pValue).toBeGreaterThanOrEqual(0);
        expect(forward.pValue).toBeLessThanOrEqual(1);
        expect(kolmogorovSmirnov(ascending(a), ascending(a))).toEqual({ statistic: 0, pValue: 1 });
      }),
    );
    expect(kolmogorovSmirnov(new Float64Array(0), ascending([1]))).toEqual({ statistic: 0, pValue: 1 });
    expect(kolmogorovSmirnov(ascending([1, 2]), ascending([3, 4])).statistic).toBe(1);
  });
});

describe('chi-square', () => {
  it('agrees with scipy chi2_contingency(correction=False)', () => {
    interface Case {
      reference: number[];
      window: number[];
      statistic: number;
      pValue: number;
      dof: number;
    }
    for (const { reference, window, statistic, pValue, dof } of fixture<Case>('chi-square')) {
      const result = chiSquareTwoSample(reference, window);
      expect(result.statistic).toBeCloseTo(statistic, 8);
      expect(result.dof).toBe(dof);
      if (pValue > 0) expect(result.pValue / pValue).toBeCloseTo(1, 8);
    }
  });

  it('tail agrees with scipy chi2.sf', () => {
    for (const { x, dof, pValue } of fixture<{ x: number; dof: number; pValue: number }>('chi-square-tail')) {
      // The series computes small tails as 1 − sum: the error is absolute there, and relative in the far tail.
      expect(Math.abs(chiSquareTail(x, dof) - pValue)).toBeLessThan(1e-9 * Math.max(pValue, 1e-3));
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12);
    expect(logGamma(11)).toBeCloseTo(Math.log(3_628_800), 12);
  });

  it('gives no result for one cell or none', () => {
    expect(chiSquareTwoSample([10], [20])).toMatchObject({ statistic: 0, pValue: 1 });
    expect(chiSquareTwoSample([10, 5], [0, 0])).toMatchObject({ statistic: 0, pValue: 1 });
  });

  it('pooling keeps the totals and leaves only the pooled cell small', () => {
    const pairs = fc.array(fc.tuple(fc.nat(200), fc.nat(200)), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(pairs, (cells) => {
        const a = cells.map(([count]) => count);
        const b = cells.map(([, count]) => count);
        const pooled = poolSparseCells(a, b);
        expect([sum(pooled.a), sum(pooled.b)]).toEqual([sum(a), sum(b)]);
        const share = Math.min(sum(a), sum(b)) / Math.max(1, sum(a) + sum(b));
        const thin = pooled.a.filter((count, cell) => (count + pooled.b[cell]!) * share < 5);
        expect(thin.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('population stability index', () => {
  const shares = fc
    .array(fc.integer({ min: 1, max: 1000 }), { minLength: 4, maxLength: 4 })
    .map((counts) => counts.map((count) => count / sum(counts)));

  it('is symmetric, never negative, and 0 only for equal shares', () => {
    fc.assert(
      fc.property(shares, shares, (a, b) => {
        const index = psi(a, b);
        expect(index).toBeCloseTo(psi(b, a), 12);
        expect(index).toBeGreaterThanOrEqual(0);
        const apart = Math.max(...a.map((share, bin) => Math.abs(share - b[bin]!)));
        if (apart > 1e-6) expect(index).toBeGreaterThan(0);
        expect(psi(a, a)).toBe(0);
      }),
    );
  });

  it('agrees with a computation by hand, and is finite with an empty bin', () => {
    expect(psi([0.5, 0.5], [0.4, 0.6])).toBeCloseTo(0.1 * Math.log(0.5 / 0.4) + 0.1 * Math.log(0.6 / 0.5), 12);
    expect(psi([1, 0], [0.5, 0.5])).toBeCloseTo(-0.5 * Math.log(0.5) + 0.4999 * Math.log(0.5 / 0.0001), 10);
  });
});

describe('intervals and families of tests', () => {
  it('Wilson agrees with scipy', () => {
    for (const { successes, trials, low, high } of fixture<{
      successes: number;
      trials: number;
      low: number;
      high: number;
    }>('wilson')) {
      const interval = wilsonInterval(successes, trials);
      expect(interval.low).toBeCloseTo(low, 9);
      expect(interval.high).toBeCloseTo(high, 9);
    }
  });

  it("Holm's adjustment by hand, between the p-value and Bonferroni's", () => {
    expect(holmAdjusted([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }), (pValues) => {
        for (const [index, adjusted] of holmAdjusted(pValues).entries()) {
          expect(adjusted).toBeGreaterThanOrEqual(pValues[index]!);
          expect(adjusted).toBeLessThanOrEqual(Math.min(1, pValues[index]! * pValues.length));
        }
      }),
    );
  });
});
