import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  mixtureBound,
  sequenceMultiplier,
  sequencePValue,
  tunedRho,
} from '../../src/modules/statistics/rules/confidence-sequence.js';
import {
  benjaminiHochbergAdjusted,
  chiSquareContingency,
  chiSquareTable,
  holmAdjusted,
} from '../../src/modules/statistics/rules/drift-statistics.js';
import {
  driftForPower,
  spendingBounds,
  spentAlpha,
  stoppingProbabilities,
} from '../../src/modules/statistics/rules/group-sequential.js';
import { compareArms, keyMoments, ratioOf, winsorLimits } from '../../src/modules/statistics/rules/key-moments.js';
import { normalCdf, normalQuantile } from '../../src/modules/statistics/rules/normal.js';
import { betaPosterior, probabilityOfBest } from '../../src/modules/statistics/rules/probability-of-best.js';
import { sampleRatioTest, sequentialSampleRatio } from '../../src/modules/statistics/rules/sample-ratio.js';
import { keysForMeans, planDesign } from '../../src/modules/statistics/rules/sample-size.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import {
  mannWhitneyTest,
  type RankSums,
  twoProportionTest,
  welchTest,
} from '../../src/modules/statistics/rules/two-samples.js';
import { fixture } from './fixture.js';

const ones = (values: readonly number[]): number[] => values.map(() => 1);
const relative = (own: number, other: number): number => Math.abs(own - other) / Math.max(1e-300, Math.abs(other));

/** By definition: the mean rank of a value is the number of smaller ones and half of those equal, and a half. */
function rankSums(a: readonly number[], b: readonly number[]): RankSums {
  const among = (value: number, others: readonly number[]): number =>
    others.reduce((sum, other) => sum + (other < value ? 1 : other === value ? 0.5 : 0), 0.5);
  const all = [...a, ...b];
  const placements = [a, b].map((own) => own.map((value) => among(value, all) - among(value, own)));
  const variance = (values: number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  };
  return {
    n: a.length,
    m: b.length,
    rankSum: b.reduce((sum, value) => sum + among(value, all), 0),
    tieTerm: all.reduce((sum, value) => sum + all.filter((other) => other === value).length ** 2 - 1, 0),
    placementVariances: [variance(placements[0]!), variance(placements[1]!)],
  };
}

describe('the normal distribution', () => {
  it('agrees with scipy in the tails, too', () => {
    for (const { p, z } of fixture<{ p: number; z: number }>('ab-normal')) {
      expect(normalQuantile(p)).toBeCloseTo(z, 9);
      if (p < 0.5) expect(relative(normalCdf(z), p)).toBeLessThan(1e-9);
    }
  });
});

describe('tests with one look', () => {
  it('Welch agrees with scipy, from sums per key', () => {
    for (const { a, b, ...expected } of fixture<{
      a: number[];
      b: number[];
      t: number;
      dof: number;
      pValue: number;
      low: number;
      high: number;
    }>('ab-means')) {
      const group = (values: number[]) => ratioOf(keyMoments({ numerator: values, denominator: ones(values) }));
      const test = welchTest(group(a), group(b), 0.1);
      expect(relative(test.statistic, expected.t)).toBeLessThan(1e-9);
      expect(relative(test.dof, expected.dof)).toBeLessThan(1e-9);
      expect(test.pValue).toBeCloseTo(expected.pValue, 9);
      expect(test.interval.low).toBeCloseTo(expected.low, 8);
      expect(test.interval.high).toBeCloseTo(expected.high, 8);
    }
  });

  it('two proportions agree with statsmodels, tables with scipy', () => {
    for (const { control, treatment, ...expected } of fixture<{
      control: { events: number; n: number };
      treatment: { events: number; n: number };
      z: number;
      pValue: number;
      low: number;
      high: number;
      chiSquare: number;
      chiSquareDof: number;
      chiSquareP: number;
    }>('ab-proportions')) {
      const test = twoProportionTest(control, treatment, 0.05);
      expect(test.statistic).toBeCloseTo(expected.z, 9);
      expect(test.pValue).toBeCloseTo(expected.pValue, 9);
      expect(test.interval.low).toBeCloseTo(expected.low, 9);
      expect(test.interval.high).toBeCloseTo(expected.high, 9);
      const cells = ({ events, n }: { events: number; n: number }) => [events, n - events];
      const both = { events: control.events + treatment.events, n: control.n + treatment.n };
      const table = chiSquareTable([cells(control), cells(treatment), cells(both)]);
      expect(table.statistic).toBeCloseTo(expected.chiSquare, 9);
      expect(table.dof).toBe(expected.chiSquareDof);
      expect(table.pValue).toBeCloseTo(expected.chiSquareP, 9);
    }
  });

  it('Mann–Whitney agrees with scipy, with ties', () => {
    for (const { a, b, u, pValue } of fixture<{ a: number[]; b: number[]; u: number; pValue: number | null }>(
      'ab-mann-whitney',
    )) {
      const test = mannWhitneyTest(rankSums(a, b));
      expect(test.statistic).toBe(u);
      // scipy divides by zero when all values are equal.
      expect(test.pValue).toBeCloseTo(pValue ?? 1, 9);
      expect(test.superiority).toBeCloseTo(u / (a.length * b.length), 12);
    }
  });

  it('the error of ranks agrees with Brunner and Munzel in scipy', () => {
    for (const { a, b, superiority, standardError } of fixture<{
      a: number[];
      b: number[];
      superiority: number;
      standardError: number;
    }>('ab-ranks')) {
      const test = mannWhitneyTest(rankSums(a, b));
      expect(test.superiority).toBeCloseTo(superiority, 12);
      expect(test.standardError).toBeCloseTo(standardError, 10);
    }
  });

  it('chi-square of two or more variants agrees with scipy, corrected for two', () => {
    for (const { table, ...expected } of fixture<{
      table: number[][];
      statistic: number;
      dof: number;
      pValue: number;
    }>('ab-contingency')) {
      const test = chiSquareContingency(table);
      expect(test.statistic).toBeCloseTo(expected.statistic, 9);
      expect(test.dof).toBe(expected.dof);
      expect(test.pValue).toBeCloseTo(expected.pValue, 9);
    }
  });

  it('Holm and Benjamini–Hochberg agree with statsmodels', () => {
    for (const { pValues, holm, benjaminiHochberg } of fixture<{
      pValues: number[];
      holm: number[];
      benjaminiHochberg: number[];
    }>('ab-corrections')) {
      holmAdjusted(pValues).forEach((p, i) => expect(p).toBeCloseTo(holm[i]!, 12));
      benjaminiHochbergAdjusted(pValues).forEach((p, i) => expect(p).toBeCloseTo(benjaminiHochberg[i]!, 12));
    }
  });
});

