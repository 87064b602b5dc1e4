import { access, constants, open } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColumnType, DatasetFormat } from '../domain/tracking/dataset-schema.js';
import { AppError, badInput, ErrorCode } from '../errors.js';
import { identifier, literal } from './duckdb.js';

/** A file as SQL sees it: the relation to select from, and its columns. */
export interface DatasetSource {
  relation: string;
  columns: SourceColumn[];
}

export interface SourceColumn {
  name: string;
  type: ColumnType;
}

const HEADER_BYTES = 262_144;
const MAX_COLUMNS = 2_000;
const MAX_COLUMN_NAME_LENGTH = 1_000;
const DELIMITERS = [',', ';', '\t', '|'];

interface CsvHeader {
  delimiter: string;
  columnCount: number;
}

/** The commonest candidate outside quotes in the header line. DuckDB's own guess would take a broken row for another dialect. */
async function csvHeaderOf(path: string): Promise<CsvHeader> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    const [header = ''] = buffer.toString('utf8', 0, bytesRead).split(/\r?\n/, 1);
    const bare = header.replaceAll(/"(?:[^"]|"")*"/g, '');
    const counts = DELIMITERS.map((delimiter) => bare.split(delimiter).length);
    const columnCount = Math.max(...counts);
    checkColumnCount(columnCount);
    if (bytesRead === HEADER_BYTES && header.length >= buffer.toString('utf8').length) {
      throw badInput('file', `a header line of at most ${HEADER_BYTES} bytes`, 'a longer first line');
    }
    return { delimiter: DELIMITERS[counts.indexOf(columnCount)]!, columnCount };
  } finally {
    await file.close();
  }
}

function csvOptions({ delimiter }: CsvHeader): string {
  return `delim = ${literal(delimiter)}, quote = '"', escape = '"', header = true, skip = 0, strict_mode = true`;
}

async function relationOf(path: string, format: DatasetFormat): Promise<string> {
  switch (format) {
    case 'PARQUET':
      return `read_parquet(${literal(path)})`;
    case 'JSON':
      return `read_json(${literal(path)}, sample_size = -1)`;
    case 'CSV':
      return `read_csv(${literal(path)}, ${csvOptions(await csvHeaderOf(path))}, sample_size = -1)`;
  }
}

function columnTypeOf(sqlType: string): ColumnType {
  if (/^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL.*|BIGNUM)$/.test(sqlType)) return 'NUMBER';
  if (sqlType === 'BOOLEAN') return 'BOOLEAN';
  if (sqlType === 'DATE' || sqlType.startsWith('TIMESTAMP')) return 'TIMESTAMP';
  return 'STRING';
}

export async function openSource(connection: DuckDBConnection, path: string, format: DatasetFormat): Promise<DatasetSource> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw new AppError(ErrorCode.NOT_FOUND, 'The dataset file is not there or cannot be read.', { field: 'file' }, { cause: error });
  }
  const relation = await relationOf(path, format);
  try {
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${relation}`);
    const columns = described.getRowsJS().map(([name, type]) => ({ name: String(name), type: columnTypeOf(String(type)) }));
    checkColumnCount(columns.length);
    columns.forEach(({ name }) => checkColumnName(name));
    return { relation, columns };
  } catch (error) {
    if (format === 'CSV' && !(error instanceof AppError)) await nameBrokenRow(connection, path);
    throw error;
  }
}

/** Far more columns bring the reader itself down. */
function checkColumnCount(count: number): void {
  if (count > MAX_COLUMNS) throw badInput('file', `at most ${MAX_COLUMNS} columns`, count);
}

function checkColumnName(name: string): void {
  if (name.length > MAX_COLUMN_NAME_LENGTH || name.includes('\0')) {
    throw badInput('file', `column names of at most ${MAX_COLUMN_NAME_LENGTH} characters without NUL`, name);
  }
}

/** Guessing the types of a CSV with a broken row fails without saying where; reading it all as text fails at the row. */
async function nameBrokenRow(connection: DuckDBConnection, path: string): Promise<void> {
  const header = await csvHeaderOf(path);
  const columns = Array.from({ length: header.columnCount }, (_, i) => `c${i}: 'VARCHAR'`).join(', ');
  await connection.run(
    `SELECT count(*) FROM read_csv(${literal(path)}, ${csvOptions(header)}, auto_detect = false, columns = {${columns}})`,
  );
}

export function sourceColumn(source: DatasetSource, name: string, field: string): SourceColumn {
  const found = source.columns.find((column) => column.name === name);
  if (!found) throw badInput(field, `one of ${source.columns.map((column) => column.name).join(', ')}`, name);
  return found;
}

/** A column as a DOUBLE (missing = NaN; booleans 0 and 1; timestamps in epoch milliseconds) or, for STRING, as VARCHAR. */
export function valueExpression({ name, type }: SourceColumn): string {
  const column = identifier(name);
  switch (type) {
    case 'NUMBER':
      return `coalesce(CAST(${column} AS DOUBLE), 'NaN'::DOUBLE)`;
    case 'BOOLEAN':
      return `coalesce(CAST(CAST(${column} AS INTEGER) AS DOUBLE), 'NaN'::DOUBLE)`;
    case 'TIMESTAMP':
      return `coalesce(CASE WHEN isfinite(${column}) THEN CAST(epoch_ms(CAST(${column} AS TIMESTAMP)) AS DOUBLE) END, 'NaN'::DOUBLE)`;
    case 'STRING':
      return `CAST(${column} AS VARCHAR)`;
  }
}

/** True where the column has a usable value. */
export function presentExpression({ name, type }: SourceColumn): string {
  const column = identifier(name);
  switch (type) {
    case 'NUMBER':
      return `(${column} IS NOT NULL AND isfinite(CAST(${column} AS DOUBLE)))`;
    case 'TIMESTAMP':
      return `(${column} IS NOT NULL AND isfinite(${column}))`;
    case 'STRING':
      return `(${column} IS NOT NULL AND CAST(${column} AS VARCHAR) <> '')`;
    case 'BOOLEAN':
      return `(${column} IS NOT NULL)`;
  }
}
