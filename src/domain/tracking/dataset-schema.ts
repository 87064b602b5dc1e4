export const DATASET_FORMATS = ['CSV', 'JSON', 'PARQUET'] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

export const COLUMN_TYPES = ['NUMBER', 'STRING', 'BOOLEAN', 'TIMESTAMP'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/**
 * How the texts of a column become values: decided once over the whole file (or given by the user), recorded with the dataset, and kept
 * in the signature of each model that was trained on it, so that every later file and every prediction is read in the same way.
 * A category is always the text as the file spells it, whatever the type.
 */
export interface ColumnReading {
  name: string;
  type: ColumnType;
  /** Texts that mean "missing", besides the empty text, in the file's spelling. Of a STRING column none unless the user names some. */
  nullValues?: string[];
  /** NUMBER: "," in 1.234,5; "." when absent. */
  decimalSeparator?: string;
  /** NUMBER: "." in 1.234,5; none when absent. */
  thousandsSeparator?: string;
  /** NUMBER: a sign around the number that is left out, such as "€" or "%". */
  unit?: string;
  /** TIMESTAMP: in strptime's letters, such as "%d/%m/%Y %H:%M"; ISO 8601 when absent. */
  format?: string;
}

/** A column of a dataset as it was inferred from the file. */
export interface ColumnSchema extends ColumnReading {
  /** Rows without a value. */
  missingCount: number;
  /** Different values, approximate above a few thousand (HyperLogLog). */
  distinctCount: number;
  /** Smallest and largest value as text; null for an empty column. */
  min: string | null;
  max: string | null;
}

export interface DatasetProfile {
  rowCount: number;
  columns: ColumnSchema[];
}