interface Arm {
  y: number[];
  x: number[];
  py: number[];
  px: number[];
}

describe('values per key', () => {
  const momentsOf = ({ y, x, py, px }: Arm) =>
    keyMoments({ numerator: y, denominator: x, pastNumerator: py, pastDenominator: px });

  it('delta method and CUPED agree with linearised values in numpy', () => {
    for (const { arms, ...expected } of fixture<{
      arms: [Arm, Arm];
      ratios: number[];
      errors: number[];
      adjusted: number[];
      adjustedErrors: number[];
      winsor: number[];
    }>('ab-ratios')) {
      const [control, treatment] = arms.map(momentsOf) as [ReturnType<typeof momentsOf>, ReturnType<typeof momentsOf>];
      for (const [i, moments] of [control, treatment].entries()) {
        expect(ratioOf(moments).mean).toBeCloseTo(expected.ratios[i]!, 10);
        expect(Math.sqrt(ratioOf(moments).errorVariance)).toBeCloseTo(expected.errors[i]!, 10);
      }
      const cuped = compareArms(control, treatment, true);
      for (const [i, arm] of [cuped.control, cuped.treatment].entries()) {
        expect(arm.mean).toBeCloseTo(expected.adjusted[i]!, 10);
        expect(Math.sqrt(arm.errorVariance)).toBeCloseTo(expected.adjustedErrors[i]!, 10);
      }
      // The level of a key lasts, so that its past removes much of the variance.
      expect(cuped.varianceReduction).toBeGreaterThan(0.2);
      const limits = winsorLimits(
        arms.map(({ y }) => Float64Array.from(y)),
        0.01,
      );
      expect([limits.low, limits.high]).toEqual(expected.winsor.map((value) => expect.closeTo(value, 10) as number));
    }
  });

  it('without a past, CUPED changes nothing; a repeated prediction of a key adds no evidence', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 3, maxLength: 40 }), fc.integer({ min: 2, max: 9 }), (values, times) => {
        const once = keyMoments({ numerator: values, denominator: ones(values) });
        expect(compareArms(once, once, true).standardError).toBe(compareArms(once, once, false).standardError);
        const often = keyMoments({
          numerator: values.map((v) => v * times),
          denominator: values.map(() => times),
        });
        expect(ratioOf(often).mean).toBeCloseTo(ratioOf(once).mean, 5);
        expect(relative(ratioOf(often).errorVariance + 1, ratioOf(once).errorVariance + 1)).toBeLessThan(1e-9);
      }),
    );
  });
});

