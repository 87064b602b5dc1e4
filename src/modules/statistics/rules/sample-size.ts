import { LRUCache } from 'lru-cache';
import { sequenceMultiplier, tunedRho } from './confidence-sequence.js';
import { driftForPower, spendingBounds, stoppingProbabilities } from './group-sequential.js';
import { normalQuantile } from './normal.js';

export type TestDesign = 'FIXED' | 'GROUP_SEQUENTIAL' | 'CONFIDENCE_SEQUENCE';

export interface DesignPlan {
  /** Bounds of |z| at equally spaced looks. */
  bounds: readonly number[];
  /** Keys that the design needs, as a multiple of those of a test with one look. */
  inflation: number;
  /** The expected length with the planned effect, and without any effect, as fractions of the planned keys. */
  expectedWithEffect: number;
  expectedWithoutEffect: number;
}

interface DesignQuestion {
  alpha: number;
  power: number;
  looks: number;
}

/** A plan takes up to half a second to integrate, and a page of tests asks for one of each. */
const plans = new LRUCache<string, DesignPlan>({ max: 1_000 });

/**
 * What a two-sided test with `looks` equally spaced looks costs: more keys at most, fewer on average. For every design
 * by the same integration over its bounds, so the power of a confidence sequence counts its early stops, too.
 */
export function planDesign(design: TestDesign, question: DesignQuestion): DesignPlan {
  const { alpha, power, looks } = question;
  const id = [design, alpha, power, looks].join(' ');
  const known = plans.get(id);
  if (known) return known;
  const plan = integrate(design, question);
  plans.set(id, plan);
  return plan;
}

function integrate(design: TestDesign, { alpha, power, looks }: DesignQuestion): DesignPlan {
  const information = design === 'FIXED' ? [1] : Array.from({ length: looks }, (_, look) => (look + 1) / looks);
  const bounds = designBounds(design, information, alpha);
  const drift = driftForPower(information, bounds, power, 2);
  const single = normalQuantile(1 - alpha / 2) + normalQuantile(power);
  const expected = (mean: number): number => {
    const { stops, power: stopped } = stoppingProbabilities(information, bounds, mean, 2);
    return stops.reduce((sum, stop, look) => sum + stop * information[look]!, 1 - stopped);
  };
  return {
    bounds,
    inflation: (drift / single) ** 2,
    expectedWithEffect: expected(drift),
    expectedWithoutEffect: expected(0),
  };
}

function designBounds(design: TestDesign, information: readonly number[], alpha: number): number[] {
  if (design === 'FIXED') return [normalQuantile(1 - alpha / 2)];
  if (design === 'GROUP_SEQUENTIAL') return spendingBounds(information, { alpha, sides: 2 });
  // The multiplier depends only on keys/ρ, so the planned number of keys may be 1 here.
  const rho = tunedRho(1, alpha, 2);
  return information.map((keys) => sequenceMultiplier(keys, { rho, sides: 2 }, alpha));
}

export interface EffectToFind {
  /** Smallest difference that matters, in units of the metric. */
  difference: number;
  /** Standard deviation of a key's value in the control and in the treatment. */
  controlDeviation: number;
  treatmentDeviation: number;
  /** Fractions of the keys that each of the two gets; they need not add up to 1. */
  controlShare: number;
  treatmentShare: number;
}

/** The keys of both variants together for a two-sided z-test, not rounded: statsmodels' zt_ind_solve_power. */
export function keysForMeans(effect: EffectToFind, alpha: number, power: number): number {
  const { controlShare: a, treatmentShare: b, controlDeviation, treatmentDeviation } = effect;
  const quantiles = normalQuantile(1 - alpha / 2) + normalQuantile(power);
  const variance = (controlDeviation ** 2 / a + treatmentDeviation ** 2 / b) * (a + b);
  return (quantiles / effect.difference) ** 2 * variance;
}
