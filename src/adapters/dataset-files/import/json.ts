import type { FileHandle } from 'node:fs/promises';
import { AppError, ErrorCode } from '../../../errors.js';
import type { FileText } from './file-text.js';
import { checkColumnNames, MAX_COLUMNS, type WrittenRows } from './text-table.js';

const MAX_DEPTH = 100;
const SHAPE = 'a list of objects, [{"a": 1}, {"a": 2}], or one object per line';
const WRITTEN_AT_ONCE = 1 << 18;

const refuse = (expected: string, got: string): AppError =>
  new AppError(ErrorCode.BAD_USER_INPUT, `File: expected ${expected}, got ${got}.`, { field: 'file', expected, got });

export interface JsonColumns {
  /**
   * Columns by the path of their keys, in the order of their first occurrence. True when every value so far is a text.
   */
  names: string[];
  areTexts: boolean[];
}

/** Finds the columns of all rows in one pass. Errors: BAD_USER_INPUT, which names row and line. */
export async function readJsonColumns(file: FileText): Promise<JsonColumns> {
  const positions = new Map<string, number>();
  const areTexts: boolean[] = [];
  const haveValues: boolean[] = [];
  const take = ({ text, row, line }: JsonRecord): void => {
    new RecordParser(text, row, line).parse((path, value, isText) => {
      let position = positions.get(path);
      if (position === undefined) {
        position = positions.size;
        positions.set(path, position);
        areTexts.push(true);
        haveValues.push(false);
        if (positions.size > MAX_COLUMNS) checkColumnNames([...positions.keys()]);
      }
      if (value === null) return;
      haveValues[position] = true;
      if (!isText) areTexts[position] = false;
    });
  };
  let columnar: JsonRecord | undefined;
  for await (const record of records(file)) {
    if (record.row === 1 && !record.inList && isColumnar(record.text)) {
      columnar = record;
      continue;
    }
    if (columnar) take(columnar);
    columnar = undefined;
    take(record);
  }
  if (columnar) throw refuse(SHAPE, 'one object of columns');
  const all = [...positions.keys()];
  // A null is not a column of its own when other rows have an object there.
  const objects = new Set(all.flatMap((path) => Array.from(path.matchAll(/\./g), ({ index }) => path.slice(0, index))));
  const kept = all.flatMap((path, i) => (haveValues[i] || !objects.has(path) ? [i] : []));
  const names = kept.map((i) => all[i]!);
  checkColumnNames(names);
  return { names, areTexts: kept.map((i) => areTexts[i]!) };
}

/**
 * Whether a text is an object whose members are objects (or lists) with the same keys: the columns that
 * `DataFrame.to_json` writes.
 */
function isColumnar(text: string): boolean {
  try {
    const members: unknown[] = Object.values(JSON.parse(text) as object);
    const keys = members.map((member) =>
      typeof member === 'object' && member !== null ? Object.keys(member).join('\n') : '',
    );
    return (
      keys[0] !== undefined &&
      keys[0] !== '' &&
      keys.every((of) => of === keys[0]) &&
      (keys.length > 1 || /^[\d\n]+$/.test(keys[0]))
    );
  } catch {
    return false;
  }
}

export async function writeJsonRows(
  file: FileText,
  names: readonly string[],
  target: FileHandle,
): Promise<WrittenRows> {
  const positions = new Map(names.map((name, i) => [name, i]));
  const written = { rows: 0, longestLineBytes: 0 };
  let pending: string[] = [];
  let pendingLength = 0;
  const flush = async (): Promise<void> => {
    await target.write(Buffer.from(pending.join('')));
    pending = [];
    pendingLength = 0;
  };
  for await (const { text, row, line } of records(file)) {
    // An empty line would be read as no row.
    const values = new Array<string>(names.length).fill(names.length === 1 ? '""' : '');
    new RecordParser(text, row, line).parse((path, value) => {
      if (value !== null) values[positions.get(path)!] = `"${value.replaceAll('"', '""')}"`;
    });
    const rowText = `${values.join(',')}\n`;
    written.rows++;
    written.longestLineBytes = Math.max(written.longestLineBytes, rowText.length * 3);
    pending.push(rowText);
    pendingLength += rowText.length;
    if (pendingLength >= WRITTEN_AT_ONCE) await flush();
  }
  await flush();
  return written;
}

interface JsonRecord {
  text: string;
  /** Row number from 1. */
  row: number;
  line: number;
  inList: boolean;
}

