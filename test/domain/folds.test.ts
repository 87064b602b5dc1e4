import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CrossValidationBy,
  foldMetrics,
  type FoldResult,
  summarizeFolds,
} from '../../src/modules/algorithms/rules/cross-validation.js';
import type { Column } from '../../src/modules/model-contract/rules/dataset-column.js';
import { type Fold, makeFolds, watchedRows } from '../../src/training/folds.js';
import type { Target } from '../../src/training/port.js';

const indexes = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i);
const groupColumn = (groups: readonly string[]): Column => ({ name: 'group', type: 'STRING', values: [...groups] });
const timeColumn = (times: readonly number[]): Column => ({
  name: 'time',
  type: 'TIMESTAMP',
  values: Float64Array.from(times),
});
const classTarget = (labels: readonly number[]): Target => ({
  kind: 'CLASSES',
  classes: ['a', 'b', 'c', 'd'],
  datatype: 'BYTES',
  labels: Int32Array.from(labels),
});
const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const foldCounts = fc.integer({ min: 2, max: 8 });

function sizes(folds: readonly Fold[]): number[] {
  return folds.map(({ validation }) => validation.length);
}

function countsIn(rows: Int32Array, of: (row: number) => string | number): Map<string | number, number> {
  const counts = new Map<string | number, number>();
  for (const row of rows) counts.set(of(row), (counts.get(of(row)) ?? 0) + 1);
  return counts;
}

/** The properties that folds have in scikit-learn: each row is validated once, and no fold learns from its own rows. */
function expectPartition(folds: readonly Fold[], rows: Int32Array): void {
  expect(folds.flatMap(({ validation }) => [...validation]).sort((a, b) => a - b)).toEqual([...rows]);
  for (const { train, validation } of folds) expect([...train, ...validation].sort((a, b) => a - b)).toEqual([...rows]);
}

