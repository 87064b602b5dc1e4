import { normalCdf, normalDensity } from './normal.js';

/**
 * How a sequence is mixed. `sides` 2: a difference either way; 1: only a difference upwards, as for the guard of a
 * canary.
 */
export interface Mixture {
  /** Prior weight, in the units of intrinsic time (keys). */
  rho: number;
  sides: 1 | 2;
}

/**
 * The weight ρ with which the bound is tightest at `planned` keys: v/ρ = ln(1 + v/ρ) + 2 ln(1/α), which minimises the
 * two-sided normal mixture bound (Howard, Ramdas, McAuliffe and Sekhon 2021, section 3.5). One side at α has the ρ of
 * two sides at 2α, as in the authors' package confseq.
 */
export function tunedRho(planned: number, alpha: number, sides: 1 | 2): number {
  const demanded = -2 * Math.log(sides === 2 ? alpha : 2 * alpha);
  let ratio = demanded + Math.log1p(demanded);
  for (let step = 0; step < 60; step++) ratio = demanded + Math.log1p(ratio);
  return planned / ratio;
}

/**
 * The normal mixture bound u(v): a sum of independent terms with mean 0 and variance v exceeds it at any time with
 * probability at most α (Howard et al. 2021, equation 14 for two sides, proposition 6 for one).
 */
export function mixtureBound(v: number, { rho, sides }: Mixture, alpha: number): number {
  const scale = v + rho;
  if (sides === 2) return Math.sqrt(scale * Math.log(scale / (alpha * alpha * rho)));
  const root = Math.sqrt(scale);
  const wanted = -Math.log(alpha);
  // Newton's steps from the closed upper bound of the same equation.
  let s = Math.sqrt(2 * scale * Math.log1p(Math.sqrt(scale / rho) / (2 * alpha)));
  for (let step = 0; step < 50; step++) {
    const z = s / root;
    const slope = (z + normalDensity(z) / normalCdf(z)) / root;
    const off = (logMixture(s, v, rho) - wanted) / slope;
    s -= off;
    if (Math.abs(off) <= 1e-13 * Math.max(1, s)) break;
  }
  return Math.max(0, s);
}

/** ln of the one-sided (half-normal) mixture supermartingale. */
function logMixture(s: number, v: number, rho: number): number {
  const scale = v + rho;
  return 0.5 * Math.log((4 * rho) / scale) + (s * s) / (2 * scale) + Math.log(normalCdf(s / Math.sqrt(scale)));
}

/**
 * Half the width of the asymptotic confidence sequence in standard errors of the estimate: with the variance estimated
 * from `keys` keys, the estimate ± this many errors holds the truth at all times together with probability 1 − α
 * (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, theorem 2.2, where their ρ² is 1/ρ here).
 */
export function sequenceMultiplier(keys: number, mixture: Mixture, alpha: number): number {
  return keys > 0 ? mixtureBound(keys, mixture, alpha) / Math.sqrt(keys) : Infinity;
}

/**
 * The p-value that is valid at any time (Johari, Koomen, Pekelis and Walsh 2022): 1 over the mixture at `z` standard
 * errors. The smallest one so far is valid, too.
 */
export function sequencePValue(z: number, keys: number, { rho, sides }: Mixture): number {
  if (!(keys > 0) || Number.isNaN(z)) return 1;
  const log =
    sides === 2
      ? 0.5 * Math.log(rho / (keys + rho)) + (z * z * keys) / (2 * (keys + rho))
      : logMixture(z * Math.sqrt(keys), keys, rho);
  return Math.min(1, Math.exp(-log));
}
