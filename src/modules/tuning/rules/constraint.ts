import type { ParameterSpace, Params } from './space.js';

/** A constraint that can be asked whether parameters fulfil it. */
export interface Constraint {
  /** The names in it. */
  names: readonly string[];
  /** True when it holds, or when one of its parameters is not active, so that it says nothing about them. */
  holds(params: Params): boolean;
}

export interface ConstraintProblem {
  expected: string;
  got: string;
}

/** Longer texts could nest deeper than the stack. */
const MAX_LENGTH = 500;
const TOKEN =
  /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)|`([^`]+)`|([A-Za-z_][\w.]*)|(<=|>=|==|!=|[<>+\-*/%(),]))/y;
const COMPARISONS = new Map<string, (a: number, b: number) => boolean>([
  ['<', (a, b) => a < b],
  ['<=', (a, b) => a <= b],
  ['>', (a, b) => a > b],
  ['>=', (a, b) => a >= b],
  ['==', (a, b) => a === b],
  ['!=', (a, b) => a !== b],
]);
const FUNCTIONS = new Map<string, (...values: number[]) => number>([
  ['min', Math.min],
  ['max', Math.max],
]);
/** By rising precedence. */
const ARITHMETIC: ReadonlyMap<string, (a: number, b: number) => number>[] = [
  new Map([
    ['+', (a: number, b: number) => a + b],
    ['-', (a: number, b: number) => a - b],
  ]),
  new Map([
    ['*', (a: number, b: number) => a * b],
    ['/', (a: number, b: number) => a / b],
    ['%', (a: number, b: number) => a % b],
  ]),
];

type Value = { type: 'number'; at: number; of: (params: Params) => number };
type Claim = { type: 'comparison'; at: number; of: (params: Params) => boolean };

interface Token {
  kind: 'number' | 'name' | 'sign' | 'end';
  text: string;
  /** Counted from 1, as people count characters. */
  at: number;
}

/**
 * Reads one constraint: comparisons (`<`, `<=`, `>`, `>=`, `==`, `!=`) of arithmetic (`+`, `-`, `*`, `/`, `%`, `min`,
 * `max`) over numbers and parameters, joined by `and` and `or`, with parentheses. A name that is not a word stands in
 * backquotes. What is wrong is told with its position.
 */
export function parseConstraint(
  text: string,
  parameters: ReadonlyMap<string, ParameterSpace>,
): Constraint | ConstraintProblem {
  if (text.length > MAX_LENGTH)
    return { expected: `at most ${MAX_LENGTH} characters`, got: `${text.length} characters` };
  try {
    return new Parser(text, parameters).parse();
  } catch (error) {
    if (error instanceof ParseError) return { expected: error.expected, got: error.got };
    throw error;
  }
}

class ParseError extends Error {
  constructor(
    readonly expected: string,
    readonly got: string,
  ) {
    super(expected);
  }
}

class Parser {
  private readonly tokens: Token[];
  private next = 0;
  private readonly names = new Set<string>();

  constructor(
    text: string,
    private readonly parameters: ReadonlyMap<string, ParameterSpace>,
  ) {
    this.tokens = tokensOf(text);
  }

  parse(): Constraint {
    const claim = this.claim(this.either());
    if (this.token.kind !== 'end') this.refuse('the end, "and" or "or"');
    const names = [...this.names];
    return { names, holds: (params) => names.some((name) => params[name] === undefined) || claim.of(params) };
  }

  private get token(): Token {
    return this.tokens[this.next]!;
  }

  private refuse(expected: string, token = this.token): never {
    throw new ParseError(
      `${expected} at character ${token.at}`,
      token.kind === 'end' ? 'the end of the constraint' : token.text,
    );
  }

  private takes(text: string): boolean {
    const { kind, text: found } = this.token;
    if (kind === 'number' || kind === 'end' || found !== text) return false;
    this.next++;
    return true;
  }

  private either(): Value | Claim {
    let left = this.both();
    while (this.takes('or')) {
      const [a, b] = [this.claim(left), this.claim(this.both())];
      left = { type: 'comparison', at: a.at, of: (params) => a.of(params) || b.of(params) };
    }
    return left;
  }

  private both(): Value | Claim {
    let left = this.comparison();
    while (this.takes('and')) {
      const [a, b] = [this.claim(left), this.claim(this.comparison())];
      left = { type: 'comparison', at: a.at, of: (params) => a.of(params) && b.of(params) };
    }
    return left;
  }

  private comparison(): Value | Claim {
    const left = this.sum(0);
    const compare = this.token.kind === 'sign' ? COMPARISONS.get(this.token.text) : undefined;
    if (!compare) return left;
    const a = this.value(left);
    this.next++;
    const b = this.value(this.sum(0));
    if (COMPARISONS.has(this.token.text)) this.refuse('"and" between two comparisons');
    return { type: 'comparison', at: a.at, of: (params) => compare(a.of(params), b.of(params)) };
  }

  private sum(precedence: number): Value | Claim {
    const operators = ARITHMETIC[precedence];
    if (!operators) return this.signed();
    let left = this.sum(precedence + 1);
    for (;;) {
      const apply = this.token.kind === 'sign' ? operators.get(this.token.text) : undefined;
      if (!apply) return left;
      const a = this.value(left);
      this.next++;
      const b = this.value(this.sum(precedence + 1));
      left = { type: 'number', at: a.at, of: (params) => apply(a.of(params), b.of(params)) };
    }
  }

  private signed(): Value | Claim {
    const { at } = this.token;
    if (!this.takes('-')) return this.single();
    const inner = this.value(this.signed());
    return { type: 'number', at, of: (params) => -inner.of(params) };
  }

  private single(): Value | Claim {
    const { kind, text, at } = this.token;
    if (this.takes('(')) {
      const inner = this.either();
      if (!this.takes(')')) this.refuse('")"');
      return { ...inner, at };
    }
    if (kind === 'number') {
      this.next++;
      const value = Number(text);
      return { type: 'number', at, of: () => value };
    }
    if (kind !== 'name') this.refuse('a number, a parameter, "min", "max" or "("');
    if (FUNCTIONS.has(text) && this.tokens[this.next + 1]?.text === '(') return this.call();
    return this.parameter();
  }

  private call(): Value {
    const { text, at } = this.token;
    const apply = FUNCTIONS.get(text)!;
    this.next += 2;
    const values = [this.value(this.sum(0))];
    while (this.takes(',')) values.push(this.value(this.sum(0)));
    if (!this.takes(')')) this.refuse('"," or ")"');
    return { type: 'number', at, of: (params) => apply(...values.map((value) => value.of(params))) };
  }

  private parameter(): Value {
    const { text: name, at } = this.token;
    const parameter = this.parameters.get(name);
    if (!parameter) this.refuse('the name of a parameter');
    if (parameter.kind === 'CATEGORICAL' && parameter.choices.some((choice) => typeof choice !== 'number'))
      this.refuse('a parameter whose values are all numbers (use its "when" for texts and booleans)');
    this.next++;
    this.names.add(name);
    return { type: 'number', at, of: (params) => params[name] as number };
  }

  private value(found: Value | Claim): Value {
    if (found.type === 'number') return found;
    throw new ParseError(`a number at character ${found.at}`, 'a comparison');
  }

  private claim(found: Value | Claim): Claim {
    if (found.type === 'comparison') return found;
    throw new ParseError(`a comparison, such as a <= b, at character ${found.at}`, 'a number');
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let at = 0;
  while (at < end) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const start = at + /^\s*/.exec(text.slice(at))![0].length;
    if (!match) throw new ParseError(`a number, a name or an operator at character ${start + 1}`, text[start]!);
    const [whole, number, quoted, word, sign] = match;
    const kind = number !== undefined ? 'number' : sign !== undefined ? 'sign' : 'name';
    tokens.push({ kind, text: (number ?? quoted ?? word ?? sign)!, at: start + 1 });
    at += whole.length;
  }
  tokens.push({ kind: 'end', text: '', at: end + 1 });
  return tokens;
}
