import type { Interval } from './intervals.js';
import { mean } from './metrics.js';
import { logGamma } from './special-functions.js';
import { fallingRoot, noncentralTCdf, studentTQuantile, studentTTwoSided } from './student-t.js';

/** The difference between the means of two groups: `a` is tested, `b` is the group to compare with. */
export interface GroupDifference {
  /** mean(a) − mean(b). */
  difference: number;
  /** 95 % interval, by Welch. */
  differenceInterval: Interval;
  t: number;
  dof: number;
  /** Two-sided. */
  pValue: number;
  /** The difference in pooled standard deviations, corrected for small groups. */
  hedgesG: number;
  /** 95 % interval, exact for normal values of equal variance. */
  hedgesGInterval: Interval;
}

/** The result of a test, or the reason why it has none. */
export type GroupTest = { result: GroupDifference } | { reason: string };

export const GROUP_TEST_METHOD =
  "Welch's t-test (two-sided); Hedges' g with its exact 95 % interval from the noncentral t distribution; p " +
  'adjusted by Holm';

/** The largest effect for which an interval is computed, as a noncentrality: beyond it the groups clearly differ. */
const MAX_NONCENTRALITY = 1e8;

/**
 * Welch's t-test (1947) with Satterthwaite's degrees of freedom, as scipy's ttest_ind(equal_var=False), and Hedges' g
 * (1981) with the exact correction Γ(m/2) / (√(m/2) Γ((m − 1)/2)) at m = n₁ + n₂ − 2. Its interval inverts the
 * noncentral t distribution (Steiger and Fouladi 1997).
 */
export function compareGroups(a: readonly number[], b: readonly number[]): GroupTest {
  if (a.length < 2 || b.length < 2) return { reason: 'fewer than two runs in a group' };
  if (![...a, ...b].every(Number.isFinite)) return { reason: 'a value is NaN or infinite' };
  const scale = Math.max(...a.map(Math.abs), ...b.map(Math.abs)) || 1;
  // In units of the greatest value, so that squares of tiny and huge values are exact enough.
  const own = a.map((value) => value / scale);
  const other = b.map((value) => value / scale);
  const difference = mean(own) - mean(other);
  const shareA = variance(own) / a.length;
  const shareB = variance(other) / b.length;
  const error = Math.sqrt(shareA + shareB);
  // For equal values, the rounding of their mean may still be left.
  if (error <= 4 * Number.EPSILON) return { reason: 'the values of a group do not vary' };
  const t = difference / error;
  const dof = (shareA + shareB) ** 2 / (shareA ** 2 / (a.length - 1) + shareB ** 2 / (b.length - 1));
  const half = studentTQuantile(0.05, dof) * error;
  const squares = shareA * a.length * (a.length - 1) + shareB * b.length * (b.length - 1);
  return {
    result: {
      difference: difference * scale,
      differenceInterval: { low: (difference - half) * scale, high: (difference + half) * scale },
      t,
      dof,
      pValue: studentTTwoSided(t, dof),
      ...hedges(difference, a.length, b.length, Math.sqrt(squares / (a.length + b.length - 2))),
    },
  };
}

function hedges(
  difference: number,
  sizeA: number,
  sizeB: number,
  pooled: number,
): Pick<GroupDifference, 'hedgesG' | 'hedgesGInterval'> {
  const dof = sizeA + sizeB - 2;
  const root = Math.sqrt((sizeA * sizeB) / (sizeA + sizeB));
  const correction = Math.exp(logGamma(dof / 2) - logGamma((dof - 1) / 2)) / Math.sqrt(dof / 2);
  const t = (difference / pooled) * root;
  const bound = (probability: number): number => {
    let reach = 10 + 2 * Math.abs(t);
    while (
      reach < MAX_NONCENTRALITY &&
      (noncentralTCdf(t, dof, reach) > probability || noncentralTCdf(t, dof, -reach) < probability)
    ) {
      reach *= 2;
    }
    // The distribution function falls as the noncentrality grows.
    return (fallingRoot(-reach, reach, (delta) => noncentralTCdf(t, dof, delta) - probability) / root) * correction;
  };
  return { hedgesG: (difference / pooled) * correction, hedgesGInterval: { low: bound(0.975), high: bound(0.025) } };
}

function variance(values: readonly number[]): number {
  const center = mean(values);
  return values.reduce((total, value) => total + (value - center) ** 2, 0) / (values.length - 1);
}
