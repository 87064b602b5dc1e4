import { MLFLOW_RUN_FILTER, MLFLOW_RUN_ORDER } from '../../src/protocols/mlflow/filters/grammars.js';
import { describe, expect, it } from 'vitest';
import type { Comparator, Comparison } from '../../src/modules/core/rules/filter.js';
import { parseMlflowFilter, parseMlflowOrder, type MlflowGrammar } from '../../src/protocols/mlflow/filters/filter.js';
import * as grammars from '../../src/protocols/mlflow/filters/grammars.js';
import { pythonText } from '../../src/protocols/mlflow/filters/messages.js';

const term = (entity: string, key: string, comparator: Comparator, value: Comparison['value']) => ({
  type: 'comparison' as const,
  entity,
  key,
  comparator,
  value,
});

const runs = (filter: string) => parseMlflowFilter(filter, MLFLOW_RUN_FILTER);
const models = (filter: string) => parseMlflowFilter(filter, grammars.MLFLOW_LOGGED_MODEL_FILTER);
const versions = (filter: string) => parseMlflowFilter(filter, grammars.MLFLOW_MODEL_VERSION_FILTER);

describe("MLflow's filters are read as its server reads them", () => {
  it('keys, texts and numbers', () => {
    expect(runs('')).toEqual([]);
    expect(runs('metric.`a b` > 1e5 and attr.`Run name` like \'a%\' AND "run_id" NOT IN (\'a\', "b",)')).toEqual([
      term('metric', 'a b', '>', 1e5),
      term('attribute', 'run_name', 'LIKE', 'a%'),
      term('attribute', 'run_id', 'NOT IN', ['a', 'b']),
    ]);
    expect(runs("tags.mlflow.parentRunId = 'it''s' AND parameter.x IS NOT NULL AND Created > 5.5")).toEqual([
      term('tag', 'mlflow.parentRunId', '=', "it''s"),
      term('param', 'x', 'IS NOT NULL', null),
      term('attribute', 'start_time', '>', 5.5),
    ]);
    expect(runs("metrics.'val acc'<.5 AND metrics. = 1")).toEqual([
      term('metric', 'val acc', '<', 0.5),
      term('metric', '', '=', 1),
    ]);
  });

  it('an AND is a gap between comparisons, wherever it is', () => {
    const [a, b] = [term('metric', 'a', '<', 1), term('metric', 'b', '>', 2)];
    for (const filter of [
      'metrics.a < 1 AND metrics.b > 2',
      'AND metrics.a < 1 metrics.b > 2 and',
      ' metrics.a<1\nAND AND metrics.b>2 ',
    ])
      expect(runs(filter)).toEqual([a, b]);
    expect(runs('AND')).toEqual([]);
  });

  it('texts without quotes in searches of logged models, numbers with quotes in those of versions', () => {
    expect(models("name = apple AND params.depth = 5 AND tags.team IN ('a')")).toEqual([
      term('attribute', 'name', '=', 'apple'),
      term('param', 'depth', '=', '5'),
      term('tag', 'team', 'IN', ['a']),
    ]);
    expect(versions("version_number = '2'")).toEqual([term('attribute', 'version_number', '=', 2)]);
  });

  it('orders', () => {
    expect(parseMlflowOrder(['Created desc', 'metrics.`a b`', "tags.'x' ASC"], MLFLOW_RUN_ORDER)).toEqual([
      { entity: 'attribute', key: 'start_time', direction: 'DESC' },
      { entity: 'metric', key: 'a b', direction: 'ASC' },
      { entity: 'tag', key: 'x', direction: 'ASC' },
    ]);
    expect(parseMlflowOrder(['timestamp DESC'], grammars.MLFLOW_REGISTERED_MODEL_ORDER)).toEqual([
      { entity: 'attribute', key: 'last_updated_timestamp', direction: 'DESC' },
    ]);
  });
});

const RUN_KEYS =
  "'{'Created', 'Run Name', 'Run name', 'artifact_uri', 'created', 'end_time', 'run name', 'run_id', " +
  "'run_name', 'start_time', 'status', 'user_id'}'";
const TEXTUAL = "'!=', '=', 'ILIKE', 'IN', 'LIKE', 'NOT IN'";

