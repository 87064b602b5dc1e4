import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColumnSchema, DatasetFormat, DatasetProfile } from '../domain/tracking/dataset-schema.js';
import { badInput } from '../errors.js';
import { type DatasetSource, openSource, type SourceColumn } from './dataset-source.js';
import { identifier, readError, withDuckDb } from './duckdb.js';

/** Up to here different values are counted exactly. */
const EXACT_DISTINCT_LIMIT = 5000;
const SHOWN_CHARACTERS = 200;
/** Of one pass over the file: the time of a pass grows with the square of what it measures. */
const COLUMNS_PER_PASS = 50;

/** What the file holds. Errors: BAD_USER_INPUT for a malformed or empty file, naming the row as far as it can be known. */
export async function profileDataset(path: string, format: DatasetFormat): Promise<DatasetProfile> {
  return withDuckDb({ paths: [path], memoryLimit: '2GB' }, async (connection) => {
    try {
      const source = await openSource(connection, path, format);
      return await profileSource(connection, source);
    } catch (error) {
      throw readError(error, path);
    }
  });
}

function missing({ name, type }: SourceColumn): string {
  const column = identifier(name);
  return type === 'NUMBER' ? `count(*) FILTER (${column} IS NULL OR isnan(CAST(${column} AS DOUBLE)))` : `count(*) - count(${column})`;
}

function extreme(aggregate: 'min' | 'max', { name, type }: SourceColumn): string {
  const column = identifier(name);
  switch (type) {
    case 'NUMBER':
      return `CAST(${aggregate}(${column}) FILTER (NOT isnan(CAST(${column} AS DOUBLE))) AS VARCHAR)`;
    case 'TIMESTAMP':
      return `strftime(CAST(${aggregate}(${column}) FILTER (isfinite(${column})) AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ')`;
    case 'STRING':
      return `left(${aggregate}(CAST(${column} AS VARCHAR)), ${SHOWN_CHARACTERS})`;
    case 'BOOLEAN':
      return `CAST(${aggregate}(${column}) AS VARCHAR)`;
  }
}

/** Text with NUL goes into no other system, this one's database included. */
function holdsNul({ name, type }: SourceColumn): string {
  return type === 'STRING' ? `coalesce(bool_or(contains(CAST(${identifier(name)} AS VARCHAR), chr(0))), false)` : 'false';
}

async function profileSource(connection: DuckDBConnection, source: DatasetSource): Promise<DatasetProfile> {
  const passes: DatasetProfile[] = [];
  for (let start = 0; start < source.columns.length; start += COLUMNS_PER_PASS) {
    passes.push(await profileColumns(connection, source.relation, source.columns.slice(start, start + COLUMNS_PER_PASS)));
  }
  return { rowCount: passes[0]?.rowCount ?? 0, columns: passes.flatMap((pass) => pass.columns) };
}

async function profileColumns(connection: DuckDBConnection, relation: string, measured: SourceColumn[]): Promise<DatasetProfile> {
  const measures = measured.flatMap((column) => [
    missing(column),
    `approx_count_distinct(${identifier(column.name)})`,
    extreme('min', column),
    extreme('max', column),
    holdsNul(column),
  ]);
  const answer = await connection.runAndReadAll(`SELECT count(*), ${measures.join(', ')} FROM ${relation}`);
  const [rows, ...values] = answer.getRowsJS()[0]!;
  const rowCount = Number(rows);
  if (rowCount === 0) throw badInput('file', 'at least one row of data', 'no rows');
  const columns = measured.map(({ name, type }, i): ColumnSchema => {
    const [missingCount, distinctCount, min, max, hasNul] = values.slice(i * 5, i * 5 + 5);
    if (hasNul) throw badInput('file', 'text without NUL characters', `some in column ${name}`);
    return { name, type, missingCount: Number(missingCount), distinctCount: Number(distinctCount), min: textOf(min), max: textOf(max) };
  });
  const few = columns.filter((column) => column.distinctCount <= EXACT_DISTINCT_LIMIT);
  if (few.length > 0) {
    const counts = few.map((column) => `count(DISTINCT ${identifier(column.name)})`);
    const exact = (await connection.runAndReadAll(`SELECT ${counts.join(', ')} FROM ${relation}`)).getRowsJS()[0]!;
    few.forEach((column, i) => {
      column.distinctCount = Number(exact[i]);
    });
  }
  return { rowCount, columns };
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
