import { type Column, categoryAt } from '../modules/model-contract/index.js';
import { civilDate, type CyclePart, cyclePartOf, cycleTable, DAY_MS, dayOf } from '../modules/algorithms/index.js';
import { type TextEncoding, TextWriter } from './text-terms.js';

/** A number as (value − mean) · inverseStd; a missing one is replaced by `fill`. */
export interface ScaledColumn {
  kind: 'COLUMN';
  column: string;
  /**
   * FP64 when single precision would lose differences between values, e.g. one million and some tenths, or seconds
   * since 1970.
   */
  precision: 'FP32' | 'FP64';
  /** The median of the training rows. */
  fill: number;
  mean: number;
  inverseStd: number;
}

/**
 * A number from a timestamp, scaled in double precision; a missing one is replaced by the mean. AGE is in days since
 * 1970-01-01.
 */
export interface TimeNumber {
  kind: 'YEAR' | 'AGE';
  column: string;
  mean: number;
  inverseStd: number;
}

/** Sine and cosine of a repeating part: two numbers, both zero for a missing timestamp. */
export interface TimeCycle {
  kind: 'CYCLE';
  column: string;
  part: CyclePart;
}

/** The terms of a text; zeros for a missing one. */
export interface TextColumn {
  kind: 'TEXT';
  column: string;
  text: TextEncoding;
}

export type NumericEncoding = ScaledColumn | TimeNumber | TimeCycle | TextColumn;

/** The indicators of one slot are [offset, offset + size); the last one means "missing". */
export type SlotEncoding = { column: string; offset: number; size: number } & (
  | {
      kind: 'CATEGORY';
      /** The kept categories; the indicator after them means any other category. */ categories: string[];
    }
  | { kind: 'TIME'; part: CyclePart }
);

/** A category that becomes `width` learnt numbers. Its index begins at 0, because it has a table of its own. */
export type EmbeddedSlot = Extract<SlotEncoding, { kind: 'CATEGORY' }> & { width: number };

/** How a row of raw columns becomes numbers. It is fitted only on the training rows. */
export interface Encoding {
  numeric: NumericEncoding[];
  /** Numbers per row; a cycle has two, a text one for each term. */
  numericWidth: number;
  slots: SlotEncoding[];
  indicatorCount: number;
  embedded: EmbeddedSlot[];
}

export interface EncodedRows {
  rows: number;
  /** rows × numericWidth. */
  numeric: Float32Array;
  /** rows × slots. */
  indicators: Int32Array;
  /** rows × embedded slots. */
  embedded: Int32Array;
}

export function widthOf(part: NumericEncoding): number {
  if (part.kind === 'TEXT') return part.text.terms.length;
  return part.kind === 'CYCLE' ? 2 : 1;
}

export function encodeRows(encoding: Encoding, columns: ReadonlyMap<string, Column>, rows: Int32Array): EncodedRows {
  const width = encoding.numericWidth;
  const numeric = new Float32Array(rows.length * width);
  let position = 0;
  for (const part of encoding.numeric) {
    const column = columns.get(part.column)!;
    if (part.kind === 'TEXT') writeTexts(part, column, rows, numeric, position, width);
    else writeNumbers(part, column.values as Float64Array, rows, numeric, position, width);
    position += widthOf(part);
  }
  const indicators = indicesOf(encoding.slots, columns, rows);
  const embedded = indicesOf(encoding.embedded, columns, rows);
  return { rows: rows.length, numeric, indicators, embedded };
}

/** rows × slots. */
function indicesOf(slots: readonly SlotEncoding[], columns: ReadonlyMap<string, Column>, rows: Int32Array): Int32Array {
  const indices = new Int32Array(rows.length * slots.length);
  slots.forEach((slot, at) => {
    const indexAt = slotIndex(slot, columns.get(slot.column)!);
    for (let i = 0; i < rows.length; i++) indices[i * slots.length + at] = slot.offset + indexAt(rows[i]!);
  });
  return indices;
}

function writeTexts(
  { text }: TextColumn,
  column: Column,
  rows: Int32Array,
  numeric: Float32Array,
  position: number,
  width: number,
): void {
  const writer = new TextWriter(text);
  rows.forEach((row, i) => writer.write(categoryAt(column, row), numeric, i * width + position));
}

function writeNumbers(
  part: Exclude<NumericEncoding, TextColumn>,
  values: Float64Array,
  rows: Int32Array,
  numeric: Float32Array,
  position: number,
  width: number,
): void {
  if (part.kind === 'CYCLE') {
    const table = cycleTable(part.part);
    for (let i = 0; i < rows.length; i++) {
      const instant = Math.trunc(values[rows[i]!]!);
      if (Number.isNaN(instant)) continue;
      const step = cyclePartOf(part.part, instant);
      numeric[i * width + position] = table[step * 2]!;
      numeric[i * width + position + 1] = table[step * 2 + 1]!;
    }
    return;
  }
  const { mean, inverseStd } = part;
  if (part.kind === 'COLUMN') {
    const { fill, precision } = part;
    const single = precision === 'FP32';
    for (let i = 0; i < rows.length; i++) {
      const value = asTaken(values[rows[i]!]!, precision);
      const difference = (Number.isNaN(value) ? fill : value) - mean;
      numeric[i * width + position] = (single ? Math.fround(difference) : difference) * inverseStd;
    }
    return;
  }
  for (let i = 0; i < rows.length; i++) {
    const instant = Math.trunc(values[rows[i]!]!);
    if (!Number.isNaN(instant)) numeric[i * width + position] = (timeNumber(part.kind, instant) - mean) * inverseStd;
  }
}

/** A number as the model reads it; infinities count as missing. NaN when missing. */
export function asTaken(value: number, precision: ScaledColumn['precision']): number {
  const taken = precision === 'FP32' ? Math.fround(value) : value;
  return Number.isFinite(taken) ? taken : Number.NaN;
}

export function timeNumber(kind: TimeNumber['kind'], instantMs: number): number {
  return kind === 'AGE' ? instantMs / DAY_MS : civilDate(dayOf(instantMs)).year;
}

function slotIndex(slot: SlotEncoding, column: Column): (row: number) => number {
  const missing = slot.size - 1;
  if (slot.kind === 'CATEGORY') {
    const known = new Map(slot.categories.map((category, index) => [category, index]));
    known.set('', missing);
    return (row) => known.get(categoryAt(column, row)) ?? slot.categories.length;
  }
  const values = column.values as Float64Array;
  return (row) => {
    const instant = Math.trunc(values[row]!);
    return Number.isNaN(instant) ? missing : cyclePartOf(slot.part, instant);
  };
}
