import { AppError, badInput, ErrorCode } from '../../../errors.js';
import {
  MAX_COMPARISONS,
  MAX_LIST_LENGTH,
  MAX_TEXT_LENGTH,
  orderOf,
  refusedPattern,
  type Comparator,
  type Comparison,
  type FilterGrammar,
  type OrderKey,
  type ValueRule,
} from '../../../modules/core/index.js';
import { isWord, MAX_FILTER_LENGTH, tokensOf, type Token } from './lexer.js';
import type { FoundKey, FilterMessages } from './messages.js';

// Filters and orders as MLflow's server reads them: comparisons that are joined only by AND. Refusals have MLflow's
// messages, because users know them and find them on the web.

export interface MlflowGrammar<Entity extends string> extends FilterGrammar<Entity> {
  messages: FilterMessages;
  /** Refuses a comparator that the key does not have before a value of the wrong type. */
  comparatorsFirst?: true;
  /** Texts need no quotes. */
  bareTexts?: true;
  /** Whole numbers may have quotes. */
  quotedNumbers?: true;
}

const OPERATORS = ['=', '!=', '<', '<=', '>', '>=', 'LIKE', 'ILIKE'] as const;

interface Clause {
  left: Token;
  operator: string;
  right: Token | null;
}

const refuse = (field: string, message: string) => new AppError(ErrorCode.BAD_USER_INPUT, message, { field });

export function parseMlflowFilter<E extends string>(filter: string, grammar: MlflowGrammar<E>): Comparison<E>[] {
  if (filter.length > MAX_FILTER_LENGTH) throw badInput('filter', `at most ${MAX_FILTER_LENGTH} characters`, filter);
  const { messages } = grammar;
  const tokens = tokensOf(filter);
  const semicolon = tokens.findIndex(({ text }) => text === ';');
  if (semicolon >= 0 && semicolon < tokens.length - 1) throw refuse('filter', messages.statements(filter));
  const { clauses, rest } = clausesOf(tokens);
  if (rest.length > 0) throw refuse('filter', messages.clauses(rest, filter));
  if (clauses.length > MAX_COMPARISONS)
    throw badInput('filter', `at most ${MAX_COMPARISONS} comparisons`, clauses.length);
  return clauses.map((clause) => comparisonOf(clause, grammar)).map((finish) => finish());
}

/** Reads the keys of an order, such as `metrics.loss DESC`; ascending by default. */
export function parseMlflowOrder<E extends string>(texts: readonly string[], grammar: MlflowGrammar<E>): OrderKey<E>[] {
  return orderOf('order_by', texts, (text) => {
    const unreadable = `Invalid order_by clause '${text}'. Could not be parsed.`;
    if (text.length > MAX_FILTER_LENGTH) throw badInput('order_by', `at most ${MAX_FILTER_LENGTH} characters`, text);
    const [key, direction, more] = tokensOf(text);
    if (key?.kind !== 'name' || more || (direction && direction.kind !== 'name')) throw refuse('order_by', unreadable);
    if (direction && !isWord(direction, 'ASC') && !isWord(direction, 'DESC')) {
      throw refuse('order_by', `Invalid ordering key in order_by clause '${text}'.`);
    }
    const { entity, rule, written } = keyOf('order_by', key, grammar);
    return { entity, key: rule.aliasOf ?? written, direction: isWord(direction, 'DESC') ? 'DESC' : 'ASC' };
  });
}

const isOperand = (token: Token | undefined): token is Token =>
  token !== undefined && token.kind !== 'operator' && token.kind !== 'word' && token.kind !== 'other';

/** The comparisons of a filter, and the parts that are neither a comparison nor an AND. */
function clausesOf(tokens: readonly Token[]): { clauses: Clause[]; rest: string[] } {
  const [clauses, rest]: [Clause[], string[]] = [[], []];
  for (let i = 0; i < tokens.length;) {
    const left = tokens[i]!;
    const [second, third, fourth] = [tokens[i + 1], tokens[i + 2], tokens[i + 3]];
    const take = (operator: string, right: Token | null, length: number) => {
      clauses.push({ left, operator, right });
      i += length;
    };
    const isKey = left.kind === 'name';
    if (isOperand(left) && second?.kind === 'operator' && isOperand(third)) take(second.text, third, 3);
    else if (isKey && isWord(second, 'IN') && third?.kind === 'list') take('IN', third, 3);
    else if (isKey && isWord(second, 'NOT') && isWord(third, 'IN') && fourth?.kind === 'list')
      take('NOT IN', fourth, 4);
    else if (isKey && isWord(second, 'IS') && isWord(third, 'NULL')) take('IS NULL', null, 3);
    else if (isKey && isWord(second, 'IS') && isWord(third, 'NOT') && isWord(fourth, 'NULL'))
      take('IS NOT NULL', null, 4);
    else {
      if (!isWord(left, 'AND')) rest.push(left.text);
      i++;
    }
  }
  return { clauses, rest };
}

