import { FULL_WEIGHT_BPS } from '../../core/index.js';
import { keysForMeans, planDesign, ratioOf, type KeyMoments } from '../../statistics/index.js';
import { tellingKeys, type TestMetric, type TestRules } from './design.js';

export interface PlanQuestion {
  minimumEffect: number;
  power: number;
  /** Of the value of a key; null when it is not known yet. */
  standardDeviation: number | null;
  keysPerDay: number | null;
}

/** How long a test takes, before it starts. */
export interface TestPlan {
  standardDeviation: number;
  /** Of all variants together, at most. */
  plannedKeys: number;
  /** On average, if the minimum effect is there. */
  expectedKeys: number;
  /** Planned keys as a multiple of those of a test with one look. */
  inflation: number;
  keysPerDay: number | null;
  days: number | null;
}

/** Keys that ranks need for a shift of normal values, as a multiple of means: 1 over Pitman's efficiency. */
const RANK_INFLATION = Math.PI / 3;

/** Power and duration. With several variants, each is planned at its share of α. */
export function planTest(
  rules: Pick<TestRules, 'design' | 'alpha' | 'looks' | 'variants' | 'metrics'>,
  { minimumEffect, power, standardDeviation, keysPerDay }: PlanQuestion,
): TestPlan | null {
  if (standardDeviation === null || !(standardDeviation > 0)) return null;
  const [control, ...others] = rules.variants.map(({ weightBps }) => weightBps / FULL_WEIGHT_BPS);
  const treatmentShare = Math.min(...others);
  const alpha = rules.alpha / others.length;
  const deviations = { controlDeviation: standardDeviation, treatmentDeviation: standardDeviation };
  const effect = { difference: minimumEffect, ...deviations, controlShare: control!, treatmentShare };
  const { inflation: ofDesign, expectedWithEffect } = planDesign(rules.design, { alpha, power, looks: rules.looks });
  const usesRanks = rules.metrics.some(({ role, test }) => role === 'PRIMARY' && test === 'MANN_WHITNEY');
  const inflation = usesRanks ? ofDesign * RANK_INFLATION : ofDesign;
  const keys = (keysForMeans(effect, alpha, power) * inflation) / (control! + treatmentShare);
  const plannedKeys = Math.ceil(keys);
  return {
    ...{ standardDeviation, plannedKeys, inflation, keysPerDay },
    expectedKeys: Math.ceil(keys * expectedWithEffect),
    days: keysPerDay === null ? null : plannedKeys / keysPerDay,
  };
}

/** Fewer keys than this say too little about the spread of all. */
export const MIN_PAST_KEYS = 100;

/** The standard deviation of a key's value; of a ratio, that of its linearised values. Null with too few keys. */
export function measuredDeviation(metric: Pick<TestMetric, 'source'>, past: KeyMoments | undefined): number | null {
  if (!past || past.measuredKeys < MIN_PAST_KEYS) return null;
  const deviation = Math.sqrt(ratioOf(past).errorVariance * tellingKeys(metric, past));
  return deviation > 0 ? deviation : null;
}
