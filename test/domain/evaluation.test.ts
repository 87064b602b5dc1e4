import { describe, expect, it } from 'vitest';
import {
  evaluateClassification,
  evaluateClustering,
  evaluateRegression,
} from '../../src/modules/model-quality/rules/evaluation.js';
import { classificationIntervals } from '../../src/modules/statistics/rules/metric-intervals.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { escapeMarkdown, renderEvaluationMarkdown } from '../../src/modules/model-quality/rules/report.js';

/** Rows whose true probability is known; the model knows it up to `noise`. */
function late(rows: number, seed: number, noise: number) {
  const random = new SeededRandom(seed);
  const labels = new Int32Array(rows);
  const probabilities = new Float32Array(rows * 2);
  const carriers: (string | null)[] = [];
  for (let row = 0; row < rows; row++) {
    const carrier = random.below(4);
    const truth = 0.05 + 0.15 * carrier;
    labels[row] = random.next() < truth ? 1 : 0;
    const promised = Math.min(0.99, Math.max(0.01, truth + noise * (random.next() - 0.5)));
    probabilities.set([1 - promised, promised], row * 2);
    carriers.push(carrier === 3 ? null : ['AA', '<script>alert(1)</script>', 'WN|`x`'][carrier]!);
  }
  return { labels, probabilities, carriers };
}

const meta = {
  modelName: 'late <b>*flights*</b>\n# forged',
  version: '3 (1.2.0)',
  datasetName: 'flights-3m',
  createdAt: new Date('2001-04-02T10:20:30Z'),
  baselineVersion: '2 (1.1.0)',
};

describe('evaluation of a classifier', () => {
  const good = late(4000, 1, 0.05);
  const poor = late(4000, 1, 0.8);
  const report = evaluateClassification({
    labels: good.labels,
    probabilities: good.probabilities,
    classNames: ['on time', 'late'],
    trainingShares: [0.72, 0.28],
    baseline: { versionId: 'v2', probabilities: poor.probabilities },
    slices: {
      carrier: good.carriers,
      tail: good.labels.length > 0 ? Array.from(good.labels, (_, row) => `N${row % 900}`) : [],
    },
  });

  it('is better than the base rate and the worse version, each by an interval', () => {
    expect(report.baseRate).toMatchObject({
      against: 'BASE_RATE',
      metric: 'log_loss',
      verdict: 'BETTER',
      versionId: null,
    });
    expect(report.baseline).toMatchObject({ against: 'VERSION', versionId: 'v2', verdict: 'BETTER' });
    expect(report.baseline!.difference.high).toBeLessThan(0);
    expect(report.baseRate.difference.mean).toBeCloseTo(report.baseRate.candidate - report.baseRate.reference, 9);
    expect(report.baselineMetrics!['log_loss']).toBeCloseTo(report.baseline!.reference, 9);
  });

  it('finds no difference to itself, and that the worse one is worse', () => {
    const same = evaluateClassification({
      labels: good.labels,
      probabilities: poor.probabilities,
      classNames: ['on time', 'late'],
      trainingShares: [0.72, 0.28],
      baseline: { versionId: 'v3', probabilities: good.probabilities },
    });
    expect(same.baseline!.verdict).toBe('WORSE');
    const self = evaluateClassification({
      labels: good.labels,
      probabilities: good.probabilities,
      classNames: ['on time', 'late'],
      trainingShares: [0.72, 0.28],
      baseline: { versionId: 'v3', probabilities: good.probabilities },
    });
    expect(self.baseline).toMatchObject({ verdict: 'NO_DIFFERENCE', difference: { mean: 0, low: 0, high: 0 } });
  });

  it('every metric lies in its interval', () => {
    const names = ['accuracy', 'precision', 'recall', 'f1', 'roc_auc', 'average_precision', 'log_loss', 'brier'];
    expect(Object.keys(report.metrics).sort()).toEqual([...names].sort());
    for (const name of names) {
      const { value, low, high } = report.metrics[name]!;
      expect(low!).toBeLessThanOrEqual(value);
      expect(high!).toBeGreaterThanOrEqual(value);
      if (name === 'roc_auc') expect(high! - low!).toBeGreaterThan(0.005);
    }
    expect(report.confusion.flat().reduce((total, cell) => total + cell, 0)).toBe(4000);
    expect(report.calibration!.expectedCalibrationError).toBeLessThan(0.05);
  });

  it('makes slices by value, also for missing ones, and leaves out small ones', () => {
    const carriers = report.slices.slices.filter(({ column }) => column === 'carrier');
    expect(carriers.map(({ value }) => value).sort()).toEqual(
      ['<script>alert(1)</script>', 'AA', 'WN|`x`', null].sort(),
    );
    expect(carriers.reduce((total, { rows }) => total + rows, 0)).toBe(4000);
    expect(report.slices.omitted).toEqual([{ column: 'tail', tooSmall: 900, tooMany: 0 }]);
  });

  it('is plain JSON, and the same in a second run', () => {
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    const { labels, probabilities } = good;
    const input = { labels, probabilities, classCount: 2 };
    expect(classificationIntervals(input, 4)).toEqual(classificationIntervals(input, 4));
  });

  it('is readable as Markdown, in which names have no effect', () => {
    const page = renderEvaluationMarkdown(report, meta);
    expect(page).toContain('# Evaluation of late &lt;b&gt;\\*flights\\*&lt;/b&gt; \\# forged, version 3 \\(1.2.0\\)');
    expect(page).toContain('4,000 holdout rows of flights-3m · 2001-04-02 10:20 UTC');
    expect(page).toContain('**Better than the base rate**: Log loss 0.');
    expect(page).toContain('**Better than version 2 \\(1.1.0\\)**');
    expect(page).toMatch(/\| ROC-AUC \| 0\.\d{4} \| 0\.\d{4} to 0\.\d{4} \| 0\.\d{4} \|/);
    expect(page).toContain('| carrier | WN\\|\\`x\\` |');
    expect(page).not.toContain('<script>');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
    expect(page).toContain('tail: 900 with fewer than 100 rows left out.');
  });
});