describe('group sequential bounds', () => {
  it('agree with scipy’s multivariate normal distribution', () => {
    for (const { alpha, sides, information, spent, bounds, drift, crossed } of fixture<{
      alpha: number;
      sides: 1 | 2;
      information: number[];
      spent: number[];
      bounds: number[];
      drift: number;
      crossed: number[];
    }>('ab-spending')) {
      information.forEach((t, look) => expect(spentAlpha(alpha, t, sides)).toBeCloseTo(spent[look]!, 12));
      let sum = 0;
      stoppingProbabilities(information, bounds, drift, sides).stops.forEach((stop, look) => {
        sum += stop;
        expect(Math.abs(sum - crossed[look]!)).toBeLessThan(1e-5);
      });
    }
  });

  it('are those of published tables', () => {
    // Reboussin, DeMets, Kim and Lan (2000), five equal looks, two-sided 5 %, O’Brien–Fleming type.
    const five = spendingBounds([0.2, 0.4, 0.6, 0.8, 1], { alpha: 0.05, sides: 2 });
    [4.8769, 3.3569, 2.6803, 2.2898, 2.031].forEach((bound, look) => expect(five[look]).toBeCloseTo(bound, 3));
    // Pocock’s constant for five looks, two-sided 5 % (Jennison and Turnbull 2000, table 2.1): 2.413.
    const pocock = five.map(() => 2.413);
    const equal = [0.2, 0.4, 0.6, 0.8, 1];
    expect(stoppingProbabilities(equal, pocock, 0, 2).power).toBeCloseTo(0.05, 4);
    // O’Brien and Fleming’s constant for five looks (table 2.3): 2.040 · √(5 / k).
    const brien = equal.map((t) => 2.04 / Math.sqrt(t));
    expect(stoppingProbabilities(equal, brien, 0, 2).power).toBeCloseTo(0.05, 3);
    // Their sample size at power 0.8 is 1.028 times that of one look, Pocock’s 1.229 times (tables 2.2 and 2.4).
    const inflation = (bounds: number[]) => (driftForPower(equal, bounds, 0.8, 2) / (1.959964 + 0.841621)) ** 2;
    expect(inflation(brien)).toBeCloseTo(1.028, 3);
    expect(inflation(pocock)).toBeCloseTo(1.229, 2);
  });

  it('keep their α for any looks, and spend the rest at the last one', () => {
    const looks = fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(looks, fc.constantFrom(0.2, 0.05, 0.01), fc.constantFrom<1 | 2>(1, 2), (percents, alpha, sides) => {
        const information = percents.toSorted((a, b) => a - b).map((percent) => percent / 100);
        const own = spendingBounds(information, { alpha, sides });
        const { power } = stoppingProbabilities(information, own, 0, sides);
        expect(Math.abs(power - spentAlpha(alpha, information.at(-1)!, sides))).toBeLessThan(1e-5);
        const last = spendingBounds(information, { alpha, sides, isLast: true });
        expect(stoppingProbabilities(information, last, 0, sides).power).toBeCloseTo(alpha, 5);
      }),
      { numRuns: 20 },
    );
  });
});

describe('confidence sequences', () => {
  it('have the bounds of confseq, and the best ρ', () => {
    for (const c of fixture<{
      planned: number;
      alpha: number;
      bestRho: number;
      keys: number;
      oneSidedRho: number;
      oneSided: number;
      twoSidedRho: number;
      twoSided: number;
    }>('ab-sequences')) {
      expect(relative(tunedRho(c.planned, c.alpha, 2), c.bestRho)).toBeLessThan(1e-6);
      expect(relative(mixtureBound(c.keys, { rho: c.oneSidedRho, sides: 1 }, c.alpha), c.oneSided)).toBeLessThan(1e-8);
      expect(relative(mixtureBound(c.keys, { rho: c.twoSidedRho, sides: 2 }, c.alpha), c.twoSided)).toBeLessThan(1e-8);
    }
  });

  it('reject exactly when their p-value is at most α, and are wider than one look', () => {
    const keys = fc.integer({ min: 1, max: 1_000_000 });
    fc.assert(
      fc.property(
        keys,
        keys,
        fc.constantFrom(0.1, 0.05, 0.001),
        fc.constantFrom<1 | 2>(1, 2),
        (n, planned, alpha, sides) => {
          const mixture = { rho: tunedRho(planned, alpha, sides), sides };
          const edge = sequenceMultiplier(n, mixture, alpha);
          expect(edge).toBeGreaterThan(normalQuantile(1 - alpha / sides));
          expect(sequencePValue(edge * 1.000001, n, mixture)).toBeLessThanOrEqual(alpha);
          expect(sequencePValue(edge * 0.999999, n, mixture)).toBeGreaterThan(alpha);
        },
      ),
    );
  });

  it('hold at every look of a random walk', () => {
    const random = new SeededRandom(7);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const exceeded = { 1: 0, 2: 0 };
    const bounds = ([1, 2] as const).map((sides) => {
      const mixture = { rho: tunedRho(200, 0.05, sides), sides };
      return Array.from({ length: 500 }, (_, step) => mixtureBound(step + 1, mixture, 0.05));
    });
    for (let walk = 0; walk < 1_000; walk++) {
      let sum = 0;
      const crossed = { 1: false, 2: false };
      for (let keys = 1; keys <= 500; keys++) {
        sum += normal();
        for (const sides of [1, 2] as const) {
          if ((sides === 1 ? sum : Math.abs(sum)) > bounds[sides - 1]![keys - 1]!) crossed[sides] = true;
        }
      }
      for (const sides of [1, 2] as const) if (crossed[sides]) exceeded[sides]++;
    }
    console.log(`random walks of 500 steps beyond their 5 % bound: ${exceeded[1]} (one side), ${exceeded[2]} of 1,000`);
    // Three standard errors above 5 %.
    expect(exceeded[1]).toBeLessThanOrEqual(70);
    expect(exceeded[2]).toBeLessThanOrEqual(70);
  });
});

