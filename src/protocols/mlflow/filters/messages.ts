import type { ValueRule } from '../../../modules/core/index.js';
import type { Token } from './lexer.js';

// The messages of MLflow's server for filters and orders that it refuses. Each of its searches has its own messages
// (mlflow/utils/search_utils.py, search_logged_model_utils.py, and the stores).

export interface FoundKey {
  entity: string;
  /** As in the filter, without the part before the dot. */
  written: string;
  /** The whole key. */
  text: string;
}

type RuledKey = FoundKey & { rule: ValueRule };

export interface FilterMessages {
  /** The parts that are neither comparisons nor ANDs. */
  clauses(rest: readonly string[], filter: string): string;
  /** Several statements with semicolons between them. */
  statements(filter: string): string;
  entity(name: Token & { kind: 'name' }): string;
  key(found: FoundKey, keys: readonly string[]): string;
  value(found: RuledKey, value: Token): string;
  comparator(found: RuledKey, comparator: string): string;
  /** IS NULL and IS NOT NULL for a key that always exists. */
  presence(found: RuledKey, comparator: string): string;
}

const setOf = (texts: readonly string[]) =>
  `{${[...texts]
    .sort()
    .map((text) => `'${text}'`)
    .join(', ')}}`;

const LISTED = ['=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN'];

/** A text as Python's repr shows it. */
export function pythonText(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll('\\', '\\\\').replaceAll(mark, `\\${mark}`);
  return `${mark}${escaped.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}${mark}`;
}

const ENTITY_NAMES: Record<string, string> = { param: 'parameter' };
const nameOf = (entity: string) => ENTITY_NAMES[entity] ?? entity;

/**
 * `listed`: the attributes that can be compared with a list, in Python's notation. `texts`: the other values that an
 * attribute can be compared with.
 */
const valueMessage =
  (listed: string, texts: string): FilterMessages['value'] =>
  ({ entity, written, rule }, { kind, text }) => {
    if (rule.type !== 'STRING' && entity === 'metric') return `Expected numeric value type for metric. Found ${text}`;
    if (rule.type !== 'STRING') return `Expected numeric value type for numeric attribute: ${written}. Found ${text}`;
    if (kind === 'name') {
      return (
        `Parameter value is either not quoted or unidentified quote types used for string value ${text}. Use ` +
        'either single or double quotes.'
      );
    }
    if (entity === 'dataset') return `Expected a quoted string value for dataset attributes. Got value ${text}`;
    if (entity !== 'attribute')
      return `Expected a quoted string value for ${nameOf(entity)} (e.g. 'my-value'). Got value ${text}`;
    if (kind === 'list' && !rule.comparators.includes('IN')) {
      return `Only ${listed} attributes support comparison with a list of quoted string values.`;
    }
    return `Expected a quoted string value${texts} for attributes. Got value ${text}`;
  };

export const RUN_MESSAGES: FilterMessages = {
  clauses: (rest) => `Invalid clause(s) in filter string: ${rest.map((clause) => `'${clause}'`).join(', ')}`,
  statements: (filter) =>
    `Search filter contained multiple expression ${pythonText(filter)}. Provide AND-ed expression list.`,
  entity: ({ prefix }) =>
    `Invalid entity type '${prefix}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']`,
  key: ({ entity, written }, keys) => `Invalid ${entity} key '${written}' specified. Valid keys are '${setOf(keys)}'`,
  value: valueMessage("['run_id']", ''),
  comparator: ({ entity, rule }, comparator) => {
    const known = rule.type === 'STRING' && entity === 'attribute' ? LISTED : rule.comparators;
    // Some of MLflow's sentences lack the last quotation mark.
    const end = rule.type === 'STRING' && (entity === 'param' || entity === 'attribute') ? "'" : '';
    return `Invalid comparator '${comparator.toUpperCase()}' not one of '${setOf(known)}${end}`;
  },
  presence: ({ entity, written }) =>
    `IS NULL / IS NOT NULL is only supported for tags and params, not for '${nameOf(entity)}' '${written}'`,
};

export const RUN_ORDER_MESSAGES: FilterMessages = {
  ...RUN_MESSAGES,
  key: (found, keys) =>
    found.entity === 'dataset' ? "Invalid identifier type 'dataset'" : RUN_MESSAGES.key(found, keys),
};