describe('evaluation of others', () => {
  it('a class without rows has no ranking metrics', () => {
    const labels = new Int32Array(100);
    const probabilities = Float32Array.from({ length: 300 }, (_, at) => [0.8, 0.15, 0.05][at % 3]!);
    const report = evaluateClassification({
      labels,
      probabilities,
      classNames: ['a', 'b', 'c'],
      trainingShares: [0.9, 0.05, 0.05],
    });
    expect(report.metrics['roc_auc']).toBeUndefined();
    expect(report.metrics['accuracy']).toEqual({ value: 1, low: 1, high: 1 });
    expect(renderEvaluationMarkdown(report, { ...meta, baselineVersion: null })).toContain(
      '**Worse than the base rate**',
    );
  });

  it('a regression against the mean predictor', () => {
    const random = new SeededRandom(8);
    const actual = Float64Array.from({ length: 1000 }, () => 20_000 + 5000 * random.next());
    const predicted = actual.map((value) => value + 1000 * (random.next() - 0.5));
    const report = evaluateRegression({
      actual,
      predicted,
      trainingMean: 22_500,
      slices: { half: Array.from(actual, (_, row) => String(row % 2)) },
    });
    expect(report.baseRate).toMatchObject({ metric: 'rmse', verdict: 'BETTER' });
    expect(report.baseRate.candidate).toBeCloseTo(report.metrics['rmse']!.value, 9);
    for (const { value, low, high } of Object.values(report.metrics)) {
      expect(low!).toBeLessThanOrEqual(value);
      expect(high!).toBeGreaterThanOrEqual(value);
    }
    const page = renderEvaluationMarkdown(report, meta);
    expect(page).toContain('| half | 0 | 500 |');
    expect(page).toMatch(/Difference of the root mean squared error: −[\d,]+/);
    const constant = evaluateRegression({
      actual: new Float64Array(50).fill(1),
      predicted: new Float64Array(50).fill(2),
      trainingMean: 1,
    });
    expect(constant).toMatchObject({ baseRate: { verdict: 'WORSE' } });
    expect(constant.metrics['r2']).toBeUndefined();
  });

  it('a clustering has only metrics', () => {
    const report = evaluateClustering({ rows: 500, silhouette: 0.4, inertia: 12_345.6 });
    expect(renderEvaluationMarkdown(report, meta)).toContain('| Inertia | 12,346 | – |');
    expect(evaluateClustering({ rows: 500, silhouette: null, inertia: 1 }).metrics['silhouette']).toBeUndefined();
  });

  it('escapes to one line', () => {
    expect(escapeMarkdown('a\r\n\u2028\u202e# b | [x](javascript:1)')).toBe('a \\# b \\| \\[x\\]\\(javascript:1\\)');
  });
});
