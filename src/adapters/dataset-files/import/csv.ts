import type { FileHandle } from 'node:fs/promises';
import { AppError, badInput, ErrorCode } from '../../../errors.js';
import type { FileText } from './file-text.js';
import { checkColumnCount, type WrittenRows } from './text-table.js';

const HEAD_BYTES = 1 << 20;
const MAX_HEADER_CHARACTERS = 262_144;
const DELIMITERS = [',', ';', '\t', '|'];
/** Records after the header with which a delimiter is tested. */
const TRIED_RECORDS = 20;

const [LF, CR, QUOTE, SPACE, TAB, NUL, COMMA] = [0x0a, 0x0d, 0x22, 0x20, 0x09, 0, 0x2c];

export interface CsvHead {
  delimiter: string;
  /** As written in the file; names may be empty or repeated. */
  names: string[];
  /** Bytes of the text, and lines, before the first row of data. */
  bytes: number;
  lines: number;
  /** Blank lines, comment lines and "sep=" lines among them. */
  skippedLines: number;
}

const refuse = (expected: string, got: string): AppError =>
  new AppError(ErrorCode.BAD_USER_INPUT, `File: expected ${expected}, got ${got}.`, { field: 'file', expected, got });

interface TextRecord {
  fields: string[];
  end: number;
}

