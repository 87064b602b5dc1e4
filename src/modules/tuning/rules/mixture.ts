import type { SeededRandom } from '../../statistics/index.js';
import type { Axis } from './axis.js';

/** Kernels whose exponent is lower than this add nothing to a density that always contains the prior. */
const NEGLIGIBLE = -60;
/** Below this width in standard deviations, a cell's mass is a series at its middle. */
const NARROW_CELL = 0.25;
const PRIOR_WEIGHT = 1;
/** A kernel is at least 1/100 of the range wide, and wider when there are fewer kernels. */
const NARROWEST = 100;

/** Where a density differs from Optuna's. */
export interface MixtureShape {
  /** The narrowest kernels are so many times narrower. */
  narrower: number;
  /** By axis: a category's kernel gives so many times more to the other categories. */
  smoothing: readonly number[];
}

/**
 * A Parzen estimator over several parameters (Optuna's multivariate TPE; Watanabe 2023, arXiv 2304.11127): a mixture of
 * products, with one kernel per trial and one for the prior. A number's kernel is a normal distribution, truncated to
 * the range and, for steps, integrated over the cell of its value; its width is the greater distance to the next
 * kernels. A category's kernel gives 1/n to every category, and 1 more to its own.
 */
export class Mixture {
  private readonly logWeights: Float64Array;
  private readonly inverseWidths: (Float64Array | null)[];
  private readonly exponents: Float64Array;
  private readonly factors: Float64Array;
  private readonly columns: Map<number, Float64Array>[];

  /**
   * `places[a][k]` is the place of kernel k on axis a; `orders[a]` lists the kernels by rising place. There are
   * `weights.length` kernels, without the prior.
   */
  constructor(
    private readonly axes: readonly Axis[],
    private readonly places: readonly Float64Array[],
    private readonly orders: readonly Int32Array[],
    weights: Float64Array,
    private readonly shape: MixtureShape = { narrower: 1, smoothing: axes.map(() => 1) },
  ) {
    const count = weights.length;
    const total = weights.reduce((sum, weight) => sum + weight, PRIOR_WEIGHT);
    this.logWeights = new Float64Array(count + 1);
    for (let k = 0; k < count; k++) this.logWeights[k] = Math.log(weights[k]! / total);
    this.logWeights[count] = Math.log(PRIOR_WEIGHT / total);
    this.inverseWidths = axes.map((axis, a) => (axis.isCategorical ? null : this.widen(a, count)));
    this.exponents = new Float64Array(count + 1);
    this.factors = new Float64Array(count + 1);
    this.columns = axes.map(() => new Map<number, Float64Array>());
  }

  /** Widths of the kernels of one axis, as inverses; their norms go into the weights. */
  private widen(a: number, count: number): Float64Array {
    const places = this.places[a]!;
    const order = this.orders[a]!;
    const inverse = new Float64Array(count + 1);
    const least = 1 / Math.min(NARROWEST, this.shape.narrower * (count + 2));
    // Neighbours in the order often have the same place and width, above all at steps.
    let [lastPlace, lastWidth, lastNorm] = [NaN, NaN, 0];
    for (let i = 0; i < count; i++) {
      const k = order[i]!;
      const place = places[k]!;
      const below = i > 0 ? place - places[order[i - 1]!]! : count > 1 ? 0 : place;
      const above = i < count - 1 ? places[order[i + 1]!]! - place : count > 1 ? 0 : 1 - place;
      const width = Math.max(below, above, least);
      if (place !== lastPlace || width !== lastWidth) {
        [lastPlace, lastWidth, lastNorm] = [place, width, Math.log(width * inRange(place, width))];
      }
      inverse[k] = 1 / width;
      this.logWeights[k]! -= lastNorm;
    }
    inverse[count] = 1;
    this.logWeights[count]! -= Math.log(inRange(0.5, 1));
    return inverse;
  }

  /** A point of a kernel; kernels are equally likely, as the weights of good trials are. */
  draw(random: SeededRandom): Float64Array {
    const k = random.below(this.logWeights.length);
    const isPrior = k === this.logWeights.length - 1;
    return Float64Array.from(this.axes, (axis, a) => {
      if (axis.isCategorical) return this.drawCategory(a, isPrior ? -1 : this.places[a]![k]!, random);
      const center = isPrior ? 0.5 : this.places[a]![k]!;
      const width = 1 / this.inverseWidths[a]![k]!;
      // The center lies in the range and the width is at most the range, so at least a third of the draws fit.
      for (;;) {
        const place = center + width * normal(random);
        if (place >= 0 && place <= 1) return axis.cellAt(place) ? axis.placeOf(axis.valueAt(place)) : place;
      }
    });
  }

  private drawCategory(a: number, own: number, random: SeededRandom): number {
    const { size } = this.axes[a]!;
    const smoothing = this.smoothingOf(a);
    const drawn = random.next() * (1 + size * smoothing);
    const other = random.below(size);
    return own >= 0 && drawn < 1 ? own : other;
  }

  /** What the kernel of a category gives to every category. */
  private smoothingOf(a: number): number {
    return (this.shape.smoothing[a]! * PRIOR_WEIGHT) / this.logWeights.length;
  }

