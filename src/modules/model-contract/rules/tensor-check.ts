import { AppError, ErrorCode, quote } from '../../../errors.js';
import { storeElement, storeValue, takesMissing } from './element.js';
import { columnNames, elementsPerRow, rowShape } from './input-columns.js';
import type { Datatype, Signature, Tensor, TensorData, TensorSpec } from './tensor.js';

export interface TensorLimits {
  /** The maximum number of rows of one request. */
  maxRows: number;
}

/** A value of a row in an answer; integers beyond 2^53 are texts of digits. */
type PlainValue = number | string | boolean;

const MAX_SHOWN_CHARACTERS = 200;

function invalid(field: string, expected: string, got: unknown): AppError {
  const shown =
    typeof got === 'string' && got.length <= MAX_SHOWN_CHARACTERS
      ? got
      : quote(typeof got === 'number' && !Number.isFinite(got) ? String(got) : got);
  return new AppError(ErrorCode.INVALID_TENSOR, `${field}: expected ${expected}, got ${shown}.`, {
    field,
    expected,
    got: shown,
  });
}

/** The error for a value that is not allowed. Texts are quoted, so that "7" does not look like 7. */
export function invalidValue(field: string, expected: string, value: unknown): AppError {
  const got = quote(typeof value === 'number' && !Number.isFinite(value) ? String(value) : value);
  return new AppError(ErrorCode.INVALID_TENSOR, `${field}: expected ${expected}, got ${got}.`, {
    field,
    expected,
    got,
  });
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function showShape(shape: readonly number[]): string {
  return `[${shape.map((dimension) => (dimension === -1 ? 'any' : dimension)).join(', ')}]`;
}

function isOfDatatype(data: TensorData, datatype: Datatype): boolean {
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return data instanceof Uint8Array;
    case 'INT8':
      return data instanceof Int8Array;
    case 'INT16':
      return data instanceof Int16Array;
    case 'INT32':
      return data instanceof Int32Array;
    case 'INT64':
      return data instanceof BigInt64Array;
    case 'FP32':
      return data instanceof Float32Array;
    case 'FP64':
      return data instanceof Float64Array;
    case 'BYTES':
      return Array.isArray(data) && data.every((value) => typeof value === 'string');
  }
}

/** A zeroed buffer for `length` elements. */
export function allocate(datatype: Datatype, length: number): TensorData {
  switch (datatype) {
    case 'BOOL':
    case 'UINT8':
      return new Uint8Array(length);
    case 'INT8':
      return new Int8Array(length);
    case 'INT16':
      return new Int16Array(length);
    case 'INT32':
      return new Int32Array(length);
    case 'INT64':
      return new BigInt64Array(length);
    case 'FP32':
      return new Float32Array(length);
    case 'FP64':
      return new Float64Array(length);
    case 'BYTES':
      return new Array<string>(length).fill('');
  }
}

/**
 * The runtime accepts NaN silently: it means "missing" when the model handles missing values, and is an error anywhere
 * else. Infinity is always an error.
 */
function checkFinite(field: string, spec: TensorSpec, data: Float32Array | Float64Array): void {
  const nanAllowed = takesMissing(spec);
  for (let index = 0; index < data.length; index += 1) {
    const value = data[index]!;
    if (!Number.isFinite(value) && !(nanAllowed && Number.isNaN(value))) {
      throw invalid(
        `${field}[${index}]`,
        nanAllowed ? 'a finite number, or NaN for a missing value' : 'a finite number',
        value,
      );
    }
  }
}

function checkShape(field: string, spec: TensorSpec, shape: readonly number[]): void {
  if (shape.length !== spec.shape.length) {
    throw invalid(
      field,
      `rank ${spec.shape.length}, shape ${showShape(spec.shape)}`,
      `rank ${shape.length}, shape ${showShape(shape)}`,
    );
  }
  shape.forEach((dimension, axis) => {
    if (!Number.isSafeInteger(dimension) || dimension < 1)
      throw invalid(`${field}[${axis}]`, 'a dimension of at least 1', dimension);
    const wanted = spec.shape[axis]!;
    if (wanted !== -1 && wanted !== dimension)
      throw invalid(`${field}[${axis}]`, `${wanted} of shape ${showShape(spec.shape)}`, dimension);
  });
}

