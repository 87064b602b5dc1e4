import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentile } from '../../src/modules/alerts/rules/alerting.js';
import {
  LATENCY_BUCKETS,
  LATENCY_EDGES_MS,
  latencyBucket,
  latencyPercentileMs,
} from '../../src/modules/model-contract/rules/latency-histogram.js';

describe('latency histogram', () => {
  it('puts every latency between the edges of its bucket, including hostile values', () => {
    for (const [bucket, edge] of LATENCY_EDGES_MS.entries()) {
      expect(latencyBucket(edge * 0.999)).toBe(bucket);
      expect(latencyBucket(edge * 1.001)).toBe(bucket + 1);
    }
    for (const odd of [NaN, -1, 0, 1e-300]) expect(latencyBucket(odd)).toBe(0);
    for (const long of [1e9, Infinity]) expect(latencyBucket(long)).toBe(LATENCY_BUCKETS - 1);
  });

  it('gives percentiles within a bucket’s width of the exact ones', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.3, max: 5_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.95, 0.99, 1),
        (latenciesMs, share) => {
          const counts = new Array<number>(LATENCY_BUCKETS).fill(0);
          for (const latencyMs of latenciesMs) counts[latencyBucket(latencyMs)]!++;
          const exact = percentile(Float64Array.from(latenciesMs).sort(), share);
          expect(latencyPercentileMs(counts, share) / exact).toBeGreaterThan(2 ** -0.26);
          expect(latencyPercentileMs(counts, share) / exact).toBeLessThan(2 ** 0.26);
        },
      ),
    );
    expect(latencyPercentileMs(new Array<number>(LATENCY_BUCKETS).fill(0), 0.95)).toBe(0);
  });
});