describe('folds', () => {
  it('of K_FOLD hold every row once and differ by one row at most', () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 60 }), foldCounts, seeds, (count, folds, seed) => {
        const rows = indexes(count).map((row) => row * 3);
        const made = makeFolds({ by: 'K_FOLD', folds }, { rows, column: undefined, target: undefined }, seed);
        expect(made.leftOut).toBe(0);
        expectPartition(made.folds, rows);
        // scikit-learn's KFold: the first n % k folds have one row more.
        expect(sizes(made.folds)).toEqual(
          Array.from({ length: folds }, (_, fold) => Math.floor(count / folds) + (fold < count % folds ? 1 : 0)),
        );
        const again = makeFolds({ by: 'K_FOLD', folds }, { rows, column: undefined, target: undefined }, seed);
        expect(again).toEqual(made);
      }),
    );
  });

  it('of STRATIFIED have every class within one row, and all rows within one', () => {
    const labels = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 0, maxLength: 60 });
    fc.assert(
      fc.property(labels, foldCounts, seeds, (drawn, folds, seed) => {
        const all = [...drawn, ...Array.from({ length: folds * 4 }, (_, i) => i % 4)];
        const rows = indexes(all.length);
        const target = classTarget(all);
        const made = makeFolds({ by: 'STRATIFIED', folds }, { rows, column: undefined, target }, seed).folds;
        expectPartition(made, rows);
        for (const label of [0, 1, 2, 3]) {
          const counts = made.map(({ validation }) => countsIn(validation, (row) => all[row]!).get(label) ?? 0);
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
        }
        expect(Math.max(...sizes(made)) - Math.min(...sizes(made))).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('of GROUPED never have a group on two sides, and the largest fold is lighter than the rest with its last group', () => {
    const groups = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', ''), { maxLength: 60 });
    fc.assert(
      fc.property(groups, foldCounts, seeds, (drawn, folds, seed) => {
        const all = [...drawn, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
        const column = groupColumn(all);
        const rows = indexes(all.length);
        const made = makeFolds({ by: 'GROUPED', folds }, { rows, column, target: undefined }, seed);
        const known = rows.filter((row) => all[row] !== '');
        expect(made.leftOut).toBe(rows.length - known.length);
        expectPartition(made.folds, known);
        const largestGroup = Math.max(...countsIn(known, (row) => all[row]!).values());
        expect(Math.max(...sizes(made.folds)) - Math.min(...sizes(made.folds))).toBeLessThanOrEqual(largestGroup);
        for (const { train, validation } of made.folds) {
          const here = new Set(Array.from(validation, (row) => all[row]));
          expect(train.some((row) => here.has(all[row]))).toBe(false);
        }
      }),
    );
  });

  it('of TIME learn only from the past, from more rows each, and have the sizes of TimeSeriesSplit', () => {
    const times = fc.array(fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(Number.NaN)), {
      minLength: 10,
      maxLength: 60,
    });
    fc.assert(
      fc.property(times, foldCounts, (drawn, folds) => {
        const all = [...drawn, ...Array.from({ length: 10 }, (_, i) => i)];
        const rows = indexes(all.length);
        const known = rows.filter((row) => !Number.isNaN(all[row]!));
        const made = makeFolds({ by: 'TIME', folds }, { rows, column: timeColumn(all), target: undefined }, 1);
        expect(made.leftOut).toBe(rows.length - known.length);
        const size = Math.floor(known.length / (folds + 1));
        made.folds.forEach(({ train, validation }, fold) => {
          expect(validation).toHaveLength(size);
          expect(train).toHaveLength(known.length - (folds - fold) * size);
          const newest = Math.max(...Array.from(train, (row) => all[row]!));
          for (const row of validation) expect(all[row]!).toBeGreaterThanOrEqual(newest);
        });
        const validated = made.folds.flatMap(({ validation }) => [...validation]);
        expect(new Set(validated).size).toBe(validated.length);
      }),
    );
  });

  it.each<[CrossValidationBy, number, Parameters<typeof makeFolds>[1], string]>([
    ['K_FOLD', 6, { rows: indexes(5), column: undefined, target: undefined }, '5 rows outside the holdout'],
    [
      'STRATIFIED',
      3,
      { rows: indexes(7), column: undefined, target: classTarget([0, 0, 0, 0, 0, 1, 1]) },
      '2 rows of the class b outside the holdout',
    ],
    [
      'GROUPED',
      3,
      { rows: indexes(4), column: groupColumn(['x', 'y', 'x', 'y']), target: undefined },
      '2 groups outside the holdout',
    ],
    [
      'TIME',
      4,
      { rows: indexes(4), column: timeColumn([1, 2, 3, 4]), target: undefined },
      '4 rows outside the holdout, less one',
    ],
  ])('of %s refuse %i folds where there are fewer', (by, folds, rows, of) => {
    expect(() => makeFolds({ by, folds }, rows, 1)).toThrow(
      expect.objectContaining({
        code: 'BAD_USER_INPUT',
        details: {
          field: 'config.crossValidation.folds',
          expected: `at most the number of ${of}`,
          got: String(folds),
        },
      }),
    );
  });
});

describe('rows that watch the learning of a fold', () => {
  it('are the latest ones by TIME, whole groups when GROUPED, and never learnt from', () => {
    const column = timeColumn([5, 1, 4, 2, 3]);
    expect(watchedRows('TIME', indexes(5), column, 0.4, 1)).toEqual({
      train: Int32Array.of(1, 3, 4),
      watched: Int32Array.of(0, 2),
    });
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 4, maxLength: 40 }),
        fc.double({ min: 0.05, max: 0.9, noNaN: true }),
        seeds,
        (groups, share, seed) => {
          const all = indexes(groups.length);
          const { train, watched } = watchedRows('GROUPED', all, groupColumn(groups), share, seed);
          expect([...train, ...watched].sort((a, b) => a - b)).toEqual([...all]);
          const here = new Set(Array.from(watched, (row) => groups[row]));
          expect(train.some((row) => here.has(groups[row]!))).toBe(false);
          expect(train.length).toBeGreaterThan(0);
          const drawn = watchedRows('K_FOLD', all, undefined, share, seed);
          expect(drawn.watched).toHaveLength(Math.max(1, Math.round(all.length * share)));
        },
      ),
    );
  });
});

describe('folds of very many rows', () => {
  it('are made though one group has more rows than a call has arguments', () => {
    const rows = indexes(400_000);
    const column = groupColumn(Array.from(rows, (row) => ['a', 'b', 'c'][row % 3]!));
    const { folds } = makeFolds({ by: 'GROUPED', folds: 3 }, { rows, column, target: undefined }, 1);
    const { train, watched } = watchedRows('GROUPED', folds[0]!.train, column, 0.1, 1);
    expect([train.length, watched.length].sort()).toEqual([133_333, 133_333].sort());
  });
});

describe('metrics of folds', () => {
  it('have mean and standard deviation of the folds that have the metric', () => {
    const results: Pick<FoldResult, 'metrics'>[] = [
      { metrics: { r2: 0.5, rmse: 2 } },
      { metrics: { r2: null, rmse: 4 } },
      { metrics: { rmse: 9 } },
    ];
    expect(summarizeFolds(results)).toEqual([
      { name: 'r2', mean: 0.5, std: 0 },
      { name: 'rmse', mean: 5, std: Math.sqrt((9 + 1 + 16) / 3) },
    ]);
    expect(foldMetrics(results)).toEqual({
      'cross_validation.rmse': 9,
      'cross_validation.r2.mean': 0.5,
      'cross_validation.r2.std': 0,
      'cross_validation.rmse.mean': 5,
      'cross_validation.rmse.std': Math.sqrt(26 / 3),
    });
    expect(foldMetrics([])).toEqual({});
  });
});