const [LF, QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST, COMMA] = [
  0x0a, 0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d, 0x2c,
];
const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** The objects of a list, or objects that follow each other. */
async function* records(file: FileText): AsyncGenerator<JsonRecord> {
  let depth = 0;
  let inText = false;
  let escaped = false;
  let line = 1;
  let recordLine = 1;
  let row = 0;
  let parts: Buffer[] = [];
  /** Whether the objects are in a list; undefined until known. */
  let inList: boolean | undefined;
  let wants: 'OBJECT' | 'OBJECT_OR_END' | 'COMMA_OR_END' | 'NOTHING' = 'OBJECT';
  const malformed = (got: string): AppError => refuse('well-formed JSON', `Malformed JSON: ${got} in line ${line}`);
  for await (const chunk of file.chunks()) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === LF) line++;
      if (depth > 0) {
        if (inText) {
          if (escaped) escaped = false;
          else if (byte === BACKSLASH) escaped = true;
          else if (byte === QUOTE) inText = false;
        } else if (byte === QUOTE) inText = true;
        else if (byte === OPEN || byte === OPEN_LIST) {
          if (++depth > MAX_DEPTH)
            throw refuse(`objects of at most ${MAX_DEPTH} levels`, `a deeper one in line ${line}`);
        } else if ((byte === CLOSE || byte === CLOSE_LIST) && --depth === 0) {
          parts.push(chunk.subarray(start, i + 1));
          yield { text: Buffer.concat(parts).toString(), row: ++row, line: recordLine, inList: inList ?? false };
          parts = [];
          wants = inList ? 'COMMA_OR_END' : 'OBJECT_OR_END';
        }
        continue;
      }
      if (isSpace(byte)) continue;
      if (byte === OPEN && (wants === 'OBJECT' || wants === 'OBJECT_OR_END')) {
        inList ??= false;
        depth = 1;
        start = i;
        recordLine = line;
      } else if (byte === OPEN_LIST && inList === undefined) {
        inList = true;
        wants = 'OBJECT_OR_END';
      } else if (byte === COMMA && wants === 'COMMA_OR_END') wants = 'OBJECT';
      else if (byte === CLOSE_LIST && inList && (wants === 'COMMA_OR_END' || wants === 'OBJECT_OR_END'))
        wants = 'NOTHING';
      else if (
        inList === undefined ||
        ((wants === 'OBJECT' || wants === 'OBJECT_OR_END') && byte !== COMMA && byte !== CLOSE_LIST)
      ) {
        throw refuse(SHAPE, `something else as row ${row + 1}, in line ${line}`);
      } else throw malformed(`an unexpected "${String.fromCharCode(byte)}"`);
    }
    if (depth > 0) parts.push(chunk.subarray(start));
  }
  if (depth > 0) throw malformed(`the file ends within row ${row + 1}, which begins in line ${recordLine},`);
  if (inList && wants !== 'NOTHING') throw malformed('the list has no end');
}

/** Called for a value with the path of its keys, as the file spells it; null for a missing value. */
type Member = (path: string, value: string | null, isText: boolean) => void;

/** Parses one object strictly by RFC 8259 and flattens it. `JSON.parse` would change the notation of numbers. */
class RecordParser {
  private at = 0;
  private readonly seen = new Set<string>();

  constructor(
    private readonly text: string,
    private readonly row: number,
    private readonly line: number,
  ) {}

  parse(member: Member): void {
    this.object('', member);
  }

  private object(prefix: string, member: Member): void {
    this.expect('{');
    if (this.skipTo() === '}') {
      this.at++;
      return;
    }
    for (;;) {
      this.skipTo();
      const path = prefix + this.string();
      this.skipTo();
      this.expect(':');
      this.value(path, member);
      if (this.skipTo() === '}') break;
      this.expect(',');
    }
    this.at++;
  }

  private value(path: string, member: Member): void {
    const sign = this.skipTo();
    if (sign === '{') return this.object(`${path}.`, member);
    if (sign === '[') {
      throw refuse(
        'one value per row and column',
        `a list in column ${path}, row ${this.row}: leave the column out, or give each element a column`,
      );
    }
    if (this.seen.has(path))
      throw refuse('each key once in an object', `${path} twice in row ${this.row}, line ${this.line}`);
    this.seen.add(path);
    if (sign === '"') return member(path, this.string(), true);
    const bare = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    bare.lastIndex = this.at;
    const found = bare.exec(this.text)?.[0];
    if (found === undefined) throw this.malformed('a value');
    this.at += found.length;
    member(path, found === 'null' ? null : found, false);
  }

  private string(): string {
    if (this.text[this.at] !== '"') throw this.malformed('a text in quotes');
    const start = this.at;
    let isEscaped = false;
    for (this.at++; ; this.at++) {
      const code = this.text.charCodeAt(this.at);
      if (code === QUOTE) break;
      if (code === BACKSLASH) {
        isEscaped = true;
        this.at++;
      } else if (!(code >= 0x20)) throw this.malformed('a text without line ends');
    }
    this.at++;
    if (!isEscaped) return this.text.slice(start + 1, this.at - 1);
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      throw this.malformed('a text with known escapes');
    }
  }

  private skipTo(): string | undefined {
    while (isSpace(this.text.charCodeAt(this.at))) this.at++;
    return this.text[this.at];
  }

  private expect(sign: string): void {
    if (this.text[this.at] !== sign) throw this.malformed(`"${sign}"`);
    this.at++;
  }

  private malformed(expected: string): AppError {
    return refuse(
      'well-formed JSON',
      `Malformed JSON: no ${expected} at character ${this.at + 1} of row ${this.row}, which begins in line ` +
        `${this.line}`,
    );
  }
}
