import { chiSquareTail } from './special-functions.js';

/** P(Z ≤ z) of the standard normal distribution. */
export function normalCdf(z: number): number {
  const tail = 0.5 * chiSquareTail(z * z, 1);
  return z < 0 ? tail : 1 - tail;
}

export function normalDensity(z: number): number {
  return Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
}

/** The z with P(Z ≤ z) = p: the approximation 26.2.23 of Abramowitz and Stegun, made exact by Halley's steps. */
export function normalQuantile(p: number): number {
  if (p === 0.5) return 0;
  if (p > 0.5) return -normalQuantile(1 - p);
  if (!(p > 0)) return p === 0 ? -Infinity : Number.NaN;
  const t = Math.sqrt(-2 * Math.log(p));
  let z =
    (2.515_517 + 0.802_853 * t + 0.010_328 * t * t) / (1 + 1.432_788 * t + 0.189_269 * t * t + 0.001_308 * t * t * t) -
    t;
  for (let step = 0; step < 4; step++) {
    const off = (normalCdf(z) - p) / normalDensity(z);
    z -= off / (1 + (off * z) / 2);
  }
  return z;
}
