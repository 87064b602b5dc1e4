import type { Interval } from './intervals.js';
import { logGamma } from './special-functions.js';

/** Half of a success and of a failure: the mixture of Krichevsky and Trofimov, which wastes little at any share. */
const PRIOR = 0.5;
const HALVINGS = 100;

/**
 * An interval for a share that holds the truth at all times together with probability 1 − α: whoever looks after every
 * trial is wrong no more often than who looks once (Robbins 1970; Howard, Ramdas, McAuliffe and Sekhon 2021, section
 * 3.2, the beta-binomial mixture).
 */
export function binomialSequence(successes: number, trials: number, alpha: number): Interval {
  if (!(trials > 0)) return { low: 0, high: 1 };
  const estimate = successes / trials;
  const wanted = -Math.log(alpha);
  const isOutside = (share: number) => logMixture(successes, trials, share) >= wanted;
  return {
    low: successes === 0 ? 0 : edgeBetween(0, estimate, isOutside),
    high: successes === trials ? 1 : edgeBetween(1, estimate, isOutside),
  };
}

/**
 * Which values a percentile may have, from the counts of a histogram with these upper edges: at all times together,
 * with probability 1 − α, it lies above `low` and not above `high`. The last count has no upper edge.
 */
export function percentileSequence(
  counts: readonly number[],
  edges: readonly number[],
  share: number,
  alpha: number,
): Interval {
  const trials = counts.reduce((sum, count) => sum + count, 0);
  const wanted = -Math.log(alpha);
  const above = 1 - share;
  let [low, high] = [0, Infinity];
  let beyond = trials;
  for (const [bucket, edge] of edges.entries()) {
    beyond -= counts[bucket] ?? 0;
    if (trials === 0 || logMixture(beyond, trials, above) < wanted) continue;
    // The hypotheses "the percentile is at most this edge" are nested, so that no correction for many edges is needed.
    if (beyond / trials > above) low = edge;
    else {
      high = edge;
      break;
    }
  }
  return { low, high };
}

/** ln of the mixture martingale: how much better an unknown share explains the trials than this one does. */
function logMixture(successes: number, trials: number, share: number): number {
  const failures = trials - successes;
  const explained =
    (successes > 0 ? successes * Math.log(share) : 0) + (failures > 0 ? failures * Math.log1p(-share) : 0);
  return logBeta(PRIOR + successes, PRIOR + failures) - logBeta(PRIOR, PRIOR) - explained;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** The place between `outside` and `inside` where the shares begin to be outside. */
function edgeBetween(outside: number, inside: number, isOutside: (share: number) => boolean): number {
  let [out, within] = [outside, inside];
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (out + within) / 2;
    if (middle === out || middle === within) break;
    if (isOutside(middle)) out = middle;
    else within = middle;
  }
  return out;
}
