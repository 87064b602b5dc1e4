import fc from 'fast-check';
import { expect } from 'vitest';
import { compileSpace } from '../../src/modules/tuning/rules/compiled-space.js';
import type { ParameterSpace, Params, SearchSpace } from '../../src/modules/tuning/rules/space.js';
import type { StudyHistory, TrialRecord } from '../../src/modules/tuning/rules/study.js';

/** Spaces with every kind of parameter, with conditions and with constraints that many points fulfil. */
export function spaces(): fc.Arbitrary<SearchSpace> {
  const low = fc.integer({ min: -5, max: 5 });
  const kinds: fc.Arbitrary<Omit<ParameterSpace, 'name'>> = fc.oneof(
    fc.tuple(low, fc.nat(9)).map(([from, width]) => ({ kind: 'FLOAT' as const, low: from, high: from + width })),
    fc.nat(9).map((width) => ({ kind: 'FLOAT' as const, low: 1e-4, high: 1e-3 * 10 ** width, log: true })),
    fc
      .integer({ min: 1, max: 30 })
      .map((count) => ({ kind: 'FLOAT' as const, low: -1, high: -1 + count * 0.1, step: 0.1 })),
    fc.tuple(low, fc.nat(20)).map(([from, width]) => ({ kind: 'INTEGER' as const, low: from, high: from + width })),
    fc.nat(1000).map((width) => ({ kind: 'INTEGER' as const, low: 1, high: 1 + width, log: true })),
    fc
      .integer({ min: 1, max: 6 })
      .map((n) => ({ kind: 'INTEGER' as const, low: 16, high: 16 * n + 3, step: n > 1 ? 16 : 1 })),
    fc
      .uniqueArray(fc.oneof(fc.integer(), fc.string(), fc.boolean()), { minLength: 1, maxLength: 5 })
      .map((choices) => ({ kind: 'CATEGORICAL' as const, choices })),
  ) as fc.Arbitrary<Omit<ParameterSpace, 'name'>>;
  return fc
    .tuple(fc.array(kinds, { minLength: 1, maxLength: 4 }), fc.nat(3), fc.boolean())
    .map(([own, children, bound]) => {
      const parameters = own.map((kind, i) => ({ ...kind, name: `p${i}` }) as ParameterSpace);
      const root = parameters[0]!;
      const values = root.kind === 'CATEGORICAL' ? root.choices : root.kind === 'INTEGER' ? [root.low] : [];
      for (let i = 0; i < Math.min(children, values.length); i++) {
        const when = { parameter: 'p0', oneOf: [values[i]!] };
        parameters.push({ name: `child${i}`, kind: 'FLOAT', low: 0, high: 1, when });
        parameters.push({ name: `size${i}`, kind: 'INTEGER', low: 1, high: 8, when });
      }
      const hasChild = parameters.some(({ name }) => name === 'child0');
      return { parameters, constraints: bound && hasChild ? ['child0 * 8 <= size0', 'child0 < 0.9 or size0 > 4'] : [] };
    });
}

/** Fails unless each active parameter, and no other one, has a value of its range, and the constraints hold. */
export function assertInside(space: SearchSpace, params: Params, options: { constraints?: boolean } = {}): void {
  for (const parameter of space.parameters) {
    const { name, when } = parameter;
    const value = params[name];
    const isActive = !when || when.oneOf.includes(params[when.parameter]!);
    expect(value !== undefined, `${name} is active`).toBe(isActive);
    if (value === undefined) continue;
    if (parameter.kind === 'CATEGORICAL') {
      expect(parameter.choices).toContain(value);
      continue;
    }
    expect(value).toBeGreaterThanOrEqual(parameter.low);
    expect(value).toBeLessThanOrEqual(parameter.high);
    if (parameter.kind === 'INTEGER') expect(value).toSatisfy(Number.isInteger);
    const steps = ((value as number) - parameter.low) / (parameter.step ?? 1);
    if (parameter.step) expect(Math.abs(steps - Math.round(steps))).toBeLessThan(1e-9);
  }
  expect(Object.keys(params).every((name) => space.parameters.some((parameter) => parameter.name === name))).toBe(true);
  if (options.constraints) expect(compileSpace(space).isFeasible(params)).toBe(true);
}

export function trial(number: number, params: Params, more: Partial<TrialRecord> = {}): TrialRecord {
  return { number, state: 'COMPLETE', params, curve: [], ...more };
}

export function historyOf(
  space: SearchSpace,
  trials: readonly TrialRecord[],
  more: Partial<StudyHistory> = {},
): StudyHistory {
  return { space, objectives: 1, seed: 1, ...more, trials };
}
