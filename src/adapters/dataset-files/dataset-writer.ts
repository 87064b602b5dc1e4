import { rename, rm } from 'node:fs/promises';
import {
  BOOLEAN,
  BIGINT,
  DOUBLE,
  type DuckDBConnection,
  DuckDBDataChunk,
  DuckDBTimestampValue,
  type DuckDBType,
  type DuckDBValue,
  TIMESTAMP,
  VARCHAR,
} from '@duckdb/node-api';
import { AppError, ErrorCode } from '../../errors.js';
import { identifier, literal, withDuckDb } from './duckdb.js';
import type { KeyColumns, OutputColumn } from './port.js';
import { type DatasetSource, openSource, sourceColumn } from './dataset-source.js';
import { isText, ROW } from './reading-sql.js';
import type { ColumnType } from '../../modules/model-contract/index.js';

const CHUNK_ROWS = 2048;

function sqlTypeOf(column: OutputColumn): DuckDBType {
  switch (column.type) {
    case 'NUMBER':
      return DOUBLE;
    case 'INTEGER':
      return BIGINT;
    case 'BOOLEAN':
      return BOOLEAN;
    case 'TIMESTAMP':
      return TIMESTAMP;
    case 'STRING':
      return VARCHAR;
  }
}

function sqlValue(column: OutputColumn, row: number): DuckDBValue {
  if (column.type === 'STRING') return column.values[row]!;
  if (column.type === 'INTEGER') return BigInt(column.values[row]!);
  const value = column.values[row]!;
  if (Number.isNaN(value)) return null;
  if (column.type === 'BOOLEAN') return value !== 0;
  return column.type === 'TIMESTAMP' ? new DuckDBTimestampValue(BigInt(Math.trunc(value)) * 1000n) : value;
}

/** Writes to another file and renames it, so that a file of this name is always complete. */
async function writeWhole(
  path: string,
  readable: readonly string[],
  write: (target: string, connection: DuckDBConnection) => Promise<void>,
): Promise<void> {
  const unfinished = `${path}.unfinished`;
  try {
    await withDuckDb({ paths: [unfinished, ...readable] }, (connection) => write(unfinished, connection));
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Writes columns of equal length to a Parquet file; NaN becomes NULL. */
export async function writeParquet(columns: readonly OutputColumn[], path: string): Promise<void> {
  const rowCount = columns[0]?.values.length ?? 0;
  const odd = columns.find((column) => column.values.length !== rowCount);
  if (odd || columns.length === 0)
    throw new AppError(ErrorCode.INTERNAL, `Columns of different lengths cannot make a table: ${odd?.name ?? 'none'}.`);
  const types = columns.map(sqlTypeOf);
  await writeWhole(path, [], async (target, connection) => {
    const definitions = columns.map(({ name }, i) => `${identifier(name)} ${types[i]!.toString()}`);
    await connection.run(`CREATE TABLE output (${definitions.join(', ')})`);
    const appender = await connection.createAppender('output');
    for (let start = 0; start < rowCount; start += CHUNK_ROWS) {
      const rows = Math.min(CHUNK_ROWS, rowCount - start);
      const chunk = DuckDBDataChunk.create(types, rows);
      columns.forEach((column, i) =>
        chunk.setColumnValues(
          i,
          Array.from({ length: rows }, (_, row) => sqlValue(column, start + row)),
        ),
      );
      appender.appendDataChunk(chunk);
    }
    appender.closeSync();
    await connection.run(`COPY output TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`);
  });
}

/**
 * Joins Parquet files with the same columns in the given order, and adds key columns of the dataset after the row
 * number. Returns the number of rows.
 */
export async function concatParquet(parts: readonly string[], path: string, keys?: KeyColumns): Promise<number> {
  let rows = 0;
  await writeWhole(path, [...parts, ...(keys ? [keys.table.path] : [])], async (target, connection) => {
    const relation = `read_parquet([${parts.map(literal).join(', ')}])`;
    const selected =
      keys && keys.names.length > 0 ? await withKeys(connection, relation, keys) : `SELECT * FROM ${relation}`;
    const copied = await connection.runAndReadAll(
      `COPY (${selected}) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
    );
    rows = Number(copied.getRowsJS()[0]![0]);
  });
  return rows;
}

async function withKeys(
  connection: DuckDBConnection,
  relation: string,
  { table, names, rowNumberColumn }: KeyColumns,
): Promise<string> {
  const source = await openSource(connection, table);
  const keys: string[] = [];
  for (const name of names) keys.push(`${await keyExpression(connection, source, name)} AS ${identifier(name)}`);
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${relation}`);
  // Parts that an earlier release wrote already contain the keys.
  const others = described
    .getRowsJS()
    .map(([name]) => String(name))
    .filter((name) => name !== rowNumberColumn && !names.includes(name));
  const row = `p.${identifier(rowNumberColumn)}`;
  const selected = [row, ...keys, ...others.map((name) => `p.${identifier(name)}`)].join(', ');
  return (
    `SELECT ${selected} FROM (SELECT * FROM ${relation}) p JOIN (SELECT * FROM ${source.relation}) k ON ` +
    `${row} = k.${ROW} ORDER BY ${row}`
  );
}

/** Types that a text column may become in the result, when the type writes every value as the file does. */
const LOSSLESS: Record<ColumnType, readonly string[]> = {
  NUMBER: ['BIGINT', 'DOUBLE'],
  BOOLEAN: ['BOOLEAN'],
  TIMESTAMP: ['DATE', 'TIMESTAMP'],
  STRING: [],
};

async function keyExpression(connection: DuckDBConnection, source: DatasetSource, name: string): Promise<string> {
  const { reading, physical } = sourceColumn(source, name, 'column');
  const { sql } = physical;
  const types = isText(physical.sqlType) ? LOSSLESS[reading.type] : [];
  for (const type of types) {
    const changed = `CAST(TRY_CAST(${sql} AS ${type}) AS VARCHAR) IS DISTINCT FROM ${sql}`;
    const answer = await connection.runAndReadAll(
      `SELECT count(${sql}), count(*) FILTER (${changed}) FROM ${source.relation}`,
    );
    const [present, differing] = answer.getRowsJS()[0]!.map(Number);
    if (present! > 0 && differing === 0) return `CAST(k.${sql} AS ${type})`;
  }
  return `k.${sql}`;
}
