import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';
import type { DatasetFormat } from '../domain/tracking/dataset-schema.js';
import type { Column } from '../domain/tracking/dataset-column.js';
import { badInput } from '../errors.js';
import { type DatasetSource, openSource, presentExpression, type SourceColumn, sourceColumn, valueExpression } from './dataset-source.js';
import { identifier, openDuckDb, readError, withDuckDb } from './duckdb.js';
import type { ChunkOptions, ColumnBatch, PreviewValue, ReadOptions, RowFilter } from './port.js';

const ROW = '"matih row number"';
/** Beyond this many different strings in a column, equal ones are no longer made one object. */
const MAX_INTERNED = 100_000;

interface Statement {
  sql: string;
  values: DuckDBValue[];
}

/** The filter as an SQL condition; its values are appended to `values`. */
function condition(source: DatasetSource, filter: RowFilter, values: DuckDBValue[]): string {
  const conditions = (filter.present ?? []).map((name) => presentExpression(sourceColumn(source, name, 'column')));
  if (filter.window) {
    const { column: name, from, to } = filter.window;
    const column = sourceColumn(source, name, 'window.column');
    if (column.type !== 'TIMESTAMP') throw badInput('window.column', 'a timestamp column', `${name} (${column.type})`);
    const bound = (operator: string, instant: string): void => {
      values.push(Date.parse(instant));
      conditions.push(`${valueExpression(column)} ${operator} CAST($${values.length} AS DOUBLE)`);
    };
    // DuckDB sorts NaN above every number: without an upper bound a missing timestamp would pass.
    conditions.push(presentExpression(column));
    if (from !== undefined) bound('>=', from);
    if (to !== undefined) bound('<', to);
  }
  return conditions.length > 0 ? conditions.join(' AND ') : 'true';
}

function selectStatement(source: DatasetSource, columns: readonly SourceColumn[], options: ReadOptions): Statement {
  const values: DuckDBValue[] = [];
  const where = condition(source, options, values);
  const parameter = (value: number): string => {
    values.push(BigInt(value));
    return `CAST($${values.length} AS BIGINT)`;
  };
  const sample = options.sample
    ? `ORDER BY hash(${ROW}, ${parameter(options.sample.seed)}), ${ROW} LIMIT ${parameter(options.sample.rows)}`
    : '';
  let order = options.sample ? `ORDER BY ${ROW}` : '';
  if (options.orderBy !== undefined) {
    order = `ORDER BY ${identifier(sourceColumn(source, options.orderBy, 'orderBy').name)} ASC NULLS LAST, ${ROW}`;
  }
  const limit = options.limit === undefined ? '' : `LIMIT ${parameter(options.limit)}`;
  const offset = options.offset === undefined ? '' : `OFFSET ${parameter(options.offset)}`;
  const selected = [`CAST(${ROW} AS DOUBLE)`, ...columns.map(valueExpression)].join(', ');
  const numbered = `SELECT *, row_number() OVER () - 1 AS ${ROW} FROM ${source.relation}`;
  return { sql: `SELECT ${selected} FROM (SELECT * FROM (${numbered}) WHERE ${where} ${sample}) ${order} ${limit} ${offset}`, values };
}

/** Grows columns from DuckDB's chunks. */
class BatchAssembler {
  private readonly numeric: Float64Array[] = [];
  private readonly texts: (string | null)[][] = [];
  private readonly interned: Map<string, string>[];
  private length = 0;

  constructor(
    private readonly columns: readonly SourceColumn[],
    private capacity: number,
  ) {
    this.interned = columns.map(() => new Map<string, string>());
    this.reset();
  }

  get rowCount(): number {
    return this.length;
  }

  private reset(): void {
    this.length = 0;
    this.numeric.length = 0;
    this.texts.length = 0;
    for (let i = 0; i <= this.columns.length; i++) {
      this.numeric.push(new Float64Array(this.isText(i) ? 0 : this.capacity));
      this.texts.push([]);
    }
  }

  /** Position 0 is the row number. */
  private isText(position: number): boolean {
    return position > 0 && this.columns[position - 1]!.type === 'STRING';
  }

  add(chunk: DuckDBDataChunk): void {
    const rows = chunk.rowCount;
    if (this.length + rows > this.capacity) {
      this.capacity = Math.max(this.capacity * 2, this.length + rows);
      this.numeric.forEach((values, i) => {
        if (this.isText(i)) return;
        const grown = new Float64Array(this.capacity);
        grown.set(values.subarray(0, this.length));
        this.numeric[i] = grown;
      });
    }
    for (let position = 0; position <= this.columns.length; position++) {
      const vector = chunk.getColumnVector(position);
      if (this.isText(position)) {
        const target = this.texts[position]!;
        const known = this.interned[position - 1]!;
        for (let row = 0; row < rows; row++) target.push(intern(known, vector.getItem(row) as string | null));
      } else {
        const target = this.numeric[position]!;
        for (let row = 0; row < rows; row++) target[this.length + row] = vector.getItem(row) as number;
      }
    }
    this.length += rows;
  }

