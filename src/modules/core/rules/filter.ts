import { AppError, ErrorCode } from '../../../errors.js';
import { characters, checkRange, rangeText, type InputRange } from './ranges.js';
import { isWord, Tokens, type Token } from './filter-tokens.js';

const SYMBOLS = ['=', '!=', '<', '<=', '>', '>='] as const;
export type Comparator = (typeof SYMBOLS)[number] | 'LIKE' | 'ILIKE' | 'IN' | 'NOT IN' | 'IS NULL' | 'IS NOT NULL';

/**
 * One comparison of a filter: a key of an entity with a number, a text, a list of texts, or nothing (IS NULL, IS NOT
 * NULL).
 */
export interface Comparison<Entity extends string = string> {
  type: 'comparison';
  entity: Entity;
  key: string;
  comparator: Comparator;
  value: number | string | readonly string[] | null;
}

export type Filter<Entity extends string = string> =
  | Comparison<Entity>
  | { type: 'and' | 'or'; terms: readonly Filter<Entity>[] }
  | { type: 'not'; term: Filter<Entity> };

/** How a key can be compared. A TIME is milliseconds since 1970, or, in the service's own filters, an ISO 8601 text. */
export interface ValueRule {
  type: 'NUMBER' | 'STRING' | 'TIME';
  comparators: readonly Comparator[];
  /** The key for which this one is another name. */
  aliasOf?: string;
}

export interface EntityRule {
  /** The texts that may stand before the dot. */
  prefixes: readonly string[];
  /** The known keys. */
  keys?: Readonly<Record<string, ValueRule>>;
  /** How all other keys are compared. When absent, other keys are refused. */
  others?: ValueRule;
}

/** What a filter may contain. */
export interface FilterGrammar<Entity extends string> {
  entities: Readonly<Record<Entity, EntityRule>>;
  /** The entity of a key that has no prefix. */
  bare: Entity;
}

export interface OrderKey<Entity extends string = string> {
  entity: Entity;
  key: string;
  direction: 'ASC' | 'DESC';
}

export const MAX_COMPARISONS = 50;
export const MAX_DEPTH = 20;
export const MAX_LIST_LENGTH = 1_000;
const MAX_KEY_LENGTH = 250;
export const MAX_TEXT_LENGTH = 10_000;
/** A pattern of LIKE. */
export const PATTERN = characters(0, 1_000);
const MAX_WILDCARDS = 20;
/** Keys to order by. */
export const ORDER_KEYS: InputRange = { max: 10, unit: 'keys' };

/**
 * Parses a filter with AND, OR, NOT and parentheses; null when it is empty. NOT binds tighter than AND, AND tighter
 * than OR.
 */
export function parseFilter<E extends string>(
  field: string,
  text: string,
  grammar: FilterGrammar<E>,
): Filter<E> | null {
  if (text.trim() === '') return null;
  const parser = new Parser(field, text, grammar);
  return parser.whole();
}

/** Parses the keys of an order, such as `metrics.loss DESC`; ascending by default. */
export function parseOrderBy<E extends string>(
  field: string,
  texts: readonly string[],
  grammar: FilterGrammar<E>,
): OrderKey<E>[] {
  return orderOf(field, texts, (text, i) => new Parser(`${field}[${i}]`, text, grammar).orderKey());
}

/** Reads the keys of an order, one per text. Refuses too many keys, and the same key twice. */
export function orderOf<E extends string>(
  field: string,
  texts: readonly string[],
  read: (text: string, i: number) => OrderKey<E>,
): OrderKey<E>[] {
  checkRange(ORDER_KEYS, texts, null, field);
  const keys = texts.map(read);
  keys.forEach(({ entity, key }, i) => {
    if (keys.findIndex((other) => other.entity === entity && other.key === key) !== i) {
      const got = `${entity}.${key} twice`;
      throw new AppError(ErrorCode.BAD_USER_INPUT, `${field}: expected every key once, got ${got}.`, {
        field,
        expected: 'every key once',
        got,
      });
    }
  });
  return keys;
}

class Parser<E extends string> {
  private readonly tokens: Tokens;
  private comparisons = 0;

  constructor(
    field: string,
    text: string,
    private readonly grammar: FilterGrammar<E>,
  ) {
    this.tokens = new Tokens(field, text);
  }

