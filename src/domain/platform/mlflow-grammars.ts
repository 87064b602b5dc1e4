import type { FilterGrammar, ValueRule } from './filter.js';

/** What MLflow 3.17 takes in the filters and orders of each of its searches, beside that of runs. */

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='] as const;
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE'] as const;

const number: ValueRule = { type: 'NUMBER', comparators: NUMERIC };
const time: ValueRule = { type: 'TIME', comparators: NUMERIC };
const text: ValueRule = { type: 'STRING', comparators: TEXTUAL };
const listedText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, 'IN', 'NOT IN'] };
const optionalText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, 'IS NULL', 'IS NOT NULL'] };

const attributes = (keys: Record<string, ValueRule>) => ({ prefixes: ['attribute'], keys });
const ordered = (...keys: string[]): FilterGrammar<'attribute'> => ({
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: { attribute: attributes(Object.fromEntries(keys.map((key) => [key, text]))) },
});
const tags = (rule: ValueRule) => ({ prefixes: ['tags', 'tag'], others: rule });

export const MLFLOW_EXPERIMENT_FILTER: FilterGrammar<'attribute' | 'tag'> = {
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: {
    attribute: attributes({
      name: text,
      experiment_id: { type: 'STRING', comparators: ['=', '!=', 'IN', 'NOT IN'] },
      creation_time: time,
      last_update_time: time,
    }),
    tag: tags(optionalText),
  },
};
export const MLFLOW_EXPERIMENT_ORDER = ordered('name', 'experiment_id', 'creation_time', 'last_update_time');

export const MLFLOW_REGISTERED_MODEL_FILTER: FilterGrammar<'attribute' | 'tag'> = {
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: { attribute: attributes({ name: listedText }), tag: tags(text) },
};
export const MLFLOW_REGISTERED_MODEL_ORDER = ordered('name', 'creation_timestamp', 'last_updated_timestamp', 'timestamp');

export const MLFLOW_MODEL_VERSION_FILTER: FilterGrammar<'attribute' | 'tag'> = {
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: {
    attribute: attributes({ name: listedText, run_id: listedText, source_path: text, version_number: number }),
    tag: tags(text),
  },
};
export const MLFLOW_MODEL_VERSION_ORDER = ordered('name', 'version_number', 'creation_timestamp', 'last_updated_timestamp');

const creationTime: ValueRule = { ...time, aliasOf: 'creation_timestamp' };
const updateTime: ValueRule = { ...time, aliasOf: 'last_updated_timestamp' };

export const MLFLOW_LOGGED_MODEL_FILTER: FilterGrammar<'attribute' | 'metric' | 'param' | 'tag'> = {
  dialect: 'MLFLOW',
  bare: 'attribute',
  entities: {
    attribute: {
      prefixes: ['attributes', 'attribute', 'attr', 'run'],
      keys: {
        name: listedText,
        model_id: listedText,
        model_type: listedText,
        status: listedText,
        source_run_id: listedText,
        creation_timestamp: time,
        creation_time: creationTime,
        last_updated_timestamp: time,
        last_updated_time: updateTime,
      },
    },
    metric: { prefixes: ['metrics', 'metric'], others: number },
    param: { prefixes: ['params', 'param', 'parameters', 'parameter'], others: text },
    tag: tags(text),
  },
};
