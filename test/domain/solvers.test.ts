import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { choleskySolve } from '../../src/modules/statistics/rules/cholesky.js';
import { descend, type DescentState } from '../../src/modules/statistics/rules/lbfgs.js';
import { median } from '../../src/modules/statistics/rules/median.js';

const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });

describe('median', () => {
  it('is the middle of the sorted values, whatever their order and ties', () => {
    const values = fc.array(fc.oneof(number, fc.integer({ min: 0, max: 3 }), fc.constant(Number.NaN)), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(values, (list) => {
        const sorted = list.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
        const middle = sorted.length >> 1;
        const expected = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
        const found = median(Float64Array.from(list));
        if (sorted.length === 0) expect(found).toBeNaN();
        else expect(found).toBeCloseTo(expected, 6);
      }),
      { numRuns: 500 },
    );
  });
});

/** A = BᵀB + I and b. */
const systems = fc.integer({ min: 1, max: 8 }).chain((n) =>
  fc.record({
    n: fc.constant(n),
    factor: fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: n * n, maxLength: n * n }),
    right: fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: n, maxLength: n }),
  }),
);

function product(n: number, factor: readonly number[]): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = i === j ? 1 : 0;
    for (let k = 0; k < n; k++) sum += factor[k * n + i]! * factor[k * n + j]!;
    return sum;
  });
}

describe('linear systems and convex functions', () => {
  it('choleskySolve solves them', () => {
    fc.assert(
      fc.property(systems, ({ n, factor, right }) => {
        const a = product(n, factor);
        const x = choleskySolve(Float64Array.from(a), Float64Array.from(right));
        for (let i = 0; i < n; i++)
          expect(x.reduce((sum, value, j) => sum + a[i * n + j]! * value, 0)).toBeCloseTo(right[i]!, 8);
      }),
    );
    expect(() => choleskySolve(Float64Array.of(1, 0, 2, 1), Float64Array.of(1, 1))).toThrow('not positive definite');
  });

  it('descend finds the same minimum', async () => {
    await fc.assert(
      fc.asyncProperty(systems, async ({ n, factor, right }) => {
        const a = product(n, factor);
        const expected = choleskySolve(Float64Array.from(a), Float64Array.from(right));
        const objective = async (theta: Float64Array, gradient: Float64Array): Promise<number> => {
          let value = 0;
          for (let i = 0; i < n; i++) {
            const row = theta.reduce((sum, x, j) => sum + a[i * n + j]! * x, 0);
            gradient[i] = row - right[i]!;
            value += theta[i]! * (row / 2 - right[i]!);
          }
          return value;
        };
        let state: DescentState = {
          theta: new Float64Array(n),
          steps: new Float64Array(0),
          changes: new Float64Array(0),
        };
        const curvature = Float64Array.from({ length: n }, (_, i) => a[i * n + i]!);
        for (let iteration = 0; iteration < 200; iteration++) {
          const next = await descend(state, objective, curvature, 10);
          state = next;
          if (next.converged) break;
        }
        state.theta.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 3));
      }),
    );
  });
});
