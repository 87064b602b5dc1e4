// The tokens of a filter, divided as by the SQL parser of MLflow's server, because refusals name them.

export type Token = { text: string } & (
  | {
      kind: 'name';
      /** The part before the first dot. */
      prefix: string | null;
      key: string;
      /** The text in double quotes, which can be a key or a text; null when it has no quotes. */
      quoted: string | null;
    }
  | { kind: 'string'; value: string }
  | { kind: 'number'; value: number }
  /** The content of parentheses. */
  | { kind: 'list'; items: Token[] }
  /** A keyword of the grammar. */
  | { kind: 'word' }
  | { kind: 'operator' | 'other' }
);

export const MAX_FILTER_LENGTH = 65_536;

const SPACE = /\s+/uy;
const COMMENT = /--[^\n]*/uy;
const OPERATOR = /[<>!=]+|(?:NOT\s+)?[IR]?LIKE\b/iuy;
const WORD = /(?:AND|OR|NOT|IN|IS|NULL|BETWEEN)\b(?!\.)/iuy;
const STRING = /'(?:''|\\'|[^'])*'/uy;
const QUOTED = /"(?:""|\\"|[^"])*"/uy;
const NAME =
  /(?:([\p{L}_][\p{L}\p{N}_]*)|`([^`]*)`)(?:\.(?:`([^`]*)`|"([^"]*)"|'([^']*)'|([\p{L}\p{N}_][\p{L}\p{N}_.]*)?))?/uy;
const NUMBER = /-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]-?\d+)?(?![\p{L}\p{N}_])/uy;
/** A text that begins with a digit and is not a number, e.g. 0x10. */
const OTHER = /[\p{L}\p{N}_]+|[^]/uy;

/** The tokens of a filter. A pair of parentheses with its content is one token. */
export function tokensOf(text: string): Token[] {
  const open: { at: number; items: Token[] }[] = [];
  let items: Token[] = [];
  for (let at = 0; at < text.length;) {
    const space = match(SPACE, text, at);
    if (space) {
      at += space[0].length;
      continue;
    }
    const token = tokenAt(text, at);
    at += token.text.length;
    const list = token.text === ')' ? open.pop() : undefined;
    if (token.text === '(') {
      open.push({ at: at - 1, items });
      items = [];
    } else if (list) {
      list.items.push({ kind: 'list', text: text.slice(list.at, at), items });
      items = list.items;
    } else items.push(token);
  }
  // An opening parenthesis without an end is a token itself.
  return open.flatMap(({ items: before }): Token[] => [...before, { kind: 'other', text: '(' }]).concat(items);
}

function match(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function tokenAt(text: string, at: number): Token {
  const found = (pattern: RegExp) => match(pattern, text, at)?.[0];
  const operator = found(OPERATOR);
  if (operator !== undefined) return { kind: 'operator', text: operator };
  const comment = found(COMMENT);
  if (comment !== undefined) return { kind: 'other', text: comment };
  const string = found(STRING);
  if (string !== undefined) return { kind: 'string', text: string, value: string.slice(1, -1) };
  const quoted = found(QUOTED);
  if (quoted !== undefined) {
    const inner = quoted.slice(1, -1);
    return { kind: 'name', text: quoted, prefix: null, key: inner, quoted: inner };
  }
  const word = found(WORD);
  if (word !== undefined) return { kind: 'word', text: word };
  const name = match(NAME, text, at);
  if (name) {
    const [whole, first, backticked, ...rest] = name;
    const [before, after] = [first ?? backticked ?? '', rest.find((part) => part !== undefined)];
    const isDotted = after !== undefined || whole.endsWith('.');
    return {
      kind: 'name',
      text: whole,
      prefix: isDotted ? before : null,
      key: isDotted ? (after ?? '') : before,
      quoted: null,
    };
  }
  const number = found(NUMBER);
  if (number !== undefined) return { kind: 'number', text: number, value: Number(number) };
  const other = found(OTHER) ?? '';
  // Read as a name, it is refused as a value of the wrong type.
  return other.length > 1 && /^\d/.test(other)
    ? { kind: 'name', text: other, prefix: null, key: other, quoted: null }
    : { kind: 'other', text: other };
}

export const isWord = (token: Token | undefined, word: string): boolean =>
  (token?.kind === 'word' || token?.kind === 'name') && token.text.toUpperCase() === word;
