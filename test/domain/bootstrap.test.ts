import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bootstrapMean,
  bootstrapMeanDifference,
  drawCounts,
  percentileInterval,
} from '../../src/modules/statistics/rules/bootstrap.js';
import { ascendingOrder, calibrate } from '../../src/modules/statistics/rules/calibration.js';
import { mean } from '../../src/modules/statistics/rules/metrics.js';
import { sampleIndices, SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { fixture } from './fixture.js';

describe('seeded random numbers', () => {
  it('are the same for a seed and uniform', () => {
    const numbers = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 100_000 }, () => random.next());
    };
    expect(numbers(5)).toEqual(numbers(5));
    expect(numbers(5).slice(0, 3)).not.toEqual(numbers(6).slice(0, 3));
    expect(mean(numbers(5))).toBeCloseTo(0.5, 2);
    const bins = new Array<number>(10).fill(0);
    for (const number of numbers(9)) bins[Math.floor(number * 10)]!++;
    for (const bin of bins) expect(Math.abs(bin - 10_000)).toBeLessThan(400);
  });

  it('give ascending, different samples in range', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(250), fc.nat(), (size, count, seed) => {
        const picked = [...sampleIndices(size, count, seed)];
        expect(picked).toHaveLength(Math.min(size, count));
        expect(picked).toEqual([...new Set(picked)].sort((a, b) => a - b));
        expect(picked.every((index) => index >= 0 && index < size)).toBe(true);
      }),
    );
  });
});

describe('bootstrap', () => {
  it('draws Poisson(1) counts', () => {
    const counts = new Uint8Array(200_001);
    drawCounts(new SeededRandom(3), counts);
    const share = (value: number): number => counts.filter((count) => count === value).length / counts.length;
    expect(mean(counts)).toBeCloseTo(1, 2);
    expect(share(0)).toBeCloseTo(Math.exp(-1), 2);
    expect(share(1)).toBeCloseTo(Math.exp(-1), 2);
    expect(share(3)).toBeCloseTo(Math.exp(-1) / 6, 2);
  });

  it('agrees with scipy.stats.bootstrap(method="percentile")', () => {
    interface Case {
      lossA: number[];
      lossB: number[];
      low: number;
      high: number;
      standardError: number;
    }
    for (const { lossA, lossB, low, high, standardError } of fixture<Case>('bootstrap')) {
      const interval = bootstrapMeanDifference(Float64Array.from(lossA), Float64Array.from(lossB), {
        seed: 11,
        resamples: 4000,
      })!;
      expect(Math.abs(interval.low - low) / standardError).toBeLessThan(0.15);
      expect(Math.abs(interval.high - high) / standardError).toBeLessThan(0.15);
    }
  });

  it('contains the mean, moves with the losses and mirrors when they are swapped', () => {
    const losses = fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 30, maxLength: 80 });
    fc.assert(
      fc.property(losses, fc.nat(), (values, seed) => {
        const a = Float64Array.from(values);
        const b = Float64Array.from(values, (value, row) => value * 0.5 + (row % 3));
        const forward = bootstrapMeanDifference(a, b, { seed, resamples: 200 })!;
        expect(forward.mean).toBeGreaterThanOrEqual(forward.low - 1e-12);
        expect(forward.mean).toBeLessThanOrEqual(forward.high + 1e-12);
        const backward = bootstrapMeanDifference(b, a, { seed, resamples: 200 })!;
        expect(backward.low).toBeCloseTo(-forward.high, 9);
        const moved = bootstrapMean(
          a.map((value) => value + 5),
          { seed, resamples: 200 },
        )!;
        expect(moved.low).toBeCloseTo(bootstrapMean(a, { seed, resamples: 200 })!.low + 5, 9);
      }),
      { numRuns: 40 },
    );
  });

  it('is null without rows, and covers the truth about 95 times in 100', () => {
    expect(bootstrapMean(new Float64Array(0), { seed: 1 })).toBeNull();
    let covered = 0;
    const random = new SeededRandom(77);
    for (let trial = 0; trial < 300; trial++) {
      const values = Float64Array.from({ length: 200 }, () => -Math.log(1 - random.next()));
      const { low, high } = bootstrapMean(values, { seed: trial, resamples: 300 })!;
      if (low <= 1 && high >= 1) covered++;
    }
    console.log(`intervals that hold the true mean: ${covered} of 300`);
    expect(covered).toBeGreaterThan(270);
  });

  it("interpolates percentiles as numpy's default does", () => {
    const { low, high } = percentileInterval(Float64Array.of(4, 1, 3, 2), 0.5);
    expect([low, high]).toEqual([1.75, 3.25]);
  });
});

describe('calibration', () => {
  it('bins agree with scikit-learn calibration_curve(strategy="quantile")', () => {
    interface Case {
      labels: number[];
      scores: number[];
      observed: number[];
      predicted: number[];
    }
    const [example] = fixture<Case>('calibration') as [Case];
    const { bins, expectedCalibrationError } = calibrate(
      Float32Array.from(example.scores),
      Uint8Array.from(example.labels),
    )!;
    expect(bins.map((bin) => bin.rows)).toEqual(Array(10).fill(50));
    for (const [index, bin] of bins.entries()) {
      expect(bin.observed).toBeCloseTo(example.observed[index]!, 9);
      expect(bin.meanScore).toBeCloseTo(example.predicted[index]!, 6);
    }
    const byHand = mean(example.observed.map((observed, bin) => Math.abs(observed - example.predicted[bin]!)));
    expect(expectedCalibrationError).toBeCloseTo(byHand, 6);
  });

  it('never separates equal scores and counts every row once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.boolean()), { minLength: 1, maxLength: 60 }),
        (rows) => {
          const scores = Float32Array.from(rows, ([score]) => score / 8);
          const { bins, expectedCalibrationError } = calibrate(
            scores,
            Uint8Array.from(rows, ([, positive]) => Number(positive)),
          )!;
          expect(bins.reduce((total, bin) => total + bin.rows, 0)).toBe(rows.length);
          expect(bins.length).toBeLessThanOrEqual(Math.min(10, new Set(scores).size));
          expect(expectedCalibrationError).toBeLessThanOrEqual(1);
        },
      ),
    );
    expect(calibrate(new Float32Array(0), new Uint8Array(0))).toBeNull();
    expect(calibrate(Float32Array.of(NaN), Uint8Array.of(1))).toBeNull();
  });

  it('orders any scores, including negative zero', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 50 }), (values) => {
        const scores = Float32Array.from(values);
        const ordered = [...ascendingOrder(scores)].map((row) => scores[row]!);
        expect(ordered.map((score) => score + 0)).toEqual([...scores].map((score) => score + 0).sort((a, b) => a - b));
      }),
    );
  });
});
