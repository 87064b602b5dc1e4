import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { SeededRandom } from '../modules/statistics/index.js';
import {
  checkSplitSizes,
  type SplitSizes,
  splitSizes,
  type SplitConfig,
  type TrainingConfig,
  USUAL_PARTS,
} from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';

/** Indexes of rows. */
export interface Split {
  train: Int32Array;
  validation: Int32Array;
  holdout: Int32Array;
}

type ColumnSplit = Extract<SplitConfig, { by: 'COLUMN' }>;
type Part = keyof Split;
const PARTS = ['train', 'validation', 'holdout'] as const satisfies Part[];
/** Number of values that an error lists. */
const SHOWN_VALUES = 20;

/** `parts` is the column of a split by COLUMN. Errors: BAD_USER_INPUT, which names the field. */
export function splitRows(
  config: TrainingConfig,
  rows: number,
  parts: Column | undefined,
): { split: Split; leftOut: number } {
  const { split: by, seed } = config;
  if (by.by === 'COLUMN' && parts) {
    const split = columnSplit(by, rows, parts, seed);
    checkSplitSizes(config, {
      train: split.train.length,
      validation: split.validation.length,
      holdout: split.holdout.length,
    });
    return { split, leftOut: rows - split.train.length - split.validation.length - split.holdout.length };
  }
  if (by.by === 'COLUMN') throw new Error('A split by a column needs the column.');
  const sizes = splitSizes(by, rows);
  checkSplitSizes(config, sizes);
  return { split: by.by === 'TIME' ? orderedSplit(sizes) : shuffledSplit(sizes, seed), leftOut: 0 };
}

function orderedSplit({ train, validation, holdout }: SplitSizes): Split {
  const range = (from: number, length: number): Int32Array => Int32Array.from({ length }, (_, i) => from + i);
  return { train: range(0, train), validation: range(train, validation), holdout: range(train + validation, holdout) };
}

function shuffledSplit(sizes: SplitSizes, seed: number): Split {
  const rows = Int32Array.from({ length: sizes.train + sizes.validation + sizes.holdout }, (_, i) => i);
  shuffle(rows, new SeededRandom(seed));
  const { train, validation } = sizes;
  return {
    train: rows.slice(0, train).sort(),
    validation: rows.slice(train, train + validation).sort(),
    holdout: rows.slice(train + validation).sort(),
  };
}

function columnSplit(split: ColumnSplit, rows: number, column: Column, seed: number): Split {
  const found = new Set<string>();
  for (let row = 0; row < rows; row++) found.add(categoryAt(column, row));
  const { partOf, others } = partsByValue(split, found);
  const lists: Record<Part, number[]> = { train: [], validation: [], holdout: [] };
  for (let row = 0; row < rows; row++) {
    const part = partOf.get(categoryAt(column, row)) ?? others;
    if (part !== undefined) lists[part].push(row);
  }
  const whole = {
    train: Int32Array.from(lists.train),
    validation: Int32Array.from(lists.validation),
    holdout: Int32Array.from(lists.holdout),
  };
  if (whole.validation.length > 0) return whole;
  const shuffled = whole.train.slice();
  shuffle(shuffled, new SeededRandom(seed));
  const watched = Math.round(shuffled.length * split.validation);
  return {
    train: shuffled.slice(watched).sort(),
    validation: shuffled.slice(0, watched).sort(),
    holdout: whole.holdout,
  };
}

/** The part of each value of the column; `others` is that of all other values. Errors: BAD_USER_INPUT. */
export function partsByValue(
  { column, values }: ColumnSplit,
  found: ReadonlySet<string>,
): { partOf: Map<string, Part>; others: Part | undefined } {
  return {
    partOf: values ? givenParts(values, found, column) : usualParts(found, column),
    // Rows whose value names no part are training rows, unless the split names the values of training rows.
    others: values && !values.train ? 'train' : undefined,
  };
}

function givenParts(
  values: NonNullable<ColumnSplit['values']>,
  found: ReadonlySet<string>,
  column: string,
): Map<string, Part> {
  const partOf = new Map<string, Part>();
  for (const part of PARTS) {
    values[part]?.forEach((value, i) => {
      if (!found.has(value))
        throw badInput(`config.split.values.${part}[${i}]`, `a value of ${column} (${listed(found)})`, value);
      partOf.set(value, part);
    });
  }
  return partOf;
}

function usualParts(found: ReadonlySet<string>, column: string): Map<string, Part> {
  const partOf = new Map<string, Part>();
  for (const value of found) {
    const part = PARTS.find((one) => USUAL_PARTS[one].some((name) => name === value.trim().toLowerCase()));
    if (part) partOf.set(value, part);
  }
  const has = (part: Part): boolean => [...partOf.values()].includes(part);
  if (has('train') && has('holdout')) return partOf;
  const expected = `values that say which rows are the holdout, as ${column} does not hold "train" and "test" (or "holdout")`;
  throw badInput('config.split.values', expected, listed(found));
}

function listed(found: ReadonlySet<string>): string {
  const values = [...found].sort();
  return `${values.slice(0, SHOWN_VALUES).join(', ')}${values.length > SHOWN_VALUES ? ', …' : ''}`;
}

/** All these rows, ascending. */
export function mergeRows(...parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

export function allRows({ train, validation, holdout }: Split): Int32Array {
  return mergeRows(train, validation, holdout);
}

/** Fisher–Yates, in place. */
export function shuffle(values: Int32Array, random: SeededRandom): void {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = values[i]!;
    values[i] = values[j]!;
    values[j] = held;
  }
}
