export const DATASET_FORMATS = ['CSV', 'JSON', 'PARQUET'] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

export const COLUMN_TYPES = ['NUMBER', 'STRING', 'BOOLEAN', 'TIMESTAMP'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/** A column of a dataset as it was inferred from the file. */
export interface ColumnSchema {
  name: string;
  type: ColumnType;
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
