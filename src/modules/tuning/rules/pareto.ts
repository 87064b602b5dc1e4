/** A point of several values that are all to be minimised. */
export interface ParetoPoint {
  /** Decides between points with equal values. */
  number: number;
  values: readonly number[];
}

/** Of fronts with more points, so many are taken in even distances before points are picked by their hypervolume. */
const PICKED_FROM = 100;

/** Whether `a` is nowhere worse than `b`, and somewhere better. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  let isBetter = false;
  for (let i = 0; i < a.length; i++) {
    if (a[i]! > b[i]!) return false;
    if (a[i]! < b[i]!) isBetter = true;
  }
  return isBetter;
}

/** The points that no other one dominates, in their order. */
export function paretoFront<P extends ParetoPoint>(points: readonly P[]): P[] {
  const front: P[] = [];
  // In this order, no point dominates an earlier one.
  for (const point of points.toSorted((a, b) => compareValues(a.values, b.values)))
    if (!front.some(({ values }) => dominates(values, point.values))) front.push(point);
  const first = new Set(front);
  return points.filter((point) => first.has(point));
}

/**
 * Adds a point to fronts that are kept sorted by domination (Li, Deb et al. 2017, Efficient Nondomination Level
 * Update): it joins the first front that does not dominate it, and what it dominates there moves one front down. The
 * fronts, as sets, do not depend on the order of the points.
 */
export function nondominatedInsert<P extends ParetoPoint>(fronts: P[][], point: P): void {
  let [low, high] = [0, fronts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fronts[middle]!.some(({ values }) => dominates(values, point.values))) low = middle + 1;
    else high = middle;
  }
  let moving = [point];
  for (let rank = low; moving.length > 0; rank++) {
    const front = fronts[rank];
    if (!front) {
      fronts.push(moving);
      return;
    }
    const [stay, fall]: [P[], P[]] = [[], []];
    for (const member of front)
      (moving.some(({ values }) => dominates(values, member.values)) ? fall : stay).push(member);
    stay.push(...moving);
    fronts[rank] = stay;
    moving = fall;
  }
}

/** The best `count` points: whole fronts, and of the last one those that cover most hypervolume. */
export function firstOf<P extends ParetoPoint>(fronts: readonly (readonly P[])[], count: number): P[] {
  const found: P[] = [];
  for (const front of fronts) {
    const left = count - found.length;
    if (left <= 0) break;
    found.push(...(front.length <= left ? front : spreadOut(front, left)));
  }
  return found;
}

/**
 * `count` points of a front that cover most hypervolume together, chosen greedily; the reference point lies 10 % beyond
 * the worst values.
 */
export function spreadOut<P extends ParetoPoint>(front: readonly P[], count: number): P[] {
  const ordered = front.toSorted((a, b) => compareValues(a.values, b.values) || a.number - b.number);
  const finite = ordered.filter(({ values }) => values.every(Number.isFinite));
  if (finite.length <= count) return [...finite, ...ordered.filter((point) => !finite.includes(point))].slice(0, count);
  const most = Math.max(count, PICKED_FROM);
  const candidates = finite.filter((_, i) => finite.length <= most || (i * most) % finite.length < most);
  const reference = candidates[0]!.values.map((_, i) => {
    const worst = Math.max(...candidates.map(({ values }) => values[i]!));
    return Math.max(1.1 * worst, 0.9 * worst) || Number.EPSILON;
  });
  const picked: P[] = [];
  // What a point adds only falls while more are picked, so an old figure is an upper bound.
  const bounds = candidates.map(({ values }) => hypervolume([values], reference));
  const open = new Set(candidates.keys());
  let covered = 0;
  while (picked.length < count) {
    let [best, gain] = [-1, -Infinity];
    for (const i of [...open].sort((a, b) => bounds[b]! - bounds[a]! || a - b)) {
      if (bounds[i]! <= gain) break;
      bounds[i] =
        hypervolume(
          [...picked, candidates[i]!].map(({ values }) => values),
          reference,
        ) - covered;
      if (bounds[i] > gain) [best, gain] = [i, bounds[i]];
    }
    picked.push(candidates[best]!);
    covered += gain;
    open.delete(best);
  }
  return picked;
}

function compareValues(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! < b[i]! ? -1 : 1;
  return 0;
}

/**
 * The volume between points and a reference point that is worse than they are: exact, by slices (While et al. 2012, A
 * Fast Way of Calculating Exact Hypervolumes). Points beyond the reference count for nothing.
 */
export function hypervolume(points: readonly (readonly number[])[], reference: readonly number[]): number {
  const inside = points.filter((point) => point.every((value, i) => value < reference[i]!));
  return volumeOf(inside.toSorted(compareValues), reference);
}

/** `points` are sorted. */
function volumeOf(points: readonly (readonly number[])[], reference: readonly number[]): number {
  if (points.length === 0) return 0;
  if (reference.length === 1) return reference[0]! - points[0]![0]!;
  if (reference.length === 2) {
    let [volume, lowest] = [0, reference[1]!];
    for (const [x, y] of points as readonly [number, number][]) {
      if (y >= lowest) continue;
      volume += (reference[0]! - x) * (lowest - y);
      lowest = y;
    }
    return volume;
  }
  let volume = 0;
  for (let i = 0; i < points.length; i++) {
    const point = points[i]!;
    // What the later points cover of this one's box is counted with them.
    const rest = nondominated(points.slice(i + 1).map((other) => other.map((value, d) => Math.max(value, point[d]!))));
    const box = point.reduce((product, value, d) => product * (reference[d]! - value), 1);
    volume += box - volumeOf(rest, reference);
  }
  return volume;
}

function nondominated(points: number[][]): number[][] {
  const sorted = points.sort(compareValues);
  const kept: number[][] = [];
  for (const point of sorted) {
    if (!kept.some((other) => other.every((value, d) => value <= point[d]!))) kept.push(point);
  }
  return kept;
}
