import { normalCdf, normalDensity, normalQuantile } from './normal.js';
import { fallingRoot } from './student-t.js';

/**
 * What Lan and DeMets' (1983) spending function of the O'Brien–Fleming type has spent of α when this fraction of the
 * planned information is there: 2 − 2 Φ(z(1 − α/2) / √t) for one side; each of two sides spends α/2.
 */
export function spentAlpha(alpha: number, fraction: number, sides: 1 | 2): number {
  const t = Math.min(1, fraction);
  if (!(t > 0)) return 0;
  return sides * 2 * normalCdf(normalQuantile(alpha / sides / 2) / Math.sqrt(t));
}

/** Less than this cannot be told from 0 by the integration: there is no bound yet. */
const LEAST_SPENT = 1e-13;
/** Points of the grid per unit of Jennison and Turnbull's r. */
const GRID_R = 16;

/** The distribution of the statistic of those tests that still go on, on a grid. */
interface Continuing {
  information: number;
  points: Float64Array;
  /** Density times the weight of Simpson's rule. */
  weights: Float64Array;
}

/**
 * The bounds of |z| (two sides) or z (one side), one for each look. `information` are the fractions of the planned
 * information at the looks so far, ascending; above 1 the whole α is spent. A bound is Infinity when too little may be
 * spent. Recursive integration of Armitage, McPherson and Rowe (1969) on the grid of Jennison and Turnbull (2000,
 * chapter 19). With `isLast`, the last look spends all that is left.
 */
export function spendingBounds(
  information: readonly number[],
  { alpha, sides, isLast = false }: { alpha: number; sides: 1 | 2; isLast?: boolean },
): number[] {
  const bounds: number[] = [];
  let before: Continuing | null = null;
  let crossed = 0;
  for (const [look, now] of information.entries()) {
    const fraction = isLast && look === information.length - 1 ? 1 : now;
    const perSide = (spentAlpha(alpha, fraction, sides) - crossed) / sides;
    let bound = Infinity;
    if (perSide > LEAST_SPENT) {
      const start = before;
      bound = fallingRoot(0, 9, (z) => Math.log(Math.max(1e-300, crossing(start, now, 0, z)) / perSide));
      crossed += sides * crossing(before, now, 0, bound);
    }
    bounds.push(bound);
    before = proceed(before, now, 0, sides === 2 ? -bound : -Infinity, bound);
  }
  return bounds;
}

export interface LookProbabilities {
  /** Of each look: the probability that the test stops there. */
  stops: number[];
  /** That it stops at all. */
  power: number;
}

/**
 * When a test with these bounds stops, if the statistic at full information has the mean `drift`: the power, and by the
 * sum of information × probability the expected length.
 */
export function stoppingProbabilities(
  information: readonly number[],
  bounds: readonly number[],
  drift: number,
  sides: 1 | 2,
): LookProbabilities {
  let before: Continuing | null = null;
  const stops = information.map((now, look) => {
    const bound = bounds[look]!;
    const up = Number.isFinite(bound) ? crossing(before, now, drift, bound) : 0;
    const down = sides === 2 && Number.isFinite(bound) ? crossing(mirrored(before), now, -drift, bound) : 0;
    before = proceed(before, now, drift, sides === 2 ? -bound : -Infinity, bound);
    return up + down;
  });
  return { stops, power: stops.reduce((sum, stop) => sum + stop, 0) };
}

/** The drift with which such a test has this power. */
export function driftForPower(
  information: readonly number[],
  bounds: readonly number[],
  power: number,
  sides: 1 | 2,
): number {
  return fallingRoot(0, 40, (drift) => power - stoppingProbabilities(information, bounds, drift, sides).power);
}

/** P(goes on until now, and then z > bound). */
function crossing(before: Continuing | null, now: number, drift: number, bound: number): number {
  if (!before) return normalCdf(drift * Math.sqrt(now) - bound);
  const step = now - before.information;
  const [rootNow, rootBefore, rootStep] = [Math.sqrt(now), Math.sqrt(before.information), Math.sqrt(step)];
  let sum = 0;
  for (let i = 0; i < before.points.length; i++) {
    const z = (before.points[i]! * rootBefore + drift * step - bound * rootNow) / rootStep;
    // Beyond this, the normal tail adds less than rounding does.
    if (z > -38) sum += before.weights[i]! * normalCdf(z);
  }
  return sum;
}

function proceed(before: Continuing | null, now: number, drift: number, low: number, high: number): Continuing {
  const { points, weights } = gridBetween(low, high, drift * Math.sqrt(now));
  if (!before) {
    for (let j = 0; j < points.length; j++) weights[j]! *= normalDensity(points[j]! - drift * Math.sqrt(now));
    return { information: now, points, weights };
  }
  const step = now - before.information;
  const [rootNow, rootBefore, rootStep] = [Math.sqrt(now), Math.sqrt(before.information), Math.sqrt(step)];
  const scale = rootNow / rootStep / Math.sqrt(2 * Math.PI);
  for (let j = 0; j < points.length; j++) {
    let density = 0;
    const at = points[j]! * rootNow - drift * step;
    for (let i = 0; i < before.points.length; i++) {
      const off = (at - before.points[i]! * rootBefore) / rootStep;
      // Beyond this, the density adds less than rounding does.
      if (off > -9 && off < 9) density += before.weights[i]! * Math.exp(-0.5 * off * off);
    }
    weights[j]! *= density * scale;
  }
  return { information: now, points, weights };
}

function mirrored(before: Continuing | null): Continuing | null {
  return before && { ...before, points: before.points.map((z) => -z) };
}

/** Points dense around `center` and thin far from it, cut at the bounds, with the weights of Simpson's rule. */
function gridBetween(low: number, high: number, center: number): { points: Float64Array; weights: Float64Array } {
  const r = GRID_R;
  const ends: number[] = [];
  if (Number.isFinite(low)) ends.push(low);
  for (let i = 1; i < 6 * r; i++) {
    const off =
      i < r ? -3 - 4 * Math.log(r / i) : i <= 5 * r ? -3 + (3 * (i - r)) / (2 * r) : 3 + 4 * Math.log(r / (6 * r - i));
    const at = center + off;
    if (at > low && at < high) ends.push(at);
  }
  if (Number.isFinite(high)) ends.push(high);
  const size = Math.max(0, 2 * ends.length - 1);
  const points = new Float64Array(size);
  const weights = new Float64Array(size);
  for (let i = 0; i < ends.length; i++) {
    points[2 * i] = ends[i]!;
    if (i === 0) continue;
    const width = ends[i]! - ends[i - 1]!;
    points[2 * i - 1] = (ends[i]! + ends[i - 1]!) / 2;
    weights[2 * i - 2]! += width / 6;
    weights[2 * i - 1] = (4 * width) / 6;
    weights[2 * i]! += width / 6;
  }
  return { points, weights };
}
