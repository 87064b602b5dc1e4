import type { EntityRule, ValueRule } from '../../core/index.js';
import type { MlflowGrammar } from './mlflow-filter.js';
import {
  EXPERIMENT_ORDER_WORDS,
  EXPERIMENT_WORDS,
  LOGGED_MODEL_WORDS,
  MODEL_VERSION_ORDER_WORDS,
  MODEL_VERSION_WORDS,
  REGISTERED_MODEL_ORDER_WORDS,
  REGISTERED_MODEL_WORDS,
  type MlflowWords,
} from './mlflow-words.js';

/** What MLflow 3.17 takes in the filters and orders of each of its searches, beside that of runs. */

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='] as const;
const TEXTUAL = ['=', '!=', 'LIKE', 'ILIKE'] as const;

const number: ValueRule = { type: 'NUMBER', comparators: NUMERIC };
const time: ValueRule = { type: 'TIME', comparators: NUMERIC };
const text: ValueRule = { type: 'STRING', comparators: TEXTUAL };
const listedText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, 'IN', 'NOT IN'] };
const optionalText: ValueRule = { type: 'STRING', comparators: [...TEXTUAL, 'IS NULL', 'IS NOT NULL'] };

type Entity = 'attribute' | 'tag';

const attributes = (keys: Record<string, ValueRule>): EntityRule => ({ prefixes: ['attribute'], keys });
const tags = (rule: ValueRule): EntityRule => ({ prefixes: ['tags', 'tag'], others: rule });

const ordered = (words: MlflowWords, attribute: EntityRule): MlflowGrammar<'attribute'> => ({
  words,
  bare: 'attribute',
  entities: { attribute },
});
const byTexts = (...keys: string[]) => Object.fromEntries(keys.map((key) => [key, text]));

export const MLFLOW_EXPERIMENT_FILTER: MlflowGrammar<Entity> = {
  words: EXPERIMENT_WORDS,
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
export const MLFLOW_EXPERIMENT_ORDER = ordered(
  EXPERIMENT_ORDER_WORDS,
  attributes(byTexts('name', 'experiment_id', 'creation_time', 'last_update_time')),
);

export const MLFLOW_REGISTERED_MODEL_FILTER: MlflowGrammar<Entity> = {
  words: REGISTERED_MODEL_WORDS,
  bare: 'attribute',
  entities: { attribute: attributes({ name: listedText }), tag: tags(text) },
};
export const MLFLOW_REGISTERED_MODEL_ORDER = ordered(REGISTERED_MODEL_ORDER_WORDS, {
  prefixes: [],
  keys: { ...byTexts('name', 'last_updated_timestamp'), timestamp: { ...text, aliasOf: 'last_updated_timestamp' } },
});

export const MLFLOW_MODEL_VERSION_FILTER: MlflowGrammar<Entity> = {
  words: MODEL_VERSION_WORDS,
  quotedNumbers: true,
  bare: 'attribute',
  entities: {
    attribute: attributes({ name: listedText, run_id: listedText, source_path: text, version_number: number }),
    tag: tags(text),
  },
};
export const MLFLOW_MODEL_VERSION_ORDER = ordered(
  MODEL_VERSION_ORDER_WORDS,
  attributes(byTexts('name', 'version_number', 'creation_timestamp', 'last_updated_timestamp')),
);

const creationTime: ValueRule = { ...time, aliasOf: 'creation_timestamp' };
const updateTime: ValueRule = { ...time, aliasOf: 'last_updated_timestamp' };

export const MLFLOW_LOGGED_MODEL_FILTER: MlflowGrammar<Entity | 'metric' | 'param'> = {
  words: LOGGED_MODEL_WORDS,
  comparatorsFirst: true,
  bareTexts: true,
  bare: 'attribute',
  entities: {
    attribute: {
      prefixes: ['attributes'],
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
    metric: { prefixes: ['metrics'], others: number },
    param: { prefixes: ['params'], others: listedText },
    tag: { prefixes: ['tags'], others: listedText },
  },
};
