import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyse, bestProbabilities, type Look } from '../../src/modules/ab-tests/rules/analysis.js';
import { nextLook, type TestMetric, type TestRules } from '../../src/modules/ab-tests/rules/design.js';
import { measuredDeviation, planTest } from '../../src/modules/ab-tests/rules/plan.js';
import { keyMoments, type KeyMoments } from '../../src/modules/statistics/rules/key-moments.js';

const METRIC: TestMetric = {
  ...{ name: 'value', role: 'PRIMARY', source: 'OUTCOME', aggregation: 'SUM', wanted: 'INCREASE', margin: 0 },
};
const LAST: Look = { information: [1], isDecisive: true, isLast: true };

function rulesOf(names: string[], more: Partial<TestRules> = {}): TestRules {
  const weightBps = 10_000 / names.length;
  return {
    ...{ design: 'GROUP_SEQUENTIAL', alpha: 0.05, plannedKeys: 400, looks: 4, correction: 'HOLM', cuped: false },
    variants: names.map((name) => ({ name, deploymentId: name, modelVersionId: name, weightBps })),
    metrics: [METRIC],
    ...more,
  };
}

/** `keys` values around a mean, with a standard deviation of about 1. */
function around(mean: number, keys = 100): KeyMoments {
  const numerator = Array.from({ length: keys }, (_, i) => mean + ((i % 11) - 5) / 3.16);
  return keyMoments({ numerator, denominator: numerator.map(() => 1) });
}

const dataOf = (...variants: KeyMoments[]) => ({
  ...{ keys: variants.map(({ keys }) => keys), mixedKeys: 0, moments: [variants] },
});

