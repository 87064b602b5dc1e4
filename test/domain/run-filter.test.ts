import { MLFLOW_RUN_FILTER } from '../../src/protocols/mlflow/filters/grammars.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  parseFilter,
  parseOrderBy,
  type Comparator,
  type Comparison,
  type Filter,
} from '../../src/modules/core/rules/filter.js';
import { parseMlflowFilter } from '../../src/protocols/mlflow/filters/filter.js';
import { RUN_FILTER, RUN_ORDER, type RunEntity } from '../../src/modules/experiments/rules/run-filter.js';
import { AppError } from '../../src/errors.js';

const ours = (text: string) => parseFilter('filter', text, RUN_FILTER);
const mlflow = (text: string) => parseMlflowFilter(text, MLFLOW_RUN_FILTER);

const term = (entity: RunEntity, key: string, comparator: Comparator, value: Comparison['value']) => ({
  type: 'comparison' as const,
  entity,
  key,
  comparator,
  value,
});

function refusal(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return error as AppError;
  }
  throw new Error('it was accepted');
}

const PREFIX: Record<RunEntity, string> = {
  metric: 'metrics',
  param: 'params',
  tag: 'tags',
  attribute: 'attributes',
  dataset: 'datasets',
};

function printTerm({ entity, key, comparator, value }: Comparison<RunEntity>): string {
  const name = `${PREFIX[entity]}.${key.includes('`') ? `"${key}"` : `\`${key}\``}`;
  const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;
  if (value === null) return `${name} ${comparator}`;
  if (typeof value === 'number')
    return `${name} ${comparator} ${Number.isFinite(value) ? value : quote(String(value))}`;
  return `${name} ${comparator} ${typeof value === 'string' ? quote(value) : `(${value.map(quote).join(', ')})`}`;
}

function print(filter: Filter<RunEntity>): string {
  if (filter.type === 'comparison') return printTerm(filter);
  if (filter.type === 'not') return `NOT (${print(filter.term)})`;
  return filter.terms.map((inner) => `(${print(inner)})`).join(filter.type === 'and' ? ' AND ' : ' OR ');
}

const text = fc
  .string({ unit: 'grapheme', maxLength: 30 })
  .filter((value) => !value.includes('\0') && value.isWellFormed());
const keys = text.filter((key) => !key.includes('"') && key.length <= 250);
const comparisons = fc.oneof(
  fc
    .tuple(keys, fc.constantFrom<Comparator>('=', '!=', '<', '<=', '>', '>='), fc.double({ noNaN: true }))
    .map(([key, comparator, value]) => term('metric', key, comparator, Object.is(value, -0) ? 0 : value)),
  fc.constant(term('metric', 'loss', '=', NaN)),
  fc
    .tuple(fc.constantFrom<RunEntity>('param', 'tag'), keys, fc.constantFrom<Comparator>('=', '!='), text)
    .map(([entity, key, comparator, value]) => term(entity, key, comparator, value)),
  fc
    .tuple(keys, fc.constantFrom<Comparator>('IS NULL', 'IS NOT NULL'))
    .map(([key, comparator]) => term('tag', key, comparator, null)),
  fc
    .tuple(fc.constantFrom('name', 'digest', 'context'), fc.array(text, { minLength: 1, maxLength: 4 }))
    .map(([key, values]) => term('dataset', key, 'NOT IN', values)),
  fc.nat().map((ms) => term('attribute', 'start_time', '>=', ms)),
);
const filters = fc.letrec<{ tree: Filter<RunEntity> }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    comparisons as fc.Arbitrary<Filter<RunEntity>>,
    fc
      .record({
        type: fc.constantFrom('and' as const, 'or' as const),
        terms: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
      })
      .map((filter): Filter<RunEntity> => filter),
    tie('tree').map((inner): Filter<RunEntity> => ({ type: 'not', term: inner })),
  ),
})).tree;

