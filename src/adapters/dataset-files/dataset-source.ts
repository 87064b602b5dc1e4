import { access, constants } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColumnReading, ColumnRequest, Form } from '../../modules/model-contract/index.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import { literal } from './duckdb.js';
import type { Table } from './port.js';
import { checkReadable, type PhysicalColumn, ROW } from './reading-sql.js';

interface DatasetRelation {
  /** The relation with row numbers. */
  relation: string;
  /** The relation without row numbers, for reads whose order does not matter, which can use several threads. */
  rows: string;
  /** The file itself, named `t`, for a positional join. */
  file: string;
}

/**
 * A table as SQL sees it. Columns are named by their positions, because SQL treats names that differ only in upper and
 * lower case as one.
 */
export interface DatasetSource extends DatasetRelation {
  columns: readonly SourceColumn[];
}

export interface SourceColumn {
  reading: ColumnReading;
  physical: PhysicalColumn;
}

export interface WantedColumn extends SourceColumn {
  form: Form;
}

export async function checkThere(path: string): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (error) {
    throw new AppError(
      ErrorCode.NOT_FOUND,
      'The dataset file is not there or cannot be read.',
      { field: 'file' },
      { cause: error },
    );
  }
}

/** The types of a Parquet file's columns, and the relation that names these columns. */
export async function openParquet(
  connection: DuckDBConnection,
  path: string,
): Promise<DatasetRelation & { columns: (PhysicalColumn & { name: string })[] }> {
  await checkThere(path);
  const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet(${literal(path)})`);
  const columns = described
    .getRowsJS()
    .map(([name, sqlType], i) => ({ sql: `c${i}`, name: String(name), sqlType: String(sqlType) }));
  const names = columns.map(({ sql }) => sql).join(', ');
  // Rows are numbered by a window function. With it, DuckDB always delivers the rows in their order, even to a slow
  // reader.
  const file = `read_parquet(${literal(path)}) AS t(${names})`;
  const numbered = (number: string): string => `(SELECT *, ${number} AS ${ROW} FROM ${file})`;
  return { relation: numbered('row_number() OVER () - 1'), rows: numbered('CAST(NULL AS BIGINT)'), file, columns };
}

export async function openSource(connection: DuckDBConnection, { path, columns }: Table): Promise<DatasetSource> {
  const found = await openParquet(connection, path);
  if (found.columns.length !== columns.length)
    throw new AppError(
      ErrorCode.INTERNAL,
      `The table has ${found.columns.length} columns where ${columns.length} are recorded.`,
    );
  return { ...found, columns: columns.map((reading, i) => ({ reading, physical: found.columns[i]! })) };
}

/** Errors: BAD_USER_INPUT for an unknown column, or for a column that cannot be read in this way. */
export function sourceColumn(source: DatasetSource, name: string, field: string): SourceColumn {
  const found = source.columns.find(({ reading }) => reading.name === name);
  if (!found) throw badInput(field, `one of ${source.columns.map(({ reading }) => reading.name).join(', ')}`, name);
  checkReadable(found.reading, found.physical);
  return found;
}

/** The requested columns, and the source with the given readings. */
export function wantedColumns(
  opened: DatasetSource,
  requests: readonly (string | ColumnRequest)[],
): { source: DatasetSource; wanted: WantedColumn[] } {
  const given = new Map(
    requests.flatMap((request) =>
      typeof request === 'string' || !request.reading ? [] : [[request.name, request.reading]],
    ),
  );
  const columns = opened.columns.map(({ reading, physical }) => ({
    reading: given.get(reading.name) ?? reading,
    physical,
  }));
  const source = { ...opened, columns };
  const wanted = requests.map((request): WantedColumn => {
    const { name, form, reading }: ColumnRequest =
      typeof request === 'string' ? { name: request, form: 'VALUE' } : request;
    const column = sourceColumn(source, name, 'column');
    return { ...column, reading: reading ?? column.reading, form };
  });
  return { source, wanted };
}