/**
 * Checks key and value. The returned function checks the comparator, which MLflow's server does after it has read the
 * whole filter.
 */
function comparisonOf<E extends string>(
  { left, operator, right }: Clause,
  grammar: MlflowGrammar<E>,
): () => Comparison<E> {
  const { messages } = grammar;
  const found = keyOf('filter', left, grammar);
  const { entity, rule, written } = found;
  const comparator = comparatorOf(operator);
  const isPossible = comparator !== undefined && rule.comparators.includes(comparator);
  if (right === null && !isPossible) throw refuse('filter', messages.presence(found, operator));
  if (grammar.comparatorsFirst && !isPossible) throw refuse('filter', messages.comparator(found, operator));
  const value = right && valueOf(found, operator, right, grammar);
  return () => {
    if (!isPossible) throw refuse('filter', messages.comparator(found, operator));
    if (typeof value === 'string' && (comparator === 'LIKE' || comparator === 'ILIKE')) {
      const wanted = refusedPattern(value);
      if (wanted) throw badInput('filter', wanted, value);
    }
    return { type: 'comparison', entity, key: rule.aliasOf ?? written, comparator, value };
  };
}

function comparatorOf(operator: string): Comparator | undefined {
  const upper = operator.toUpperCase();
  if (upper === 'IN' || upper === 'NOT IN' || upper === 'IS NULL' || upper === 'IS NOT NULL') return upper;
  return OPERATORS.find((known) => known === upper);
}

function keyOf<E extends string>(
  field: string,
  token: Token,
  { entities, bare, messages }: MlflowGrammar<E>,
): FoundKey & { entity: E; rule: ValueRule } {
  if (token.kind !== 'name')
    throw refuse(field, `Invalid comparison clause. Expected 'Identifier' found '${token.text}'`);
  const { prefix, key: written } = token;
  const known = Object.keys(entities) as E[];
  const entity = prefix === null ? bare : known.find((one) => entities[one].prefixes.includes(prefix));
  if (entity === undefined) throw refuse(field, messages.entity(token));
  const { keys = {}, others } = entities[entity];
  const rule = Object.hasOwn(keys, written) ? keys[written] : others;
  if (!rule) throw refuse(field, messages.key({ entity, written, text: token.text }, Object.keys(keys)));
  return { entity, rule, written, text: token.text };
}

function valueOf<E extends string>(
  found: FoundKey & { rule: ValueRule },
  operator: string,
  token: Token,
  { messages, bareTexts, quotedNumbers }: MlflowGrammar<E>,
): number | string | string[] {
  const { rule } = found;
  const refused = () => refuse('filter', messages.value(found, token));
  if (rule.type === 'STRING') {
    if (token.kind === 'list' && rule.comparators.includes('IN') && operator.endsWith('IN')) return listOf(token);
    const text = textOf(token) ?? (bareTexts && token.kind !== 'list' ? token.text : null);
    if (text === null) throw refused();
    if (text.length > MAX_TEXT_LENGTH)
      throw badInput('filter', `a text of at most ${MAX_TEXT_LENGTH} characters`, text);
    return text;
  }
  if (token.kind === 'number' && Number.isFinite(token.value)) return token.value;
  if (quotedNumbers && token.kind === 'string' && /^\d{1,15}$/.test(token.value)) return Number(token.value);
  throw refused();
}

/** The text in single or double quotes. */
function textOf(token: Token): string | null {
  if (token.kind === 'string') return token.value;
  return token.kind === 'name' ? token.quoted : null;
}

function listOf({ items }: Token & { kind: 'list' }): string[] {
  const begin = 'While parsing a list in the query, expected';
  if (items.length === 0) throw refuse('filter', `${begin} a non-empty list of string values, but got empty list`);
  if (items.length > 2 * MAX_LIST_LENGTH)
    throw badInput('filter', `at most ${MAX_LIST_LENGTH} texts in a list`, items.length);
  return items.flatMap((item, i) => {
    const isComma = item.text === ',';
    if (isComma !== (i % 2 === 1))
      throw refuse('filter', `${begin} a non-empty list of string values, but got ill-formed list.`);
    if (isComma) return [];
    const text = textOf(item);
    if (text !== null) return [text];
    throw refuse(
      'filter',
      `${begin} string value, punctuation, or whitespace, but got different type in list: (${item.text},)`,
    );
  });
}
