/** Values per row, by column; null is a missing value. */
export type SliceColumns = Readonly<Record<string, readonly (string | null)[]>>;

export interface SliceReport {
  column: string;
  /** Null: the rows without a value. */
  value: string | null;
  rows: number;
  /** Defined metrics by name. */
  metrics: Record<string, number>;
}

export interface SlicesReport {
  /** By column in the given order, the largest slice first. */
  slices: SliceReport[];
  /** Slices that were left out, by column: they have too few rows, or exceed the number of slices shown. */
  omitted: { column: string; tooSmall: number; tooMany: number }[];
  minRows: number;
}

/** With fewer rows, metrics say little. */
const MIN_ROWS = 100;
const MAX_SLICES_PER_COLUMN = 20;

export function sliceRows(
  rowCount: number,
  columns: SliceColumns,
  measure: (rows: Int32Array) => Record<string, number>,
): SlicesReport {
  const report: SlicesReport = { slices: [], omitted: [], minRows: MIN_ROWS };
  for (const [column, values] of Object.entries(columns)) {
    const rowsOf = new Map<string | null, number[]>();
    for (let row = 0; row < rowCount; row++) {
      const value = values[row] ?? null;
      const rows = rowsOf.get(value);
      if (rows) rows.push(row);
      else rowsOf.set(value, [row]);
    }
    const large = [...rowsOf].filter(([, rows]) => rows.length >= MIN_ROWS).sort(([, a], [, b]) => b.length - a.length);
    for (const [value, rows] of large.slice(0, MAX_SLICES_PER_COLUMN)) {
      report.slices.push({ column, value, rows: rows.length, metrics: measure(Int32Array.from(rows)) });
    }
    const tooSmall = rowsOf.size - large.length;
    const tooMany = Math.max(0, large.length - MAX_SLICES_PER_COLUMN);
    if (tooSmall + tooMany > 0) report.omitted.push({ column, tooSmall, tooMany });
  }
  return report;
}
