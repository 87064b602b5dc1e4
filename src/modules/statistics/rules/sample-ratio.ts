import { sum, type TestResult } from './drift-statistics.js';
import { chiSquareTail, logGamma } from './special-functions.js';

/** Below this p the keys are not divided as the weights say, and no result may be trusted (Fabijan et al. 2019). */
export const SAMPLE_RATIO_ALPHA = 0.001;

/** Pearson's chi-square test that the keys of the variants have the planned shares: scipy's chisquare. For one look. */
export function sampleRatioTest(keys: readonly number[], shares: readonly number[]): TestResult {
  const total = sum(keys);
  if (total === 0 || keys.length < 2) return { statistic: 0, pValue: 1 };
  const statistic = keys.reduce((all, n, i) => all + (n - shares[i]! * total) ** 2 / (shares[i]! * total), 0);
  return { statistic, pValue: chiSquareTail(statistic, keys.length - 1) };
}

/**
 * The same for any number of looks: 1 over the Bayes factor of the planned shares against a Dirichlet prior around
 * them (Lindon and Malek 2022, Anytime-Valid Inference for Multinomial Count Data). Ever falling to α has a
 * probability of at most α when the shares are right.
 */
export function sequentialSampleRatio(keys: readonly number[], shares: readonly number[]): number {
  const prior = shares.map((share) => share * shares.length);
  const total = sum(keys);
  let log = logGamma(shares.length) - logGamma(shares.length + total);
  keys.forEach((n, i) => {
    log += logGamma(prior[i]! + n) - logGamma(prior[i]!) - n * Math.log(shares[i]!);
  });
  return Math.min(1, Math.exp(-log));
}
