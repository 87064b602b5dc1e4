import { SeededRandom } from '../../statistics/index.js';
import type { Axis } from './axis.js';
import { Mixture } from './mixture.js';
import type { TrialRecord } from './study.js';

/** The kernels of the bad trials that are kept. Studies with fewer trials use all of them. */
export const MAX_KERNELS = 1_000;
/** The newest trials count fully; the weights of older ones fall to 1/n. */
const NEWEST = 25;

/**
 * The finished trials of one group of parameters, as kernels that are sorted on each axis. Of more than 1,000 trials, a
 * weighted sample without replacement is kept: the trials with the least keys −ln(u) / age, u being a hash of the
 * trial's number (bottom-k sampling: Cohen and Kaplan 2007, Summarizing Data using Bottom-k Sketches). The weight of a
 * kept one is divided by its probability to be kept, so that the density stays an unbiased estimate of the one over all
 * trials, and the sample does not depend on the order in which they came.
 */
export class KernelStore {
  private readonly places: Float64Array[];
  /** Slots by rising place, by axis; equal places by number. Empty for categories. */
  private readonly sorted: Int32Array[];
  private readonly numbers = new Float64Array(MAX_KERNELS + 1);
  private readonly keys = new Float64Array(MAX_KERNELS + 1);
  /** Slots by rising number. */
  private readonly byNumber = new Int32Array(MAX_KERNELS + 1);
  private readonly slots = new Map<number, number>();
  private count = 0;
  private highest = 0;
  /** The least key of a trial that was not kept. */
  private threshold = Infinity;

  constructor(
    private readonly axes: readonly Axis[],
    private readonly seed: number,
  ) {
    this.places = axes.map(() => new Float64Array(MAX_KERNELS + 1));
    this.sorted = axes.map(() => new Int32Array(MAX_KERNELS + 1));
  }

  add({ number, params }: TrialRecord): void {
    this.highest = Math.max(this.highest, number);
    const key = -Math.log(1 - new SeededRandom(Math.imul(number + 1, 0x9e3779b1) ^ this.seed).next()) / ageOf(number);
    if (key >= this.threshold) return;
    const slot = this.count;
    this.axes.forEach((axis, a) => (this.places[a]![slot] = axis.placeOf(params[axis.name]!)));
    this.numbers[slot] = number;
    this.keys[slot] = key;
    this.slots.set(number, slot);
    for (const [order, rank] of this.orders()) insert(order, this.count, slot, (a, b) => rank(a, b));
    this.count++;
    if (this.count > MAX_KERNELS) this.removeLast();
  }

  /** Drops the trial with the greatest key. The last slot takes its place, so that slots stay without gaps. */
  private removeLast(): void {
    let greatest = 0;
    for (let slot = 1; slot < this.count; slot++) if (this.keys[slot]! > this.keys[greatest]!) greatest = slot;
    this.threshold = this.keys[greatest]!;
    const last = this.count - 1;
    this.slots.delete(this.numbers[greatest]!);
    if (greatest !== last) this.slots.set(this.numbers[last]!, greatest);
    for (const [order] of this.orders()) {
      const at = order.indexOf(greatest);
      order.copyWithin(at, at + 1, this.count);
      if (greatest !== last) order[order.indexOf(last)] = greatest;
    }
    for (const column of [...this.places, this.numbers, this.keys]) column[greatest] = column[last]!;
    this.count--;
  }

  /** Each list of slots with its order. */
  private *orders(): Generator<[Int32Array, (a: number, b: number) => number]> {
    const { numbers } = this;
    yield [this.byNumber, (a, b) => numbers[a]! - numbers[b]!];
    for (let axis = 0; axis < this.axes.length; axis++) {
      const places = this.places[axis]!;
      yield [this.sorted[axis]!, (a, b) => places[a]! - places[b]! || numbers[a]! - numbers[b]!];
    }
  }

  /** The density of all trials that are not good. Running ones count as bad, so that others go elsewhere. */
  badMixture(good: readonly TrialRecord[], running: readonly TrialRecord[]): Mixture {
    const isGood = new Uint8Array(this.count);
    for (const { number } of good) {
      const slot = this.slots.get(number);
      if (slot !== undefined) isGood[slot] = 1;
    }
    const kernelOf = new Int32Array(this.count).fill(-1);
    const kept: number[] = [];
    for (let i = 0; i < this.count; i++) {
      const slot = this.byNumber[i]!;
      if (isGood[slot] === 1) continue;
      kernelOf[slot] = kept.length;
      kept.push(this.numbers[slot]!);
    }
    const total = kept.length + running.length;
    const places = this.axes.map((axis, a) => {
      const own = new Float64Array(total);
      for (let slot = 0; slot < this.count; slot++) {
        if (kernelOf[slot]! >= 0) own[kernelOf[slot]!] = this.places[a]![slot]!;
      }
      running.forEach(({ params }, i) => (own[kept.length + i] = axis.placeOf(params[axis.name]!)));
      return own;
    });
    const orders = this.sorted.map((all, a) => {
      const own = new Int32Array(total);
      let next = 0;
      for (let i = 0; i < this.count; i++) {
        const kernel = kernelOf[all[i]!]!;
        if (kernel >= 0) own[next++] = kernel;
      }
      for (; next < total; next++) insert(own, next, next, (x, y) => places[a]![x]! - places[a]![y]! || x - y);
      return own;
    });
    return new Mixture(this.axes, places, orders, this.weightsOf(kept, running.length));
  }

  private weightsOf(numbers: readonly number[], running: number): Float64Array {
    const count = numbers.length + running;
    if (this.threshold === Infinity) return rampOf(count);
    return Float64Array.from({ length: count }, (_, i) => {
      const age = ageOf(numbers[i] ?? this.highest);
      const isKept = i < numbers.length ? -Math.expm1(-age * this.threshold) : 1;
      return age / (this.highest + 1) / isKept;
    });
  }
}

/** Trials of earlier studies have numbers below 0: they are as old as the first one. */
const ageOf = (number: number) => Math.max(number, 0) + 1;

/** The newest have weight 1, the older ones rise linearly from 1/n to 1. */
function rampOf(count: number): Float64Array {
  const older = count - NEWEST;
  return Float64Array.from({ length: count }, (_, i) => {
    if (i >= older) return 1;
    return older === 1 ? 1 / count : 1 / count + ((1 - 1 / count) * i) / (older - 1);
  });
}

function insert(order: Int32Array, count: number, slot: number, compare: (a: number, b: number) => number): void {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(order[middle]!, slot) < 0) low = middle + 1;
    else high = middle;
  }
  order.copyWithin(low + 1, low, count);
  order[low] = slot;
}
