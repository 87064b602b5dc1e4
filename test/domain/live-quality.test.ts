import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareAnswer } from '../../src/modules/monitoring/rules/ground-truth.js';
import { type LabelledCount, liveMetrics } from '../../src/modules/monitoring/rules/live-quality.js';
import { classificationMetrics, regressionMetrics } from '../../src/modules/statistics/rules/metrics.js';

/** As the database groups them: by true and predicted class. */
function grouped(rows: readonly { label: string; predictedLabel: string; logLoss: number }[]): LabelledCount[] {
  const groups = Map.groupBy(rows, ({ label, predictedLabel }) => JSON.stringify([label, predictedLabel]));
  return [...groups.values()].map((same) => ({
    label: same[0]!.label,
    predictedLabel: same[0]!.predictedLabel,
    rows: same.length,
    logLossSum: same.reduce((sum, { logLoss }) => sum + logLoss, 0),
    logLossRows: same.length,
    squaredErrorSum: null,
    absoluteErrorSum: null,
    errorRows: 0,
  }));
}

describe('live quality from grouped rows', () => {
  it('is what the statistics give for the single rows of a classification', () => {
    const row = (k: number) =>
      fc.record({
        label: fc.nat(k - 1),
        weights: fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: k, maxLength: k }),
      });
    const sample = fc
      .integer({ min: 2, max: 5 })
      .chain((k) => fc.record({ k: fc.constant(k), rows: fc.array(row(k), { minLength: 1, maxLength: 60 }) }));
    fc.assert(
      fc.property(sample, ({ k, rows }) => {
        const classes = Array.from({ length: k }, (_, i) => `class ${(i * 7) % k}-${i}`);
        const probabilities = rows.map(({ weights }) =>
          weights.map((weight) => Math.fround(weight / weights.reduce((a, b) => a + b, 0))),
        );
        const expected = classificationMetrics({
          labels: Int32Array.from(rows, ({ label }) => label),
          probabilities: Float32Array.from(probabilities.flat()),
          classCount: k,
        });
        const compared = rows.map(({ label }, i) => {
          const likely = probabilities[i]!;
          const best = likely.indexOf(Math.max(...likely));
          const logged = k === 2 ? { score: likely[1]!, probabilities: null } : { score: null, probabilities: likely };
          return compareAnswer(
            'r',
            { label: classes[label]! },
            { kind: 'CLASSES', label: classes[best]!, ...logged },
            classes,
          );
        });
        const rowsOfCounts = compared.map(({ label, predictedLabel, logLoss }) => ({
          label: label!,
          predictedLabel: predictedLabel!,
          logLoss: logLoss!,
        }));
        const found = liveMetrics(grouped(rowsOfCounts), classes);
        expect(found.labelledRows).toBe(rows.length);
        expect(found.accuracy).toBeCloseTo(expected.accuracy!, 12);
        expect(found.f1).toBeCloseTo(expected.f1!, 12);
        // For two classes, one probability is logged, in single precision: the other one is wrong by up to 6e-8, and is
        // at least 1e-3 here.
        expect(Math.abs(found.logLoss! - expected.logLoss!)).toBeLessThan(1e-4);
      }),
    );
  });

  it('is what the statistics give for the single rows of a regression, over any division into windows', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value, fc.nat(3)), { minLength: 1, maxLength: 60 }), (rows) => {
        const expected = regressionMetrics({
          actual: Float64Array.from(rows, ([actual]) => actual),
          predicted: Float64Array.from(rows, ([, p]) => p),
        });
        const counts = [...Map.groupBy(rows, ([, , window]) => window).values()].map((same) => ({
          ...{
            label: null,
            predictedLabel: null,
            rows: same.length,
            logLossSum: 0,
            logLossRows: 0,
            errorRows: same.length,
          },
          squaredErrorSum: same.reduce((sum, [actual, predicted]) => sum + (actual - predicted) ** 2, 0),
          absoluteErrorSum: same.reduce((sum, [actual, predicted]) => sum + Math.abs(actual - predicted), 0),
        }));
        const found = liveMetrics(counts, []);
        expect(found.rmse! / (expected.rmse! || 1)).toBeCloseTo(expected.rmse === 0 ? 0 : 1, 9);
        expect(found.mae! / (expected.mae! || 1)).toBeCloseTo(expected.mae === 0 ? 0 : 1, 9);
        expect(found.accuracy).toBeNull();
      }),
    );
  });
});

describe('ground truth', () => {
  const classes = ['no', 'yes'];
  const answer = { kind: 'CLASSES', label: 'yes', score: 0.75, probabilities: null };

  it('is a class of the model, and gets its spelling', () => {
    expect(compareAnswer('r', { label: 'yes' }, answer, classes).logLoss).toBeCloseTo(-Math.log(0.75), 6);
    expect(compareAnswer('r', { label: 'no' }, answer, classes).logLoss).toBeCloseTo(-Math.log(0.25), 6);
    expect(() => compareAnswer('r', { label: 'Yes' }, answer, classes)).toThrow(
      'r.label: expected one of the classes no, yes, got',
    );
    expect(compareAnswer('r', { label: '1.0' }, { ...answer, label: '1' }, ['0', '1'])).toMatchObject({
      label: '1',
      predictedLabel: '1',
    });
    expect(compareAnswer('r', { label: '1.0' }, { ...answer, label: '1' }, undefined)).toMatchObject({
      label: '1',
      predictedLabel: '1',
    });
    expect(compareAnswer('r', { label: 'other' }, { ...answer, score: null }, undefined)).toMatchObject({
      label: 'other',
      logLoss: null,
    });
  });

  it('is of the same kind as the answer', () => {
    expect(() => compareAnswer('r', { value: 1 }, answer, classes)).toThrow('r.label');
    expect(() => compareAnswer('r', { label: 'no', value: 1 }, answer, classes)).toThrow('r.label');
    expect(() => compareAnswer('r', { label: 'no' }, { ...answer, kind: 'VALUES' }, undefined)).toThrow('r.value');
    expect(() => compareAnswer('r', { label: '3' }, { ...answer, kind: 'CLUSTERS' }, undefined)).toThrow(
      'no label can judge',
    );
    expect(
      compareAnswer('r', { value: 2 }, { kind: 'VALUES', label: null, score: 1.5, probabilities: null }, undefined),
    ).toMatchObject({
      value: 2,
      predictedValue: 1.5,
    });
  });
});
