/**
 * The median of the values that are not NaN; for an even number, the mean of the two in the middle; NaN when there are
 * none. Runs in linear time.
 */
export function median(values: Float64Array): number {
  const known = values.filter((value) => !Number.isNaN(value));
  if (known.length === 0) return Number.NaN;
  const upperRank = known.length >> 1;
  const upper = select(known, upperRank);
  if (known.length % 2 === 1) return upper;
  // No value before the rank is larger.
  let lower = known[0]!;
  for (let i = 1; i < upperRank; i++) if (known[i]! > lower) lower = known[i]!;
  return lower + (upper - lower) / 2;
}

/** Quickselect (Hoare), in place. Afterwards no value before `rank` is larger than the value at `rank`. */
function select(values: Float64Array, rank: number): number {
  let left = 0;
  let right = values.length - 1;
  while (left < right) {
    const pivot = middleOf(values[left]!, values[(left + right) >> 1]!, values[right]!);
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const held = values[i]!;
      values[i] = values[j]!;
      values[j] = held;
      i++;
      j--;
    }
    if (rank <= j) right = j;
    else if (rank >= i) left = i;
    else break;
  }
  return values[rank]!;
}

function middleOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}

/** The least value below or at which lies at least this share of the weight. */
export function weightedQuantile(values: Float64Array, weights: Float64Array | undefined, share: number): number {
  const order = Uint32Array.from(values.keys()).sort((a, b) => values[a]! - values[b]!);
  const total = weights ? weights.reduce((sum, weight) => sum + weight, 0) : values.length;
  let reached = 0;
  for (const at of order) {
    reached += weights ? weights[at]! : 1;
    if (reached >= share * total) return values[at]!;
  }
  return values[order.at(-1)!]!;
}
