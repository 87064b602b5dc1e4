import type { DuckDBConnection, DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';
import type { Column } from '../../modules/model-contract/index.js';
import { AppError, badInput, ErrorCode } from '../../errors.js';
import {
  type DatasetSource,
  openSource,
  type SourceColumn,
  sourceColumn,
  type WantedColumn,
  wantedColumns,
} from './dataset-source.js';
import { openDuckDb, readError, withDuckDb } from './duckdb.js';
import type { ChunkOptions, ColumnBatch, PreviewValue, ReadOptions, RowFilter, Table } from './port.js';
import { isFloat, presentExpression, ROW, textExpression, valueExpression } from './reading-sql.js';

/** When a column has more different texts than this, equal texts no longer share one object. */
const MAX_INTERNED = 100_000;

interface Statement {
  sql: string;
  values: DuckDBValue[];
}

const value = ({ reading, physical }: SourceColumn): string => valueExpression(reading, physical);
const present = ({ reading, physical }: SourceColumn): string => presentExpression(reading, physical);

/** The filter as an SQL condition; its values are appended to `values`. */
function condition(source: DatasetSource, filter: RowFilter, values: DuckDBValue[]): string {
  const conditions = (filter.present ?? []).map((name) => present(sourceColumn(source, name, 'column')));
  if (filter.window) {
    const { column: name, from, to } = filter.window;
    const column = sourceColumn(source, name, 'window.column');
    if (column.reading.type !== 'TIMESTAMP')
      throw badInput('window.column', 'a timestamp column', `${name} (${column.reading.type})`);
    const bound = (operator: string, instant: string): void => {
      values.push(Date.parse(instant));
      conditions.push(`${value(column)} ${operator} CAST($${values.length} AS DOUBLE)`);
    };
    // DuckDB sorts NaN above every number: without an upper limit, a missing timestamp would match.
    conditions.push(present(column));
    if (from !== undefined) bound('>=', from);
    if (to !== undefined) bound('<', to);
  }
  return conditions.length > 0 ? conditions.join(' AND ') : 'true';
}

/** Whether only the text is read. */
const isTextOnly = ({ reading, form }: WantedColumn): boolean => form === 'TEXT' || reading.type === 'STRING';

/** One expression per vector that `BatchAssembler` reads. */
function selected(column: WantedColumn): string[] {
  const { reading, physical, form } = column;
  // The texts of floating-point numbers are made from their values.
  if (isFloat(physical.sqlType)) return [valueExpression({ ...reading, type: 'NUMBER' }, physical)];
  if (isTextOnly(column)) return [textExpression(reading, physical)];
  return form === 'VALUE' ? [value(column)] : [value(column), textExpression(reading, physical)];
}

function selectStatement(
  source: DatasetSource,
  columns: readonly WantedColumn[],
  options: Omit<ReadOptions, 'columns'>,
): Statement {
  const values: DuckDBValue[] = [];
  const where = condition(source, options, values);
  const parameter = (number: number): string => {
    values.push(BigInt(number));
    return `CAST($${values.length} AS BIGINT)`;
  };
  const sample = options.sample
    ? `ORDER BY hash(${ROW}, ${parameter(options.sample.seed)}), ${ROW} LIMIT ${parameter(options.sample.rows)}`
    : '';
  let order = options.sample ? `ORDER BY ${ROW}` : '';
  if (options.orderBy !== undefined) {
    const column = sourceColumn(source, options.orderBy, 'orderBy');
    order = `ORDER BY CASE WHEN ${present(column)} THEN ${value(column)} END ASC NULLS LAST, ${ROW}`;
  }
  const limit = options.limit === undefined ? '' : `LIMIT ${parameter(options.limit)}`;
  const offset = options.offset === undefined ? '' : `OFFSET ${parameter(options.offset)}`;
  const expressions = [`CAST(${ROW} AS DOUBLE)`, ...columns.flatMap(selected)].join(', ');
  return {
    sql:
      `SELECT ${expressions} FROM (SELECT * FROM ${source.relation} WHERE ${where} ${sample}) ${order} ` +
      `${limit} ${offset}`,
    values,
  };
}

/** Collects one vector of DuckDB's chunks. */
interface Growing {
  add(chunk: DuckDBDataChunk, position: number): void;
  start(): void;
}

class GrowingNumbers implements Growing {
  private values: Float64Array;
  private length = 0;

  constructor(private capacity: number) {
    this.values = new Float64Array(capacity);
  }

  start(): void {
    this.values = new Float64Array(this.capacity);
    this.length = 0;
  }

  add(chunk: DuckDBDataChunk, position: number): void {
    const rows = chunk.rowCount;
    if (this.length + rows > this.capacity) {
      this.capacity = Math.max(this.capacity * 2, this.length + rows);
      const grown = new Float64Array(this.capacity);
      grown.set(this.values.subarray(0, this.length));
      this.values = grown;
    }
    const vector = chunk.getColumnVector(position);
    for (let row = 0; row < rows; row++) this.values[this.length + row] = vector.getItem(row) as number;
    this.length += rows;
  }

  taken(): Float64Array {
    return this.values.length > this.length ? this.values.slice(0, this.length) : this.values;
  }
}

class GrowingTexts implements Growing {
  texts: (string | null)[] = [];
  private readonly known = new Map<string, string>();

  start(): void {
    this.texts = [];
  }

  add(chunk: DuckDBDataChunk, position: number): void {
    const rows = chunk.rowCount;
    const vector = chunk.getColumnVector(position);
    for (let row = 0; row < rows; row++) this.texts.push(this.intern(vector.getItem(row) as string | null));
  }

  private intern(text: string | null): string | null {
    if (text === null) return null;
    const same = this.known.get(text);
    if (same !== undefined) return same;
    if (this.known.size < MAX_INTERNED) this.known.set(text, text);
    return text;
  }
}

/** Collects columns from DuckDB's chunks. */
class BatchAssembler {
  private readonly rowNumbers: GrowingNumbers;
  private readonly vectors: (GrowingNumbers | GrowingTexts)[];
  private length = 0;

  constructor(
    private readonly columns: readonly WantedColumn[],
    capacity: number,
  ) {
    this.rowNumbers = new GrowingNumbers(capacity);
    this.vectors = columns.flatMap((column) => {
      if (isFloat(column.physical.sqlType)) return [new GrowingNumbers(capacity)];
      if (isTextOnly(column)) return [new GrowingTexts()];
      return column.form === 'VALUE'
        ? [new GrowingNumbers(capacity)]
        : [new GrowingNumbers(capacity), new GrowingTexts()];
    });
  }

  get rowCount(): number {
    return this.length;
  }

  add(chunk: DuckDBDataChunk): void {
    this.rowNumbers.add(chunk, 0);
    this.vectors.forEach((vector, i) => vector.add(chunk, i + 1));
    this.length += chunk.rowCount;
  }

  /** The collected rows; resets the assembler. */
  take(): ColumnBatch {
    let next = 0;
    const columns = this.columns.map((column): Column => {
      const { name, type } = column.reading;
      const vector = this.vectors[next++]!;
      if (vector instanceof GrowingTexts) return { name, type: 'STRING', values: vector.texts };
      const values = vector.taken();
      if (isTextOnly(column) || type === 'STRING') return { name, type: 'STRING', values: textsOf(values) };
      if (column.form === 'VALUE') return { name, type, values };
      return {
        name,
        type,
        values,
        texts: isFloat(column.physical.sqlType) ? textsOf(values) : (this.vectors[next++] as GrowingTexts).texts,
      };
    });
    const batch = { rowCount: this.length, rowNumbers: this.rowNumbers.taken(), columns };
    for (const vector of [this.rowNumbers, ...this.vectors]) vector.start();
    this.length = 0;
    return batch;
  }
}

function textsOf(values: Float64Array): (string | null)[] {
  return Array.from(values, (number) => (Number.isNaN(number) ? null : String(number)));
}

async function* chunksOf(connection: DuckDBConnection, statement: Statement): AsyncGenerator<DuckDBDataChunk> {
  const result = await connection.stream(statement.sql, statement.values);
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk())
    yield chunk;
}

