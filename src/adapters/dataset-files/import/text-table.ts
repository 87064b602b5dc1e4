import type { DuckDBConnection } from '@duckdb/node-api';
import { AppError, badInput, ErrorCode } from '../../../errors.js';
import { literal } from '../duckdb.js';

/** With many more columns, DuckDB's reader itself fails. */
export const MAX_COLUMNS = 2_000;
const MAX_COLUMN_NAME_LENGTH = 1_000;
const DEFAULT_LONGEST_LINE_BYTES = 2_000_000;

/** Rows in a separate file: commas, line feeds, every value in quotes, missing values without quotes. */
export interface WrittenRows {
  rows: number;
  longestLineBytes: number;
}

/** Errors: BAD_USER_INPUT. */
export function checkColumnCount(count: number): void {
  if (count > MAX_COLUMNS) throw badInput('file', `at most ${MAX_COLUMNS} columns`, count);
}

/** Errors: BAD_USER_INPUT. */
export function checkColumnNames(names: readonly string[]): void {
  checkColumnCount(names.length);
  const odd = names.find((name) => name.length > MAX_COLUMN_NAME_LENGTH || name.includes('\0'));
  if (odd !== undefined)
    throw badInput('file', `column names of at most ${MAX_COLUMN_NAME_LENGTH} characters without NUL`, odd);
}

/** Renames columns without a name or with a repeated one, with a note for each; other names stay. */
export function uniqueNames(names: readonly string[]): { names: string[]; notes: string[] } {
  const taken = new Set(names);
  const given = new Set<string>();
  const notes: string[] = [];
  const free = (base: string): string => {
    for (let n = 2; ; n++) if (!taken.has(`${base}_${n}`)) return `${base}_${n}`;
  };
  const unique = names.map((name, i) => {
    if (name !== '' && !given.has(name)) {
      given.add(name);
      return name;
    }
    const isEmpty = name === '';
    const base = isEmpty ? `column_${i + 1}` : name;
    const chosen = isEmpty && !taken.has(base) ? base : free(base);
    taken.add(chosen);
    given.add(chosen);
    notes.push(
      isEmpty
        ? `Column ${i + 1} has no name in the header: it is called ${chosen}.`
        : `The header names ${name} twice: column ${i + 1} is called ${chosen}.`,
    );
    return chosen;
  });
  return { names: unique, notes };
}

/** Writes the rows as Parquet; every column is text. */
export async function loadTextTable(
  connection: DuckDBConnection,
  {
    rowsPath,
    tablePath,
    columns,
    written,
  }: { rowsPath: string; tablePath: string; columns: number; written: WrittenRows },
): Promise<void> {
  const types = Array.from({ length: columns }, (_, i) => `c${i}: 'VARCHAR'`).join(', ');
  const longest = Math.max(DEFAULT_LONGEST_LINE_BYTES, written.longestLineBytes + 1_000);
  const options = [
    `delim = ',', quote = '"', escape = '"', header = false, auto_detect = false, strict_mode = true, ` +
      `nullstr = '', comment = ''`,
    `new_line = '\\n', columns = {${types}}, max_line_size = ${longest}, parallel = false`,
  ].join(', ');
  const copied = await connection.runAndReadAll(
    `COPY (SELECT * FROM read_csv(${literal(rowsPath)}, ${options})) TO ${literal(tablePath)} (FORMAT ` +
      'parquet, COMPRESSION zstd, USE_TMP_FILE false)',
  );
  const rows = Number(copied.getRowsJS()[0]![0]);
  if (rows !== written.rows)
    throw new AppError(ErrorCode.INTERNAL, `The table has ${rows} rows where the file has ${written.rows}.`);
}
