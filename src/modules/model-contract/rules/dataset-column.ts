import { AppError, ErrorCode, quote } from '../../../errors.js';
import { storeValue } from './element.js';
import { columnNames, rowShape } from './input-columns.js';
import type { Signature, Tensor, TensorData, TensorSpec } from './tensor.js';
import { allocate, invalidValue } from './tensor-check.js';

/** Numbers; booleans are 0 and 1; timestamps are milliseconds since 1970 (UTC). NaN is a missing value. */
export interface NumberColumn {
  name: string;
  type: 'NUMBER' | 'BOOLEAN' | 'TIMESTAMP';
  values: Float64Array;
  /** The same values as categories, as the file spells them; absent when not requested. */
  texts?: (string | null)[];
}

export interface TextColumn {
  name: string;
  type: 'STRING';
  values: (string | null)[];
}

/** A column of a dataset, in memory. */
export type Column = NumberColumn | TextColumn;

/** The value as a category's text, as the file spells it when that was read. A missing value is the empty text. */
export function categoryAt(column: Column, row: number): string {
  if (column.type === 'STRING') return column.values[row] ?? '';
  if (column.texts) return column.texts[row] ?? '';
  const value = column.values[row]!;
  if (Number.isNaN(value)) return '';
  return column.type === 'BOOLEAN' ? String(value === 1) : String(value);
}

/** The column's values at these indexes, in their order. */
export function takeRows(column: Column, rows: Int32Array): Column {
  // Plain loops: `from` with a function is several times slower, and there may be millions of rows.
  if (column.type === 'STRING') return { ...column, values: takeTexts(column.values, rows) };
  const values = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) values[i] = column.values[rows[i]!]!;
  return { ...column, values, ...(column.texts && { texts: takeTexts(column.texts, rows) }) };
}

/** The values of columns of the same name, one after the other. */
export function joinColumns(parts: readonly Column[]): Column {
  const [first, ...others] = parts;
  if (!first) throw new Error('There are no columns to join.');
  if (others.length === 0) return first;
  if (first.type === 'STRING') return { ...first, values: parts.flatMap(({ values }) => values as (string | null)[]) };
  const values = new Float64Array(parts.reduce((sum, part) => sum + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.values as Float64Array, at);
    at += part.values.length;
  }
  const texts = parts.flatMap((part) => (part as NumberColumn).texts ?? []);
  return { ...first, values, ...(first.texts && { texts }) };
}

function takeTexts(texts: (string | null)[], rows: Int32Array): (string | null)[] {
  const taken = new Array<string | null>(rows.length);
  for (let i = 0; i < rows.length; i++) taken[i] = texts[rows[i]!]!;
  return taken;
}

/**
 * Makes one tensor per input of the model from the columns that fill it: those that the signature names, or the one
 * with the input's own name. `rowNumbers` are the indexes of the rows in their file. They are used in errors, which
 * count rows from 1 without the header; when absent, the indexes among these rows are used. Errors: INVALID_TENSOR for
 * an input without its columns, and for every value that a request would be refused for; it names row and column.
 */
export function toTensors(
  columns: ReadonlyMap<string, Column>,
  signature: Signature,
  rowNumbers?: Float64Array,
): Tensor[] {
  return signature.inputs.map((spec) => {
    const names = columnNames(spec);
    if (!names)
      throw mismatch(spec.name, 'columns for the values of a row', `shape ${quote(spec.shape)} and no mapping`);
    const sources = names.map((name, element) => {
      const column = columns.get(name);
      if (!column) throw mismatch(name, `a column of that name among ${[...columns.keys()].join(', ')}`, 'none');
      return tensorData(spec, element, column, rowNumbers);
    });
    const rows = sources[0]?.length ?? 0;
    return {
      name: spec.name,
      datatype: spec.datatype,
      shape: [rows, ...rowShape(spec)],
      data: interleaved(spec, sources, rows),
    };
  });
}

/** The elements of the columns, row by row. */
function interleaved({ datatype }: TensorSpec, sources: readonly TensorData[], rows: number): TensorData {
  if (sources.length === 1) return sources[0]!;
  const data = allocate(datatype, rows * sources.length);
  sources.forEach((source, offset) => {
    for (let row = 0; row < rows; row++) data[row * sources.length + offset] = source[row]!;
  });
  return data;
}

function tensorData(
  spec: TensorSpec,
  element: number,
  column: Column,
  rowNumbers: Float64Array | undefined,
): TensorData {
  const rows = column.values.length;
  if (spec.datatype === 'BYTES') return Array.from({ length: rows }, (_, row) => categoryAt(column, row));
  const data = allocate(spec.datatype, rows);
  // Tries all values at once first: there may be millions, and mostly all of them are valid.
  if (
    (data instanceof Float32Array || data instanceof Float64Array) &&
    column.type === 'NUMBER' &&
    spec.semantic !== 'TIMESTAMP_MS'
  ) {
    data.set(column.values);
    if (data.every(Number.isFinite)) return data;
  }
  for (let row = 0; row < rows; row++) {
    const value = valueAt(spec, column, row);
    const expected = storeValue(data, row, spec, element, value);
    if (expected !== null)
      throw invalidValue(`Column ${column.name}, row ${(rowNumbers?.[row] ?? row) + 1}`, expected, value);
  }
  return data;
}

/** The value as a request would give it. An infinite number counts as missing, as everywhere in a dataset. */
function valueAt({ datatype }: TensorSpec, column: Column, row: number): string | number | boolean | null {
  if (column.type === 'STRING') return column.values[row] ?? null;
  const value = column.values[row]!;
  if (!Number.isFinite(value)) return null;
  // The text has the digits that double precision has lost.
  if (datatype === 'INT64' && column.texts && Number.isInteger(value) && !Number.isSafeInteger(value))
    return column.texts[row] ?? null;
  return column.type === 'BOOLEAN' ? value === 1 : value;
}

function mismatch(field: string, expected: string, got: string): AppError {
  return new AppError(ErrorCode.INVALID_TENSOR, `${field}: expected ${expected}, got ${got}.`, {
    field,
    expected,
    got,
  });
}
