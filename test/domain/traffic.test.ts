import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  inSample,
  pickDeployment,
  requireFullWeights,
  type WeightedDeployment,
} from '../../src/modules/serving/rules/traffic.js';

const keys = Array.from({ length: 20_000 }, (_, i) => `user-${i}`);
const weights = fc
  .array(fc.nat(10_000), { minLength: 1, maxLength: 4 })
  .filter((parts) => parts.some((part) => part > 0))
  .map((parts) => parts.map((weightBps, index): WeightedDeployment => ({ id: `d${index}`, weightBps })));

function shares(deployments: WeightedDeployment[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const key of keys) {
    const { id } = pickDeployment(deployments, key)!;
    counts[id] = (counts[id] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).map(([id, count]) => [id, count / keys.length]));
}

describe('traffic split', () => {
  it('fractions converge to the weights', () => {
    for (const parts of [
      [5000, 5000],
      [9000, 1000],
      [9900, 100],
      [2500, 2500, 5000],
      [10_000, 0],
    ]) {
      const counted = shares(parts.map((weightBps, index) => ({ id: `d${index}`, weightBps })));
      for (const [index, weightBps] of parts.entries()) {
        const share = weightBps / 10_000;
        // Four standard deviations of a binomial fraction.
        expect(Math.abs((counted[`d${index}`] ?? 0) - share)).toBeLessThanOrEqual(
          4 * Math.sqrt((share * (1 - share)) / keys.length),
        );
      }
    }
  });

  it('a key stays with its deployment, whatever the order of the list', () => {
    fc.assert(
      fc.property(weights, fc.string({ unit: 'binary' }), (deployments, key) => {
        const picked = pickDeployment(deployments, key)!;
        expect(picked.weightBps).toBeGreaterThan(0);
        expect(pickDeployment(deployments.toReversed(), key)!.id).toBe(picked.id);
      }),
    );
  });

  it('raising one weight moves keys only to it', () => {
    fc.assert(
      fc.property(
        weights,
        fc.nat(3),
        fc.integer({ min: 1, max: 5000 }),
        fc.string(),
        (deployments, raised, by, key) => {
          const id = deployments[raised % deployments.length]!.id;
          const after = deployments.map((deployment) =>
            deployment.id === id ? { ...deployment, weightBps: deployment.weightBps + by } : deployment,
          );
          const before = pickDeployment(deployments, key)!.id;
          expect([before, id]).toContain(pickDeployment(after, key)!.id);
        },
      ),
    );
  });

  it('a canary of 1 % and its growth to 5 % keep the same users', () => {
    const split = (canaryBps: number) => [
      { id: 'stable', weightBps: 10_000 - canaryBps },
      { id: 'canary', weightBps: canaryBps },
    ];
    const at = (canaryBps: number) =>
      new Set(keys.filter((key) => pickDeployment(split(canaryBps), key)!.id === 'canary'));
    const early = at(100);
    const later = at(500);
    expect(early.size).toBeGreaterThan(140);
    expect([...early].every((key) => later.has(key))).toBe(true);
  });

  it('ignores deployments without weight, and refuses weights with a wrong sum', () => {
    expect(pickDeployment([], 'k')).toBeNull();
    expect(pickDeployment([{ id: 'a', weightBps: 0 }], 'k')).toBeNull();
    const refused =
      (...parts: number[]) =>
      () =>
        requireFullWeights(parts.map((weightBps, index) => ({ id: `d${index}`, weightBps })));
    expect(refused(4000, 6000)).not.toThrow();
    expect(refused(4000, 5999)).toThrow('sum to 10000');
    expect(refused(-1, 10_001)).toThrow('weightBps');
    expect(refused(0.5, 9999.5)).toThrow('weightBps');
    expect(refused()).toThrow('sum to 10000');
  });

  it('a sample of keys has its fraction and grows without losing any', () => {
    expect(keys.filter((key) => inSample(0.1, key)).length / keys.length).toBeCloseTo(0.1, 2);
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.string(),
        (share, key) => !inSample(share, key) || inSample(Math.min(1, share * 1.5), key),
      ),
    );
    expect(keys.some((key) => inSample(0, key))).toBe(false);
    expect(keys.every((key) => inSample(1, key))).toBe(true);
  });
});
