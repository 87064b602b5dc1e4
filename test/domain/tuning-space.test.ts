import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/errors.js';
import {
  checkFeasible,
  compileSpace,
  drawUniform,
  feasibleShare,
} from '../../src/modules/tuning/rules/compiled-space.js';
import { parseConstraint } from '../../src/modules/tuning/rules/constraint.js';
import {
  checkSpace,
  type ParameterSpace,
  type Params,
  type SearchSpace,
} from '../../src/modules/tuning/rules/space.js';
import { SeededRandom } from '../../src/modules/statistics/rules/random.js';
import { assertInside, spaces } from './tuning-fixtures.js';

const float = (name: string, low: number, high: number): ParameterSpace => ({ name, kind: 'FLOAT', low, high });
const numbers = new Map(['a', 'b', 'c'].map((name) => [name, float(name, -100, 100)]));
numbers.set('batch size', float('batch size', 1, 10));
numbers.set('optimizer', { name: 'optimizer', kind: 'CATEGORICAL', choices: ['adam', 'sgd'] });

function errorOf(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('a search space', () => {
  it('names every wrong bound', () => {
    const space: SearchSpace = {
      parameters: [
        float('rate', 1, 0),
        { name: 'depth', kind: 'INTEGER', low: 1.5, high: Infinity },
        { name: 'rate', kind: 'FLOAT', low: 0, high: 1, log: true, step: -1 },
        { name: 'kind', kind: 'CATEGORICAL', choices: ['a', 'a'], when: { parameter: 'depth', oneOf: ['deep'] } },
        { name: 'none', kind: 'CATEGORICAL', choices: [], when: { parameter: 'nothing', oneOf: [1] } },
        { name: 'loop', kind: 'CATEGORICAL', choices: [1], when: { parameter: 'pool', oneOf: [2] } },
        { name: 'pool', kind: 'CATEGORICAL', choices: [2], when: { parameter: 'loop', oneOf: [1] } },
        { ...float('late', 0, 1), when: { parameter: 'rate', oneOf: [] } },
      ],
      constraints: [],
    };
    const { details, message } = errorOf(() => checkSpace(space, 'input.space'));
    const fields = (details['problems'] as { field: string }[]).map(({ field }) => field.replace('input.space.', ''));
    expect(fields).toEqual([
      'parameters[0].high',
      'parameters[1].low',
      'parameters[1].high',
      'parameters[2].name',
      'parameters[2].low',
      'parameters[2].step',
      'parameters[2].step',
      'parameters[3].choices',
      'parameters[4].choices',
      'parameters[3].when.oneOf',
      'parameters[4].when.parameter',
      'parameters[5].when.parameter',
      'parameters[6].when.parameter',
      'parameters[7].when.parameter',
    ]);
    expect(message).toContain('input.space.parameters[0].high: expected a number of at least low, 1, got 0.');
    expect(() => checkSpace({ parameters: [], constraints: [] })).toThrow('space.parameters: expected 1 to 100');
  });

  it('has only valid points, by property', () => {
    fc.assert(
      fc.property(spaces(), fc.nat(), (space, seed) => {
        checkSpace(space);
        const params = drawUniform(compileSpace(space), new SeededRandom(seed));
        assertInside(space, params);
      }),
    );
  });

  it('reads places back', () => {
    fc.assert(
      fc.property(spaces(), fc.nat(), (space, seed) => {
        const { axes } = compileSpace(space);
        const random = new SeededRandom(seed);
        for (const axis of axes) {
          const value = axis.valueAt(axis.isCategorical ? random.below(axis.size) : random.next());
          const again = axis.valueAt(axis.placeOf(value));
          if (typeof value === 'number' && axis.size === Infinity) expect(again as number).toBeCloseTo(value, 8);
          else expect(again).toBe(value);
        }
      }),
    );
  });

  it('counts its points with conditions', () => {
    const when = (oneOf: string[]) => ({ parameter: 'kind', oneOf });
    const space: SearchSpace = {
      parameters: [
        { name: 'kind', kind: 'CATEGORICAL', choices: ['x', 'y', 'z'] },
        { name: 'depth', kind: 'INTEGER', low: 1, high: 4, when: when(['x']) },
        { name: 'width', kind: 'FLOAT', low: 0, high: 1, step: 0.1, when: when(['x', 'y']) },
      ],
      constraints: [],
    };
    expect(compileSpace(space).size).toBe(4 * 11 + 11 + 1);
  });
});

describe('constraints', () => {
  const read = (text: string) => parseConstraint(text, numbers);
  const holds = (text: string, params: Params): boolean => {
    const parsed = read(text);
    if (!('holds' in parsed)) throw new Error(`${parsed.expected}, got ${parsed.got}`);
    return parsed.holds(params);
  };

  it.each([
    ['a <= 4 * b', { a: 8, b: 2 }, true],
    ['a < 4 * b', { a: 8, b: 2 }, false],
    ['a + b * c == 7', { a: 1, b: 2, c: 3 }, true],
    ['(a + b) * c == 9', { a: 1, b: 2, c: 3 }, true],
    ['a - b - c == -4', { a: 1, b: 2, c: 3 }, true],
    ['a / b / c == 2', { a: 12, b: 2, c: 3 }, true],
    ['a % b == 1', { a: 7, b: 3 }, true],
    ['-a == --3', { a: -3 }, true],
    ['min(a, b, 2) == 2 and max(a, b) > 3', { a: 3, b: 4 }, true],
    ['a > 1 or b > 1 and c > 1', { a: 2, b: 0, c: 0 }, true],
    ['(a > 1 or b > 1) and c > 1', { a: 2, b: 0, c: 0 }, false],
    ['a != 1.5e1', { a: 15 }, false],
    ['`batch size` >= .5', { 'batch size': 1 }, true],
    ['a / b > 1', { a: 1, b: 0 }, true],
    ['a % b > 1', { a: 1, b: 0 }, false],
  ])('%s', (text, params, expected) => {
    expect(holds(text, params as Params)).toBe(expected);
  });

  it('say nothing about parameters that are not active', () => {
    expect(holds('a > b', { a: 1 })).toBe(true);
  });

  it.each([
    ['a <', 'a number, a parameter, "min", "max" or "(" at character 4', 'the end of the constraint'],
    ['a + 1', 'a comparison, such as a <= b, at character 1', 'a number'],
    ['a < b < c', '"and" between two comparisons at character 7', '<'],
    ['a < d', 'the name of a parameter at character 5', 'd'],
    ['a < $', 'a number, a name or an operator at character 5', '$'],
    ['(a < b', '")" at character 7', 'the end of the constraint'],
    ['a < b c', 'the end, "and" or "or" at character 7', 'c'],
    ['(a < b) + 1 > 0', 'a number at character 1', 'a comparison'],
    ['max(a; b) > 0', 'a number, a name or an operator at character 6', ';'],
    ['max(a b) > 0', '"," or ")" at character 7', 'b'],
    [
      'optimizer == 1',
      'a parameter whose values are all numbers (use its "when" for texts and booleans) at character 1',
      'optimizer',
    ],
    ['a == "x"', 'a number, a name or an operator at character 6', '"'],
    ['constructor > 0', 'the name of a parameter at character 1', 'constructor'],
    ['', 'a number, a parameter, "min", "max" or "(" at character 1', 'the end of the constraint'],
    ['('.repeat(600), 'at most 500 characters', '600 characters'],
  ])('refuse %s with the position', (text, expected, got) => {
    expect(read(text)).toEqual({ expected, got });
  });

  it('compute as JavaScript does, by property', () => {
    const leaf = fc.oneof(fc.constantFrom('a', 'b', 'c'), fc.nat(9).map(String));
    const { sum } = fc.letrec<{ sum: string }>((tie) => ({
      sum: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.tuple(tie('sum'), fc.constantFrom('+', '-', '*', '/', '%'), tie('sum')).map((part) => part.join(' ')),
        tie('sum').map((inner) => `(${inner})`),
        tie('sum').map((inner) => `-(${inner})`),
      ),
    }));
    const values = fc.tuple(
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
    );
    fc.assert(
      fc.property(
        sum,
        fc.constantFrom('<', '<=', '>', '>=', '==', '!='),
        sum,
        values,
        (left, sign, right, [a, b, c]) => {
          const text = `${left} ${sign} ${right}`;
          if (text.length > 500) return;
          const expected = new Function('a', 'b', 'c', `return ${text}`) as (...args: number[]) => boolean;
          expect(holds(text, { a, b, c })).toBe(expected(a, b, c));
        },
      ),
    );
  });

  it('give the share of feasible points, and refuse less than 1 %', () => {
    const parameters = [float('a', 0, 1), float('b', 0, 1)];
    expect(feasibleShare({ parameters, constraints: ['a + b <= 0.5'] })).toBeCloseTo(0.125, 1.7);
    expect(checkFeasible({ parameters, constraints: ['a < 0.5', 'b < 0.5'] })).toBeCloseTo(0.25, 1.7);
    const { message, details } = errorOf(() =>
      checkFeasible({ parameters, constraints: ['a + b <= 0.1'] }, 'input.space'),
    );
    expect(details['feasibleShare']).toBeCloseTo(0.005, 2);
    expect(message).toMatch(
      /^input\.space\.constraints: expected constraints that at least 1 % .* got 0\.\d+ % of 10000 /,
    );
    expect(errorOf(() => checkFeasible({ parameters, constraints: ['a > 2'] })).details['feasibleShare']).toBe(0);
  });
});
