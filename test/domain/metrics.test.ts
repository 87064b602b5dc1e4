import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  classificationMetrics,
  confusionMatrix,
  mean,
  pinballRows,
  regressionMetrics,
  silhouette,
} from '../../src/modules/statistics/rules/metrics.js';
import { rankingMetrics } from '../../src/modules/statistics/rules/ranking.js';
import { fixture } from './fixture.js';

interface ClassificationCase {
  name: string;
  classCount: number;
  labels: number[];
  probabilities: number[];
  confusion: number[][];
  expected: Record<string, number>;
}

interface WeightedCase {
  name: string;
  weights: number[];
  expected: Record<string, number>;
  actual?: number[];
  predicted?: number[];
  pinball?: { quantile: number; plain: number; weighted: number }[];
}

const input = ({
  labels,
  probabilities,
  classCount,
}: {
  labels: number[];
  probabilities: number[];
  classCount: number;
}) => ({
  labels: Int32Array.from(labels),
  probabilities: Float32Array.from(probabilities),
  classCount,
});

describe('classification metrics', () => {
  it.each(fixture<ClassificationCase>('classification'))('agree with scikit-learn: $name', (example) => {
    const metrics = classificationMetrics(input(example)) as unknown as Record<string, number>;
    for (const [name, value] of Object.entries(example.expected)) {
      // scikit-learn adds single-precision log losses in single precision.
      expect(metrics[name]).toBeCloseTo(value, name === 'logLoss' || name === 'brier' ? 5 : 12);
    }
    expect(confusionMatrix(input(example))).toEqual(example.confusion);
  });

  it('are null where undefined', () => {
    const oneClass = classificationMetrics(
      input({ labels: [1, 1], probabilities: [0.2, 0.8, 0.6, 0.4], classCount: 2 }),
    );
    expect(oneClass).toMatchObject({ accuracy: 0.5, rocAuc: null, averagePrecision: null });
    expect(oneClass.logLoss).toBeCloseTo(-(Math.log(0.8) + Math.log(0.4)) / 2, 6);
    const none = classificationMetrics(input({ labels: [], probabilities: [], classCount: 2 }));
    expect(Object.values(none)).toEqual(Array(8).fill(null));
    const broken = classificationMetrics(input({ labels: [0, 1], probabilities: [NaN, NaN, 0.5, 0.5], classCount: 2 }));
    expect(broken).toMatchObject({ rocAuc: null, logLoss: null, brier: null });
  });

  it('leave a class that neither occurs nor is predicted out of the macro mean', () => {
    const metrics = classificationMetrics(
      input({ labels: [0, 1], probabilities: [0.9, 0.1, 0, 0.1, 0.9, 0], classCount: 3 }),
    );
    expect(metrics).toMatchObject({ f1: 1, precision: 1, recall: 1, rocAuc: null });
  });
});

const scoredRows = fc.array(fc.record({ score: fc.integer({ min: -20, max: 20 }), positive: fc.boolean() }), {
  minLength: 1,
  maxLength: 60,
});
const rank = (rows: { score: number; positive: boolean }[], of = (score: number) => score) =>
  rankingMetrics(
    rows.length,
    (row) => of(rows[row]!.score),
    (row) => rows[row]!.positive,
  );

describe('ranking metrics', () => {
  it('do not change under a monotonic transformation', () => {
    const transform = (score: number): number => Math.exp(score / 4) * 3 - 7;
    fc.assert(
      fc.property(scoredRows, (rows) => {
        expect(rank(rows, transform)).toEqual(rank(rows));
      }),
    );
  });

  it('reversing the order gives 1 − AUC', () => {
    fc.assert(
      fc.property(scoredRows, (rows) => {
        const forward = rank(rows);
        const backward = rank(rows, (score) => -score);
        if (forward !== null && backward !== null) expect(forward.rocAuc + backward.rocAuc).toBeCloseTo(1, 12);
        else expect(forward).toBe(backward);
      }),
    );
  });

  it('AUC is the fraction of ordered pairs', () => {
    fc.assert(
      fc.property(scoredRows, (rows) => {
        const positives = rows.filter((row) => row.positive);
        const negatives = rows.filter((row) => !row.positive);
        let won = 0;
        for (const a of positives)
          for (const b of negatives) won += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0;
        const pairs = positives.length * negatives.length;
        expect(rank(rows)?.rocAuc ?? null).toEqual(pairs > 0 ? expect.closeTo(won / pairs, 12) : null);
      }),
    );
  });
});

