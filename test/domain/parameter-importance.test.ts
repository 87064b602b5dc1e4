import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decomposeVariance } from '../../src/modules/statistics/rules/fanova.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { growForest, type ForestColumn } from '../../src/modules/statistics/rules/regression-forest.js';
import { axisPositions, paramAxis } from '../../src/modules/statistics/rules/param-axis.js';
import {
  parameterImportance,
  type ImportanceRequest,
} from '../../src/modules/statistics/rules/parameter-importance.js';
import { AppError } from '../../src/errors.js';
import { fixture } from './fixture.js';

const PAIRS: [number, number][] = [
  [0, 1],
  [0, 2],
  [1, 2],
];

const uniform = (values: number[]): ForestColumn => ({
  kind: 'ORDERED',
  values: Float64Array.from(values),
  low: 0,
  high: 1,
});

function ishigami(row: number[]): number {
  const [a, b, c] = row.map((x) => -Math.PI + 2 * Math.PI * x) as [number, number, number];
  return Math.sin(a) + 7 * Math.sin(b) ** 2 + 0.1 * c ** 4 * Math.sin(a);
}

function drawn(rows: number, dims: number, seed: number): number[][] {
  const random = new SeededRandom(seed);
  return Array.from({ length: rows }, () => Array.from({ length: dims }, () => random.next()));
}

function sharesOf(rows: number[][], f: (row: number[]) => number) {
  const columns = rows[0]!.map((_, c) => uniform(rows.map((row) => row[c]!)));
  const forest = growForest(columns, Float64Array.from(rows, f), { trees: 64, seed: 1 });
  const { mainEffects, interactions } = decomposeVariance(forest.trees, columns, PAIRS);
  return {
    main: mainEffects.map(({ share }) => share),
    pairs: interactions.map(({ share }) => share),
    r2: forest.outOfBagR2!,
  };
}

/** Runs whose metric is a function of parameters drawn from ranges. */
function request(
  rows: number,
  texts: (random: SeededRandom) => Record<string, string | null>,
  f: (p: Record<string, string | null>) => number,
) {
  const random = new SeededRandom(11);
  const runs = Array.from({ length: rows }, () => texts(random));
  const params = Object.keys(runs[0]!).map((key) => ({ key, texts: runs.map((run) => run[key]!) }));
  return { params, metric: runs.map(f), trees: 64, seed: 3 } satisfies ImportanceRequest;
}

describe('functional ANOVA of a forest', () => {
  it('agrees with its definition on scikit-learn’s trees of the same table', () => {
    for (const { rows, values, ...expected } of fixture<{
      rows: number[][];
      values: number[];
      mainEffects: number[];
      outOfBagR2: number;
    }>('importance')) {
      const { main, r2 } = sharesOf(rows, (row) => values[rows.indexOf(row)]!);
      main.forEach((share, c) => expect(Math.abs(share - expected.mainEffects[c]!)).toBeLessThan(0.03));
      expect(Math.abs(r2 - expected.outOfBagR2)).toBeLessThan(0.03);
    }
  });

  it('finds the Sobol indices of an additive function to 0.03, and nothing without an effect', () => {
    // Variances of 4a, 2b and c over the unit cube are as 16 : 4 : 1.
    const { main, pairs } = sharesOf(drawn(600, 3, 7), ([a, b, c]) => 4 * a! + 2 * b! + c!);
    [16 / 21, 4 / 21, 1 / 21].forEach((share, c) => expect(Math.abs(main[c]! - share)).toBeLessThan(0.03));
    pairs.forEach((share) => expect(share).toBeLessThan(0.03));
  });

  it('finds that a product is an interaction', () => {
    // (a − ½)(b − ½) has no main effect at all.
    const { main, pairs, r2 } = sharesOf(drawn(600, 3, 8), ([a, b]) => (a! - 0.5) * (b! - 0.5));
    expect(r2).toBeGreaterThan(0.8);
    main.forEach((share) => expect(share).toBeLessThan(0.06));
    expect(pairs[0]).toBeGreaterThan(0.85);
  });

  it('comes within 0.15 of the Sobol indices of Ishigami’s function', () => {
    const { main, pairs, r2 } = sharesOf(drawn(1000, 3, 5), ishigami);
    console.log(
      `Ishigami, 1,000 rows: main ${main.map((x) => x.toFixed(3))}, pairs ${pairs.map((x) => x.toFixed(3))}, ` +
        `R² ${r2.toFixed(3)}`,
    );
    [0.3139, 0.4424, 0].forEach((share, c) => expect(Math.abs(main[c]! - share)).toBeLessThan(0.15));
    [0, 0.2437, 0].forEach((share, i) => expect(Math.abs(pairs[i]! - share)).toBeLessThan(0.06));
    expect(r2).toBeGreaterThan(0.85);
  });
});

