import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean } from '../../src/modules/statistics/rules/metrics.js';
import { compareGroups } from '../../src/modules/statistics/rules/two-groups.js';
import { axisPositions, numberAxis, paramAxis } from '../../src/modules/statistics/rules/param-axis.js';
import { parameterImportance } from '../../src/modules/statistics/rules/parameter-importance.js';
import { compareValues } from '../../src/modules/experiments/rules/run-comparison.js';

const EXTREMES = [
  1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -5e-324, 0, -0, 1, -1, 1e154, 1e-160,
  2.2250738585072014e-308,
];
const finite = fc.oneof(fc.constantFrom(...EXTREMES), fc.double({ noNaN: true, noDefaultInfinity: true }));
const any = fc.oneof(finite, fc.constantFrom(NaN, Infinity, -Infinity));

/** Every number in a value, at any depth, with its path. */
function numbers(value: unknown, path = ''): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, below]) => numbers(below, `${path}.${key}`));
}

describe('extreme values', () => {
  it('have a mean between the least and the greatest', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 1, maxLength: 50 }), (values) => {
        const found = mean(values);
        const slack = Math.max(...values.map(Math.abs)) * 1e-12;
        expect(found).toBeGreaterThanOrEqual(Math.min(...values) - slack);
        expect(found).toBeLessThanOrEqual(Math.max(...values) + slack);
      }),
    );
  });

  it('are on an axis from 0 to 1, in their order', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 30 }), (values) => {
        const positions = axisPositions(numberAxis(values));
        const known = values.flatMap((value, i) => (Number.isFinite(value) ? [{ value, place: positions[i]! }] : []));
        expect(positions.filter((place) => place !== null).length).toBe(known.length);
        for (const { place } of known) expect(place >= 0 && place <= 1).toBe(true);
        const sorted = known.toSorted((a, b) => a.value - b.value);
        for (const [i, { place }] of sorted.entries())
          if (i > 0) expect(place).toBeGreaterThanOrEqual(sorted[i - 1]!.place);
        if (sorted.length > 0 && sorted[0]!.value < sorted.at(-1)!.value)
          expect([sorted[0]!.place, sorted.at(-1)!.place]).toEqual([0, 1]);
      }),
    );
  });

  it('are on a logarithmic axis however far apart they are', () => {
    expect(paramAxis(['5e-324', '1e-160', '1', '1e160', '1.7e308']).kind).toBe('LOG');
  });

  it('give every importance a number, and find the parameter that moves them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ metric: finite, x: finite, y: fc.constantFrom('a', 'b') }), {
          minLength: 12,
          maxLength: 30,
        }),
        (rows) => {
          fc.pre(new Set(rows.map(({ metric }) => metric)).size > 1 && new Set(rows.map(({ x }) => x)).size > 1);
          const params = [
            { key: 'x', texts: rows.map(({ x }) => String(x)) },
            { key: 'y', texts: rows.map(({ y }) => y) },
          ];
          const answer = parameterImportance({ params, metric: rows.map(({ metric }) => metric), trees: 4, seed: 1 });
          for (const [path, value] of numbers(answer)) expect(Number.isFinite(value), `${path} is ${value}`).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
    const decisive = Array.from({ length: 24 }, (_, i) => i);
    const { params, method } = parameterImportance({
      params: [
        { key: 'idle', texts: decisive.map((i) => String((i * 7919) % 23)) },
        { key: 'lr', texts: decisive.map((i) => (i % 2 === 0 ? '0.1' : '0.2')) },
      ],
      metric: decisive.map((i) => (i === 5 ? 1.797e308 : i % 2 === 0 ? 1 : 2)),
      trees: 64,
      seed: 1,
    });
    expect(params[0]!.key).toBe('lr');
    expect(method).toContain('ranks');
  });

  it('are compared, or a reason says why not', () => {
    fc.assert(
      fc.property(
        fc.array(any, { minLength: 2, maxLength: 8 }),
        fc.array(any, { minLength: 2, maxLength: 8 }),
        (a, b) => {
          const test = compareGroups(a, b);
          if (!('result' in test)) {
            expect(test.reason).not.toBe('');
            return;
          }
          for (const [path, value] of numbers(test.result))
            expect(Number.isNaN(value), `${path} is ${value}`).toBe(false);
          expect(test.result.pValue).toBeGreaterThanOrEqual(0);
          expect(test.result.pValue).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('have a difference that is a number or null', () => {
    fc.assert(
      fc.property(fc.array(fc.option(any), { minLength: 2, maxLength: 8 }), (values) => {
        for (const one of compareValues(values, 0, 'MINIMIZE')) {
          for (const value of [one.delta, one.relativeDelta])
            expect(value === null || Number.isFinite(value)).toBe(true);
        }
      }),
    );
  });
});
