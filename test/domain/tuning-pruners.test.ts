import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AshaPruner,
  HyperbandPruner,
  MedianPruner,
  PatiencePruner,
  ThresholdPruner,
  WilcoxonPruner,
} from '../../src/modules/tuning/rules/pruners.js';
import type { SearchSpace } from '../../src/modules/tuning/rules/space.js';
import type { Pruner, TrialRecord } from '../../src/modules/tuning/rules/study.js';
import { wilcoxonGreater } from '../../src/modules/tuning/rules/wilcoxon.js';
import { fixture } from './fixture.js';
import { historyOf, trial } from './tuning-fixtures.js';

const space: SearchSpace = { parameters: [{ name: 'x', kind: 'FLOAT', low: 0, high: 1 }], constraints: [] };
const curveOf = (values: readonly number[]) => values.map((value, step) => ({ step, values: [value] }));
const running = (number: number, values: readonly number[]): TrialRecord =>
  trial(number, { x: 0 }, { state: 'RUNNING', curve: curveOf(values) });
const complete = (number: number, values: readonly number[]): TrialRecord =>
  trial(
    number,
    { x: 0 },
    { values: [values.reduce((sum, value) => sum + value, 0) / values.length], curve: curveOf(values) },
  );
const decide = (pruner: Pruner, others: readonly TrialRecord[], own: TrialRecord) =>
  pruner.prune(historyOf(space, [...others, own]), own);

describe('pruners', () => {
  interface Case {
    pruner: 'MEDIAN' | 'ASHA' | 'WILCOXON';
    trials: { number: number; state: 'COMPLETE' | 'PRUNED'; curve: number[] }[];
  }
  const made: Record<Case['pruner'], () => Pruner> = {
    MEDIAN: () => new MedianPruner({ startupTrials: 3, warmupSteps: 2 }),
    ASHA: () => new AshaPruner({ minStep: 2, reduction: 2 }),
    WILCOXON: () => new WilcoxonPruner({ pValue: 0.1, startupSteps: 2 }),
  };

  it.each(['MEDIAN', 'ASHA', 'WILCOXON'] as const)(
    '%s stops the trials that Optuna stops, at the same steps',
    (name) => {
      let stopped = 0;
      for (const { trials } of fixture<Case>('tuning-pruners').filter(({ pruner }) => pruner === name)) {
        const done: TrialRecord[] = [];
        for (const { number, state, curve } of trials) {
          curve.forEach((_, step) => {
            const reason = decide(made[name](), done, running(number, curve.slice(0, step + 1)));
            const isStopped = state === 'PRUNED' && step === curve.length - 1;
            expect(reason !== undefined, `trial ${number}, step ${step}: ${reason}`).toBe(isStopped);
          });
          if (state === 'PRUNED') stopped++;
          done.push(state === 'COMPLETE' ? complete(number, curve) : { ...running(number, curve), state });
        }
      }
      expect(stopped).toBeGreaterThan(5);
    },
  );

  it('say why', () => {
    const done = [0.1, 0.2, 0.3, 0.4, 0.5].map((value, number) => complete(number, [value, value, value, value]));
    expect(decide(new MedianPruner(), done, running(9, [0.9, 0.35]))).toBe(
      'The best value until step 1, 0.35, is worse than the median of 5 complete trials, 0.3.',
    );
    expect(decide(new AshaPruner({ minStep: 1, reduction: 3 }), done, running(9, [0.9, 0.35]))).toBe(
      'At step 1, 3 of 5 other trials are better; the best 2 of 6 go on.',
    );
    expect(decide(new PatiencePruner({ patience: 2 }), done, running(9, [0.2, 0.3, 0.2]))).toBe(
      'No value of the last 2 steps is better than 0.2.',
    );
    expect(decide(new WilcoxonPruner(), done, running(9, [0.5, 0.6, 0.7, 0.8]))).toBe(
      "It is worse than trial 0 on 4 folds (Wilcoxon's signed-rank test, p = 0.0625).",
    );
  });

  it('THRESHOLD stops values that are no number or explode', () => {
    const pruner = new ThresholdPruner({ highest: 1e6 });
    expect(decide(pruner, [], running(0, [1, 2]))).toBeUndefined();
    expect(decide(pruner, [], running(0, [1, NaN]))).toBe('The value at step 1 is not a finite number.');
    expect(decide(pruner, [], running(0, [1, Infinity]))).toBe('The value at step 1 is not a finite number.');
    expect(decide(pruner, [], running(0, [1, 2e6]))).toBe('The value at step 1, 2000000, is beyond the limit 1000000.');
    expect(decide(new ThresholdPruner({ lowest: 0 }), [], running(0, [-1]))).toBe(
      'The value at step 0, -1, is beyond the limit 0.',
    );
    expect(decide(new ThresholdPruner({ highest: -0.5, sign: -1 }), [], running(0, [-0.2]))).toBe(
      'The value at step 0, 0.2, is beyond the limit 0.5.',
    );
    expect(decide(new ThresholdPruner(), [], running(0, []))).toBeUndefined();
  });

  it('PATIENCE counts steps without an improvement, as Keras does', () => {
    const stops = (...values: number[]) =>
      decide(new PatiencePruner({ patience: 2, minDelta: 0.1 }), [], running(0, values)) !== undefined;
    expect(stops(1, 1)).toBe(false);
    expect(stops(1, 0.95, 0.91)).toBe(true);
    expect(stops(1, 0.95, 0.89)).toBe(false);
    expect(stops(1, NaN, NaN)).toBe(true);
    expect(stops(NaN, NaN, 1)).toBe(false);
  });

  it('ASHA judges only the step that reaches a rung', () => {
    const done = [0.1, 0.2, 0.3, 0.4].map((value, number) => complete(number, Array(17).fill(value) as number[]));
    const pruner = new AshaPruner({ minStep: 4, reduction: 2 });
    const stopsAt = (values: number[]): boolean => decide(pruner, done, running(9, values)) !== undefined;
    expect(stopsAt([9, 9, 9, 9])).toBe(false);
    expect(stopsAt([9, 9, 9, 9, 9])).toBe(true);
    expect(stopsAt([9, 9, 9, 9, 0.15, 9])).toBe(false);
    expect(stopsAt([9, 9, 9, 9, 0.15, 9, 9, 9, 9])).toBe(true);
  });

  it('HYPERBAND spreads trials over brackets that begin later and later, and compares only within them', () => {
    const pruner = new HyperbandPruner({ minStep: 1, reduction: 3, maxStep: 27 });
    const brackets = Array.from({ length: 540 }, (_, number) => pruner.bracketOf(number));
    const shares = [0, 1, 2, 3].map((bracket) => brackets.filter((own) => own === bracket).length / 540);
    // 27, 12, 6 and 4 trials, as in table 1 of the paper for η = 3 and R = 27.
    [27, 12, 6, 4].forEach((count, bracket) => expect(shares[bracket]).toBeCloseTo(count / 49, 1.7));
    const inBracket = (bracket: number): number[] =>
      [...brackets.keys()].filter((number) => brackets[number] === bracket);
    const worst = (bracket: number, steps: number): string | undefined => {
      const [own, ...others] = inBracket(bracket);
      const good = others.slice(0, 9).map((number) => complete(number, Array(28).fill(0) as number[]));
      return decide(pruner, good, running(own!, Array(steps).fill(1) as number[]));
    };
    expect(worst(0, 2)).toMatch(/^Bracket 1: At step 1/);
    expect(worst(2, 9)).toBeUndefined();
    expect(worst(2, 10)).toMatch(/^Bracket 3: At step 9/);
    const strangers = inBracket(1)
      .slice(0, 9)
      .map((number) => complete(number, Array(28).fill(0) as number[]));
    expect(decide(pruner, strangers, running(inBracket(0)[0]!, [1, 1]))).toBeUndefined();
  });
});