describe('regression metrics', () => {
  it('agree with scikit-learn', () => {
    for (const { actual, predicted, expected } of fixture<{
      actual: number[];
      predicted: number[];
      expected: Record<string, number>;
    }>('regression')) {
      const metrics = regressionMetrics({ actual: Float64Array.from(actual), predicted: Float64Array.from(predicted) });
      for (const [name, value] of Object.entries(expected)) {
        expect(metrics[name as keyof typeof metrics]! / value).toBeCloseTo(1, 10);
      }
    }
  });

  it('are null where undefined', () => {
    const empty = new Float64Array(0);
    expect(regressionMetrics({ actual: empty, predicted: empty })).toEqual({ rmse: null, mae: null, r2: null });
    expect(regressionMetrics({ actual: Float64Array.of(2, 2), predicted: Float64Array.of(1, 3) })).toEqual({
      rmse: 1,
      mae: 1,
      r2: null,
    });
  });
});

describe('metrics of rows with weights', () => {
  const weighted = fixture<Partial<ClassificationCase> & WeightedCase>('weighted');

  it.each(weighted.filter(({ labels }) => labels))('agree with scikit-learn: $name', (example) => {
    const { labels, probabilities, classCount, weights, expected } = example as ClassificationCase & WeightedCase;
    const rows = { ...input({ labels, probabilities, classCount }), weights: Float64Array.from(weights) };
    const metrics = Object.entries(classificationMetrics(rows));
    expect(Object.keys(expected).sort()).toEqual(metrics.map(([name]) => name).sort());
    for (const [name, value] of metrics)
      expect(value, name).toBeCloseTo(expected[name]!, name === 'logLoss' || name === 'brier' ? 5 : 12);
  });

  it.each(weighted.filter(({ actual }) => actual))('agree with scikit-learn: $name', (example) => {
    const [actual, predicted, weights] = [example.actual!, example.predicted!, example.weights].map((values) =>
      Float64Array.from(values),
    ) as [Float64Array, Float64Array, Float64Array];
    const metrics = regressionMetrics({ actual, predicted, weights });
    for (const [name, value] of Object.entries(metrics)) expect(value! / example.expected[name]!).toBeCloseTo(1, 10);
    for (const { quantile, plain, weighted: withWeights } of example.pinball!) {
      const losses = pinballRows(actual, predicted, quantile);
      expect(mean(losses) / plain).toBeCloseTo(1, 12);
      expect(mean(losses, weights) / withWeights).toBeCloseTo(1, 12);
    }
  });
});

describe('silhouette', () => {
  it.each(fixture<{ name: string; dims: number; points: number[]; labels: number[]; expected: number }>('silhouette'))(
    'agrees with scikit-learn: $name',
    ({ dims, points, labels, expected }) => {
      expect(silhouette(Float32Array.from(points), dims, Int32Array.from(labels))).toBeCloseTo(expected, 6);
    },
  );

  it('is null for one cluster, 0 when all points are alone, and close to the whole for a sample', () => {
    expect(silhouette(Float32Array.of(1, 2, 3), 1, Int32Array.of(0, 0, 0))).toBeNull();
    expect(silhouette(Float32Array.of(1, 2, 3), 1, Int32Array.of(0, 1, 2))).toBe(0);
    const rows = 3000;
    const points = Float32Array.from({ length: rows }, (_, row) => (row % 2) * 10 + ((row * 37) % 100) / 100);
    const labels = Int32Array.from({ length: rows }, (_, row) => row % 2);
    const whole = silhouette(points, 1, labels, rows)!;
    expect(silhouette(points, 1, labels, 500)).toBeCloseTo(whole, 2);
  });
});