  /** What was gathered; the assembler starts anew. */
  take(): ColumnBatch {
    const rowCount = this.length;
    const [rowNumbers, ...numeric] = this.numeric.map((values) => (values.length > rowCount ? values.slice(0, rowCount) : values));
    const columns = this.columns.map(({ name, type }, i): Column => {
      return type === 'STRING' ? { name, type, values: this.texts[i + 1]! } : { name, type, values: numeric[i]! };
    });
    this.reset();
    return { rowCount, rowNumbers: rowNumbers!, columns };
  }
}

function intern(known: Map<string, string>, text: string | null): string | null {
  if (text === null) return null;
  const same = known.get(text);
  if (same !== undefined) return same;
  if (known.size < MAX_INTERNED) known.set(text, text);
  return text;
}

async function* chunksOf(connection: DuckDBConnection, statement: Statement): AsyncGenerator<DuckDBDataChunk> {
  const result = await connection.stream(statement.sql, statement.values);
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) yield chunk;
}

/** Reads columns into memory. Errors: BAD_USER_INPUT for an unknown column or a malformed file. */
export async function readColumns(path: string, format: DatasetFormat, options: ReadOptions): Promise<ColumnBatch> {
  return withDuckDb({ paths: [path] }, async (connection) => {
    try {
      const source = await openSource(connection, path, format);
      const columns = options.columns.map((name) => sourceColumn(source, name, 'column'));
      const assembler = new BatchAssembler(columns, options.limit ?? 16_384);
      for await (const chunk of chunksOf(connection, selectStatement(source, columns, options))) assembler.add(chunk);
      return assembler.take();
    } catch (error) {
      throw readError(error, path);
    }
  });
}

/** Rows that pass each of the filters, from one pass over the file. */
export async function countEach(path: string, format: DatasetFormat, filters: readonly RowFilter[]): Promise<number[]> {
  return withDuckDb({ paths: [path] }, async (connection) => {
    try {
      const source = await openSource(connection, path, format);
      const values: DuckDBValue[] = [];
      const counts = filters.map((filter) => `CAST(count(*) FILTER (${condition(source, filter, values)}) AS DOUBLE)`);
      const counted = await connection.runAndReadAll(`SELECT ${counts.join(', ')} FROM ${source.relation}`, values);
      return counted.getRowsJS()[0]!.map(Number);
    } catch (error) {
      throw readError(error, path);
    }
  });
}

export async function countRows(path: string, format: DatasetFormat, filter: RowFilter = {}): Promise<number> {
  const [count] = await countEach(path, format, [filter]);
  return count!;
}

/** The whole file in its order, a batch at a time: memory stays flat however long it is. */
export async function* readChunks(path: string, format: DatasetFormat, options: ChunkOptions): AsyncGenerator<ColumnBatch> {
  const chunkRows = options.chunkRows ?? 8192;
  const { connection, close } = await openDuckDb({ paths: [path] });
  try {
    const source = await openSource(connection, path, format);
    const columns = options.columns.map((name) => sourceColumn(source, name, 'column'));
    const assembler = new BatchAssembler(columns, chunkRows + 2048);
    const statement = selectStatement(source, columns, { columns: options.columns, offset: options.startRow });
    for await (const chunk of chunksOf(connection, statement)) {
      assembler.add(chunk);
      if (assembler.rowCount >= chunkRows) yield assembler.take();
    }
    if (assembler.rowCount > 0) yield assembler.take();
  } catch (error) {
    throw readError(error, path);
  } finally {
    close();
  }
}

/** The first rows as JSON values; timestamps in ISO 8601, UTC. */
export async function preview(path: string, format: DatasetFormat, limit: number): Promise<Record<string, PreviewValue>[]> {
  const names = await withDuckDb({ paths: [path] }, async (connection) => {
    try {
      return (await openSource(connection, path, format)).columns.map(({ name }) => name);
    } catch (error) {
      throw readError(error, path);
    }
  });
  const { columns, rowCount } = await readColumns(path, format, { columns: names, limit });
  return Array.from({ length: rowCount }, (_, row) =>
    Object.fromEntries(columns.map((column) => [column.name, previewValue(column, row)])),
  );
}

function previewValue(column: Column, row: number): PreviewValue {
  if (column.type === 'STRING') return column.values[row]!;
  const value = column.values[row]!;
  if (!Number.isFinite(value)) return null;
  if (column.type === 'BOOLEAN') return value === 1;
  return column.type === 'TIMESTAMP' ? new Date(value).toISOString() : value;
}
