import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluateClassification, evaluateRegression } from '../../src/modules/model-quality/rules/evaluation.js';
import { classificationIntervals, regressionIntervals } from '../../src/modules/statistics/rules/metric-intervals.js';
import { classificationMetrics, regressionMetrics } from '../../src/modules/statistics/rules/metrics.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';

const SHARES = ['accuracy', 'precision', 'recall', 'f1', 'rocAuc', 'averagePrecision'] as const;

/** Good and perfect models, for which sums of rounded fractions are not exactly 1. */
const problems = fc.record({
  classCount: fc.integer({ min: 2, max: 12 }),
  rows: fc.integer({ min: 1, max: 130 }),
  mistakes: fc.constantFrom(0, 0, 1, 5),
  seed: fc.nat(),
});

function predictions({
  classCount,
  rows,
  mistakes,
  seed,
}: {
  classCount: number;
  rows: number;
  mistakes: number;
  seed: number;
}) {
  const random = new SeededRandom(seed);
  const labels = Int32Array.from({ length: rows }, (_, row) => (row < classCount ? row : random.below(classCount)));
  for (let row = 0; row < rows; row++) labels[row] = Math.min(labels[row]!, classCount - 1);
  const probabilities = new Float32Array(rows * classCount);
  for (let row = 0; row < rows; row++) {
    const sure = 0.5 + random.next() / 2;
    probabilities.fill((1 - sure) / (classCount - 1), row * classCount, (row + 1) * classCount);
    const answer = row < mistakes ? random.below(classCount) : labels[row]!;
    probabilities[row * classCount + answer] = sure;
  }
  return { labels, probabilities, classCount };
}

describe('metrics stay in their ranges', () => {
  it('for classes, also their intervals', () => {
    fc.assert(
      fc.property(problems, (problem) => {
        const input = predictions(problem);
        const metrics = classificationMetrics(input);
        const intervals = classificationIntervals(input, problem.seed);
        for (const name of SHARES) {
          for (const value of [metrics[name], intervals[name]?.low, intervals[name]?.high]) {
            if (value === null || value === undefined || Number.isNaN(value)) continue;
            expect(value, name).toBeGreaterThanOrEqual(0);
            expect(value, name).toBeLessThanOrEqual(1);
          }
        }
        if (problem.mistakes === 0 && metrics.averagePrecision !== null) {
          expect(metrics.averagePrecision).toBe(1);
          expect(metrics.rocAuc).toBe(1);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('for values: r2 is at most 1, whatever the offset', () => {
    const values = fc.record({
      offset: fc.constantFrom(0, 1e6, 1e9, -1e12),
      rows: fc.integer({ min: 2, max: 60 }),
      constantRows: fc.integer({ min: 0, max: 60 }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(values, ({ offset, rows, constantRows, seed }) => {
        const random = new SeededRandom(seed);
        const actual = Float64Array.from(
          { length: rows },
          (_, row) => offset + (row < constantRows ? 0.1 : random.next()),
        );
        const predicted = actual.map((value) => value + random.next() * 0.01);
        const { r2 } = regressionMetrics({ actual, predicted });
        if (r2 !== null) expect(r2).toBeLessThanOrEqual(1);
        const interval = regressionIntervals(actual, predicted, seed).r2;
        if (interval !== null) expect(interval.high).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });
});

it('a comparison called rmse is in the units of rmse, also its interval', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), fc.nat(), (unit, seed) => {
      const random = new SeededRandom(seed);
      const actual = Float64Array.from({ length: 200 }, () => unit * random.next());
      const predicted = actual.map((value) => value + unit * 0.1 * (random.next() - 0.5));
      const of = (scale: number) =>
        evaluateRegression({
          actual: actual.map((value) => value * scale),
          predicted: predicted.map((value) => value * scale),
          trainingMean: scale * unit * 0.5,
          baseline: { versionId: 'v', predicted: actual.map((value) => (value + unit * 0.1) * scale) },
        });
      const report = of(1);
      for (const comparison of [report.baseRate, report.baseline!]) {
        const { candidate, reference, difference } = comparison;
        expect(difference.mean).toBeCloseTo(candidate - reference, 6);
        expect(difference.low).toBeLessThanOrEqual(difference.mean);
        expect(difference.high).toBeGreaterThanOrEqual(difference.mean);
        expect(Math.abs(difference.mean)).toBeLessThanOrEqual(candidate + reference);
      }
      // In other units everything scales in the same way; squares would scale by 100.
      const scaled = of(10);
      expect(scaled.baseRate.difference.low / report.baseRate.difference.low).toBeCloseTo(10, 6);
      expect(scaled.baseRate.difference.high / report.baseRate.difference.high).toBeCloseTo(10, 6);
    }),
    { numRuns: 20 },
  );
});

it('a comparison of classes is in nats', () => {
  const input = predictions({ classCount: 3, rows: 100, mistakes: 5, seed: 4 });
  const report = evaluateClassification({
    ...input,
    classNames: ['a', 'b', 'c'],
    trainingShares: [1 / 3, 1 / 3, 1 / 3],
  });
  expect(report.baseRate.difference.mean).toBeCloseTo(report.baseRate.candidate - report.baseRate.reference, 9);
  expect(report.baseRate.reference).toBeCloseTo(Math.log(3), 6);
});
