import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColumnSchema, DatasetFormat, DatasetProfile } from '../domain/dataset-schema.js';
import { badInput } from '../errors.js';
import { type DatasetSource, openSource, type SourceColumn } from './dataset-source.js';
import { identifier, readError, withDuckDb } from './duckdb.js';

/** Up to here different values are counted exactly. */
const EXACT_DISTINCT_LIMIT = 5000;
const SHOWN_CHARACTERS = 200;
const MAX_COLUMNS = 10_000;

/** What the file holds. Errors: BAD_USER_INPUT for a malformed or empty file, naming the row as far as it can be known. */
export async function profileDataset(path: string, format: DatasetFormat): Promise<DatasetProfile> {
  return withDuckDb({ paths: [path] }, async (connection) => {
    try {
      const source = await openSource(connection, path, format);
      if (source.columns.length > MAX_COLUMNS) throw badInput('file', `at most ${MAX_COLUMNS} columns`, source.columns.length);
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

async function profileSource(connection: DuckDBConnection, source: DatasetSource): Promise<DatasetProfile> {
  const measures = source.columns.flatMap((column) => [
    missing(column),
    `approx_count_distinct(${identifier(column.name)})`,
    extreme('min', column),
    extreme('max', column),
  ]);
  const measured = await connection.runAndReadAll(`SELECT count(*), ${measures.join(', ')} FROM ${source.relation}`);
  const [rows, ...values] = measured.getRowsJS()[0]!;
  const rowCount = Number(rows);
  if (rowCount === 0) throw badInput('file', 'at least one row of data', 'no rows');
  const columns = source.columns.map(({ name, type }, i): ColumnSchema => {
    const [missingCount, distinctCount, min, max] = values.slice(i * 4, i * 4 + 4);
    return { name, type, missingCount: Number(missingCount), distinctCount: Number(distinctCount), min: textOf(min), max: textOf(max) };
  });
  const few = columns.filter((column) => column.distinctCount <= EXACT_DISTINCT_LIMIT);
  if (few.length > 0) {
    const counts = few.map((column) => `count(DISTINCT ${identifier(column.name)})`);
    const exact = (await connection.runAndReadAll(`SELECT ${counts.join(', ')} FROM ${source.relation}`)).getRowsJS()[0]!;
    few.forEach((column, i) => {
      column.distinctCount = Number(exact[i]);
    });
  }
  return { rowCount, columns };
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
