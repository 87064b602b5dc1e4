import { type Categories, categoriesOf } from './categories.js';
import type { Datatype, TensorData, TensorSpec } from './tensor.js';

/**
 * The value of a missing timestamp in an INT64 tensor, because 64-bit integers have no NaN: the smallest safe integer.
 */
export const MISSING_TIMESTAMP_MS = BigInt(Number.MIN_SAFE_INTEGER);

const INTEGER_RANGE: Partial<Record<Datatype, [number, number]>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  INT64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT8: [0, 255],
};

const ISO_TIMESTAMP = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;
const DECIMAL_INTEGER = /^-?\d{1,19}$/;

/** Stores a value in a tensor. Returns null, or what was expected when the value does not fit. */
export function storeElement(data: TensorData, index: number, datatype: Datatype, value: unknown): string | null {
  switch (datatype) {
    case 'BYTES':
      if (typeof value !== 'string') return 'a string';
      (data as string[])[index] = value;
      return null;
    case 'BOOL':
      if (value !== true && value !== false && value !== 0 && value !== 1) return 'true or false';
      (data as Uint8Array)[index] = value === true || value === 1 ? 1 : 0;
      return null;
    case 'FP32':
    case 'FP64': {
      if (typeof value !== 'number') return 'a number';
      const stored = datatype === 'FP32' ? Math.fround(value) : value;
      if (Number.isFinite(value) && !Number.isFinite(stored)) return 'a number that fits 32-bit floating point';
      (data as Float32Array | Float64Array)[index] = stored;
      return null;
    }
    default: {
      const [min, max] = INTEGER_RANGE[datatype]!;
      if (datatype === 'INT64') {
        const whole = wholeNumber(value);
        if (whole === null)
          return `an integer from ${min} to ${max} (${datatype}), or beyond in decimal digits as text`;
        (data as BigInt64Array)[index] = whole;
        return null;
      }
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
        return `an integer from ${min} to ${max} (${datatype})`;
      (data as Int32Array)[index] = value;
      return null;
    }
  }
}

/**
 * A 64-bit integer without rounding: a number up to 2^53 - 1, or a text of digits, which is accepted only beyond that.
 */
function wholeNumber(value: unknown): bigint | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null;
  const whole = typeof value === 'string' && DECIMAL_INTEGER.test(value) ? BigInt(value) : value;
  if (typeof whole !== 'bigint' || BigInt.asIntN(64, whole) !== whole) return null;
  return typeof value === 'bigint' || !Number.isSafeInteger(Number(whole)) ? whole : null;
}

/**
 * Stores one plain value of a named row, or of a dataset's column, in an input. Rows and datasets use this one rule, so
 * that both refuse the same values. Null is a missing value, if the input accepts one. The result is that of
 * `storeElement`.
 */
export function storeValue(
  data: TensorData,
  index: number,
  spec: TensorSpec,
  column: number,
  value: unknown,
): string | null {
  if (spec.datatype === 'BYTES') {
    return storeCategory(data as string[], index, categoriesOf(spec, column), value);
  }
  if (spec.semantic === undefined && typeof value === 'string' && spec.columns?.[column]?.type === 'TIMESTAMP') {
    const instant = timestampMs(value);
    if (instant === null) return 'an ISO 8601 timestamp or integer milliseconds since 1970 (UTC)';
    return storeElement(data, index, spec.datatype, spec.datatype === 'INT64' ? instant : Number(instant));
  }
  if (spec.semantic === 'TIMESTAMP_MS') {
    const instant = value === null ? MISSING_TIMESTAMP_MS : timestampMs(value);
    if (instant === null)
      return 'an ISO 8601 timestamp, integer milliseconds since 1970 (UTC), or null for a missing value';
    return storeElement(data, index, spec.datatype, spec.datatype === 'INT64' ? instant : Number(instant));
  }
  if (value === null && takesMissing(spec)) return storeElement(data, index, spec.datatype, Number.NaN);
  if (typeof value === 'number' && !Number.isFinite(value)) return expectedNumber(spec);
  if (typeof value === 'boolean' && spec.datatype !== 'BOOL')
    return storeElement(data, index, spec.datatype, value ? 1 : 0);
  const expected = storeElement(data, index, spec.datatype, value);
  return expected === 'a number' ? expectedNumber(spec) : expected;
}

/** NaN means "missing" when the model handles missing values, and is an error anywhere else. */
export function takesMissing({ datatype, semantic, acceptsMissing }: TensorSpec): boolean {
  return (datatype === 'FP32' || datatype === 'FP64') && (semantic === 'NUMERIC' || acceptsMissing === true);
}

/** The element for null in a tensor; null when the input accepts no missing value. */
export function missingElement(spec: TensorSpec): number | bigint | string | null {
  if (spec.datatype === 'BYTES') return '';
  if (spec.semantic === 'TIMESTAMP_MS' && spec.datatype === 'INT64') return MISSING_TIMESTAMP_MS;
  return takesMissing(spec) ? Number.NaN : null;
}

function expectedNumber(spec: TensorSpec): string {
  return takesMissing(spec)
    ? 'a finite number, or null for a missing value'
    : 'a finite number (the model takes no missing values there)';
}

function storeCategory(
  data: string[],
  index: number,
  categories: Categories | undefined,
  value: unknown,
): string | null {
  if (typeof value === 'string') {
    data[index] = categories?.isMissing(value) ? '' : value;
    return null;
  }
  if (value === null) {
    data[index] = '';
    return null;
  }
  if (typeof value !== 'number' && typeof value !== 'boolean') return 'a string, or null for a missing value';
  // A larger number has lost digits before it arrived, so the category is not known any more.
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'a category of so many digits as text';
  if (typeof value === 'number' && !Number.isFinite(value)) return 'a string, or null for a missing value';
  data[index] = categories ? categories.spelling(value) : String(value);
  return null;
}

/** Milliseconds since 1970 of an ISO 8601 text; a text without a time zone is UTC. */
function timestampMs(value: unknown): bigint | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : null;
  const match = typeof value === 'string' ? ISO_TIMESTAMP.exec(value) : null;
  if (!match) return null;
  const text = match[0].replace(' ', 'T');
  const parsed = Date.parse(text.length > 10 && !match[1] ? `${text}Z` : text);
  return Number.isNaN(parsed) ? null : BigInt(parsed);
}
