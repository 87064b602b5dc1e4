import type { KeyMoments, TestDesign } from '../../statistics/index.js';

/** Where the values of a metric come from. */
export type MetricSource = 'OUTPUT' | 'LATENCY' | 'ERRORS' | 'OUTCOME' | 'GROUND_TRUTH';

/**
 * How the values of a key become one: MEAN is Σ value / Σ count over the keys (delta method), SUM the sum of each key,
 * ANY whether the sum of a key is above 0.
 */
export type MetricAggregation = 'MEAN' | 'SUM' | 'ANY';

/**
 * What compares the values of the keys at the one look of a FIXED test: their means (Welch; two proportions of ANY),
 * their ranks, or the counts of those with and without the outcome in all variants at once.
 */
export type MetricTest = 'MEANS' | 'MANN_WHITNEY' | 'CHI_SQUARE';

export type MetricRole = 'PRIMARY' | 'SECONDARY' | 'GUARD';

export interface TestMetric {
  name: string;
  role: MetricRole;
  source: MetricSource;
  aggregation: MetricAggregation;
  /** Which change is an improvement. */
  wanted: 'INCREASE' | 'DECREASE';
  /** Of a guard: harm up to this, in units of the metric, is accepted. */
  margin: number;
  /** Absent in tests that were planned before there were others: MEANS. */
  test?: MetricTest;
  /**
   * Values of keys above this percentile of all variants together count as it, those below the opposite one as that;
   * absent: as they are.
   */
  winsorPercentile?: number | null;
}

export interface TestVariant {
  name: string;
  deploymentId: string;
  modelVersionId: string;
  weightBps: number;
}

/** What decides a test. Fixed when it starts. */
export interface TestRules {
  design: TestDesign;
  alpha: number;
  /** Of all variants together. */
  plannedKeys: number;
  /** Equally spaced looks of a group sequential test. */
  looks: number;
  correction: 'HOLM' | 'BENJAMINI_HOCHBERG';
  /** Whether values are corrected by the past of their keys. */
  cuped: boolean;
  /** The first one is the control. */
  variants: readonly TestVariant[];
  metrics: readonly TestMetric[];
  /** Deployments that viewers may call because of the test; absent before the start. */
  openedToViewers?: readonly string[];
}

/**
 * Keys that say something about a metric. Truths come late: a test on ground truth waits for its planned keys until so
 * many have one.
 */
export function tellingKeys({ source }: Pick<TestMetric, 'source'>, { keys, measuredKeys }: KeyMoments): number {
  return source === 'GROUND_TRUTH' ? measuredKeys : keys;
}

/** The information of the next look of a group sequential test; the last one is 1. */
export function nextLook({ looks }: Pick<TestRules, 'looks'>, taken: readonly number[]): number {
  const last = taken.at(-1) ?? 0;
  // Rounding must not repeat a look.
  return Math.min(1, (Math.floor(last * looks + 1e-9) + 1) / looks);
}
