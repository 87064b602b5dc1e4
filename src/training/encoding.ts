import { type Column, categoryAt } from '../domain/tracking/dataset-column.js';
import type { TrainingConfig } from '../domain/training/training-config.js';
import { badInput } from '../errors.js';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;
/** 1970-01-01 was a Thursday; weekdays count from Monday. */
export const EPOCH_WEEKDAY = 3;

export interface NumericEncoding {
  column: string;
  /** Single precision, as in the exported graph, so that both scale to the same bits. */
  mean: number;
  inverseStd: number;
}

/** Indicators of one slot are [offset, offset + size); the last stands for a missing value. */
export type SlotEncoding = { column: string; offset: number; size: number } & (
  | { kind: 'CATEGORY'; /** Kept ones; the indicator after theirs stands for every other. */ categories: string[] }
  | { kind: 'HOUR' }
  | { kind: 'WEEKDAY' }
);

/** How a row of raw columns becomes numbers, learnt from the training rows alone. */
export interface Encoding {
  numeric: NumericEncoding[];
  slots: SlotEncoding[];
  indicatorCount: number;
}

export interface EncodedRows {
  rows: number;
  /** rows × numeric columns. */
  numeric: Float32Array;
  /** rows × slots. */
  indicators: Int32Array;
}

const HOURS = 24;
const WEEKDAYS = 7;

export function fitEncoding(config: TrainingConfig, columns: ReadonlyMap<string, Column>, train: Int32Array): Encoding {
  const encoding: Encoding = { numeric: [], slots: [], indicatorCount: 0 };
  config.features.forEach(({ column: name, kind }, i) => {
    const column = columns.get(name)!;
    const addSlot = (slot: { kind: 'CATEGORY'; categories: string[] } | { kind: 'HOUR' } | { kind: 'WEEKDAY' }, size: number): void => {
      encoding.slots.push({ ...slot, column: name, offset: encoding.indicatorCount, size });
      encoding.indicatorCount += size;
    };
    if (kind === 'NUMERIC') {
      encoding.numeric.push(fitNumeric(column, train, `config.features[${i}].column`));
    } else if (kind === 'CATEGORICAL') {
      const categories = frequentCategories(column, train, config.hyperparameters.maxCategories);
      addSlot({ kind: 'CATEGORY', categories }, categories.length + 2);
    } else {
      addSlot({ kind: 'HOUR' }, HOURS + 1);
      addSlot({ kind: 'WEEKDAY' }, WEEKDAYS + 1);
    }
  });
  return encoding;
}

/** A number as the model takes it in: single precision, infinities counting as missing. NaN if missing. */
function singlePrecision(value: number): number {
  const single = Math.fround(value);
  return Number.isFinite(single) ? single : Number.NaN;
}

function fitNumeric(column: Column, train: Int32Array, field: string): NumericEncoding {
  const values = column.values as Float64Array;
  let sum = 0;
  let count = 0;
  for (const row of train) {
    const value = singlePrecision(values[row]!);
    if (Number.isNaN(value)) continue;
    sum += value;
    count++;
  }
  if (count === 0) throw badInput(field, 'at least one value in the training rows', `${column.name} (all missing)`);
  const mean = sum / count;
  let squares = 0;
  for (const row of train) {
    const value = singlePrecision(values[row]!);
    if (!Number.isNaN(value)) squares += (value - mean) ** 2;
  }
  const inverseStd = Math.fround(1 / Math.sqrt(squares / count));
  return { column: column.name, mean: Math.fround(mean), inverseStd: Number.isFinite(inverseStd) ? inverseStd : 1 };
}

function frequentCategories(column: Column, train: Int32Array, maxCategories: number): string[] {
  const counts = new Map<string, number>();
  for (const row of train) {
    const category = categoryAt(column, row);
    if (category !== '') counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  const byFrequency = [...counts].sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1));
  return byFrequency.slice(0, maxCategories).map(([category]) => category);
}

export function encodeRows(encoding: Encoding, columns: ReadonlyMap<string, Column>, rows: Int32Array): EncodedRows {
  const width = encoding.numeric.length;
  const slots = encoding.slots.length;
  const numeric = new Float32Array(rows.length * width);
  encoding.numeric.forEach(({ column, mean, inverseStd }, position) => {
    const values = columns.get(column)!.values as Float64Array;
    for (let i = 0; i < rows.length; i++) {
      const value = singlePrecision(values[rows[i]!]!);
      numeric[i * width + position] = Number.isNaN(value) ? 0 : Math.fround(value - mean) * inverseStd;
    }
  });
  const indicators = new Int32Array(rows.length * slots);
  encoding.slots.forEach((slot, position) => {
    const indexAt = slotIndex(slot, columns.get(slot.column)!);
    for (let i = 0; i < rows.length; i++) indicators[i * slots + position] = slot.offset + indexAt(rows[i]!);
  });
  return { rows: rows.length, numeric, indicators };
}

function slotIndex(slot: SlotEncoding, column: Column): (row: number) => number {
  const missing = slot.size - 1;
  if (slot.kind === 'CATEGORY') {
    const known = new Map(slot.categories.map((category, index) => [category, index]));
    known.set('', missing);
    return (row) => known.get(categoryAt(column, row)) ?? slot.categories.length;
  }
  const values = column.values as Float64Array;
  if (slot.kind === 'HOUR') {
    return (row) => {
      const instant = values[row]!;
      return Number.isNaN(instant) ? missing : Math.floor(instant / HOUR_MS) - Math.floor(instant / DAY_MS) * HOURS;
    };
  }
  return (row) => {
    const instant = values[row]!;
    if (Number.isNaN(instant)) return missing;
    const weekday = (Math.floor(instant / DAY_MS) + EPOCH_WEEKDAY) % WEEKDAYS;
    return weekday < 0 ? weekday + WEEKDAYS : weekday;
  };
}