export const EXPERIMENT_MESSAGES: FilterMessages = {
  ...RUN_MESSAGES,
  clauses: (rest) => `Invalid clause(s) in filter string: ${rest.join(', ')}`,
  entity: ({ prefix }) => `Invalid entity type '${prefix}'. Valid entity types are ('attribute', 'tag', 'tags')`,
  value: valueMessage("['experiment_id']", ''),
  comparator: (found, comparator) => {
    if (found.entity === 'tag') return `Invalid comparator for tag: ${comparator}`;
    return found.written === 'experiment_id'
      ? `Invalid comparator for experiment_id: ${comparator}`
      : RUN_MESSAGES.comparator(found, comparator);
  },
  presence: ({ written }) => `IS NULL / IS NOT NULL is only supported for tags, not for attribute '${written}'`,
};

const isTag = (prefix: string | null) => prefix === 'tag' || prefix === 'tags';

export const EXPERIMENT_ORDER_MESSAGES: FilterMessages = {
  ...EXPERIMENT_MESSAGES,
  entity: (key) => (isTag(key.prefix) ? 'Invalid order_by entity: tag' : EXPERIMENT_MESSAGES.entity(key)),
};

const registryComparator = ({ entity, written, rule }: RuledKey, comparator: string) =>
  `Invalid comparator for ${entity}${rule.type === 'NUMBER' ? ` ${written}` : ''}: ${comparator.toUpperCase()}`;

export const REGISTERED_MODEL_MESSAGES: FilterMessages = {
  ...EXPERIMENT_MESSAGES,
  value: valueMessage("['name']", ' or a list of quoted string values'),
  comparator: registryComparator,
  presence: registryComparator,
};

const unknownOrder = ({ text }: { text: string }) =>
  `Invalid order by key '${text}' specified. Valid keys are '${setOf(['name', 'timestamp'])}'`;

export const REGISTERED_MODEL_ORDER_MESSAGES: FilterMessages = {
  ...REGISTERED_MODEL_MESSAGES,
  entity: unknownOrder,
  key: unknownOrder,
};

const MODEL_VERSION_NUMBERS = setOf(['version_number', 'creation_timestamp', 'last_updated_timestamp']);
const versionValue = valueMessage("['name', 'run_id']", ' or a list of quoted string values');

export const MODEL_VERSION_MESSAGES: FilterMessages = {
  ...REGISTERED_MODEL_MESSAGES,
  value: (found, value) => {
    if (found.entity === 'attribute' && found.rule.type === 'STRING' && value.kind === 'number') {
      return `Only the '${MODEL_VERSION_NUMBERS}' attributes support comparison with numeric values.`;
    }
    return found.rule.type === 'STRING'
      ? versionValue(found, value)
      : `Invalid value for numeric attribute '${found.written}': ${value.text}`;
  },
};

const VERSION_ORDERS = setOf(['name', 'version_number', 'creation_timestamp', 'last_updated_timestamp']);

export const MODEL_VERSION_ORDER_MESSAGES: FilterMessages = {
  ...MODEL_VERSION_MESSAGES,
  entity: (key) =>
    isTag(key.prefix)
      ? `Invalid order by key '${key.key}' specified. Valid keys are ${VERSION_ORDERS}`
      : MODEL_VERSION_MESSAGES.entity(key),
};

/** The entities of logged models have the same names as their prefixes. */
const pluralOf = (entity: string) => `${entity}s`;
const tupleOf = (texts: readonly string[]) => `(${texts.map((text) => `'${text}'`).join(', ')})`;

export const LOGGED_MODEL_MESSAGES: FilterMessages = {
  ...RUN_MESSAGES,
  clauses: (_rest, filter) =>
    `Invalid filter string: ${pythonText(filter)}. Expected a list of comparisons separated by 'AND' (e.g. ` +
    `'metrics.loss > 0.1 AND params.lr = 0.01').`,
  statements: (filter) => `Invalid filter string: ${pythonText(filter)}. Expected a single SQL expression.`,
  entity: ({ prefix }) =>
    `Invalid entity type: '${prefix}'. Expected one of ['attributes', 'metrics', 'params', 'tags'].`,
  comparator: ({ entity, written, rule }, comparator) =>
    `Invalid comparison operator for ${pluralOf(entity)}.${written}: '${comparator.toUpperCase()}'. Expected ` +
    `one of ${tupleOf(rule.type === 'STRING' ? LISTED : ['<', '<=', '>', '>=', '=', '!='])}.`,
  presence: ({ text }, comparator) => `Invalid comparison: ${text}${comparator}. Expected a comparison with 3 tokens.`,
};