const REFUSED: [string, MlflowGrammar<string>, [string, string][]][] = [
  [
    'runs',
    MLFLOW_RUN_FILTER,
    [
      ['metrics.a > 1 OR metrics.b > 1', "Invalid clause(s) in filter string: 'OR'"],
      ['(metrics.a > 1)', "Invalid clause(s) in filter string: '(metrics.a > 1)'"],
      ['metrics.a BETWEEN 0 AND 1', "Invalid clause(s) in filter string: 'metrics.a', 'BETWEEN', '0', '1'"],
      ["params.x = 'open", "Invalid clause(s) in filter string: 'params.x', '=', ''', 'open'"],
      ["run_id IN ('a'", "Invalid clause(s) in filter string: 'run_id', 'IN', '(', ''a''"],
      ['metrics.a-b > 1', "Invalid clause(s) in filter string: 'metrics.a', '-'"],
      ["params.x -- = 'a'", "Invalid clause(s) in filter string: 'params.x', '-- = 'a''"],
      [
        'metrics.a < 1; DROP TABLE runs',
        "Search filter contained multiple expression 'metrics.a < 1; DROP TABLE runs'. Provide AND-ed expression list.",
      ],
      ["'run_id' = 'x'", "Invalid comparison clause. Expected 'Identifier' found ''run_id''"],
      [
        'foo.a = 1',
        "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
      ],
      ["created_at > '2026-01-01'", `Invalid attribute key 'created_at' specified. Valid keys are ${RUN_KEYS}`],
      ["dataset.size = 'x'", "Invalid dataset key 'size' specified. Valid keys are '{'context', 'digest', 'name'}'"],
      ["metrics.a = 'NaN'", "Expected numeric value type for metric. Found 'NaN'"],
      ['metrics.a > 1E+5', "Invalid clause(s) in filter string: '+', '5'"],
      ['metrics.a > 0x10', 'Expected numeric value type for metric. Found 0x10'],
      ['metrics.a > 1e999', 'Expected numeric value type for metric. Found 1e999'],
      ["start_time > '5'", "Expected numeric value type for numeric attribute: start_time. Found '5'"],
      ['params.x = 5', "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"],
      ["params.x IN ('a')", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value ('a')"],
      ['dataset.name = 5', 'Expected a quoted string value for dataset attributes. Got value 5'],
      ['status = 5', 'Expected a quoted string value for attributes. Got value 5'],
      ["run_id = ('a')", "Expected a quoted string value for attributes. Got value ('a')"],
      ["status IN ('RUNNING')", "Only ['run_id'] attributes support comparison with a list of quoted string values."],
      [
        'tags.x = word',
        'Parameter value is either not quoted or unidentified quote types used for string value word. Use ' +
          'either single or double quotes.',
      ],
      [
        'run_id IN ()',
        'While parsing a list in the query, expected a non-empty list of string values, but got empty list',
      ],
      [
        "run_id IN ('a' 'b')",
        'While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list.',
      ],
      [
        'run_id IN (1)',
        'While parsing a list in the query, expected string value, punctuation, or whitespace, but got ' +
          'different type in list: (1,)',
      ],
      ['metrics.a == 1', "Invalid comparator '==' not one of '{'!=', '<', '<=', '=', '>', '>='}"],
      [
        "params.x rlike 'a'",
        "Invalid comparator 'RLIKE' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}'",
      ],
      ["status not like 'a'", `Invalid comparator 'NOT LIKE' not one of '{${TEXTUAL}}'`],
      ['metrics.a IS NULL', "IS NULL / IS NOT NULL is only supported for tags and params, not for 'metric' 'a'"],
      ["tags.a LIKE 'x\\'", 'filter: expected a pattern that does not end with a lone backslash, got "x\\\\".'],
      [`tags.a = '${'x'.repeat(10_001)}'`, 'filter: expected a text of at most 10000 characters'],
      [Array<string>(51).fill('metrics.a > 1').join(' AND '), 'filter: expected at most 50 comparisons, got 51.'],
      [' '.repeat(65_537), 'filter: expected at most 65536 characters'],
    ],
  ],
  [
    'experiments',
    grammars.MLFLOW_EXPERIMENT_FILTER,
    [
      ["name = 'a' OR name = 'b'", 'Invalid clause(s) in filter string: OR'],
      [
        "attributes.name = 'x'",
        "Invalid entity type 'attributes'. Valid entity types are ('attribute', 'tag', 'tags')",
      ],
      ["name > 'a'", `Invalid comparator '>' not one of '{${TEXTUAL}}'`],
      ["experiment_id LIKE 'a'", 'Invalid comparator for experiment_id: LIKE'],
      ["tags.a > 'a'", 'Invalid comparator for tag: >'],
      ['name IS NULL', "IS NULL / IS NOT NULL is only supported for tags, not for attribute 'name'"],
    ],
  ],
  [
    'registered models',
    grammars.MLFLOW_REGISTERED_MODEL_FILTER,
    [
      ["name > 'a'", 'Invalid comparator for attribute: >'],
      ['tags.a IS NULL', 'Invalid comparator for tag: IS NULL'],
      ['name = 5', 'Expected a quoted string value or a list of quoted string values for attributes. Got value 5'],
    ],
  ],
  [
    'versions',
    grammars.MLFLOW_MODEL_VERSION_FILTER,
    [
      ["version_number LIKE '2'", 'Invalid comparator for attribute version_number: LIKE'],
      ["version_number = 'x'", "Invalid value for numeric attribute 'version_number': 'x'"],
      [
        "source_path IN ('a')",
        "Only ['name', 'run_id'] attributes support comparison with a list of quoted string values.",
      ],
      [
        'name = 5',
        "Only the '{'creation_timestamp', 'last_updated_timestamp', 'version_number'}' attributes support " +
          'comparison with numeric values.',
      ],
    ],
  ],
  [
    'logged models',
    grammars.MLFLOW_LOGGED_MODEL_FILTER,
    [
      ["name = 'it's", `Invalid filter string: "name = 'it's". Expected a list of comparisons separated by 'AND'`],
      ["name = 'a'; name = 'b'", `Invalid filter string: "name = 'a'; name = 'b'". Expected a single SQL expression.`],
      [
        "attribute.name = 'a'",
        "Invalid entity type: 'attribute'. Expected one of ['attributes', 'metrics', 'params', 'tags'].",
      ],
      [
        "name > 'a'",
        "Invalid comparison operator for attributes.name: '>'. Expected one of ('=', '!=', 'LIKE', 'ILIKE', " +
          "'IN', 'NOT IN').",
      ],
      [
        "metrics.a LIKE 'a'",
        "Invalid comparison operator for metrics.a: 'LIKE'. Expected one of ('<', '<=', '>', '>=', '=', '!=').",
      ],
      ['tags.a IS NULL', 'Invalid comparison: tags.aIS NULL. Expected a comparison with 3 tokens.'],
    ],
  ],
];

describe("what MLflow's server refuses in a filter is refused with its messages", () => {
  for (const [search, grammar, filters] of REFUSED) {
    for (const [filter, message] of filters) {
      it(`${search}: ${filter.slice(0, 60)}`, () => {
        expect(() => parseMlflowFilter(filter, grammar)).toThrow(message);
      });
    }
  }
});

describe("what MLflow's server refuses in an order is refused with its messages", () => {
  const refused: [MlflowGrammar<string>, string, string][] = [
    [MLFLOW_RUN_ORDER, '', "Invalid order_by clause ''. Could not be parsed."],
    [MLFLOW_RUN_ORDER, 'metrics.a, metrics.b', "Invalid order_by clause 'metrics.a, metrics.b'. Could not be parsed."],
    [MLFLOW_RUN_ORDER, 'metrics.a ASC DESC', "Invalid order_by clause 'metrics.a ASC DESC'. Could not be parsed."],
    [MLFLOW_RUN_ORDER, 'metrics.a downwards', "Invalid ordering key in order_by clause 'metrics.a downwards'."],
    [MLFLOW_RUN_ORDER, 'dataset.name', "Invalid identifier type 'dataset'"],
    [MLFLOW_RUN_ORDER, '`Run Name`', "Invalid attribute key 'Run Name' specified."],
    [grammars.MLFLOW_EXPERIMENT_ORDER, 'tags.a', 'Invalid order_by entity: tag'],
    [grammars.MLFLOW_EXPERIMENT_ORDER, 'foo.a', "Invalid entity type 'foo'."],
    [
      grammars.MLFLOW_REGISTERED_MODEL_ORDER,
      'tags.a',
      "Invalid order by key 'tags.a' specified. Valid keys are '{'name', 'timestamp'}'",
    ],
    [grammars.MLFLOW_REGISTERED_MODEL_ORDER, 'version', "Invalid order by key 'version' specified."],
    [
      grammars.MLFLOW_MODEL_VERSION_ORDER,
      'tags.a',
      "Invalid order by key 'a' specified. Valid keys are {'creation_timestamp', 'last_updated_timestamp', " +
        "'name', 'version_number'}",
    ],
    [grammars.MLFLOW_MODEL_VERSION_ORDER, 'nonsense', "Invalid attribute key 'nonsense' specified."],
  ];
  for (const [grammar, text, message] of refused) {
    it(JSON.stringify(text), () => {
      expect(() => parseMlflowOrder([text], grammar)).toThrow(message);
    });
  }

  it('a key twice', () => {
    expect(() => parseMlflowOrder(['metrics.a', 'metrics.`a` DESC'], MLFLOW_RUN_ORDER)).toThrow('every key once');
  });
});

it.each([
  ['digits before a letter', `${'1'.repeat(65_000)}a`],
  ['digits around a dot before a letter', `${'1'.repeat(32_000)}.${'1'.repeat(32_000)}a`],
  ['a quote without an end', `'${'a '.repeat(32_000)}`],
  ['escaped quotes', "\\'".repeat(32_000)],
  ['quoted keys without an end', 'a.`'.repeat(21_000)],
  ['nested parentheses', '('.repeat(32_000) + ')'.repeat(32_000)],
  ['words before operators', 'NOT '.repeat(16_000)],
])('%s are read quickly', (_what, text) => {
  const startedAt = performance.now();
  expect(() => runs(text)).toThrow();
  expect(() => parseMlflowOrder([text], MLFLOW_RUN_ORDER)).toThrow();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
});

it("texts are shown as in Python's repr", () => {
  expect(['a', "it's", `'"`, '\\\n'].map(pythonText)).toEqual(["'a'", `"it's"`, `'\\'"'`, "'\\\\\\n'"]);
});
