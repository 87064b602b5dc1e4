import type {
  ColumnRequest,
  Column,
  ColumnCorrection,
  ColumnReading,
  DatasetFormat,
  DatasetProfile,
  FileReading,
} from '../../modules/model-contract/index.js';

/** A Parquet file on this machine, and how each of its columns is read, in their order in the file. */
export interface Table {
  path: string;
  columns: readonly ColumnReading[];
}

export interface RowFilter {
  /** Rows whose timestamp lies in [from, to), ISO 8601. */
  window?: { column: string; from?: string; to?: string };
  /** Rows that have a value (for numbers: a finite one) in each of these columns. */
  present?: readonly string[];
}

export interface ReadOptions extends RowFilter {
  /** A plain name requests the column's values. Filters and order use the readings given here. */
  columns: readonly (string | ColumnRequest)[];
  /** Rows to skip and to read, after filter, sample and order. */
  offset?: number;
  limit?: number;
  /** Ascending by this column, then by file order; without it, file order. Missing values come last. */
  orderBy?: string;
  /** A seeded random sample of this many of the filtered rows. */
  sample?: { rows: number; seed: number };
}

export interface ChunkOptions {
  columns: readonly (string | ColumnRequest)[];
  /** Rows per batch, about: at least this many but in the last. Default 8,192. */
  chunkRows?: number;
  /** Rows of the file to skip, to go on where an earlier reader stopped. */
  startRow?: number;
}

export interface ColumnBatch {
  rowCount: number;
  /** 0-based positions in the file. */
  rowNumbers: Float64Array;
  /** In the requested order. */
  columns: Column[];
}

export type PreviewValue = number | string | boolean | null;

/** A dataset's column, or integers (class and cluster indices), or single-precision numbers. */
export type OutputColumn =
  | Column
  | { name: string; type: 'INTEGER'; values: BigInt64Array | Int32Array }
  | { name: string; type: 'NUMBER'; values: Float32Array };

export interface ImportRequest {
  /** The file as the user gave it. */
  path: string;
  format: DatasetFormat;
  /**
   * Where the table goes that is made of a CSV or JSON file: Parquet in which every column is text, exactly that of the
   * file.
   */
  tablePath: string;
  /** What the user says of columns. */
  corrections?: readonly ColumnCorrection[];
  /** Readings of an earlier version: columns of the same names are read by them, or refused. */
  earlier?: readonly ColumnReading[];
  /** A label of the Encoding Standard; found out when absent. */
  encoding?: string;
  /** One character; found out when absent. */
  delimiter?: string;
  /** Words for "no value" in columns that are not text; DEFAULT_NULL_VALUES when absent. */
  nullValues?: readonly string[];
  /** Whose file it is: those of one owner do not keep others waiting. */
  owner?: string;
  /** Most bytes of text that may come out of a compressed file. */
  maxBytes?: number;
}

export interface ImportOutcome {
  profile: DatasetProfile;
  reading: FileReading;
  /** Whether a table was made: Parquet files are read as they are. */
  hasTable: boolean;
}

/** Columns that a result takes over from its dataset, with their types, by row number. */
export interface KeyColumns {
  table: Table;
  names: readonly string[];
  /** The column of the result that holds the 0-based row numbers of the table. */
  rowNumberColumn: string;
}

/**
 * Local dataset files. Errors of every reader: NOT_FOUND for an absent file, BAD_USER_INPUT for a malformed one, for an
 * unknown column and for a value that cannot be read as its column says (naming column and row), RESOURCE_EXHAUSTED for
 * one that does not fit the memory.
 */
export interface DatasetFiles {
  /** A user's file as a table with column types, missing and distinct counts, extremes. Refuses an empty file. */
  import(request: ImportRequest): Promise<ImportOutcome>;
  /**
   * The first rows as JSON values, timestamps in ISO 8601 (UTC), for people to look at: long texts are cut and end with
   * "…".
   */
  preview(table: Table, limit: number): Promise<Record<string, PreviewValue>[]>;
  /** The first rows as `preview` has them, but whole. */
  firstRows(table: Table, limit: number): Promise<Record<string, PreviewValue>[]>;
  countRows(table: Table, filter?: RowFilter): Promise<number>;
  /** Columns into memory. The same file and options always give the same rows in the same order. */
  readColumns(table: Table, options: ReadOptions): Promise<ColumnBatch>;
  /** The whole file in its order, a batch at a time: memory stays flat however long it is. */
  readChunks(table: Table, options: ChunkOptions): AsyncGenerator<ColumnBatch>;
  /** Columns of equal length to a Parquet file, which appears under its name only when whole; NaN becomes NULL. */
  writeParquet(columns: readonly OutputColumn[], path: string): Promise<void>;
  /**
   * One Parquet file from several of the same columns, in the order given, with the key columns behind the row number:
   * exactly as the dataset's file has them, of its types; texts of CSV and JSON as numbers, days or truth values where
   * that changes no character. The answer is its number of rows.
   */
  concatParquet(parts: readonly string[], path: string, keys?: KeyColumns): Promise<number>;
}
