/** The first bucket counts latencies up to this, in milliseconds. */
const FIRST_EDGE_MS = 0.25;
/** Number of buckets until the upper edge has doubled: neighbours differ by 19 %. */
const BUCKETS_PER_DOUBLING = 4;
/** The last finite edge is 0.25 ms · 2²², about 17 minutes, which is more than the longest deadline. */
const DOUBLINGS = 22;

/**
 * Upper edges of the latency buckets, ascending, in milliseconds. Bucket i holds (edge i−1, edge i]; one more bucket
 * holds the rest. The edges must not change, because stored counts refer to them.
 */
export const LATENCY_EDGES_MS: readonly number[] = Array.from(
  { length: DOUBLINGS * BUCKETS_PER_DOUBLING + 1 },
  (_, bucket) => FIRST_EDGE_MS * 2 ** (bucket / BUCKETS_PER_DOUBLING),
);

/** Length of an array of counts. */
export const LATENCY_BUCKETS = LATENCY_EDGES_MS.length + 1;

/** The bucket that counts this latency. */
export function latencyBucket(latencyMs: number): number {
  const bucket = Math.ceil(Math.log2(latencyMs / FIRST_EDGE_MS) * BUCKETS_PER_DOUBLING);
  return Math.min(Math.max(bucket, 0), LATENCY_BUCKETS - 1) || 0;
}

/**
 * The percentile (`share` in (0, 1]) of the counted latencies, interpolated within its bucket; 0 when nothing was
 * counted.
 */
export function latencyPercentileMs(counts: readonly number[], share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const rank = Math.max(1, Math.ceil(share * total));
  let below = 0;
  for (const [bucket, count] of counts.entries()) {
    if (below + count >= rank) {
      const low = LATENCY_EDGES_MS[bucket - 1] ?? 0;
      const high = LATENCY_EDGES_MS[bucket] ?? low;
      return low + ((high - low) * (rank - below)) / count;
    }
    below += count;
  }
  return 0;
}

/** The sum of the counted latencies, each taken as the middle of its bucket: 9 % away from it at most. */
export function latencyTotalMs(counts: readonly number[]): number {
  return counts.reduce((sum, count, bucket) => {
    const low = LATENCY_EDGES_MS[bucket - 1] ?? 0;
    return sum + (count * (low + (LATENCY_EDGES_MS[bucket] ?? low))) / 2;
  }, 0);
}
