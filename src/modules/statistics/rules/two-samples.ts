import type { TestResult } from './drift-statistics.js';
import type { Interval } from './intervals.js';
import { normalCdf, normalQuantile } from './normal.js';
import { studentTQuantile, studentTTwoSided } from './student-t.js';

export interface DifferenceTest extends TestResult {
  /** Of the treatment minus that of the control. */
  difference: number;
  /** Holds the true difference with probability 1 − α. */
  interval: Interval;
}

/** The mean of one group with its squared standard error. */
export interface GroupMean {
  mean: number;
  /** Variance of the mean: s² / n. */
  errorVariance: number;
  n: number;
}

/**
 * Welch's t-test (1947) with Satterthwaite's degrees of freedom, from means and their errors: scipy's
 * ttest_ind_from_stats(equal_var=False). Without any spread p is 1 for equal means, otherwise 0.
 */
export function welchTest(control: GroupMean, treatment: GroupMean, alpha: number): DifferenceTest & { dof: number } {
  const difference = treatment.mean - control.mean;
  const variance = control.errorVariance + treatment.errorVariance;
  const error = Math.sqrt(variance);
  const dof =
    variance > 0
      ? variance ** 2 /
        (control.errorVariance ** 2 / (control.n - 1) + treatment.errorVariance ** 2 / (treatment.n - 1))
      : control.n + treatment.n - 2;
  const statistic = difference === 0 ? 0 : difference / error;
  const half = error === 0 ? 0 : studentTQuantile(alpha, dof) * error;
  return {
    difference,
    statistic,
    dof,
    pValue: studentTTwoSided(statistic, dof),
    interval: { low: difference - half, high: difference + half },
  };
}

/** How many of `n` keys had the event. */
export interface Proportion {
  events: number;
  n: number;
}

/**
 * Two-proportion z-test with the pooled variance (statsmodels' proportions_ztest) and Wald's interval of the
 * difference (confint_proportions_2indep(method="wald")).
 */
export function twoProportionTest(control: Proportion, treatment: Proportion, alpha: number): DifferenceTest {
  const [p, q] = [control.events / control.n, treatment.events / treatment.n];
  const pooled = (control.events + treatment.events) / (control.n + treatment.n);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n));
  const difference = q - p;
  const statistic = difference === 0 ? 0 : difference / error;
  const half = normalQuantile(1 - alpha / 2) * Math.sqrt((p * (1 - p)) / control.n + (q * (1 - q)) / treatment.n);
  return {
    difference,
    statistic,
    pValue: 2 * normalCdf(-Math.abs(statistic)),
    interval: { low: difference - half, high: difference + half },
  };
}

/** What the rank tests need of two groups: ranks among the values of both, and among those of the own group. */
export interface RankSums {
  /** Values of the control and of the treatment. */
  n: number;
  m: number;
  /** Sum of the ranks of the treatment among all values; equal values share the mean of their ranks. */
  rankSum: number;
  /** Σ (t³ − t) over the groups of t equal values. */
  tieTerm: number;
  /** Sample variance of the rank among all values minus that among the own group, of both groups. */
  placementVariances: readonly [number, number];
}

/**
 * Mann–Whitney's U test by the normal approximation with correction for ties and for continuity: scipy's
 * mannwhitneyu(method="asymptotic"). `superiority` is the probability that a value of the treatment is larger than one
 * of the control; ties count one half. Its standard error is that of Brunner and Munzel (2000), which holds for groups
 * of unequal spread, too.
 */
export function mannWhitneyTest({ n, m, rankSum, tieTerm, placementVariances }: RankSums): TestResult & {
  superiority: number;
  standardError: number;
} {
  const above = rankSum - (m * (m + 1)) / 2;
  const all = n + m;
  const spread = Math.sqrt(((n * m) / 12) * (all + 1 - tieTerm / (all * (all - 1))));
  const off = Math.max(0, Math.abs(above - (n * m) / 2) - 0.5);
  const z = spread > 0 ? off / spread : 0;
  const [control, treatment] = placementVariances;
  return {
    statistic: above,
    pValue: spread > 0 ? Math.min(1, 2 * normalCdf(-z)) : 1,
    superiority: above / (n * m),
    standardError: Math.sqrt(control / (n * m * m) + treatment / (m * n * n)),
  };
}