  /** ln of the density at a point, up to a constant that is the same for all mixtures over these axes. */
  logDensity(point: Float64Array): number {
    this.begin();
    for (let a = 0; a < this.axes.length; a++) this.addAxis(a, point[a]!);
    return this.total();
  }

  /** The same at points that differ from `point` only on axis `along`, where they have these places. */
  logDensitiesAlong(point: Float64Array, along: number, places: readonly number[]): number[] {
    this.begin();
    for (let a = 0; a < this.axes.length; a++) if (a !== along) this.addAxis(a, point[a]!);
    const [exponents, factors] = [this.exponents.slice(), this.factors.slice()];
    return places.map((place) => {
      this.exponents.set(exponents);
      this.factors.set(factors);
      this.addAxis(along, place);
      return this.total();
    });
  }

  private begin(): void {
    this.exponents.set(this.logWeights);
    this.factors.fill(1);
  }

  private addAxis(a: number, place: number): void {
    const axis = this.axes[a]!;
    if (axis.isCategorical) return this.addCategory(a, axis.size, place);
    if (axis.size === Infinity) return this.addNormal(a, place);
    const { factors } = this;
    const column = this.masses(a, place);
    for (let k = 0; k < factors.length; k++) factors[k]! *= column[k]!;
  }

  private total(): number {
    const { exponents, factors } = this;
    let density = 0;
    for (let k = 0; k < exponents.length; k++) {
      const exponent = exponents[k]!;
      if (exponent > NEGLIGIBLE) density += Math.exp(exponent) * factors[k]!;
    }
    return Math.log(density);
  }

  private addCategory(a: number, size: number, category: number): void {
    const places = this.places[a]!;
    const { exponents } = this;
    const last = exponents.length - 1;
    const smoothing = this.smoothingOf(a);
    const other = Math.log(smoothing / (1 + size * smoothing));
    const own = Math.log((1 + smoothing) / (1 + size * smoothing));
    for (let k = 0; k < last; k++) exponents[k]! += places[k] === category ? own : other;
    exponents[last]! -= Math.log(size);
  }

  private addNormal(a: number, place: number): void {
    const places = this.places[a]!;
    const inverse = this.inverseWidths[a]!;
    const { exponents } = this;
    const last = exponents.length - 1;
    for (let k = 0; k < last; k++) {
      const distance = (place - places[k]!) * inverse[k]!;
      exponents[k]! -= 0.5 * distance * distance;
    }
    exponents[last]! -= 0.5 * (place - 0.5) * (place - 0.5);
  }

  /** By kernel: the mass of the cell of `place`, divided by the kernel's standard deviation and the cell's width. */
  private masses(a: number, place: number): Float64Array {
    const known = this.columns[a]!.get(place);
    if (known) return known;
    const { from, to } = this.axes[a]!.cellAt(place)!;
    const places = this.places[a]!;
    const inverse = this.inverseWidths[a]!;
    const last = inverse.length - 1;
    const column = new Float64Array(last + 1);
    const massOf = (center: number, scale: number): number =>
      normalMass((from - center) * scale, (to - center) * scale) / (scale * (to - from));
    let [lastPlace, lastScale, lastMass] = [NaN, NaN, 0];
    for (const k of this.orders[a]!) {
      if (places[k] !== lastPlace || inverse[k] !== lastScale) {
        [lastPlace, lastScale] = [places[k]!, inverse[k]!];
        lastMass = massOf(lastPlace, lastScale);
      }
      column[k] = lastMass;
    }
    column[last] = massOf(0.5, 1);
    this.columns[a]!.set(place, column);
    return column;
  }
}

/** The mass of a normal distribution between 0 and 1. */
function inRange(center: number, width: number): number {
  const [below, above] = [-center / width, (1 - center) / width];
  return below < -6 && above > 6 ? 1 : normalMass(below, above);
}

const ROOT_TWO_PI = Math.sqrt(2 * Math.PI);

/** The mass of the standard normal distribution from `a` to `b`, relative to itself exact in both tails. */
export function normalMass(a: number, b: number): number {
  if (b - a < NARROW_CELL) {
    const [middle, width] = [(a + b) / 2, b - a];
    const curvature = 1 + (width * width * (middle * middle - 1)) / 24;
    return (width * curvature * Math.exp(-0.5 * middle * middle)) / ROOT_TWO_PI;
  }
  if (a > 0) return upperTail(a) - upperTail(b);
  return b < 0 ? upperTail(-b) - upperTail(-a) : 1 - upperTail(-a) - upperTail(b);
}

/** P(X > z) of the standard normal distribution for z ≥ 0, by a Chebyshev fit with a relative error below 1.2e-7. */
export function upperTail(z: number): number {
  const x = z * Math.SQRT1_2;
  const t = 1 / (1 + 0.5 * x);
  let sum = 0;
  for (let i = ERFC.length - 1; i >= 0; i--) sum = sum * t + ERFC[i]!;
  return 0.5 * t * Math.exp(-x * x + sum);
}

const ERFC = [
  -1.265_512_23, 1.000_023_68, 0.374_091_96, 0.096_784_18, -0.186_288_06, 0.278_868_07, -1.135_203_98, 1.488_515_87,
  -0.822_152_23, 0.170_872_77,
];

/** A standard normal number (Box and Muller). */
export function normal(random: SeededRandom): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
