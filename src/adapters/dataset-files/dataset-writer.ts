import { rename, rm } from 'node:fs/promises';
import { relative } from 'node:path';
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
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { identifier, literal, withDuckDb } from './duckdb.js';
import type { KeyColumns, OutputColumn } from './port.js';
import { type DatasetSource, openSource, sourceColumn } from './dataset-source.js';
import { isText } from './reading-sql.js';
import type { ColumnType } from '../../modules/model-contract/index.js';

const CHUNK_ROWS = 2048;
const PARQUET = 'FORMAT parquet, COMPRESSION zstd';

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
    await connection.run(`COPY output TO ${literal(target)} (${PARQUET}, USE_TMP_FILE false)`);
  });
}

/**
 * Joins Parquet files with the same columns in the given order, and adds key columns of the dataset after the row
 * number. Returns the number of rows. Its memory does not grow with their number.
 */
export async function concatParquet(parts: readonly string[], path: string, keys?: KeyColumns): Promise<number> {
  let rows = 0;
  await writeWhole(path, [...parts, ...(keys ? [keys.table.path] : [])], async (target, connection) => {
    const relation = `read_parquet([${parts.map(literal).join(', ')}])`;
    const selected =
      keys && keys.names.length > 0 ? await withKeys(connection, relation, keys) : `SELECT * FROM ${relation}`;
    const copied = await connection.runAndReadAll(
      `COPY (${selected}) TO ${literal(target)} (${PARQUET}, USE_TMP_FILE false)`,
    );
    rows = Number(copied.getRowsJS()[0]![0]);
    if (keys) await requireInOrder(connection, target, keys);
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
  const selected = [`p.${identifier(rowNumberColumn)}`, ...keys, ...others.map((name) => `p.${identifier(name)}`)].join(
    ', ',
  );
  // A join by the number would keep all rows in memory. Both sides are plain files here, so DuckDB reads them abreast.
  return `SELECT ${selected} FROM ${relation} p POSITIONAL JOIN ${source.file}`;
}

/** Row n has the number n, so that each row has its own keys. */
async function requireInOrder(connection: DuckDBConnection, path: string, { rowNumberColumn }: KeyColumns) {
  const answer = await connection.runAndReadAll(
    `SELECT count(*) FROM read_parquet(${literal(path)}, file_row_number = true) ` +
      `WHERE ${identifier(rowNumberColumn)} IS DISTINCT FROM file_row_number`,
  );
  if (Number(answer.getRowsJS()[0]![0]) > 0)
    throw new AppError(ErrorCode.INTERNAL, 'The rows of a result came out of order.');
}

/** `column=value` of all columns of a partition, as in its path: file names and keys of object stores are short. */
const MAX_PARTITION_BYTES = 200;
/** Each open file keeps this many rows in memory. */
const PARTITION_GROUP_ROWS = 8_192;

/**
 * Writes the rows of a Parquet file to a file for each combination of values of `columns`, in folders as Hive names
 * them. Returns the paths in `folder`. BAD_USER_INPUT about `field` when there are too many, or values too long.
 */
export async function partitionParquet(
  path: string,
  folder: string,
  { columns, field, most }: { columns: readonly string[]; field: string; most: number },
): Promise<string[]> {
  const access = { paths: [path, folder], writtenFolder: { path: folder, openFiles: most } };
  return withDuckDb(access, async (connection) => {
    const file = `read_parquet(${literal(path)})`;
    const names = columns.map(identifier).join(', ');
    const texts = columns.map((name) => `${literal(`${name}=`)} || coalesce(CAST(${identifier(name)} AS VARCHAR), '')`);
    const bytes = texts.map((text) => `strlen(url_encode(${text}))`).join(' + ');
    const answer = await connection.runAndReadAll(
      `SELECT count(*), max(bytes) FROM (SELECT ${names}, max(${bytes}) AS bytes FROM ${file} GROUP BY ALL ` +
        `LIMIT ${most + 1})`,
    );
    const [count = 0, longest = 0] = answer.getRowsJS()[0]!.map(Number);
    if (count > most) throw badInput(field, `columns with at most ${most} different combinations of values`, 'more');
    if (longest > MAX_PARTITION_BYTES)
      throw badInput(field, `values of at most ${MAX_PARTITION_BYTES} bytes together in a path`, `${longest} bytes`);
    const written = await connection.runAndReadAll(
      `COPY (SELECT * FROM ${file}) TO ${literal(folder)} (${PARQUET}, ROW_GROUP_SIZE ${PARTITION_GROUP_ROWS}, ` +
        `PARTITION_BY (${names}), RETURN_FILES true)`,
    );
    const paths = written.getRowsJS()[0]![1];
    if (!Array.isArray(paths)) throw new AppError(ErrorCode.INTERNAL, 'The partitions of a result were not written.');
    return paths.map((one) => relative(folder, String(one))).sort();
  });
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
    if (present! > 0 && differing === 0) return `CAST(t.${sql} AS ${type})`;
  }
  return `t.${sql}`;
}
