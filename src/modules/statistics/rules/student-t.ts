import { normalCdf, normalDensity } from './normal.js';
import { chiSquareTail, logGamma } from './special-functions.js';

/**
 * I_x(a, b), the regularised incomplete beta function, by Lentz's continued fraction (Abramowitz and Stegun 26.5.8).
 */
export function incompleteBeta(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast on this side of the mean; the other side is computed from its complement.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(b, a, 1 - x);
  const tiny = 1e-300;
  const away = (value: number): number => (Math.abs(value) < tiny ? tiny : value);
  let c = 1;
  let d = 1 / away(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  const step = (numerator: number): number => {
    d = 1 / away(1 + numerator * d);
    c = away(1 + numerator / c);
    fraction *= d * c;
    return d * c;
  };
  for (let m = 1; m < 1_000; m++) {
    step((m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)));
    const change = step((-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)));
    if (Math.abs(change - 1) < 1e-16) break;
  }
  const logScale = a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b);
  return (Math.exp(logScale) * fraction) / a;
}

/** P(|T| ≥ |t|) of Student's t distribution; `dof` need not be whole. */
export function studentTTwoSided(t: number, dof: number): number {
  if (!Number.isFinite(t)) return 0;
  return incompleteBeta(dof / 2, 0.5, dof / (dof + t * t));
}

/** The t that |T| exceeds with probability `tail`, for both sides together. */
export function studentTQuantile(tail: number, dof: number): number {
  let high = 1;
  while (studentTTwoSided(high, dof) > tail) high *= 2;
  return fallingRoot(0, high, (t) => studentTTwoSided(t, dof) - tail);
}

/** Beyond this many standard deviations, a normal variable has no weight in double precision. */
const NORMAL_REACH = 9;
/** χ values beyond this are ignored, for any degrees of freedom used here. */
const CHI_REACH = 40;
const INTERVALS = 160;

/**
 * P(T ≤ t) of the noncentral t distribution: T = (Z + δ) / √(χ²/dof), so for t > 0 it is P(Z < −δ) + ∫ φ(z) P(χ² ≥
 * dof·((z + δ)/t)²) dz. It uses Simpson's rule over z or over (z + δ)/t, whichever makes the integrand smooth. Made for
 * up to some dozens of degrees of freedom.
 */
export function noncentralTCdf(t: number, dof: number, delta: number): number {
  if (t < 0) return 1 - noncentralTCdf(-t, dof, -delta);
  const below = normalCdf(-delta);
  if (t === 0) return below;
  const tail = (u: number): number => chiSquareTail(dof * u * u, dof);
  const integral =
    t >= 1
      ? simpson(
          Math.max(-delta, -NORMAL_REACH),
          Math.max(-delta, NORMAL_REACH),
          (z) => normalDensity(z) * tail((z + delta) / t),
        )
      : simpson(
          0,
          Math.min(CHI_REACH / Math.sqrt(dof), (delta + NORMAL_REACH) / t),
          (u) => normalDensity(u * t - delta) * t * tail(u),
        );
  return Math.min(1, below + Math.max(0, integral));
}

function simpson(from: number, to: number, f: (x: number) => number): number {
  if (to <= from) return 0;
  const h = (to - from) / INTERVALS;
  let total = f(from) + f(to);
  for (let i = 1; i < INTERVALS; i++) total += (i % 2 === 1 ? 4 : 2) * f(from + i * h);
  return (total * h) / 3;
}

/** The zero of a falling function between `low` and `high`, by false position with the Illinois rule. */
export function fallingRoot(low: number, high: number, f: (x: number) => number): number {
  let [from, to] = [low, high];
  let [above, below] = [f(from), f(to)];
  let last = 0;
  for (let i = 0; i < 200 && to - from > 1e-10 * Math.max(1, Math.abs(from)); i++) {
    // When the function is flat at both ends, false position is slow: regular halving limits the number of steps.
    const x = i % 4 === 3 || above === below ? (from + to) / 2 : from + ((to - from) * above) / (above - below);
    const value = f(x);
    if (value === 0) return x;
    if (value > 0) {
      [from, above] = [x, value];
      if (last === 1) below /= 2;
      last = 1;
    } else {
      [to, below] = [x, value];
      if (last === -1) above /= 2;
      last = -1;
    }
  }
  return (from + to) / 2;
}