  whole(): Filter<E> {
    const filter = this.either(0);
    this.expectEnd('AND, OR or the end');
    return filter;
  }

  orderKey(): OrderKey<E> {
    const { entity, key } = this.key();
    const direction = this.tokens.takeWord('DESC') ? 'DESC' : 'ASC';
    if (direction === 'ASC') this.tokens.takeWord('ASC');
    this.expectEnd('ASC, DESC or the end');
    return { entity, key, direction };
  }

  private expectEnd(expected: string): void {
    if (this.tokens.current.kind !== 'end') throw this.tokens.fail(expected);
  }

  private either(depth: number): Filter<E> {
    const terms = [this.all(depth)];
    while (this.tokens.takeWord('OR')) terms.push(this.all(depth));
    return terms.length === 1 ? terms[0]! : { type: 'or', terms };
  }

  private all(depth: number): Filter<E> {
    const terms = [this.one(depth)];
    while (this.tokens.takeWord('AND')) terms.push(this.one(depth));
    return terms.length === 1 ? terms[0]! : { type: 'and', terms };
  }

  private one(depth: number): Filter<E> {
    if (depth > MAX_DEPTH) throw this.tokens.fail(`at most ${MAX_DEPTH} levels of NOT and parentheses`);
    if (this.tokens.takeWord('NOT')) return { type: 'not', term: this.one(depth + 1) };
    if (!this.tokens.takePunctuation('(')) return this.comparison();
    const inner = this.either(depth + 1);
    if (!this.tokens.takePunctuation(')')) throw this.tokens.fail('AND, OR or a closing parenthesis');
    return inner;
  }

  private comparison(): Comparison<E> {
    if (++this.comparisons > MAX_COMPARISONS) throw this.tokens.fail(`at most ${MAX_COMPARISONS} comparisons`);
    const { entity, key, rule, name } = this.key();
    const at = this.tokens.current;
    const comparator = this.comparator();
    if (!rule.comparators.includes(comparator))
      throw this.tokens.fail(`one of ${rule.comparators.join(' ')} after ${name}`, at);
    return { type: 'comparison', entity, key, comparator, value: this.value(comparator, rule, name) };
  }

  private key(): { entity: E; key: string; rule: ValueRule; name: string } {
    const token = this.tokens.take();
    const isBareQuoted = token.kind === 'string' && token.isDoubleQuoted;
    if (token.kind !== 'name' && !isBareQuoted) throw this.tokens.fail(`a key such as ${this.exampleKey()}`, token);
    const [prefix, written] = token.kind === 'name' ? [token.prefix, token.key] : [null, token.value];
    const entity = prefix === null ? this.grammar.bare : this.entityOf(prefix, token);
    const { keys = {}, others }: EntityRule = this.grammar.entities[entity];
    const rule = Object.hasOwn(keys, written) ? keys[written] : others;
    if (!rule) throw this.tokens.fail(this.expectedKey(entity, prefix), token);
    if (written.length > MAX_KEY_LENGTH) throw this.tokens.fail(`a key of at most ${MAX_KEY_LENGTH} characters`, token);
    return { entity, key: rule.aliasOf ?? written, rule, name: token.text };
  }

  private entityOf(prefix: string, token: Token): E {
    const entities = Object.entries(this.grammar.entities) as [E, EntityRule][];
    const found = entities.find(([, { prefixes }]) => prefixes.includes(prefix));
    if (!found) throw this.tokens.fail(`one of ${this.prefixes()} before the key`, token);
    return found[0];
  }

  private exampleKey(): string {
    const [[, rule]] = Object.entries(this.grammar.entities) as [[E, EntityRule]];
    return `${rule.prefixes[0]}.${Object.keys(rule.keys ?? { name: 0 })[0]}`;
  }

  private expectedKey(entity: E, prefix: string | null): string {
    const known = Object.entries(this.grammar.entities[entity].keys ?? {})
      .filter(([, { aliasOf }]) => !aliasOf)
      .map(([key]) => key);
    const one = `one of ${known.join(' ')}`;
    if (prefix !== null) return `${one} after ${prefix}.`;
    return `a key with a prefix (${this.prefixes()}) or ${one}`;
  }