/**
 * Reads columns into memory. Errors: BAD_USER_INPUT for an unknown column, or for a value that cannot be read as its
 * column is.
 */
export async function readColumns(table: Table, options: ReadOptions): Promise<ColumnBatch> {
  return withDuckDb({ paths: [table.path] }, async (connection) => {
    try {
      const { source, wanted } = wantedColumns(await openSource(connection, table), options.columns);
      const assembler = new BatchAssembler(wanted, options.limit ?? 16_384);
      for await (const chunk of chunksOf(connection, selectStatement(source, wanted, options))) {
        assembler.add(chunk);
        options.onRows?.(assembler.rowCount);
      }
      return assembler.take();
    } catch (error) {
      throw readError(error, table.path);
    }
  });
}

/** Counts the rows that match each filter, in one pass over the file. */
export async function countEach(table: Table, filters: readonly RowFilter[]): Promise<number[]> {
  return withDuckDb({ paths: [table.path] }, async (connection) => {
    try {
      const source = await openSource(connection, table);
      const values: DuckDBValue[] = [];
      const counts = filters.map((filter) => `CAST(count(*) FILTER (${condition(source, filter, values)}) AS DOUBLE)`);
      const counted = await connection.runAndReadAll(`SELECT ${counts.join(', ')} FROM ${source.relation}`, values);
      return counted.getRowsJS()[0]!.map(Number);
    } catch (error) {
      throw readError(error, table.path);
    }
  });
}