/**
 * Checks the inputs of a request against the model's signature. The runtime would ignore extra inputs and accept NaN.
 * Errors: INVALID_TENSOR with the field (`inputs[1].shape[0]`), what was expected and what was given.
 */
export function checkTensors(signature: Signature, tensors: readonly Tensor[], limits: TensorLimits): { rows: number } {
  const specs = new Map(signature.inputs.map((spec) => [spec.name, spec]));
  const seen = new Set<string>();
  let rows: number | undefined;
  tensors.forEach((tensor, index) => {
    const field = `inputs[${index}]`;
    const spec = specs.get(tensor.name);
    if (!spec)
      throw invalidValue(`${field}.name`, `one of the model's inputs ${quote([...specs.keys()])}`, tensor.name);
    if (seen.has(tensor.name)) throw invalidValue(`${field}.name`, 'each input once', tensor.name);
    seen.add(tensor.name);
    if (tensor.datatype !== spec.datatype) throw invalid(`${field}.datatype`, spec.datatype, tensor.datatype);
    checkShape(`${field}.shape`, spec, tensor.shape);
    const own = tensor.shape[0] ?? 1;
    if (own > limits.maxRows) throw invalid(`${field}.shape[0]`, `at most ${limits.maxRows} rows`, own);
    if (rows !== undefined && rows !== own)
      throw invalid(`${field}.shape[0]`, `${rows} rows, as the other inputs have`, own);
    rows = own;
    if (!isOfDatatype(tensor.data, tensor.datatype))
      throw invalid(`${field}.data`, `${tensor.datatype} elements`, tensor.data.constructor.name);
    const wanted = elementsOf(tensor.shape);
    if (tensor.data.length !== wanted)
      throw invalid(`${field}.data`, `${wanted} elements for shape ${showShape(tensor.shape)}`, tensor.data.length);
    if (tensor.data instanceof Float32Array || tensor.data instanceof Float64Array)
      checkFinite(`${field}.data`, spec, tensor.data);
  });
  for (const spec of signature.inputs) {
    if (!seen.has(spec.name))
      throw invalid(
        'inputs',
        `input ${quote(spec.name)} (${spec.datatype} ${showShape(spec.shape)})`,
        'none of that name',
      );
  }
  return { rows: rows ?? 1 };
}

/**
 * Makes a tensor from plain values in row-major order, as JSON and GraphQL carry them. Errors: INVALID_TENSOR, which
 * names `<field>[7]`: a wrong kind of value, or an integer outside of the datatype's range or beyond 2^53.
 */
export function tensorFromValues(
  field: string,
  name: string,
  datatype: Datatype,
  shape: number[],
  values: readonly unknown[],
): Tensor {
  const data = allocate(datatype, values.length);
  const isRead = (data instanceof Float32Array || data instanceof Float64Array) && readFloats(data, values);
  if (!isRead) {
    values.forEach((value, index) => {
      const expected = storeElement(data, index, datatype, value);
      if (expected !== null) throw invalidValue(`${field}[${index}]`, expected, value);
    });
  }
  return { name, datatype, shape, data };
}

/** Reads all values at once, without a name for each that could be wrong; false when one is wrong. */
function readFloats(data: Float32Array | Float64Array, values: readonly unknown[]): boolean {
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (typeof value !== 'number') return false;
    data[index] = value;
    if (!Number.isFinite(data[index]) && Number.isFinite(value)) return false;
  }
  return true;
}

const knownNames = new WeakMap<Signature, ReadonlySet<string>>();

/** The names that a row may use. Cached, because every request asks for them. */
function namesOf(signature: Signature): ReadonlySet<string> {
  let names = knownNames.get(signature);
  if (!names) {
    names = new Set(signature.inputs.flatMap((spec) => [...(columnNames(spec) ?? []), spec.name]));
    knownNames.set(signature, names);
  }
  return names;
}

function checkKeys(index: number, row: Record<string, unknown>, names: ReadonlySet<string>): void {
  for (const key of Object.keys(row)) {
    if (!names.has(key))
      throw invalidValue(`rows[${index}].${key}`, `one of the model's inputs ${quote([...names])}`, key);
  }
}