describe('with several objectives', () => {
  /** A trial whose values are the same at each step. */
  const flat = (number: number, values: readonly number[], steps = 9): TrialRecord =>
    trial(number, { x: 0 }, { values, curve: Array.from({ length: steps }, (_, step) => ({ step, values })) });
  const reaching = (number: number, values: readonly number[], steps: number): TrialRecord => ({
    ...flat(number, values, steps),
    ...{ state: 'RUNNING', values: undefined },
  });
  const front = [0, 1, 2, 3, 4, 5].map((i) => flat(i, [i, 5 - i]));

  it('ASHA keeps what no other trial beats, and stops what lies behind', () => {
    const pruner = new AshaPruner({ minStep: 2, reduction: 2 });
    // 7 trials, of which 3 go on: of the first front those that cover most, which its outermost ones do not.
    expect(decide(pruner, front, reaching(9, [0.5, 0.5], 3))).toBeUndefined();
    expect(decide(pruner, front, reaching(9, [3, 3], 3))).toBe(
      'At step 2, it is not among the best 3 of 7 trials by all objectives.',
    );
    expect(decide(pruner, front, reaching(9, [3, 3], 2))).toBeUndefined();
    expect(decide(pruner, front, reaching(9, [0, NaN], 3))).toBe('The value at step 2 is not a number.');
  });

  it('ASHA with equal objectives decides as with one', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(1_000), { minLength: 2, maxLength: 12 }), ([own, ...others]) => {
        const pruner = new AshaPruner({ minStep: 1, reduction: 3 });
        const stops = (width: number) => {
          const values = (value: number) => Array.from({ length: width }, () => value);
          const done = others.map((value, number) => flat(number, values(value)));
          return decide(pruner, done, reaching(99, values(own!), 2)) !== undefined;
        };
        expect(stops(2)).toBe(stops(1));
      }),
    );
  });

  it('MEDIAN and PATIENCE stop only what is worse in every objective', () => {
    const median = new MedianPruner({ startupTrials: 3 });
    expect(decide(median, front, reaching(9, [4, 4], 2))).toBe(
      'The best values until step 1 are worse than the medians of 6 complete trials, in every objective.',
    );
    expect(decide(median, front, reaching(9, [9, 2], 2))).toBeUndefined();
    const patience = new PatiencePruner({ patience: 2 });
    const moving = (...curve: number[][]): TrialRecord => ({
      ...reaching(9, [0, 0], 0),
      curve: curve.map((values, step) => ({ step, values })),
    });
    expect(decide(patience, [], moving([1, 1], [1, 0.5], [1, 0.5]))).toBeUndefined();
    expect(decide(patience, [], moving([1, 1], [1, 1], [2, 1]))).toBe(
      'No value of the last 2 steps is better than those before, in any objective.',
    );
  });
});

describe("Wilcoxon's signed-rank test", () => {
  it('agrees with scipy, with and without ties and zeros', () => {
    for (const { differences, p } of fixture<{ differences: number[]; p: number }>('tuning-wilcoxon'))
      expect(wilcoxonGreater(differences)).toBeCloseTo(p, 6);
  });
});
