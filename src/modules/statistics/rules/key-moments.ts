import type { GroupMean } from './two-samples.js';

/**
 * What one key adds to a metric: the metric is Σ numerator / Σ denominator over the keys of a variant. A mean per key
 * has the denominator 1. The past is the same before the test began, 0 and 0 for a key without a past.
 */
export interface KeyValues {
  numerator: ArrayLike<number>;
  denominator: ArrayLike<number>;
  pastNumerator?: ArrayLike<number>;
  pastDenominator?: ArrayLike<number>;
}

/** Numerator, denominator, past numerator and past denominator. */
const PARTS = 4;

/** Means and covariances of the four parts over the keys of a variant: all that the delta method and CUPED need. */
export interface KeyMoments {
  keys: number;
  /** Keys whose denominator is above 0: the others say nothing about a ratio. */
  measuredKeys: number;
  means: readonly number[];
  /** Sample covariances (n − 1), 4 × 4, row by row. */
  covariances: readonly number[];
}

/** In two passes, so that values far from 0 lose no digits. */
export function keyMoments({ numerator, denominator, pastNumerator, pastDenominator }: KeyValues): KeyMoments {
  const keys = numerator.length;
  const parts = [numerator, denominator, pastNumerator, pastDenominator];
  const means = parts.map((part) => {
    let sum = 0;
    if (part) for (let key = 0; key < keys; key++) sum += part[key]!;
    return keys > 0 ? sum / keys : 0;
  });
  const covariances = new Array<number>(PARTS * PARTS).fill(0);
  for (let a = 0; a < PARTS; a++) {
    for (let b = a; b < PARTS; b++) {
      const [first, second] = [parts[a], parts[b]];
      let sum = 0;
      if (first && second)
        for (let key = 0; key < keys; key++) sum += (first[key]! - means[a]!) * (second[key]! - means[b]!);
      covariances[a * PARTS + b] = covariances[b * PARTS + a] = keys > 1 ? sum / (keys - 1) : 0;
    }
  }
  let measuredKeys = 0;
  for (let key = 0; key < keys; key++) if (denominator[key]! > 0) measuredKeys++;
  return { keys, measuredKeys, means, covariances };
}

export interface ArmComparison {
  control: GroupMean;
  treatment: GroupMean;
  difference: number;
  /** Of the difference. */
  standardError: number;
  /** The share of the variance that the past has removed; 0 without CUPED. */
  varianceReduction: number;
}

/** The ratio of the means, and its squared standard error by the delta method (Deng, Knoblich and Lu 2018). */
export function ratioOf({ keys, means, covariances }: KeyMoments): GroupMean {
  const [y, x] = [means[0]!, means[1]!];
  const ratio = x === 0 ? 0 : y / x;
  const variance =
    x === 0 ? 0 : (covariances[0]! - 2 * ratio * covariances[1]! + ratio * ratio * covariances[PARTS + 1]!) / (x * x);
  return { mean: ratio, errorVariance: keys > 0 ? Math.max(0, variance) / keys : 0, n: keys };
}

/**
 * Two variants compared by key. With `cuped`, each mean is corrected by what the past of its keys explains (CUPED:
 * Deng, Xu, Kohavi and Walker 2013), with one slope for both variants; of a ratio, by its linearised past. A key
 * without a past is not corrected.
 */
export function compareArms(control: KeyMoments, treatment: KeyMoments, cuped: boolean): ArmComparison {
  const plain = [ratioOf(control), ratioOf(treatment)] as const;
  const [a, b] = cuped ? corrected(control, treatment, plain) : plain;
  const variance = a.errorVariance + b.errorVariance;
  const before = plain[0].errorVariance + plain[1].errorVariance;
  return {
    control: a,
    treatment: b,
    difference: b.mean - a.mean,
    standardError: Math.sqrt(variance),
    varianceReduction: before > 0 ? 1 - variance / before : 0,
  };
}

function corrected(
  control: KeyMoments,
  treatment: KeyMoments,
  plain: readonly [GroupMean, GroupMean],
): readonly [GroupMean, GroupMean] {
  const arms = [control, treatment];
  const keys = control.keys + treatment.keys;
  const overall = (part: number): number => arms.reduce((sum, { keys: n, means }) => sum + n * means[part]!, 0) / keys;
  const pastScale = overall(3);
  if (!(pastScale > 0)) return plain;
  const pastRatio = overall(2) / pastScale;
  const past = arms.map(({ means, covariances: c }, arm) => {
    const [ratio, scale] = [plain[arm]!.mean, means[1]!];
    const at = (i: number, j: number): number => c[i * PARTS + j]!;
    return {
      mean: (means[2]! - pastRatio * means[3]!) / pastScale,
      variance: (at(2, 2) - 2 * pastRatio * at(2, 3) + pastRatio ** 2 * at(3, 3)) / pastScale ** 2,
      covariance:
        scale === 0
          ? 0
          : (at(0, 2) - pastRatio * at(0, 3) - ratio * at(1, 2) + ratio * pastRatio * at(1, 3)) / (scale * pastScale),
    };
  });
  const weighted = (of: (arm: (typeof past)[number]) => number): number =>
    past.reduce((sum, arm, i) => sum + arms[i]!.keys * of(arm), 0);
  const spread = weighted(({ variance }) => variance);
  if (!(spread > 0)) return plain;
  const slope = weighted(({ covariance }) => covariance) / spread;
  const correct = (arm: 0 | 1): GroupMean => {
    const { mean, errorVariance, n } = plain[arm];
    const { variance, covariance, mean: pastMean } = past[arm]!;
    const change = (slope * slope * variance - 2 * slope * covariance) / n;
    return { mean: mean - slope * pastMean, errorVariance: Math.max(0, errorVariance + change), n };
  };
  return [correct(0), correct(1)];
}

/**
 * Values beyond the quantiles are replaced by them (Winsor; Tukey 1962): a few extreme keys must not decide. Both
 * quantiles come from all variants together, interpolated like numpy's percentile, so that they favour none.
 */
export function winsorLimits(values: readonly Float64Array[], share: number): { low: number; high: number } {
  const all = new Float64Array(values.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of values) {
    all.set(part, at);
    at += part.length;
  }
  all.sort();
  const quantile = (q: number): number => {
    const position = q * (all.length - 1);
    const below = Math.floor(position);
    const low = all[below]!;
    return low + ((all[below + 1] ?? low) - low) * (position - below);
  };
  return { low: quantile(share), high: quantile(1 - share) };
}