  private prefixes(): string {
    const rules = Object.values(this.grammar.entities) as EntityRule[];
    return rules.flatMap(({ prefixes }) => prefixes.slice(0, 1).map((prefix) => `${prefix}.`)).join(' ');
  }

  private comparator(): Comparator {
    const token = this.tokens.take();
    const symbol = SYMBOLS.find((known) => known === token.text);
    if (symbol) return symbol;
    if (isWord(token, 'LIKE')) return 'LIKE';
    if (isWord(token, 'ILIKE')) return 'ILIKE';
    if (isWord(token, 'IN')) return 'IN';
    if (isWord(token, 'NOT') && this.tokens.takeWord('IN')) return 'NOT IN';
    if (isWord(token, 'IS')) {
      const comparator = this.tokens.takeWord('NOT') ? 'IS NOT NULL' : 'IS NULL';
      if (this.tokens.takeWord('NULL')) return comparator;
      throw this.tokens.fail(comparator === 'IS NULL' ? 'NULL or NOT NULL' : 'NULL');
    }
    throw this.tokens.fail('a comparison operator', token);
  }

  private value(comparator: Comparator, rule: ValueRule, name: string): Comparison['value'] {
    if (comparator === 'IS NULL' || comparator === 'IS NOT NULL') return null;
    if (comparator === 'IN' || comparator === 'NOT IN') return this.list();
    const token = this.tokens.take();
    if (rule.type === 'STRING') {
      if (token.kind !== 'string') throw this.tokens.fail(`a quoted text for ${name}`, token);
      return comparator === 'LIKE' || comparator === 'ILIKE'
        ? this.pattern(token.value, token)
        : this.text(token.value, token);
    }
    if (token.kind === 'number' && Number.isFinite(token.value)) return token.value;
    const number = specialNumber(rule, comparator, token);
    if (number === undefined)
      throw this.tokens.fail(`a ${rule.type === 'TIME' ? 'time in milliseconds' : 'number'} for ${name}`, token);
    return number;
  }

  private list(): string[] {
    if (!this.tokens.takePunctuation('(')) throw this.tokens.fail('a list of quoted texts in parentheses');
    const values: string[] = [];
    do {
      if (values.length > 0 && this.tokens.takePunctuation(')')) return values;
      if (values.length === MAX_LIST_LENGTH) throw this.tokens.fail(`at most ${MAX_LIST_LENGTH} texts in a list`);
      const token = this.tokens.take();
      if (token.kind !== 'string') throw this.tokens.fail('a quoted text', token);
      values.push(this.text(token.value, token));
    } while (this.tokens.takePunctuation(','));
    if (!this.tokens.takePunctuation(')')) throw this.tokens.fail('a comma or a closing parenthesis');
    return values;
  }

  private text(value: string, token: Token): string {
    if (value.length > MAX_TEXT_LENGTH)
      throw this.tokens.fail(`a text of at most ${MAX_TEXT_LENGTH} characters`, token);
    return value;
  }

  private pattern(pattern: string, token: Token): string {
    const wanted = refusedPattern(pattern);
    if (wanted) throw this.tokens.fail(wanted, token);
    return pattern;
  }
}

/** For a pattern that the database cannot match quickly, what was expected: each wildcard costs extra attempts. */
export function refusedPattern(pattern: string): string | null {
  if (pattern.length > PATTERN.max!) return `a pattern of ${rangeText(PATTERN)}`;
  if (pattern.split('%').length - 1 > MAX_WILDCARDS) return `a pattern with at most ${MAX_WILDCARDS} %`;
  return /(?:^|[^\\])(?:\\\\)*\\$/.test(pattern) ? 'a pattern that does not end with a lone backslash' : null;
}

/** NaN, the infinities, and times in the notation of people. */
function specialNumber(rule: ValueRule, comparator: Comparator, token: Token): number | undefined {
  if (rule.type === 'TIME') {
    const isTime =
      token.kind === 'string' &&
      /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/.test(token.value);
    const time = isTime ? Date.parse(token.value) : NaN;
    return Number.isNaN(time) ? undefined : time;
  }
  if (token.kind !== 'string') return undefined;
  if (token.value === 'NaN') return comparator === '=' || comparator === '!=' ? NaN : undefined;
  return token.value === 'Infinity' ? Infinity : token.value === '-Infinity' ? -Infinity : undefined;
}
