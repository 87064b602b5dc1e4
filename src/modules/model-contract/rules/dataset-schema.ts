import { z } from 'zod';

export const DATASET_FORMATS = ['CSV', 'JSON', 'PARQUET'] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

export const COLUMN_TYPES = ['NUMBER', 'STRING', 'BOOLEAN', 'TIMESTAMP'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/**
 * Texts that mean "no value" in a column of numbers, booleans or times, when the user names none. The empty text always
 * counts too.
 */
export const DEFAULT_NULL_VALUES: readonly string[] = [
  'NA',
  'N/A',
  'n/a',
  '#N/A',
  'NaN',
  'nan',
  'null',
  'NULL',
  'None',
  '-',
  '?',
];

/**
 * How the texts of a column become values. This is decided once for the whole file (or given by the user) and stored
 * with the dataset and in the signature of each model that was trained on it, so that every later file and prediction
 * is read in the same way. A category is always the text as the file spells it, whatever the type.
 */
export const columnReadingSchema = z.object({
  name: z.string(),
  type: z.enum(COLUMN_TYPES),
  /**
   * Texts that mean "missing", besides the empty text, as the file spells them. A STRING column has none unless the
   * user names some.
   */
  nullValues: z.array(z.string()).optional(),
  /** NUMBER: "," in 1.234,5; "." when absent. */
  decimalSeparator: z.string().optional(),
  /** NUMBER: "." in 1.234,5; none when absent. */
  thousandsSeparator: z.string().optional(),
  /** NUMBER: a text around the number that is ignored, such as "€" or "%". */
  unit: z.string().optional(),
  /** TIMESTAMP: a format of strptime, such as "%d/%m/%Y %H:%M"; ISO 8601 when absent. */
  format: z.string().optional(),
});
export type ColumnReading = z.infer<typeof columnReadingSchema>;

/** A text that counts as "no value"; the empty text stands for empty fields. */
export interface MissingWord {
  text: string;
  count: number;
}

/** A column of a dataset, as the service has read it from the file. */
export interface ColumnSchema extends ColumnReading {
  /** Number of rows without a value. */
  missingCount: number;
  /** The texts that stood in their place; absent when the file format has its own types. */
  missingWords?: MissingWord[];
  /** Number of different values; above a few thousand it is approximate (HyperLogLog). */
  distinctCount: number;
  /** STRING: mean number of words, with spaces between them, of the texts; absent in datasets of earlier releases. */
  meanWords?: number;
  /** Smallest and largest value as text; null for an empty column. */
  min: string | null;
  max: string | null;
}

/** How the file itself was read. */
export interface FileReading {
  /** A name of the WHATWG list, such as "utf-8" or "windows-1252"; null for Parquet. */
  encoding: string | null;
  /** Null for all formats except CSV. */
  delimiter: string | null;
  compression: 'gzip' | null;
  /** Comment lines, blank lines and a "sep=" line, before the header or (blank lines) between the rows. */
  skippedLines: number;
  /** Sentences about decisions that were not obvious. */
  notes: string[];
}

export interface DatasetProfile {
  rowCount: number;
  columns: ColumnSchema[];
}

/** What a user says about a column before the file is read; the service finds out the rest. */
export interface ColumnCorrection extends Omit<ColumnReading, 'type'> {
  type?: ColumnType;
}

/**
 * These columns, each read as the column of the same name in `others`: reads a file by the schema of an earlier one.
 */
export function readAs<T extends ColumnReading>(
  columns: readonly T[],
  others: readonly ColumnReading[],
): ColumnReading[] {
  const byName = new Map(others.map((reading) => [reading.name, reading]));
  return columns.map((column) => byName.get(column.name) ?? column);
}

/** Only the reading of a column. */
export function readingOf({
  name,
  type,
  nullValues,
  decimalSeparator,
  thousandsSeparator,
  unit,
  format,
}: ColumnReading): ColumnReading {
  return {
    name,
    type,
    ...(nullValues && { nullValues }),
    ...(decimalSeparator !== undefined && { decimalSeparator }),
    ...(thousandsSeparator !== undefined && { thousandsSeparator }),
    ...(unit !== undefined && { unit }),
    ...(format !== undefined && { format }),
  };
}
