import { AppError, ErrorCode, quote } from '../../errors.js';
import type { Signature, Tensor, TensorData, TensorSpec } from '../serving/tensor.js';

/** Numbers; booleans as 0 and 1; timestamps as epoch milliseconds (UTC). Missing is NaN. */
export interface NumberColumn {
  name: string;
  type: 'NUMBER' | 'BOOLEAN' | 'TIMESTAMP';
  values: Float64Array;
}

export interface TextColumn {
  name: string;
  type: 'STRING';
  values: (string | null)[];
}

/** A column of a dataset, in memory. */
export type Column = NumberColumn | TextColumn;

/** What stands for a missing timestamp in an INT64 tensor: 64-bit integers have no NaN. The smallest safe integer. */
export const MISSING_TIMESTAMP_MS = BigInt(Number.MIN_SAFE_INTEGER);

/** The value as a category's text; missing is the empty text. */
export function categoryAt(column: Column, row: number): string {
  if (column.type === 'STRING') return column.values[row] ?? '';
  const value = column.values[row]!;
  if (Number.isNaN(value)) return '';
  return column.type === 'BOOLEAN' ? String(value === 1) : String(value);
}

/** The column's values at these positions, in their order. */
export function takeRows(column: Column, rows: Int32Array): Column {
  // Plain loops: `from` with a function is several times slower, and there may be millions of rows.
  if (column.type === 'STRING') {
    const values = new Array<string | null>(rows.length);
    for (let i = 0; i < rows.length; i++) values[i] = column.values[rows[i]!]!;
    return { ...column, values };
  }
  const values = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) values[i] = column.values[rows[i]!]!;
  return { ...column, values };
}

/**
 * One tensor per input of the model from the columns of the same names.
 * Errors: INVALID_TENSOR for an input without a column, text where numbers are wanted, more than one element per row.
 */
export function toTensors(columns: ReadonlyMap<string, Column>, signature: Signature): Tensor[] {
  return signature.inputs.map((spec) => {
    const column = columns.get(spec.name);
    if (!column) throw mismatch(spec, `a column of that name among ${[...columns.keys()].join(', ')}`, 'none');
    const inner = spec.shape.slice(1).reduce((product, dimension) => product * dimension, 1);
    if (inner !== 1) throw mismatch(spec, 'one element per row', `shape ${quote(spec.shape)}`);
    const rows = column.values.length;
    return { name: spec.name, datatype: spec.datatype, shape: [rows, ...spec.shape.slice(1)], data: tensorData(spec, column) };
  });
}

function tensorData(spec: TensorSpec, column: Column): TensorData {
  if (spec.datatype === 'BYTES') return Array.from({ length: column.values.length }, (_, row) => categoryAt(column, row));
  if (column.type === 'STRING') throw mismatch(spec, `numbers (${spec.datatype})`, 'a column of text');
  const { values } = column;
  switch (spec.datatype) {
    case 'FP32':
      return Float32Array.from(values);
    case 'FP64':
      return Float64Array.from(values);
    case 'INT64':
      return BigInt64Array.from(values, (value) => wholeNumber(spec, value));
    case 'INT32':
      return Int32Array.from(values);
    case 'INT16':
      return Int16Array.from(values);
    case 'INT8':
      return Int8Array.from(values);
    case 'UINT8':
    case 'BOOL':
      return Uint8Array.from(values);
  }
}

function wholeNumber(spec: TensorSpec, value: number): bigint {
  if (Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (spec.semantic === 'TIMESTAMP_MS') return MISSING_TIMESTAMP_MS;
  throw mismatch(spec, 'an integer in every row', 'a missing value');
}

function mismatch(spec: TensorSpec, expected: string, got: string): AppError {
  return new AppError(ErrorCode.INVALID_TENSOR, `${spec.name}: expected ${expected}, got ${got}.`, { field: spec.name, expected, got });
}
