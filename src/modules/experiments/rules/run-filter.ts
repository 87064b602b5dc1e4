import type { FilterGrammar, ValueRule } from '../../core/index.js';

/** What a filter of runs can test. */
export type RunEntity = 'metric' | 'param' | 'tag' | 'attribute' | 'dataset';

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='] as const;
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE'] as const;
const PRESENCE = ['IS NULL', 'IS NOT NULL'] as const;
const LISTED = ['IN', 'NOT IN'] as const;

const text: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...LISTED] };
const optionalText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...LISTED, ...PRESENCE] };
const time: ValueRule = { type: 'TIME', comparators: NUMERIC };

export const RUN_PREFIXES = {
  metric: ['metrics', 'metric'],
  param: ['params', 'param', 'parameters', 'parameter'],
  tag: ['tags', 'tag'],
  attribute: ['attributes', 'attribute', 'attr', 'run'],
  dataset: ['datasets', 'dataset'],
} as const;

const TIME_ALIASES = (rule: ValueRule): Record<string, ValueRule> => ({
  created: { ...rule, aliasOf: 'start_time' },
  Created: { ...rule, aliasOf: 'start_time' },
});
const NAME_ALIASES = (rule: ValueRule): Record<string, ValueRule> => ({
  'run name': { ...rule, aliasOf: 'run_name' },
  'Run name': { ...rule, aliasOf: 'run_name' },
  'Run Name': { ...rule, aliasOf: 'run_name' },
});

/** The filter of this service's API: every useful condition, with OR, NOT and parentheses. */
export const RUN_FILTER: FilterGrammar<RunEntity> = {
  bare: 'attribute',
  entities: {
    metric: { prefixes: RUN_PREFIXES.metric, others: { type: 'NUMBER', comparators: [...NUMERIC, ...PRESENCE] } },
    param: { prefixes: RUN_PREFIXES.param, others: optionalText },
    tag: { prefixes: RUN_PREFIXES.tag, others: optionalText },
    attribute: {
      prefixes: RUN_PREFIXES.attribute,
      keys: {
        run_id: text,
        run_name: text,
        name: { ...text, aliasOf: 'run_name' },
        status: text,
        user_id: text,
        created_by: { ...text, aliasOf: 'user_id' },
        experiment_id: text,
        start_time: time,
        end_time: { ...time, comparators: [...NUMERIC, ...PRESENCE] },
        created_at: time,
        ...TIME_ALIASES(time),
        ...NAME_ALIASES(text),
      },
    },
    dataset: { prefixes: RUN_PREFIXES.dataset, keys: { name: text, digest: text, context: text } },
  },
};

/** The keys by which this service's API can order runs. */
export const RUN_ORDER: FilterGrammar<RunEntity> = {
  ...RUN_FILTER,
  // A run can have several datasets, so runs cannot be ordered by them.
  entities: { ...RUN_FILTER.entities, dataset: { prefixes: [] } },
};