/**
 * Turns named rows into one tensor per input. A row names the columns of each input, or the input itself with a flat
 * array of its elements. NUMERIC: number or null (missing, NaN); CATEGORICAL: string, number, boolean or null (missing,
 * ''); TIMESTAMP_MS: ISO 8601 text, integer or null. Errors: INVALID_TENSOR, which names `rows[3].distance`.
 */
export function rowsToTensors(
  signature: Signature,
  rows: readonly Record<string, unknown>[],
  limits: TensorLimits,
): Tensor[] {
  if (rows.length === 0) throw invalid('rows', 'at least one row', rows.length);
  if (rows.length > limits.maxRows) throw invalid('rows', `at most ${limits.maxRows} rows`, rows.length);
  const names = namesOf(signature);
  rows.forEach((row, index) => {
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw invalid(`rows[${index}]`, 'an object of column values', row);
    checkKeys(index, row, names);
  });
  return signature.inputs.map((spec) => {
    const perRow = elementsPerRow(spec);
    if (perRow === null)
      throw invalid(
        `rows[].${spec.name}`,
        `typed tensors, for its shape ${showShape(spec.shape)} is not fixed`,
        'named rows',
      );
    const data = allocate(spec.datatype, rows.length * perRow);
    rows.forEach((row, index) => {
      if (spec.columns && !Array.isArray(row[spec.name])) fillFromColumns(data, index, spec, row);
      else fillFromArray(data, index, spec, row, perRow);
    });
    return { name: spec.name, datatype: spec.datatype, shape: [rows.length, ...rowShape(spec)], data };
  });
}

function fillFromColumns(data: TensorData, index: number, spec: TensorSpec, row: Record<string, unknown>): void {
  const columns = spec.columns ?? [];
  for (let element = 0; element < columns.length; element++) {
    const { name } = columns[element]!;
    const value = ownValue(row, name);
    if (value === undefined) throw invalid(`rows[${index}].${name}`, 'a value', 'nothing');
    const expected = storeValue(data, index * columns.length + element, spec, element, value);
    if (expected !== null) throw invalidValue(`rows[${index}].${name}`, expected, value);
  }
}

/** The value under the input's own name: a single value, or a flat array of all elements. */
function fillFromArray(
  data: TensorData,
  index: number,
  spec: TensorSpec,
  row: Record<string, unknown>,
  perRow: number,
): void {
  const value = ownValue(row, spec.name);
  const field = (): string => `rows[${index}].${spec.name}`;
  if (value === undefined) throw invalid(field(), 'a value', 'nothing');
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.length !== perRow) throw invalid(field(), `${perRow} value${perRow === 1 ? '' : 's'}`, `${values.length}`);
  for (let element = 0; element < perRow; element++) {
    const expected = storeValue(data, index * perRow + element, spec, element, values[element]);
    if (expected !== null)
      throw invalidValue(Array.isArray(value) ? `${field()}[${element}]` : field(), expected, values[element]);
  }
}

/** `constructor` may be the name of a column: inherited properties do not count. */
function ownValue(row: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(row, name) ? row[name] : undefined;
}

/** The elements of a tensor for JSON; 64-bit integers become numbers, or texts of digits beyond 2^53. */
export function plainValues(tensor: Tensor): PlainValue[] {
  if (tensor.data instanceof BigInt64Array) {
    return Array.from(tensor.data, (value) => (BigInt.asIntN(54, value) === value ? Number(value) : value.toString()));
  }
  if (tensor.datatype === 'BOOL') return Array.from(tensor.data as Uint8Array, (value) => value !== 0);
  return Array.from(tensor.data as ArrayLike<number | string>);
}

/**
 * Tensors whose first dimension is the batch, as one object per row. An output with more than one element per row is a
 * flat array.
 */
export function tensorsToRows(tensors: readonly Tensor[]): Record<string, PlainValue | PlainValue[]>[] {
  const count = tensors[0]?.shape[0] ?? 0;
  const columns = tensors.map((tensor) => ({
    name: tensor.name,
    perRow: elementsOf(tensor.shape.slice(1)),
    values: plainValues(tensor),
  }));
  return Array.from({ length: count }, (_, row) =>
    Object.fromEntries(
      columns.map(({ name, perRow, values }) => [
        name,
        perRow === 1 ? values[row]! : values.slice(row * perRow, (row + 1) * perRow),
      ]),
    ),
  );
}