describe('filters of this service', () => {
  it('are read as they were printed', () => {
    fc.assert(
      fc.property(filters, (filter) => {
        expect(ours(print(filter))).toEqual(filter);
      }),
      { numRuns: 500 },
    );
  });

  it('bind NOT tighter than AND, and AND tighter than OR', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((key) => term('metric', key, '>', 1));
    expect(ours('metrics.a > 1 or not metrics.b > 1 AND metrics.c > 1')).toEqual({
      type: 'or',
      terms: [a, { type: 'and', terms: [{ type: 'not', term: b }, c] }],
    });
    expect(ours('(metrics.a > 1 OR metrics.b > 1) AND metrics.c > 1')).toEqual({
      type: 'and',
      terms: [{ type: 'or', terms: [a, b] }, c],
    });
    expect(ours('  ')).toBeNull();
  });

  it('accept keys, texts, numbers and times as people write them', () => {
    expect(ours("params.train/lr-max = 'it''s'")).toEqual(term('param', 'train/lr-max', '=', "it's"));
    expect(ours('metrics."a b" <= -1.5E+3')).toEqual(term('metric', 'a b', '<=', -1500));
    expect(ours("metrics.loss = 'NaN'")).toEqual(term('metric', 'loss', '=', NaN));
    expect(ours("created_at >= '2026-01-02'")).toEqual(term('attribute', 'created_at', '>=', Date.UTC(2026, 0, 2)));
    expect(ours("status NOT IN ('FAILED', 'KILLED')")).toEqual(
      term('attribute', 'status', 'NOT IN', ['FAILED', 'KILLED']),
    );
    expect(ours('end_time IS NULL')).toEqual(term('attribute', 'end_time', 'IS NULL', null));
  });

  const wrong: [string, number, RegExp][] = [
    ['metrics.loss foo 3', 13, /expected a comparison operator at position 13, got "foo"/],
    ['metrics.loss < ', 15, /expected a number for metrics\.loss at position 15, got the end/],
    ["metrics.loss < '3'", 15, /expected a number/],
    ['params.lr = 0.1', 12, /expected a quoted text for params\.lr/],
    ["params.lr > '1'", 10, /expected one of = != LIKE ILIKE IN NOT IN IS NULL IS NOT NULL after params\.lr/],
    ["param.lr = 'a' params.b = 'c'", 15, /expected AND, OR or the end/],
    ['metrics.a > 1 AND', 17, /expected a key such as metrics\.name/],
    ['(metrics.a > 1', 14, /closing parenthesis/],
    ['metrics.a > 1)', 13, /AND, OR or the end/],
    ["lr = '0.1'", 0, /a key with a prefix \(metrics\. params\. tags\. attributes\. datasets\.\) or one of run_id/],
    ["attributes.lr = '0.1'", 0, /expected one of run_id run_name .* after attributes\./],
    ['foo.lr = 1', 0, /one of metrics\. params\. tags\. attributes\. datasets\. before the key/],
    ["tags.a = 'x", 9, /a closing quote/],
    ['metrics.a > 0x10', 12, /expected a number at position 12, got "0x10"/],
    ['metrics.a > 1e999', 12, /expected a number/],
    ['status IN ()', 11, /a quoted text/],
    ["status IN ('a'", 14, /a comma or a closing parenthesis/],
    ["tags.a LIKE 'x\\'", 12, /lone backslash/],
    ["tags.a LIKE '" + '%a'.repeat(30) + "'", 12, /at most 20 %/],
    ['metrics.a > 1; drop table run', 13, /a key, a comparison operator or a value/],
    ["tags.a = 'x' -- y", 13, /a key, a comparison operator or a value/],
    ["metrics.a < 'NaN'", 12, /a number/],
    ["start_time > 'yesterday'", 13, /a time in milliseconds/],
    ['metrics.\u0000 > 1', 0, /without NUL/],
    ['metrics.a > \ud800', 0, /lone surrogates/],
  ];
  for (const [filter, position, message] of wrong) {
    it(`say where and what was expected: ${JSON.stringify(filter.slice(0, 40))}`, () => {
      const error = refusal(() => ours(filter));
      expect(error.message).toMatch(message);
      expect(error.details).toMatchObject({ field: 'filter', position });
    });
  }

  it('refuse huge filters at once, and never throw anything except an AppError', () => {
    const started = performance.now();
    const floods = [
      Array.from({ length: 10_000 }, (_, i) => `metrics.m${i} > ${i}`).join(' AND '),
      Array.from({ length: 10_000 }, () => 'metrics.m>1').join(' OR '),
      '('.repeat(60_000),
      'NOT '.repeat(16_000),
      `status IN (${Array.from({ length: 10_000 }, () => "'a'").join(',')})`,
      "'".repeat(65_000),
      `tags.a = '${"\\'".repeat(32_000)}`,
      '`'.repeat(65_001),
      ' '.repeat(65_000),
    ];
    for (const flood of floods) {
      for (const parse of [ours, mlflow]) if (flood.trim() !== '') refusal(() => parse(flood));
    }
    expect(performance.now() - started).toBeLessThan(1_000);
    const pieces = fc.constantFrom(
      ...[
        'metrics.a',
        'params.`x`',
        '"',
        "'",
        '`',
        '(',
        ')',
        ',',
        'AND',
        'or',
        'NOT',
        'IN',
        'IS',
        'NULL',
        '=',
        '<>',
        '1',
        "'x'",
        '.',
      ],
      ...['__proto__', 'attributes.constructor', 'tags.__proto__', '\0', '\ud800', '--', ';', '%', '\\', '1e400', '-'],
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 60 }),
          fc.array(pieces).map((all) => all.join(' ')),
        ),
        (hostile) => {
          for (const parse of [ours, mlflow, (one: string) => parseOrderBy('orderBy', [one], RUN_ORDER)]) {
            try {
              parse(hostile);
            } catch (error) {
              expect(error).toBeInstanceOf(AppError);
            }
          }
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('orders', () => {
  it('have several keys, each once', () => {
    expect(parseOrderBy('orderBy', ['metrics.`a b` DESC', 'start_time', 'params.lr asc'], RUN_ORDER)).toEqual([
      { entity: 'metric', key: 'a b', direction: 'DESC' },
      { entity: 'attribute', key: 'start_time', direction: 'ASC' },
      { entity: 'param', key: 'lr', direction: 'ASC' },
    ]);
    expect(refusal(() => parseOrderBy('orderBy', ['metrics.a', 'metrics.`a` DESC'], RUN_ORDER)).message).toContain(
      'every key once',
    );
    expect(refusal(() => parseOrderBy('orderBy', ['metrics.a downwards'], RUN_ORDER)).details).toMatchObject({
      field: 'orderBy[0]',
      position: 10,
    });
    expect(refusal(() => parseOrderBy('orderBy', ['datasets.name'], RUN_ORDER)).code).toBe('BAD_USER_INPUT');
    expect(refusal(() => parseOrderBy('orderBy', Array<string>(11).fill('start_time'), RUN_ORDER)).message).toContain(
      'at most 10 keys',
    );
  });
});