/** The record at `from`; null when the text ends within quotes. */
function recordAt(text: string, from: number, delimiter: string): TextRecord | null {
  const fields: string[] = [];
  let at = from;
  for (;;) {
    let field = '';
    let start = at;
    while (text[start] === ' ') start++;
    if (text[start] === '"') {
      at = start + 1;
      for (;;) {
        const close = text.indexOf('"', at);
        if (close < 0) return null;
        field += text.slice(at, close);
        at = close + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
      while (text[at] === ' ') at++;
    }
    const rest = at;
    while (at < text.length && text[at] !== delimiter && text[at] !== '\n' && text[at] !== '\r') at++;
    fields.push(field + text.slice(rest, at));
    if (text[at] === delimiter) {
      at++;
      continue;
    }
    return { fields, end: lineEnd(text, at) };
  }
}

/** The position after the line break at `at`, or `at` when there is none. */
function lineEnd(text: string, at: number): number {
  if (text[at] === '\r') return text[at + 1] === '\n' ? at + 2 : at + 1;
  return text[at] === '\n' ? at + 1 : at;
}

const lineAt = (text: string, from: number): string => {
  const line = /[^\r\n]*/y;
  line.lastIndex = from;
  return line.exec(text)![0];
};
const isBlank = (line: string): boolean => line.trim() === '';

/** Finds the delimiter and the header in the first megabyte. Errors: BAD_USER_INPUT. */
export async function readHead(file: FileText, given: string | undefined): Promise<CsvHead> {
  if (given !== undefined && !(given.length === 1 && given.charCodeAt(0) < 0x7f && given !== '\0'))
    throw badInput('input.delimiter', 'one character', given);
  if (given !== undefined && /["\r\n]/.test(given))
    throw badInput('input.delimiter', 'a character that is no quote and ends no line', given);
  const text = await headText(file);
  let at = 0;
  let skippedLines = 0;
  const skip = (line: string): void => {
    at = lineEnd(text, at + line.length);
    skippedLines++;
  };
  const skipBlank = (): void => {
    while (at < text.length && isBlank(lineAt(text, at))) skip(lineAt(text, at));
  };
  skipBlank();
  let delimiter = given;
  const separator = /^"?sep=(.)"?$/i.exec(lineAt(text, at))?.[1];
  if (separator !== undefined) {
    delimiter ??= separator;
    skip(lineAt(text, at));
    skipBlank();
  }
  const comments: number[] = [];
  const afterComments = (): number => {
    let next = at;
    while (next < text.length && (text[next] === '#' || isBlank(lineAt(text, next)))) {
      if (text[next] === '#') comments.push(next);
      next = lineEnd(text, next + lineAt(text, next).length);
    }
    return next;
  };
  const data = afterComments();
  if (comments.length > 0 && data < text.length) {
    delimiter ??= delimiterOf(text, data);
    const own = delimiter;
    // Names and values may also begin with "#", without a space after it. Such a line has as many values as the rows
    // below it.
    const count = recordAt(text, data, own)?.fields.length ?? 0;
    const isRow = (start: number): boolean =>
      count > 1 && /[^\s#!]/.test(text[start + 1] ?? ' ') && recordAt(text, start, own)?.fields.length === count;
    const header = comments[comments.findLastIndex((start) => !isRow(start)) + 1] ?? data;
    while (at < header) skip(lineAt(text, at));
  }
  delimiter ??= delimiterOf(text, at);
  const header = recordAt(text, at, delimiter);
  checkColumnCount(header?.fields.length ?? 0);
  if (!header || header.end - at > MAX_HEADER_CHARACTERS) {
    if (header || text.length >= HEAD_BYTES)
      throw refuse(`a header line of at most ${MAX_HEADER_CHARACTERS} bytes`, 'a longer one');
    throw unclosed(linesIn(text.slice(0, at)) + 1);
  }
  const before = text.slice(0, header.end);
  return { delimiter, names: header.fields, bytes: Buffer.byteLength(before), lines: linesIn(before), skippedLines };
}

async function headText(file: FileText): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of file.chunks()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= HEAD_BYTES) break;
  }
  return Buffer.concat(chunks).toString();
}

function linesIn(text: string): number {
  return text.match(/\r\n|\r|\n/g)?.length ?? 0;
}

/**
 * The candidate with which most rows have as many values as the header; of equal ones, the one with the most columns.
 */
function delimiterOf(text: string, from: number): string {
  const scores = DELIMITERS.map((delimiter) => {
    const header = recordAt(text, from, delimiter);
    const columns = header?.fields.length ?? 0;
    let fitting = 0;
    let at = header?.end ?? text.length;
    for (let tried = 0; columns > 1 && tried < TRIED_RECORDS && at < text.length; tried++) {
      const record = recordAt(text, at, delimiter);
      if (!record) break;
      if (record.fields.length === columns) fitting++;
      at = record.end;
    }
    return { delimiter, columns, fitting };
  });
  return scores.reduce((best, score) =>
    score.fitting > best.fitting || (score.fitting === best.fitting && score.columns > best.columns) ? score : best,
  ).delimiter;
}

function unclosed(line: number): AppError {
  return refuse('a closing quote for each opening one', `none for the quote that opens in line ${line}`);
}

/** Writes the rows after the header to a file for `loadTextTable`. Errors: BAD_USER_INPUT, which names the line. */
export async function writeCsvRows(
  file: FileText,
  head: CsvHead,
  target: FileHandle,
): Promise<WrittenRows & { blankLines: number }> {
  const scanner = new CsvScanner(head.delimiter.charCodeAt(0), head.names.length, head.lines + 1);
  let toSkip = head.bytes;
  for await (const chunk of file.chunks()) {
    const skipped = Math.min(toSkip, chunk.length);
    toSkip -= skipped;
    await target.write(scanner.push(chunk.subarray(skipped)));
  }
  await target.write(scanner.end());
  return scanner;
}

/**
 * The state of the scanner: at the start of a field, in a field without quotes, within quotes, after a quote within
 * quotes.
 */
type State = 'START' | 'PLAIN' | 'QUOTED' | 'CLOSING';

/**
 * Rewrites CSV with any line ends and quotes in one unambiguous form: commas, line feeds, every value in quotes,
 * missing values without quotes. All bytes with a meaning are ASCII, so UTF-8 needs no decoding.
 */
class CsvScanner implements WrittenRows {
  rows = 0;
  longestLineBytes = 0;
  blankLines = 0;
  private state: State = 'START';
  /** Number of complete fields of the record. */
  private fields = 0;
  /** Spaces at the start of a field. They belong to it, unless a quote follows. */
  private spaces = 0;
  private isBlank = true;
  private afterCr = false;
  private recordLine: number;
  private quoteLine = 0;
  private lineBytes = 0;

  constructor(
    private readonly delimiter: number,
    private readonly columns: number,
    private line: number,
  ) {
    this.recordLine = line;
  }

  push(chunk: Buffer): Buffer {
    // A byte becomes at most two, and a field gets two quotes.
    const out = Buffer.allocUnsafe(chunk.length * 3 + this.spaces + 16);
    const { delimiter } = this;
    let { state } = this;
    let to = 0;
    let lineStart = -this.lineBytes;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === NUL) throw refuse('text without NUL characters', `some in line ${this.line}`);
      if (state === 'QUOTED') {
        if (byte === QUOTE) state = 'CLOSING';
        else {
          if (byte === CR || (byte === LF && !this.afterCr)) this.line++;
          out[to++] = byte;
        }
        this.afterCr = byte === CR;
        continue;
      }
      if (byte === LF && this.afterCr) {
        this.afterCr = false;
        continue;
      }
      this.afterCr = byte === CR;
      if (byte === delimiter) {
        to = this.endField(out, to, state);
        out[to++] = COMMA;
        this.isBlank = false;
        state = 'START';
      } else if (byte === LF || byte === CR) {
        to = this.endRecord(out, to, lineStart, state);
        lineStart = to;
        this.recordLine = ++this.line;
        state = 'START';
      } else if (state === 'CLOSING') {
        if (byte === QUOTE) {
          out[to++] = QUOTE;
          out[to++] = QUOTE;
          state = 'QUOTED';
        } else if (byte !== SPACE && byte !== TAB) {
          throw refuse('a delimiter or the end of the line behind a closing quote', `other text in line ${this.line}`);
        }
      } else if (state === 'START' && byte === SPACE) {
        this.spaces++;
      } else if (state === 'START' && byte === QUOTE) {
        this.spaces = 0;
        out[to++] = QUOTE;
        this.isBlank = false;
        this.quoteLine = this.line;
        state = 'QUOTED';
      } else {
        if (state === 'START') {
          to = this.openField(out, to);
          this.isBlank = false;
          state = 'PLAIN';
        }
        if (byte === QUOTE) out[to++] = QUOTE;
        out[to++] = byte;
      }
    }
    this.state = state;
    this.lineBytes = to - lineStart;
    return out.subarray(0, to);
  }

  end(): Buffer {
    if (this.state === 'QUOTED') throw unclosed(this.quoteLine);
    const out = Buffer.allocUnsafe(this.spaces + 16);
    const isEnd = this.state === 'START' && this.fields === 0 && this.spaces === 0;
    return out.subarray(0, isEnd ? 0 : this.endRecord(out, 0, -this.lineBytes, this.state));
  }

  private openField(out: Buffer, to: number): number {
    let at = to;
    out[at++] = QUOTE;
    for (; this.spaces > 0; this.spaces--) out[at++] = SPACE;
    return at;
  }

  private endField(out: Buffer, to: number, state: State): number {
    this.fields++;
    let at = to;
    if (state === 'START' && this.spaces > 0) at = this.openField(out, at);
    else if (state === 'START') {
      // The reader would skip an empty line.
      if (this.columns > 1) return at;
      out[at++] = QUOTE;
    }
    out[at++] = QUOTE;
    return at;
  }

  /** With one column, a blank line is a missing value; with more columns, it is not a row. */
  private endRecord(out: Buffer, to: number, lineStart: number, state: State): number {
    if (this.isBlank && this.columns > 1) {
      this.blankLines++;
      this.spaces = 0;
      return to;
    }
    let at = this.endField(out, to, state);
    if (this.fields !== this.columns) {
      throw refuse(
        `${this.columns} values in each row, as the header has`,
        `${this.fields} in line ${this.recordLine}`,
      );
    }
    out[at++] = LF;
    this.longestLineBytes = Math.max(this.longestLineBytes, at - lineStart);
    this.rows++;
    this.fields = 0;
    this.isBlank = true;
    return at;
  }
}
