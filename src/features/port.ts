import type { Column } from '../domain/tracking/dataset-column.js';
import type { DatasetFormat, DatasetProfile } from '../domain/tracking/dataset-schema.js';

export interface RowFilter {
  /** Rows whose timestamp lies in [from, to), ISO 8601. */
  window?: { column: string; from?: string; to?: string };
  /** Rows that have a value (for numbers: a finite one) in each of these columns. */
  present?: readonly string[];
}

export interface ReadOptions extends RowFilter {
  columns: readonly string[];
  /** Rows to skip and to read, after filter, sample and order. */
  offset?: number;
  limit?: number;
  /** Ascending by this column, then by file order; without it, file order. Missing values come last. */
  orderBy?: string;
  /** A seeded random sample of this many of the filtered rows. */
  sample?: { rows: number; seed: number };
}

export interface ChunkOptions {
  columns: readonly string[];
  /** Rows per batch, about: at least this many but in the last. Default 8,192. */
  chunkRows?: number;
  /** Rows of the file to skip, to go on where an earlier reader stopped. */
  startRow?: number;
}

export interface ColumnBatch {
  rowCount: number;
  /** 0-based positions in the file. */
  rowNumbers: Float64Array;
  columns: Column[];
}

export type PreviewValue = number | string | boolean | null;

/** Besides a dataset's columns, whole numbers, as class and cluster indices are, and numbers of single precision. */
export type OutputColumn =
  | Column
  | { name: string; type: 'INTEGER'; values: BigInt64Array | Int32Array }
  | { name: string; type: 'NUMBER'; values: Float32Array };

/**
 * Local dataset files. Errors of every reader: NOT_FOUND for an absent file, BAD_USER_INPUT for a malformed one (naming the row as far
 * as it can be known) and for an unknown column, RESOURCE_EXHAUSTED for one that does not fit the memory.
 */
export interface DatasetFiles {
  /** Column types, missing and distinct counts, extremes. Refuses an empty file. */
  profile(path: string, format: DatasetFormat): Promise<DatasetProfile>;
  /** The first rows as JSON values; timestamps in ISO 8601, UTC. */
  preview(path: string, format: DatasetFormat, limit: number): Promise<Record<string, PreviewValue>[]>;
  countRows(path: string, format: DatasetFormat, filter?: RowFilter): Promise<number>;
  /** Columns into memory. The same file and options always give the same rows in the same order. */
  readColumns(path: string, format: DatasetFormat, options: ReadOptions): Promise<ColumnBatch>;
  /** The whole file in its order, a batch at a time: memory stays flat however long it is. */
  readChunks(path: string, format: DatasetFormat, options: ChunkOptions): AsyncGenerator<ColumnBatch>;
  /** Columns of equal length to a Parquet file, which appears under its name only when whole; NaN becomes NULL. */
  writeParquet(columns: readonly OutputColumn[], path: string): Promise<void>;
  /** One Parquet file from several of the same columns, in the order given. */
  concatParquet(parts: readonly string[], path: string): Promise<void>;
}
