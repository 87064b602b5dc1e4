import { describe, expect, it } from 'vitest';
import { pedAnova } from '../../src/modules/tuning/rules/importance.js';
import { hypervolume, nondominatedInsert, paretoFront, spreadOut } from '../../src/modules/tuning/rules/pareto.js';
import type { Params, SearchSpace } from '../../src/modules/tuning/rules/space.js';
import type { TrialRecord } from '../../src/modules/tuning/rules/study.js';
import { fixture } from './fixture.js';
import { trial } from './tuning-fixtures.js';

const space: SearchSpace = {
  parameters: [
    { name: 'x', kind: 'FLOAT', low: -5, high: 5 },
    { name: 'rate', kind: 'FLOAT', low: 1e-5, high: 1e-1, log: true },
    { name: 'depth', kind: 'INTEGER', low: 1, high: 12 },
    { name: 'units', kind: 'INTEGER', low: 1, high: 1024, log: true },
    { name: 'share', kind: 'FLOAT', low: 0, high: 1, step: 0.25 },
    { name: 'kind', kind: 'CATEGORICAL', choices: ['a', 'b', 'c'] },
    { name: 'inner', kind: 'FLOAT', low: 0, high: 1, when: { parameter: 'kind', oneOf: ['a'] } },
  ],
  constraints: [],
};

interface ImportanceCase {
  trials: { params: Params; value: number }[];
  importance: Record<string, number>;
}

describe('PED-ANOVA', () => {
  it("agrees with Optuna's, also for a parameter with a condition", () => {
    for (const { trials, importance } of fixture<ImportanceCase>('tuning-ped-anova')) {
      const records = trials.map(({ params, value }, i) => trial(i, params, { values: [value] }));
      const found = pedAnova(space, records, 1);
      for (const { name, divergence } of found)
        expect(Math.abs(divergence / importance[name]! - 1), `${name} of ${trials.length}`).toBeLessThan(1e-4);
      expect(found.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 10);
      expect(found.map(({ share }) => share)).toEqual(found.map(({ share }) => share).toSorted((a, b) => b - a));
    }
  });

  it('asks for ten complete trials, and ranks several objectives by fronts', () => {
    const records = fixture<ImportanceCase>('tuning-ped-anova')[2]!.trials.map(({ params }, i) => {
      const x = Number(params['x']);
      return trial(i, params, { values: [(x - 2) ** 2, (x - 2.5) ** 2] });
    });
    expect(() => pedAnova(space, records.slice(0, 9), 2)).toThrow(
      'at least 10 complete trials with finite values, got 9',
    );
    expect(pedAnova(space, records, 2)[0]!.name).toBe('x');
  });
});

describe('Pareto fronts', () => {
  interface Case {
    values: number[][];
    ranks: number[];
    reference: number[];
    hypervolume: number;
  }
  type Valued = TrialRecord & { values: readonly number[] };
  const recordsOf = (values: number[][]) => values.map((own, i) => ({ ...trial(i, {}), values: own }) as Valued);

  it("have Optuna's ranks and hypervolumes, whatever the order", () => {
    for (const { values, ranks, reference, hypervolume: expected } of fixture<Case>('tuning-fronts')) {
      expect(hypervolume(values, reference)).toBeCloseTo(expected, 10);
      const records = recordsOf(values);
      for (const order of [records, records.toReversed()]) {
        const fronts: Valued[][] = [];
        for (const record of order) nondominatedInsert(fronts, record);
        const found = records.map((record) => fronts.findIndex((front) => front.includes(record)));
        expect(found).toEqual(ranks);
      }
      expect(paretoFront(records).map(({ number }) => number)).toEqual(
        ranks.flatMap((rank, i) => (rank === 0 ? [i] : [])),
      );
    }
  });

  it('are thinned to points that cover most', () => {
    const line = recordsOf(Array.from({ length: 300 }, (_, i) => [i / 299, 1 - i / 299]));
    const picked = spreadOut(line, 5).map(({ values }) => values[0]!);
    expect(picked.toSorted((a, b) => a - b).every((x, i) => Math.abs(x - (i + 0.5) / 5) < 0.2)).toBe(true);
    expect(
      spreadOut(
        recordsOf([
          [0, Infinity],
          [1, 1],
          [2, 0],
        ]),
        2,
      ),
    ).toHaveLength(2);
    expect(new Set(spreadOut(recordsOf(Array.from({ length: 9 }, () => [1, 1])), 4)).size).toBe(4);
  });
});