describe('planning', () => {
  it('agrees with statsmodels for one look', () => {
    for (const { effect, ratio, alpha, power, keys } of fixture<{
      effect: number;
      ratio: number;
      alpha: number;
      power: number;
      keys: number;
    }>('ab-sizes')) {
      const shares = { controlShare: 1, treatmentShare: ratio };
      const own = keysForMeans(
        { difference: effect, controlDeviation: 1, treatmentDeviation: 1, ...shares },
        alpha,
        power,
      );
      expect(relative(own, keys)).toBeLessThan(1e-5);
    }
  });

  it('more looks cost more keys at most, and fewer on average', () => {
    const options = { alpha: 0.05, power: 0.8, looks: 20 };
    const fixed = planDesign('FIXED', options);
    const group = planDesign('GROUP_SEQUENTIAL', options);
    const sequence = planDesign('CONFIDENCE_SEQUENCE', options);
    expect(fixed.inflation).toBeCloseTo(1, 5);
    expect(fixed.expectedWithEffect).toBeCloseTo(1, 6);
    expect(group.inflation).toBeLessThan(1.06);
    expect(group.inflation * group.expectedWithEffect).toBeLessThan(0.85);
    expect(sequence.inflation).toBeGreaterThan(group.inflation);
    console.log(
      [fixed, group, sequence]
        .map((p) => `${p.inflation.toFixed(3)} × keys, ${(p.inflation * p.expectedWithEffect).toFixed(3)} on average`)
        .join('; '),
    );
  });

  it('is integrated once for equal questions', () => {
    const question = { alpha: 0.031, power: 0.83, looks: 40 };
    const plan = planDesign('GROUP_SEQUENTIAL', question);
    expect(planDesign('GROUP_SEQUENTIAL', { ...question })).toBe(plan);
    expect(planDesign('CONFIDENCE_SEQUENCE', question)).not.toBe(plan);
    for (const other of [{ alpha: 0.032 }, { power: 0.84 }, { looks: 41 }])
      expect(planDesign('GROUP_SEQUENTIAL', { ...question, ...other })).not.toBe(plan);
  });
});

describe('sample-ratio mismatch', () => {
  it('agrees with scipy, at one look and at any', () => {
    for (const { keys, shares, ...expected } of fixture<{
      keys: number[];
      shares: number[];
      statistic: number;
      pValue: number;
      sequential: number;
    }>('ab-shares')) {
      expect(relative(sampleRatioTest(keys, shares).statistic, expected.statistic)).toBeLessThan(1e-9);
      expect(sampleRatioTest(keys, shares).pValue).toBeCloseTo(expected.pValue, 9);
      expect(relative(sequentialSampleRatio(keys, shares), expected.sequential)).toBeLessThan(1e-5);
    }
  });
});

describe('probability of being best', () => {
  it('agrees with the integral in scipy', () => {
    for (const { kind, posteriors, probabilities } of fixture<{
      kind: 'BETA' | 'NORMAL';
      posteriors: [number, number][];
      probabilities: number[];
    }>('ab-best')) {
      const own = posteriors.map(([a, b]) =>
        kind === 'BETA' ? ({ kind, a, b } as const) : ({ kind, mean: a, standardError: b } as const),
      );
      const found = probabilityOfBest(own, { seed: 5 });
      found.forEach(({ probability }, i) => expect(Math.abs(probability - probabilities[i]!)).toBeLessThan(0.012));
      expect(probabilityOfBest(own, { seed: 5 })).toEqual(found);
    }
    expect(betaPosterior(3, 10)).toEqual({ kind: 'BETA', a: 4, b: 8 });
    const [worse, better] = probabilityOfBest([betaPosterior(90, 100), betaPosterior(10, 100)], {
      seed: 1,
      smallerIsBetter: true,
    });
    expect([worse!.probability, better!.probability]).toEqual([0, 1]);
    expect(worse!.expectedLoss).toBeCloseTo(0.784, 2);
  });
});