export async function countRows(table: Table, filter: RowFilter = {}): Promise<number> {
  const [count] = await countEach(table, [filter]);
  return count!;
}

/** Reads the file in its order, one batch at a time, so that memory does not grow with the file. */
export async function* readChunks(table: Table, options: ChunkOptions): AsyncGenerator<ColumnBatch> {
  const { chunkRows = 8192, startRow, window, present: needed } = options;
  const isFiltered = window !== undefined || needed !== undefined;
  const { connection, close } = await openDuckDb({ paths: [table.path] });
  try {
    const { source, wanted } = wantedColumns(await openSource(connection, table), options.columns);
    const assembler = new BatchAssembler(wanted, chunkRows + 2048);
    let next = startRow ?? 0;
    const taken = (): ColumnBatch => {
      const batch = assembler.take();
      for (const row of batch.rowNumbers) {
        if (isFiltered ? row < next : row !== next)
          throw new AppError(ErrorCode.INTERNAL, 'The rows of a table came out of order.');
        next = row + 1;
      }
      return batch;
    };
    const statement = selectStatement(source, wanted, { offset: startRow, window, present: needed });
    for await (const chunk of chunksOf(connection, statement)) {
      assembler.add(chunk);
      if (assembler.rowCount >= chunkRows) yield taken();
    }
    if (assembler.rowCount > 0) yield taken();
  } catch (error) {
    throw readError(error, table.path);
  } finally {
    close();
  }
}

/** Limit for all texts of a preview together, and limits for the length of one text. */
const PREVIEW_CHARACTERS = 1_000_000;
const [SHORTEST_CUT, LONGEST_CUT] = [20, 1_000];
const PREVIEW_MEMORY = '1GB';
const LATEST_MS = 8.64e15;

/**
 * The first rows as JSON values; timestamps in ISO 8601, UTC. Long texts are cut before they are loaded, and end with
 * "…".
 */
export async function preview(table: Table, limit: number): Promise<Record<string, PreviewValue>[]> {
  const fair = Math.floor(PREVIEW_CHARACTERS / (limit * table.columns.length));
  return rowsOf(await readFirst(table, limit, Math.min(LONGEST_CUT, Math.max(SHORTEST_CUT, fair))));
}

/** The same as `preview`, with complete texts. */
export async function firstRows(table: Table, limit: number): Promise<Record<string, PreviewValue>[]> {
  return rowsOf(await readColumns(table, { columns: table.columns.map(({ name }) => name), limit }));
}

function readFirst(table: Table, limit: number, cutAt: number): Promise<ColumnBatch> {
  return withDuckDb({ paths: [table.path], memoryLimit: PREVIEW_MEMORY }, async (connection) => {
    try {
      const { source, wanted } = wantedColumns(
        await openSource(connection, table),
        table.columns.map(({ name }) => name),
      );
      const statement = selectStatement(source, wanted, { limit });
      const cut = wanted.flatMap((column, i) =>
        isTextOnly(column) && !isFloat(column.physical.sqlType)
          ? [`CASE WHEN length(v${i}) > ${cutAt} THEN left(v${i}, ${cutAt}) || '…' ELSE v${i} END`]
          : [`v${i}`],
      );
      const names = wanted.map((_, i) => `v${i}`);
      const assembler = new BatchAssembler(wanted, limit);
      const sql = `SELECT ${['n', ...cut].join(', ')} FROM (${statement.sql}) AS t(${['n', ...names].join(', ')})`;
      for await (const chunk of chunksOf(connection, { ...statement, sql })) assembler.add(chunk);
      return assembler.take();
    } catch (error) {
      throw readError(error, table.path);
    }
  });
}

function rowsOf({ columns, rowCount }: ColumnBatch): Record<string, PreviewValue>[] {
  return Array.from({ length: rowCount }, (_, row) =>
    Object.fromEntries(columns.map((column) => [column.name, previewValue(column, row)])),
  );
}

function previewValue(column: Column, row: number): PreviewValue {
  if (column.type === 'STRING') return column.values[row]!;
  const number = column.values[row]!;
  if (!Number.isFinite(number)) return null;
  if (column.type === 'BOOLEAN') return number === 1;
  if (column.type === 'NUMBER') return number;
  // JavaScript's calendar ends earlier than DuckDB's.
  return Math.abs(number) <= LATEST_MS ? new Date(number).toISOString() : `${number} ms after 1970-01-01`;
}