describe('parameter importance', () => {
  it('names what influenced the metric, whatever its scale or type', () => {
    const answer = parameterImportance(
      request(
        200,
        (random) => ({
          optimizer: ['adam', 'sgd', 'lion'][random.below(3)]!,
          learning_rate: String(10 ** (-5 + 4 * random.next())),
          batch_size: String([16, 32, 64][random.below(3)]),
          nothing: String(random.next()),
          constant: '1',
          note: `run ${random.next()}`,
        }),
        (p) => (p['optimizer'] === 'sgd' ? 2 : 0) + Math.abs(Math.log10(Number(p['learning_rate'])) + 3),
      ),
    );
    const [first, second, ...others] = answer.params;
    expect([first, second].map((param) => [param!.key, param!.kind])).toEqual([
      ['optimizer', 'CATEGORICAL'],
      ['learning_rate', 'LOG'],
    ]);
    others.forEach(({ importance, permutation }) => expect(Math.max(importance, permutation)).toBeLessThan(0.02));
    expect(answer.outOfBagR2).toBeGreaterThan(0.9);
    expect(answer.leftOut).toEqual([
      { key: 'constant', reason: 'the same in all runs' },
      { key: 'note', reason: 'a text of its own in most runs' },
    ]);
    const total = [...answer.params, ...answer.interactions].reduce(
      (sum, { importance }) => sum + importance,
      answer.rest,
    );
    expect(total).toBeCloseTo(1, 9);
  });

  it('treats absence as a separate value', () => {
    const answer = parameterImportance(
      request(
        120,
        (random) => ({ dropout: random.next() < 0.5 ? null : String(random.next()), other: String(random.next()) }),
        (p) => (p['dropout'] === null ? 1 : 0),
      ),
    );
    expect(answer.params[0]).toMatchObject({ key: 'dropout', kind: 'LINEAR' });
    expect(answer.params[0]!.importance).toBeGreaterThan(0.95);
  });

  it('gives a parameter without effect about nothing, and the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0.1, max: 1000, noNaN: true }), (seed, scale) => {
        const rows = drawn(80, 3, seed);
        const column = (key: string, c: number) => ({ key, texts: rows.map((row) => String(row[c])) });
        const asked = {
          params: [column('a', 0), column('b', 1), column('idle', 2)],
          metric: rows.map(([a, b]) => scale * (a! + 2 * b!)),
          trees: 32,
          seed,
        };
        const answer = parameterImportance(asked);
        const idle = answer.params.find(({ key }) => key === 'idle')!;
        expect(idle.importance).toBeLessThan(0.03);
        expect(idle.permutation).toBeLessThan(0.05);
        expect(answer.params[0]!.key).toBe('b');
        expect(parameterImportance(asked)).toEqual(answer);
      }),
      { numRuns: 15 },
    );
  });

  it('does not explain pure noise', () => {
    const answer = parameterImportance(
      request(
        100,
        (random) => ({ a: String(random.next()), noise: String(random.next()) }),
        () => Math.random(),
      ),
    );
    expect(answer.outOfBagR2).toBeLessThan(0.25);
  });

  it('refuses too few runs and runs that do not differ', () => {
    const asked = request(
      9,
      (random) => ({ a: String(random.next()) }),
      ({ a }) => Number(a),
    );
    expect(() => parameterImportance(asked)).toThrow(
      /expected 10 to 1000 runs with a finite value of the metric, got 9\./,
    );
    const same = request(
      20,
      (random) => ({ a: String(random.next()) }),
      () => 1,
    );
    expect(() => parameterImportance(same)).toThrow(AppError);
    const constant = request(
      20,
      () => ({ a: '1' }),
      () => Math.random(),
    );
    expect(() => parameterImportance(constant)).toThrow(/a parameter that differs/);
  });

  it('is limited: 1,000 runs of 50 parameters', () => {
    const rows = drawn(1000, 50, 9);
    const params = rows[0]!.map((_, c) => ({ key: `p${c}`, texts: rows.map((row) => String(row[c])) }));
    const startedMs = performance.now();
    const answer = parameterImportance({
      params,
      metric: rows.map((row) => row[3]! + row[7]! * row[8]!),
      trees: 64,
      seed: 1,
    });
    console.log(`importance of 50 parameters over 1,000 runs: ${(performance.now() - startedMs).toFixed(0)} ms`);
    expect(answer.params[0]!.key).toBe('p3');
    expect(answer.interactions[0]!.keys).toEqual(['p7', 'p8']);
  });
});

describe('axes of parameters', () => {
  it('are logarithmic when the values are', () => {
    expect(paramAxis(['1e-4', '1e-3', '1e-2', '1e-1']).kind).toBe('LOG');
    expect(paramAxis(['1', '50', '100']).kind).toBe('LINEAR');
    expect(paramAxis(['0', '0.001', '10']).kind).toBe('LINEAR');
    expect(paramAxis(['3', 'None', '7'])).toMatchObject({ kind: 'LINEAR', values: [3, null, 7], low: 3, high: 7 });
    expect(paramAxis(['3', 'three'])).toMatchObject({ kind: 'CATEGORICAL', categories: ['3', 'three'] });
    expect(paramAxis(['nan', '1'])).toMatchObject({ kind: 'CATEGORICAL' });
    expect(paramAxis([null, null])).toMatchObject({ kind: 'CATEGORICAL', categories: [] });
  });

  it('place every value between their ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double().map(String), fc.string(), fc.constant(null)), { minLength: 1, maxLength: 30 }),
        (texts) => {
          const axis = paramAxis(texts);
          axisPositions(axis).forEach((position, i) => {
            expect(position === null).toBe(axis.values[i] === null);
            if (position !== null) expect(position >= 0 && position <= 1).toBe(true);
          });
        },
      ),
    );
  });
});
