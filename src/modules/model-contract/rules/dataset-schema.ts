import { z } from 'zod';

export const DATASET_FORMATS = ['CSV', 'JSON', 'PARQUET'] as const;
export type DatasetFormat = (typeof DATASET_FORMATS)[number];

export const COLUMN_TYPES = ['NUMBER', 'STRING', 'BOOLEAN', 'TIMESTAMP'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

/**
 * Words for "no value" in a column of numbers, booleans or times, when the user names none. The empty text always
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
 * How the texts of a column become values: decided once for the whole file (or given by the user), stored with the
 * dataset and in the signature of each model that was trained on it, so that every later file and prediction is read
 * in the same way. A category is always the text as the file spells it, whatever the type.
 */
export const columnReadingSchema = z.object({
  name: z.string(),
  type: z.enum(COLUMN_TYPES),
  /**
   * Texts that mean "missing", besides the empty text, spelled as in the file. A STRING column has none unless the
   * user names some.
   */
  nullValues: z.array(z.string()).optional(),
  /** NUMBER: "," in 1.234,5; "." when absent. */
  decimalSeparator: z.string().optional(),
  /** NUMBER: "." in 1.234,5; none when absent. */
  thousandsSeparator: z.string().optional(),
  /** NUMBER: a sign around the number that is left out, such as "€" or "%". */
  unit: z.string().optional(),
  /** TIMESTAMP: in strptime's letters, such as "%d/%m/%Y %H:%M"; ISO 8601 when absent. */
  format: z.string().optional(),
});
export type ColumnReading = z.infer<typeof columnReadingSchema>;

/** A text that was taken as "no value"; the empty text for empty fields. */
export interface MissingWord {
  text: string;
  count: number;
}

/** A column of a dataset as it was inferred from the file. */
export interface ColumnSchema extends ColumnReading {
  /** Number of rows without a value. */
  missingCount: number;
  /** What stood there instead; absent where the file has types of its own. */
  missingWords?: MissingWord[];
  /** Different values, approximate above a few thousand (HyperLogLog). */
  distinctCount: number;
  /** Smallest and largest value as text; null for an empty column. */
  min: string | null;
  max: string | null;
}

/** How the file itself was read. */
export interface FileReading {
  /** As WHATWG names it, such as "utf-8" or "windows-1252"; null for Parquet. */
  encoding: string | null;
  /** Null for all but CSV. */
  delimiter: string | null;
  compression: 'gzip' | null;
  /** Comment lines, blank lines and a "sep=" line, before the header or (blank ones) between the rows. */
  skippedLines: number;
  /** What was decided where it was not plain, in sentences. */
  notes: string[];
}

export interface DatasetProfile {
  rowCount: number;
  columns: ColumnSchema[];
}

/** What a user says of a column before the file is read; what is absent is found out. */
export interface ColumnCorrection extends Omit<ColumnReading, 'type'> {
  type?: ColumnType;
}

/**
 * These columns, but read by `others` where those have one of the same name: a file read by the schema of an earlier
 * one.
 */
export function readAs<T extends ColumnReading>(
  columns: readonly T[],
  others: readonly ColumnReading[],
): ColumnReading[] {
  const byName = new Map(others.map((reading) => [reading.name, reading]));
  return columns.map((column) => byName.get(column.name) ?? column);
}

/** The reading alone. */
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
