import type { EntityRule, ValueRule } from '../../../modules/core/index.js';
import { RUN_PREFIXES, type RunEntity } from '../../../modules/experiments/index.js';
import type { MlflowGrammar } from './filter.js';
import {
  EXPERIMENT_ORDER_MESSAGES,
  EXPERIMENT_MESSAGES,
  LOGGED_MODEL_MESSAGES,
  MODEL_VERSION_ORDER_MESSAGES,
  MODEL_VERSION_MESSAGES,
  REGISTERED_MODEL_ORDER_MESSAGES,
  REGISTERED_MODEL_MESSAGES,
  RUN_MESSAGES,
  RUN_ORDER_MESSAGES,
  type FilterMessages,
} from './messages.js';

/** What MLflow 3.17 accepts in the filters and orders of each of its searches. */

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

const ordered = (messages: FilterMessages, attribute: EntityRule): MlflowGrammar<'attribute'> => ({
  messages,
  bare: 'attribute',
  entities: { attribute },
});
const byTexts = (...keys: string[]) => Object.fromEntries(keys.map((key) => [key, text]));

export const MLFLOW_EXPERIMENT_FILTER: MlflowGrammar<Entity> = {
  messages: EXPERIMENT_MESSAGES,
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
  EXPERIMENT_ORDER_MESSAGES,
  attributes(byTexts('name', 'experiment_id', 'creation_time', 'last_update_time')),
);

export const MLFLOW_REGISTERED_MODEL_FILTER: MlflowGrammar<Entity> = {
  messages: REGISTERED_MODEL_MESSAGES,
  bare: 'attribute',
  entities: { attribute: attributes({ name: listedText }), tag: tags(text) },
};
export const MLFLOW_REGISTERED_MODEL_ORDER = ordered(REGISTERED_MODEL_ORDER_MESSAGES, {
  prefixes: [],
  keys: { ...byTexts('name', 'last_updated_timestamp'), timestamp: { ...text, aliasOf: 'last_updated_timestamp' } },
});

export const MLFLOW_MODEL_VERSION_FILTER: MlflowGrammar<Entity> = {
  messages: MODEL_VERSION_MESSAGES,
  quotedNumbers: true,
  bare: 'attribute',
  entities: {
    attribute: attributes({ name: listedText, run_id: listedText, source_path: text, version_number: number }),
    tag: tags(text),
  },
};
export const MLFLOW_MODEL_VERSION_ORDER = ordered(
  MODEL_VERSION_ORDER_MESSAGES,
  attributes(byTexts('name', 'version_number', 'creation_timestamp', 'last_updated_timestamp')),
);

const creationTime: ValueRule = { ...time, aliasOf: 'creation_timestamp' };
const updateTime: ValueRule = { ...time, aliasOf: 'last_updated_timestamp' };

export const MLFLOW_LOGGED_MODEL_FILTER: MlflowGrammar<Entity | 'metric' | 'param'> = {
  messages: LOGGED_MODEL_MESSAGES,
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

const started: ValueRule = { ...time, aliasOf: 'start_time' };
const TIME_ALIASES = { created: started, Created: started };
const runName: ValueRule = { ...text, aliasOf: 'run_name' };
const NAME_ALIASES = { 'run name': runName, 'Run name': runName, 'Run Name': runName };

const runAttributes: Record<string, ValueRule> = {
  run_id: listedText,
  run_name: text,
  status: { ...text, aliasOf: 'client_status' },
  user_id: { ...text, aliasOf: 'client_user' },
  artifact_uri: text,
  start_time: time,
  end_time: time,
  ...TIME_ALIASES,
};

/** The filters of runs in MLflow 3.17. */
export const MLFLOW_RUN_FILTER: MlflowGrammar<RunEntity> = {
  messages: RUN_MESSAGES,
  bare: 'attribute',
  entities: {
    metric: { prefixes: RUN_PREFIXES.metric, others: { type: 'NUMBER', comparators: NUMERIC } },
    param: { prefixes: RUN_PREFIXES.param, others: optionalText },
    tag: { prefixes: RUN_PREFIXES.tag, others: optionalText },
    attribute: {
      prefixes: RUN_PREFIXES.attribute,
      keys: { ...runAttributes, ...NAME_ALIASES },
    },
    dataset: { prefixes: RUN_PREFIXES.dataset, keys: { name: listedText, digest: listedText, context: listedText } },
  },
};

export const MLFLOW_RUN_ORDER: MlflowGrammar<RunEntity> = {
  messages: RUN_ORDER_MESSAGES,
  bare: 'attribute',
  entities: {
    ...MLFLOW_RUN_FILTER.entities,
    attribute: { prefixes: RUN_PREFIXES.attribute, keys: runAttributes },
    // A run can have several datasets, so runs cannot be ordered by them.
    dataset: { prefixes: RUN_PREFIXES.dataset },
  },
};
