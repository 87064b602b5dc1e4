import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classificationMetrics, predictedClasses } from '../../src/modules/statistics/rules/metrics.js';
import { chooseThreshold } from '../../src/modules/algorithms/rules/decision-threshold.js';
import type { DecisionRule } from '../../src/modules/algorithms/rules/training-config.js';

const rows = fc.array(
  fc.record({
    score: fc.oneof(fc.float({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0, 0.25, 0.5, 1)),
    isSecond: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

describe('a decision threshold', () => {
  it.each<DecisionRule>([
    { by: 'F1' },
    { by: 'COST', falsePositive: 1, falseNegative: 7 },
    { by: 'COST', falsePositive: 3, falseNegative: 0.1 },
  ])('by %o is as good as any other', (rule) => {
    fc.assert(
      fc.property(rows, (list) => {
        const labels = Int32Array.from(list, ({ isSecond }) => (isSecond ? 1 : 0));
        const scores = Float32Array.from(list, ({ score }) => score);
        const probabilities = Float32Array.from({ length: list.length * 2 }, (_, i) =>
          i % 2 === 1 ? scores[i >> 1]! : 1 - scores[i >> 1]!,
        );
        const worth = (threshold: number): number => {
          const input = { labels, probabilities, classCount: 2, threshold };
          if (rule.by === 'F1') return classificationMetrics(input).f1!;
          if (rule.by === 'FIXED') return 0;
          return -predictedClasses(input).reduce((cost, predicted, row) => {
            if (predicted === labels[row]) return cost;
            return cost + (predicted === 1 ? rule.falsePositive : rule.falseNegative);
          }, 0);
        };
        const chosen = chooseThreshold(rule, scores, (row) => labels[row] === 1);
        const best = Math.max(...[0, ...scores, 0.5, 1].map(worth));
        expect(worth(chosen)).toBeCloseTo(best, 9);
        expect(Math.fround(chosen)).toBe(chosen);
      }),
      { numRuns: 300 },
    );
  });

  it('stays at one half when that is equally good', () => {
    expect(chooseThreshold({ by: 'F1' }, Float32Array.of(0.1, 0.2, 0.8, 0.9), (row) => row >= 2)).toBe(0.5);
    expect(chooseThreshold({ by: 'FIXED', value: 0.3 }, Float32Array.of(0.1), () => true)).toBe(Math.fround(0.3));
  });
});
