import { AppError, ErrorCode, quote } from '../../../errors.js';
import { characters, checkRange } from './ranges.js';

export type Token =
  | { kind: 'name'; prefix: string | null; key: string; isQuoted: boolean; text: string; position: number }
  | { kind: 'string'; value: string; isDoubleQuoted: boolean; text: string; position: number }
  | { kind: 'number'; value: number; text: string; position: number }
  | { kind: 'comparator' | 'punctuation' | 'end'; text: string; position: number };

/** A filter as text. */
export const FILTER_TEXT = characters(0, 65_536);

const SPACE = /\s+/uy;
const COMPARATOR = /[<>!=]+/uy;
const PUNCTUATION = /[(),]/uy;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/uy;
const STRING = /'(?:''|[^'])*'/uy;
const DOUBLE_QUOTED = /"(?:""|[^"])*"/uy;
const NAME = /(?:([\p{L}_][\p{L}\p{N}_]*)|`([^`]*)`)(?:\.(?:`([^`]*)`|"([^"]*)"|([\p{L}\p{N}_][\p{L}\p{N}_./-]*)))?/uy;

/** The error for a wrong filter: what is wrong, and where. Positions count characters from 0. */
export function filterError(field: string, expected: string, token: { text: string; position: number }): AppError {
  const got = token.text === '' ? 'the end' : quote(token.text);
  const { position } = token;
  return new AppError(ErrorCode.BAD_USER_INPUT, `${field}: expected ${expected} at position ${position}, got ${got}.`, {
    field,
    expected,
    got,
    position,
  });
}

/** The tokens of a filter, read one at a time: a wrong filter that is huge is refused before all of it is read. */
export class Tokens {
  private at = 0;
  current: Token;

  constructor(
    readonly field: string,
    private readonly text: string,
  ) {
    checkRange(FILTER_TEXT, text, null, field);
    if (!text.isWellFormed() || text.includes('\0'))
      throw filterError(field, 'text without NUL and lone surrogates', { text, position: 0 });
    this.current = this.read();
  }

  /** Returns the current token and advances. */
  take(): Token {
    const token = this.current;
    this.current = this.read();
    return token;
  }

  /** Takes the next token if it is this word; upper or lower case does not matter. */
  takeWord(word: string): boolean {
    if (!isWord(this.current, word)) return false;
    this.take();
    return true;
  }

  takePunctuation(text: string): boolean {
    if (this.current.kind !== 'punctuation' || this.current.text !== text) return false;
    this.take();
    return true;
  }

  fail(expected: string, token: { text: string; position: number } = this.current): AppError {
    return filterError(this.field, expected, token);
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  private read(): Token {
    this.match(SPACE);
    const position = this.at;
    if (position === this.text.length) return { kind: 'end', text: '', position };
    const punctuation = this.match(PUNCTUATION);
    if (punctuation) return { kind: 'punctuation', text: punctuation[0], position };
    const comparator = this.match(COMPARATOR);
    if (comparator) return { kind: 'comparator', text: comparator[0], position };
    return this.readString(position) ?? this.readName(position) ?? this.readNumber(position) ?? this.refuse(position);
  }

  private readString(position: number): Token | null {
    const single = this.match(STRING);
    const found = single ?? this.match(DOUBLE_QUOTED);
    if (!found) return null;
    const inner = found[0].slice(1, -1);
    const mark = single ? "'" : '"';
    const value = inner.replaceAll(mark + mark, mark);
    return { kind: 'string', value, isDoubleQuoted: !single, text: found[0], position };
  }

  private readName(position: number): Token | null {
    const found = this.match(NAME);
    if (!found) return null;
    const [text, word, quotedWord, backticked, doubleQuoted, plain] = found;
    const first = word ?? quotedWord ?? '';
    const rest = backticked ?? doubleQuoted ?? plain;
    if (rest === undefined)
      return { kind: 'name', prefix: null, key: first, isQuoted: word === undefined, text, position };
    return { kind: 'name', prefix: first, key: rest, isQuoted: true, text, position };
  }

  private readNumber(position: number): Token | null {
    const found = this.match(NUMBER);
    if (!found) return null;
    // 0x10 and 1abc are not numbers.
    const next = this.match(/[\p{L}\p{N}_]+/uy);
    if (next) throw this.fail('a number', { text: found[0] + next[0], position });
    return { kind: 'number', value: Number(found[0]), text: found[0], position };
  }

  private refuse(position: number): never {
    const rest = this.text.slice(position, position + 20);
    const expected = /^['"`]/.test(rest) ? 'a closing quote' : 'a key, a comparison operator or a value';
    throw this.fail(expected, { text: rest, position });
  }
}

/** True for a keyword of the grammar. In backticks the same word is a key. */
export function isWord(token: Token, word: string): boolean {
  return token.kind === 'name' && !token.isQuoted && token.key.toUpperCase() === word;
}
