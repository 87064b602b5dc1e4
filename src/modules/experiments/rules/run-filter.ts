import type { FilterGrammar, ValueRule } from '../../core/index.js';
import type { MlflowGrammar } from './mlflow-filter.js';
import { RUN_ORDER_WORDS, RUN_WORDS } from './mlflow-words.js';

/** What a run can be found by. */
export type RunEntity = 'metric' | 'param' | 'tag' | 'attribute' | 'dataset';

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='] as const;
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE'] as const;
const PRESENCE = ['IS NULL', 'IS NOT NULL'] as const;
const LISTED = ['IN', 'NOT IN'] as const;

const text: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...LISTED] };
const optionalText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...LISTED, ...PRESENCE] };
const time: ValueRule = { type: 'TIME', comparators: NUMERIC };

const PREFIXES = {
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

/** Our own: whatever makes sense, with OR, NOT and parentheses. */
export const RUN_FILTER: FilterGrammar<RunEntity> = {
  bare: 'attribute',
  entities: {
    metric: { prefixes: PREFIXES.metric, others: { type: 'NUMBER', comparators: [...NUMERIC, ...PRESENCE] } },
    param: { prefixes: PREFIXES.param, others: optionalText },
    tag: { prefixes: PREFIXES.tag, others: optionalText },
    attribute: {
      prefixes: PREFIXES.attribute,
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
    dataset: { prefixes: PREFIXES.dataset, keys: { name: text, digest: text, context: text } },
  },
};

/** What runs can be ordered by in our own API. */
export const RUN_ORDER: FilterGrammar<RunEntity> = {
  ...RUN_FILTER,
  // Runs have several datasets, and so no order by them.
  entities: { ...RUN_FILTER.entities, dataset: { prefixes: [] } },
};

const mlflowText: ValueRule = { type: 'STRING', comparators: TEXTUAL };
const mlflowOptional: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...PRESENCE] };

const mlflowAttributes: Record<string, ValueRule> = {
  run_id: text,
  run_name: mlflowText,
  status: mlflowText,
  user_id: mlflowText,
  artifact_uri: mlflowText,
  start_time: time,
  end_time: time,
  ...TIME_ALIASES(time),
};

/** As MLflow 3.17 reads filters of runs. */
export const MLFLOW_RUN_FILTER: MlflowGrammar<RunEntity> = {
  words: RUN_WORDS,
  bare: 'attribute',
  entities: {
    metric: { prefixes: PREFIXES.metric, others: { type: 'NUMBER', comparators: NUMERIC } },
    param: { prefixes: PREFIXES.param, others: mlflowOptional },
    tag: { prefixes: PREFIXES.tag, others: mlflowOptional },
    attribute: {
      prefixes: PREFIXES.attribute,
      keys: { ...mlflowAttributes, ...NAME_ALIASES(mlflowText) },
    },
    dataset: { prefixes: PREFIXES.dataset, keys: { name: text, digest: text, context: text } },
  },
};

export const MLFLOW_RUN_ORDER: MlflowGrammar<RunEntity> = {
  words: RUN_ORDER_WORDS,
  bare: 'attribute',
  entities: {
    ...MLFLOW_RUN_FILTER.entities,
    attribute: { prefixes: PREFIXES.attribute, keys: mlflowAttributes },
    // Runs have several datasets, and so no order by them.
    dataset: { prefixes: PREFIXES.dataset },
  },
};
