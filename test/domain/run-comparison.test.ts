import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  incompleteBeta,
  noncentralTCdf,
  studentTQuantile,
  studentTTwoSided,
} from '../../src/modules/statistics/rules/student-t.js';
import { compareGroups } from '../../src/modules/statistics/rules/two-groups.js';
import { guessDirection } from '../../src/modules/experiments/rules/metric-direction.js';
import {
  compareTexts,
  compareValues,
  groupBySeed,
  SEED_PARAMS,
  testGroups,
} from '../../src/modules/experiments/rules/run-comparison.js';
import { fixture } from './fixture.js';

interface Case {
  a: number[];
  b: number[];
  t: number;
  dof: number;
  pValue: number;
  low: number;
  high: number;
  hedgesG: number;
  gLow: number;
  gHigh: number;
}

const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const group = fc.array(number, { minLength: 2, maxLength: 10 });

describe('two groups of runs', () => {
  it('are tested like in scipy, with the interval of the noncentral t distribution', () => {
    for (const { a, b, ...expected } of fixture<Case>('two-groups')) {
      const test = compareGroups(a, b);
      if (!('result' in test)) throw new Error(test.reason);
      const { t, dof, pValue, differenceInterval, hedgesG, hedgesGInterval } = test.result;
      const found = { t, dof, ...differenceInterval, hedgesG, gLow: hedgesGInterval.low, gHigh: hedgesGInterval.high };
      for (const [name, value] of Object.entries(found)) {
        const wanted = expected[name as keyof typeof found];
        expect(Math.abs(value - wanted), `${name}: ${value}, not ${wanted}`).toBeLessThan(
          1e-6 * Math.max(1, Math.abs(wanted)),
        );
      }
      expect(pValue / expected.pValue).toBeCloseTo(1, 8);
    }
  });

  it('change the sign when they are exchanged', () => {
    fc.assert(
      fc.property(group, group, (a, b) => {
        const [there, back] = [compareGroups(a, b), compareGroups(b, a)];
        if (!('result' in there) || !('result' in back)) {
          expect(there).toEqual(back);
          return;
        }
        const scale = Math.max(1, Math.abs(there.result.hedgesG));
        expect(back.result.pValue).toBeCloseTo(there.result.pValue, 9);
        expect(Math.abs(back.result.hedgesG + there.result.hedgesG)).toBeLessThan(1e-9 * scale);
        expect(Math.abs(back.result.hedgesGInterval.low + there.result.hedgesGInterval.high)).toBeLessThan(
          1e-5 * scale,
        );
        const { low, high } = there.result.hedgesGInterval;
        expect(low <= there.result.hedgesG && there.result.hedgesG <= high).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('say why they cannot be tested', () => {
    expect(compareGroups([1], [1, 2])).toEqual({ reason: 'fewer than two runs in a group' });
    expect(compareGroups([1, NaN], [1, 2])).toEqual({ reason: 'a value is NaN or infinite' });
    expect(compareGroups([0.1, 0.1, 0.1], [0.2, 0.2, 0.2])).toEqual({ reason: 'the values of a group do not vary' });
    expect(compareGroups([1e308, -1e308], [1e-300, 1e308])).toHaveProperty('result');
  });
});

describe('distributions', () => {
  it('agree with tables', () => {
    expect(incompleteBeta(2, 3, 0.5)).toBeCloseTo(0.6875, 14);
    expect(studentTTwoSided(2.2281388519862744, 10)).toBeCloseTo(0.05, 12);
    expect(studentTQuantile(0.05, 4)).toBeCloseTo(2.7764451051977987, 10);
    expect(noncentralTCdf(1.5, 6, 0)).toBeCloseTo(1 - studentTTwoSided(1.5, 6) / 2, 9);
    expect(noncentralTCdf(0.2, 6, 0)).toBeCloseTo(1 - studentTTwoSided(0.2, 6) / 2, 9);
  });
});

describe('directions of metrics', () => {
  it('are guessed from their names', () => {
    const less = [
      'loss',
      'validation.loss',
      'val_loss',
      'logLoss',
      'log_loss',
      'eval-rmse',
      'test/MAE',
      'inertia',
      'latency_p95',
      'error_rate',
      'training_time',
    ];
    const more = [
      'accuracy',
      'r2',
      'roc_auc',
      'f1',
      'lossless_frames',
      'neg_log_loss',
      'silhouette',
      'throughput',
      'val.neg_mean_squared_error',
    ];
    expect(less.map(guessDirection)).toEqual(less.map(() => 'MINIMIZE'));
    expect(more.map(guessDirection)).toEqual(more.map(() => 'MAXIMIZE'));
  });
});

describe('comparison of runs', () => {
  const entries = (record: Record<string, string>) => Object.entries(record).map(([key, value]) => ({ key, value }));

  it('separates what differs from what is the same', () => {
    expect(compareTexts([entries({ lr: '0.1', depth: '3', a: '1' }), entries({ lr: '0.2', depth: '3' })])).toEqual({
      differing: [
        { key: 'a', values: ['1', null] },
        { key: 'lr', values: ['0.1', '0.2'] },
      ],
      equal: [{ key: 'depth', value: '3' }],
    });
  });

  it('loses no key and adds none', () => {
    const anyRun = fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), fc.constantFrom('1', '2')).map(entries);
    fc.assert(
      fc.property(fc.array(anyRun, { minLength: 1, maxLength: 5 }), (runs) => {
        const { differing, equal } = compareTexts(runs);
        runs.forEach((run, i) => {
          const rebuilt = [
            ...equal,
            ...differing.flatMap(({ key, values }) => (values[i] === null ? [] : [{ key, value: values[i]! }])),
          ];
          expect(new Set(rebuilt.map(({ key, value }) => `${key}=${value}`))).toEqual(
            new Set(run.map(({ key, value }) => `${key}=${value}`)),
          );
        });
      }),
    );
  });

  it('gives the difference to the baseline, and marks the best', () => {
    expect(compareValues([0.5, 0.25, null, NaN], 0, 'MINIMIZE')).toEqual([
      { delta: 0, relativeDelta: 0, isBest: false },
      { delta: -0.25, relativeDelta: -0.5, isBest: true },
      { delta: null, relativeDelta: null, isBest: false },
      { delta: null, relativeDelta: null, isBest: false },
    ]);
    expect(compareValues([0, 1], 0, 'MAXIMIZE')[1]).toEqual({ delta: 1, relativeDelta: null, isBest: true });
    expect(compareValues([-2, -1], 0, 'MAXIMIZE')[1]).toEqual({ delta: 1, relativeDelta: 0.5, isBest: true });
    expect(compareValues([Infinity, 1], 0, 'MAXIMIZE').map(({ isBest }) => isBest)).toEqual([false, false]);
  });

  it('groups repeated seeds, and tests the groups', () => {
    const runs = [1, 2, 3, 1, 2, 3].map((seed, i) =>
      entries({ lr: i < 3 ? '0.1' : '0.2', Random_State: String(seed), depth: '3' }),
    );
    const groups = groupBySeed(runs, SEED_PARAMS);
    expect(groups).toEqual([
      { runs: [0, 1, 2], params: [{ key: 'lr', value: '0.1' }], seeds: ['1', '2', '3'] },
      { runs: [3, 4, 5], params: [{ key: 'lr', value: '0.2' }], seeds: ['1', '2', '3'] },
    ]);
    const [test] = testGroups([0.5, 0.51, 0.49, 0.4, 0.41, 0.39], groups, 0);
    expect(test).toMatchObject({ group: 1, reason: null });
    expect(test!.mean).toBeCloseTo(0.4, 12);
    expect(test!.result!.pValue).toBeLessThan(0.001);
    expect(test!.result!.pValueAdjusted).toBe(test!.result!.pValue);
    expect(testGroups([0.5, 0.51, 0.49, 0.4, null, null], groups, 0)[0]).toMatchObject({
      result: null,
      reason: 'fewer than two runs in a group',
    });
  });
});
