import type { EntityRule, FilterGrammar, ValueRule } from '../platform/filter.js';

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

const ALIASES = (timeRule: ValueRule, nameRule: ValueRule): Record<string, ValueRule> => ({
  created: { ...timeRule, aliasOf: 'start_time' },
  Created: { ...timeRule, aliasOf: 'start_time' },
  'run name': { ...nameRule, aliasOf: 'run_name' },
  'Run name': { ...nameRule, aliasOf: 'run_name' },
  'Run Name': { ...nameRule, aliasOf: 'run_name' },
});

/** Our own: whatever makes sense, with OR, NOT and parentheses. */
export const RUN_FILTER: FilterGrammar<RunEntity> = {
  dialect: 'EXTENDED',
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
        ...ALIASES(time, text),
      },
    },
    dataset: { prefixes: PREFIXES.dataset, keys: { name: text, digest: text, context: text } },
  },
};

/** What runs can be ordered by in our own API. */
export const RUN_ORDER: FilterGrammar<RunEntity> = withoutDatasets(RUN_FILTER);

const mlflowText: ValueRule = { type: 'STRING', comparators: TEXTUAL };
const mlflowOptional: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, ...PRESENCE] };

/** As MLflow 3.17 reads filters of runs. */
export const MLFLOW_RUN_FILTER: FilterGrammar<RunEntity> = {
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: {
    metric: { prefixes: PREFIXES.metric, others: { type: 'NUMBER', comparators: NUMERIC } },
    param: { prefixes: PREFIXES.param, others: mlflowOptional },
    tag: { prefixes: PREFIXES.tag, others: mlflowOptional },
    attribute: {
      prefixes: PREFIXES.attribute,
      keys: {
        run_id: text,
        run_name: mlflowText,
        status: mlflowText,
        user_id: mlflowText,
        artifact_uri: mlflowText,
        start_time: time,
        end_time: time,
        ...ALIASES(time, mlflowText),
      },
    },
    dataset: { prefixes: PREFIXES.dataset, keys: { name: text, digest: text, context: text } },
  },
};

export const MLFLOW_RUN_ORDER: FilterGrammar<RunEntity> = withoutDatasets(MLFLOW_RUN_FILTER);

/** Runs have several datasets, and so no order by them. */
function withoutDatasets(grammar: FilterGrammar<RunEntity>): FilterGrammar<RunEntity> {
  const dataset: EntityRule = { prefixes: [] };
  return { ...grammar, entities: { ...grammar.entities, dataset } };
}
