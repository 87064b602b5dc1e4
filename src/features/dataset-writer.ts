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
import { AppError, ErrorCode } from '../errors.js';
import { identifier, literal, withDuckDb } from './duckdb.js';
import type { OutputColumn } from './port.js';

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

/** Writes beside the target and renames, so that a file of that name is always whole. */
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

/** Columns of equal length to a Parquet file; NaN becomes NULL. */
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

/** One Parquet file from several of the same columns, in the order given. */
export async function concatParquet(parts: readonly string[], path: string): Promise<void> {
  await writeWhole(path, parts, async (target, connection) => {
    const relation = `read_parquet([${parts.map(literal).join(', ')}])`;
    await connection.run(`COPY (SELECT * FROM ${relation}) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`);
  });
}