describe('the decision of an A/B test', () => {
  it('is the better variant, in the wanted direction', () => {
    const data = dataOf(around(0), around(0.5), around(1));
    const names = ['old', 'b', 'c'];
    expect(analyse(rulesOf(names), data, LAST).decision).toMatchObject({ kind: 'WINNER', variant: 'c' });
    const fewer = rulesOf(names, { metrics: [{ ...METRIC, wanted: 'DECREASE' }] });
    expect(analyse(fewer, data, LAST).decision).toMatchObject({ kind: 'WINNER', variant: 'old' });
    expect(bestProbabilities(rulesOf(names), data)![2]).toBeGreaterThan(0.99);
  });

  it('corrects for several variants, step by step with Holm', () => {
    // z = 2.33 against the control: p = 0.02, enough alone and not for four comparisons.
    const names = ['old', 'a', 'b', 'c', 'd'];
    const weak = dataOf(around(0), around(0.33), around(0), around(0), around(0));
    expect(analyse(rulesOf(names), weak, LAST).decision!.kind).toBe('NO_DIFFERENCE');
    expect(analyse(rulesOf(['old', 'a']), dataOf(around(0), around(0.33)), LAST).decision!.kind).toBe('WINNER');
    // The others are proved, so that the weak one is tested at the whole alpha.
    const strong = dataOf(around(0), around(0.33), around(1), around(1), around(1));
    const { metrics } = analyse(rulesOf(names), strong, LAST);
    expect(metrics[0]!.comparisons.map(({ significant }) => significant)).toEqual([true, true, true, true]);
  });

  it('needs 30 keys with a value in each variant, however many were seen', () => {
    // Of 400 keys, few have an outcome: 1 in one variant and 0 in the other.
    const ratio = (values: number[]): KeyMoments =>
      keyMoments({
        numerator: Array.from({ length: 400 }, (_, i) => values[i] ?? 0),
        denominator: Array.from({ length: 400 }, (_, i) => (i < values.length ? 1 : 0)),
      });
    const metrics: TestMetric[] = [
      { ...METRIC, aggregation: 'MEAN' },
      { ...METRIC, name: 'cost', role: 'GUARD', aggregation: 'MEAN', wanted: 'DECREASE' },
    ];
    for (const design of ['FIXED', 'GROUP_SEQUENTIAL', 'CONFIDENCE_SEQUENCE'] as const) {
      const rules = rulesOf(['old', 'new'], { design, metrics });
      const decide = (...arms: KeyMoments[]) =>
        analyse(rules, { keys: [400, 400], mixedKeys: 0, moments: [arms, arms] }, LAST).decision;
      const bestOf = (...arms: KeyMoments[]) =>
        bestProbabilities(rules, { keys: [400, 400], mixedKeys: 0, moments: [arms, arms] });
      for (const n of [1, 29]) {
        const arms = [ratio(new Array<number>(n).fill(1)), ratio(new Array<number>(n).fill(0))] as const;
        expect(decide(...arms)).toMatchObject({ kind: 'NO_DIFFERENCE', reason: expect.stringMatching(/^Too little/) });
        expect(bestOf(...arms)).toBeNull();
      }
      // No spread within a variant is still a difference, and harm: none of 30 failed, then all of 30.
      const harmful = decide(ratio(new Array<number>(30).fill(0)), ratio(new Array<number>(30).fill(1)));
      expect(harmful).toMatchObject({ kind: 'HARM', variant: 'new' });
      const primary = { ...rules, metrics: metrics.slice(0, 1) };
      const arms = [ratio(new Array<number>(30).fill(0)), ratio(new Array<number>(30).fill(1))];
      const won = analyse(primary, { keys: [400, 400], mixedKeys: 0, moments: [arms] }, LAST);
      expect(won.decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
      const { low, high, pValue } = won.metrics[0]!.comparisons[0]!;
      expect([low, high]).toEqual([expect.closeTo(1, 6), expect.closeTo(1, 6)]);
      expect(pValue).toBeLessThan(1e-9);
    }
  });

  it('waits for its looks, and shows no interval before', () => {
    const early: Look = { information: [], isDecisive: false, isLast: false };
    for (const design of ['FIXED', 'GROUP_SEQUENTIAL'] as const) {
      const { decision, metrics } = analyse(rulesOf(['old', 'new'], { design }), dataOf(around(0), around(5)), early);
      expect(decision).toBeNull();
      expect(metrics[0]!.comparisons[0]).toMatchObject({ low: null, high: null, pValue: null, significant: false });
    }
    expect(nextLook({ looks: 4 }, [])).toBe(0.25);
    expect(nextLook({ looks: 4 }, [0.25])).toBe(0.5);
    expect(nextLook({ looks: 4 }, [0.25, 0.81])).toBe(1);
  });

  it('is taken on ranks, however far a few keys are from the others', () => {
    const ranked: TestMetric = { ...METRIC, test: 'MANN_WHITNEY' };
    const rules = rulesOf(['old', 'new'], { design: 'FIXED', metrics: [ranked] });
    // Of 100 × 100 pairs the new variant has the larger value in 70 %.
    const placementVariances = [700, 700] as const;
    const ranks = [[{ n: 100, m: 100, rankSum: 7_000 + 5_050, tieTerm: 0, placementVariances }]];
    // The means are the other way round.
    const data = { ...dataOf(around(1), around(0)), ranks };
    const { decision, metrics } = analyse(rules, data, LAST);
    expect(decision).toMatchObject({ kind: 'WINNER', variant: 'new' });
    expect(metrics[0]!.comparisons[0]).toMatchObject({ difference: expect.closeTo(0.4, 12), varianceReduction: 0 });
    const early = analyse(rules, { ...data, ranks: undefined }, { information: [], isDecisive: false, isLast: false });
    expect(early.metrics[0]!.comparisons[0]).toMatchObject({ low: null, high: null, pValue: null, significant: false });
  });

  it('needs the chi-square of all variants, then that of the pair', () => {
    const counted: TestMetric = { ...METRIC, aggregation: 'ANY', test: 'CHI_SQUARE' };
    const names = ['old', 'a', 'b', 'c'];
    const rules = rulesOf(names, { design: 'FIXED', metrics: [counted] });
    const bought = (events: number): KeyMoments =>
      keyMoments({
        numerator: Array.from({ length: 400 }, (_, i) => Number(i < events)),
        denominator: Array.from({ length: 400 }, () => 1),
      });
    const judged = (...events: number[]) => analyse(rules, dataOf(...events.map(bought)), LAST);
    const clear = judged(100, 100, 160, 100);
    expect(clear.decision).toMatchObject({ kind: 'WINNER', variant: 'b' });
    expect(clear.metrics[0]!.overall).toMatchObject({ degreesOfFreedom: 3 });
    // One pair alone has p = 0.008, below 0.05 / 3; all four together p = 0.08.
    const unclear = judged(100, 120, 135, 118);
    expect(unclear.metrics[0]!.comparisons[1]!.pValue).toBeLessThan(0.05 / 3);
    expect(unclear.metrics[0]!.overall!.pValue).toBeGreaterThan(0.05);
    expect(unclear.decision!.kind).toBe('NO_DIFFERENCE');
  });

  it('is refused when keys are lost or in several variants', () => {
    const rules = rulesOf(['old', 'new']);
    const uneven = analyse(rules, dataOf(around(0, 200), around(1, 100)), LAST).decision;
    expect(uneven).toMatchObject({ kind: 'INVALID', variant: null });
    expect(uneven!.reason).toContain('Sample-ratio mismatch');
    const mixed = { ...dataOf(around(0), around(1)), mixedKeys: 5 };
    expect(analyse(rules, mixed, LAST).decision!.reason).toContain('5 of 205 keys');
  });

  it('is harm at any look, beyond the margin only', () => {
    const guard = (margin: number): TestMetric => ({
      ...METRIC,
      name: 'cost',
      role: 'GUARD',
      wanted: 'DECREASE',
      margin,
    });
    const early: Look = { information: [], isDecisive: false, isLast: false };
    const data = {
      ...dataOf(around(0), around(0)),
      moments: [
        [around(0), around(0)],
        [around(0), around(2)],
      ],
    };
    const judged = (margin: number) =>
      analyse(rulesOf(['old', 'new'], { metrics: [METRIC, guard(margin)] }), data, early);
    expect(judged(0).decision).toMatchObject({ kind: 'HARM', variant: 'new' });
    expect(judged(0).metrics[1]!.comparisons[0]!.low).toBeGreaterThan(0);
    expect(judged(2).decision).toBeNull();
  });

  it('never depends on the unit of the metric', () => {
    const shift = fc.double({ min: -1, max: 1, noNaN: true });
    const factor = fc.constantFrom(1e-3, 1, 1e6);
    fc.assert(
      fc.property(
        shift,
        factor,
        fc.constantFrom('FIXED' as const, 'GROUP_SEQUENTIAL', 'CONFIDENCE_SEQUENCE'),
        (by, unit, design) => {
          const scaled = (mean: number) => {
            const numerator = Array.from({ length: 60 }, (_, i) => (mean + (i % 7)) * unit);
            return keyMoments({ numerator, denominator: numerator.map(() => 1) });
          };
          const rules = rulesOf(['old', 'new'], { design });
          const own = analyse(rules, dataOf(scaled(0), scaled(by)), LAST).decision!;
          const numerator = (mean: number) => Array.from({ length: 60 }, (_, i) => mean + (i % 7));
          const plain = [numerator(0), numerator(by)].map((values) =>
            keyMoments({ numerator: values, denominator: values.map(() => 1) }),
          );
          expect(own.kind).toBe(analyse(rules, dataOf(...plain), LAST).decision!.kind);
        },
      ),
    );
  });
});

describe('the plan', () => {
  it('knows the keys from the spread of the past, and doubles nothing', () => {
    const rules = rulesOf(['old', 'new'], { design: 'FIXED' });
    expect(measuredDeviation(METRIC, around(0, 99))).toBeNull();
    expect(measuredDeviation(METRIC, around(0, 1_000))).toBeCloseTo(1, 2);
    // Half of the keys have no truth yet: the test waits for keys that have one, whose spread is that of their errors.
    const known = Array.from({ length: 2_000 }, (_, i) => i % 2);
    const errors = known.map((is, i) => is * (2 + (((i >> 1) % 11) - 5) / 3.16));
    const half = keyMoments({ numerator: errors, denominator: known });
    expect(measuredDeviation({ source: 'GROUND_TRUTH' }, half)).toBeCloseTo(1, 2);
    const question = { minimumEffect: 0.1, power: 0.8, standardDeviation: 1, keysPerDay: 314 };
    // Two groups of 1,570 (Cohen 1988: d = 0.1, power 0.8).
    expect(planTest(rules, question)).toMatchObject({ plannedKeys: 3_140, expectedKeys: 3_140, days: 10 });
    expect(planTest(rules, { ...question, standardDeviation: null })).toBeNull();
    // Ranks need π/3 times the keys for values that are normal.
    const ranked = { ...rules, metrics: [{ ...METRIC, test: 'MANN_WHITNEY' as const }] };
    expect(planTest(ranked, question)!.plannedKeys).toBe(3_288);
  });
});
