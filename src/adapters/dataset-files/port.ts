import type {
  ColumnRequest,
  Column,
  ColumnCorrection,
  ColumnReading,
  DatasetFormat,
  DatasetProfile,
  FileReading,
} from '../../modules/model-contract/index.js';

/** A Parquet file on this machine, and how each of its columns is read, in the order of the file. */
export interface Table {
  path: string;
  columns: readonly ColumnReading[];
}

export interface RowFilter {
  /** Only rows whose timestamp is in [from, to), ISO 8601. */
  window?: { column: string; from?: string; to?: string };
  /** Only rows that have a value (for numbers: a finite one) in each of these columns. */
  present?: readonly string[];
}

export interface ReadOptions extends RowFilter {
  /** A plain name requests the column's values. Filter and order use the readings given here. */
  columns: readonly (string | ColumnRequest)[];
  /** Rows to skip and to read, after filter, sample and order. */
  offset?: number;
  limit?: number;
  /** Ascending by this column, then in file order; when absent, in file order. Missing values come last. */
  orderBy?: string;
  /** A random sample of this many of the filtered rows, drawn with a seed. */
  sample?: { rows: number; seed: number };
  /** Called with the number of rows that are read so far. */
  onRows?(rows: number): void;
}

export interface ChunkOptions extends RowFilter {
  columns: readonly (string | ColumnRequest)[];
  /** About how many rows per batch: at least this many, except in the last. 8,192 when absent. */
  chunkRows?: number;
  /** Number of rows to skip, to continue where an earlier reader stopped; not together with a filter. */
  startRow?: number;
}

export interface ColumnBatch {
  rowCount: number;
  /** Indexes in the file, from 0. */
  rowNumbers: Float64Array;
  /** In the requested order. */
  columns: Column[];
}

export type PreviewValue = number | string | boolean | null;

/** A column of a dataset, integers (class and cluster indices), or single-precision numbers. */
export type OutputColumn =
  | Column
  | { name: string; type: 'INTEGER'; values: BigInt64Array | Int32Array }
  | { name: string; type: 'NUMBER'; values: Float32Array };

export interface ImportRequest {
  /** The file that the user gave. */
  path: string;
  format: DatasetFormat;
  /**
   * Where to write the table of a CSV or JSON file: Parquet in which every column has exactly the texts of the file.
   */
  tablePath: string;
  /** What the user says about columns. */
  corrections?: readonly ColumnCorrection[];
  /** The readings of an earlier version: columns of the same names are read in the same way, or the file is refused. */
  earlier?: readonly ColumnReading[];
  /** A label of the Encoding Standard; found by the service when absent. */
  encoding?: string;
  /** One character; found by the service when absent. */
  delimiter?: string;
  /** Texts for "no value" in columns that are not text; DEFAULT_NULL_VALUES when absent. */
  nullValues?: readonly string[];
  /** The owner of the file: many files of one owner do not block other owners. */
  owner?: string;
  /** The maximum number of bytes of text in a compressed file. */
  maxBytes?: number;
}

export interface ImportOutcome {
  profile: DatasetProfile;
  reading: FileReading;
  /** Whether a table was made; Parquet files are read as they are. */
  hasTable: boolean;
}

/** Columns that a result copies from its dataset, with their types, by row number. */
export interface KeyColumns {
  table: Table;
  names: readonly string[];
  /** The column of the result that has the row numbers of the table, from 0. */
  rowNumberColumn: string;
}

/**
 * Local dataset files. Errors of every reader: NOT_FOUND for a missing file; BAD_USER_INPUT for a malformed file, an
 * unknown column, or a value that cannot be read as its column is (names column and row); RESOURCE_EXHAUSTED for a file
 * that does not fit in memory.
 */
export interface DatasetFiles {
  /**
   * Imports a user's file as a table with column types, numbers of missing and different values, least and greatest
   * values. Refuses an empty file.
   */
  import(request: ImportRequest): Promise<ImportOutcome>;
  /** The first rows as JSON values for people; timestamps in ISO 8601 (UTC). Long texts are cut and end with "…". */
  preview(table: Table, limit: number): Promise<Record<string, PreviewValue>[]>;
  /** The first rows as in `preview`, with complete texts. */
  firstRows(table: Table, limit: number): Promise<Record<string, PreviewValue>[]>;
  countRows(table: Table, filter?: RowFilter): Promise<number>;
  /** Reads columns into memory. The same file and options always give the same rows in the same order. */
  readColumns(table: Table, options: ReadOptions): Promise<ColumnBatch>;
  /** Reads the file in its order, one batch at a time, so that memory does not grow with the file. */
  readChunks(table: Table, options: ChunkOptions): AsyncGenerator<ColumnBatch>;
  /**
   * Writes columns of equal length to a Parquet file. It appears under its name only when it is complete; NaN becomes
   * NULL.
   */
  writeParquet(columns: readonly OutputColumn[], path: string): Promise<void>;
  /**
   * Joins Parquet files with the same columns in the given order, and adds the key columns of the dataset after the row
   * number, exactly as in the dataset's file and with its types. Texts of CSV and JSON become numbers, dates or
   * booleans when this changes no character. Returns the number of rows.
   */
  concatParquet(parts: readonly string[], path: string, keys?: KeyColumns): Promise<number>;
  /**
   * Writes the rows of a Parquet file to one file for each combination of values of the columns, which it leaves out:
   * `<column>=<value>/…/<name>.parquet` in the folder, as Hive names them. Returns these paths.
   * BAD_USER_INPUT about `field` when there are more than `most`, or their values too long for a path.
   */
  partitionParquet(
    path: string,
    folder: string,
    by: { columns: readonly string[]; field: string; most: number },
  ): Promise<string[]>;
}
