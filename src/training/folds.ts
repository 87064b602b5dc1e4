import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { SeededRandom } from '../modules/statistics/index.js';
import { type CrossValidation, type CrossValidationBy, tooManyFolds } from '../modules/algorithms/index.js';
import type { Target } from './port.js';
import { shuffle } from './split.js';

/** One fold, as indexes of rows. */
export interface Fold {
  /** Rows to learn from. */
  train: Int32Array;
  /** Rows that are measured. */
  validation: Int32Array;
}

export interface FoldRows {
  /** Indexes of the rows to divide, ascending. */
  rows: Int32Array;
  /** The column of the groups or times; undefined for folds that need none. */
  column: Column | undefined;
  target: Target | undefined;
}

/**
 * Divides rows into folds. Every row is validated once; by TIME, the earliest rows are only learnt from. Rows without
 * a group or a time are in no fold. Errors: BAD_USER_INPUT when there are more folds than rows, groups or members of a
 * class.
 */
export function makeFolds(
  { by, folds }: Pick<CrossValidation, 'by' | 'folds'>,
  { rows, column, target }: FoldRows,
  seed: number,
): { folds: Fold[]; leftOut: number } {
  switch (by) {
    case 'K_FOLD':
      return { folds: shuffledFolds(rows, folds, seed), leftOut: 0 };
    case 'STRATIFIED':
      return { folds: stratifiedFolds(rows, folds, target, seed), leftOut: 0 };
    case 'GROUPED': {
      const groups = groupsOf(rows, column);
      const used = sizeOf(groups.values());
      return { folds: groupedFolds(groups, folds, seed), leftOut: rows.length - used };
    }
    case 'TIME': {
      const times = timesOf(column);
      const used = rows.filter((row) => !Number.isNaN(times[row]!));
      return { folds: timeFolds(used, times, folds), leftOut: rows.length - used.length };
    }
  }
}

function shuffledFolds(rows: Int32Array, folds: number, seed: number): Fold[] {
  if (rows.length < folds) throw tooManyFolds(`${rows.length} rows outside the holdout`, folds);
  const shuffled = rows.slice();
  shuffle(shuffled, new SeededRandom(seed));
  const foldOf = foldNumbers(rows);
  // The first folds have one row more, if the rows are no multiple of the folds.
  shuffled.forEach((row, i) => (foldOf[row] = i % folds));
  return foldsBy(rows, folds, foldOf);
}

/** Deals the rows of one class after another, so that the folds differ by one row at most, in each class and in all. */
function stratifiedFolds(rows: Int32Array, folds: number, target: Target | undefined, seed: number): Fold[] {
  if (target?.kind !== 'CLASSES') throw new Error('Stratified folds need classes.');
  const members = new Map<number, number[]>();
  for (const row of rows) {
    const label = target.labels[row]!;
    const known = members.get(label);
    if (known) known.push(row);
    else members.set(label, [row]);
  }
  const random = new SeededRandom(seed);
  const foldOf = foldNumbers(rows);
  let next = 0;
  for (const label of [...members.keys()].sort((a, b) => a - b)) {
    const dealt = Int32Array.from(members.get(label)!);
    if (dealt.length < folds)
      throw tooManyFolds(`${dealt.length} rows of the class ${target.classes[label]} outside the holdout`, folds);
    shuffle(dealt, random);
    for (const row of dealt) foldOf[row] = next++ % folds;
  }
  return foldsBy(rows, folds, foldOf);
}

/** The largest groups first, each into the fold with the fewest rows; the seed decides between equal ones. */
function groupedFolds(groups: ReadonlyMap<string, Int32Array>, folds: number, seed: number): Fold[] {
  if (groups.size < folds) throw tooManyFolds(`${groups.size} groups outside the holdout`, folds);
  const used = rowsOf([...groups.values()]).sort();
  const foldOf = foldNumbers(used);
  const sizes = new Array<number>(folds).fill(0);
  for (const group of shuffledGroups(groups, seed).sort((a, b) => b.length - a.length)) {
    const lightest = sizes.indexOf(Math.min(...sizes));
    sizes[lightest]! += group.length;
    for (const row of group) foldOf[row] = lightest;
  }
  return foldsBy(used, folds, foldOf);
}

/** Each fold learns from all rows before its own; rows of the same time keep the order of the file. */
function timeFolds(rows: Int32Array, times: Float64Array, folds: number): Fold[] {
  const size = Math.floor(rows.length / (folds + 1));
  if (size < 1) throw tooManyFolds(`${rows.length} rows outside the holdout, less one`, folds);
  const ordered = inOrder(rows, times);
  return Array.from({ length: folds }, (_, fold) => {
    const from = rows.length - (folds - fold) * size;
    return { train: ordered.slice(0, from).sort(), validation: ordered.slice(from, from + size).sort() };
  });
}

/**
 * Takes rows out of those that a fold learns from, to watch the learning: the latest by TIME, whole groups when
 * GROUPED, otherwise at random. `share` is the wanted fraction.
 */
export function watchedRows(
  by: CrossValidationBy,
  train: Int32Array,
  column: Column | undefined,
  share: number,
  seed: number,
): { train: Int32Array; watched: Int32Array } {
  const wanted = Math.max(1, Math.round(train.length * share));
  const taken = takeWatched(by, train, column, wanted, seed);
  const isTaken = new Uint8Array(lengthOver(train));
  for (const row of taken) isTaken[row] = 1;
  return { train: train.filter((row) => isTaken[row] === 0), watched: taken.sort() };
}

function takeWatched(
  by: CrossValidationBy,
  train: Int32Array,
  column: Column | undefined,
  wanted: number,
  seed: number,
): Int32Array {
  if (by === 'TIME') return inOrder(train, timesOf(column)).slice(-wanted);
  if (by === 'GROUPED') {
    const taken: Int32Array[] = [];
    let count = 0;
    // One group stays with the rows to learn from.
    for (const group of shuffledGroups(groupsOf(train, column), seed).slice(1)) {
      if (count >= wanted) break;
      taken.push(group);
      count += group.length;
    }
    return rowsOf(taken);
  }
  const shuffled = train.slice();
  shuffle(shuffled, new SeededRandom(seed));
  return shuffled.slice(0, wanted);
}

/** A number of a fold for each row. A Map would end at 2^24 rows. */
function foldNumbers(rows: Int32Array): Uint8Array {
  return new Uint8Array(lengthOver(rows));
}

function lengthOver(rows: Int32Array): number {
  let length = 0;
  for (const row of rows) length = Math.max(length, row + 1);
  return length;
}

function foldsBy(rows: Int32Array, folds: number, foldOf: Uint8Array): Fold[] {
  return Array.from({ length: folds }, (_, fold) => ({
    train: rows.filter((row) => foldOf[row] !== fold),
    validation: rows.filter((row) => foldOf[row] === fold),
  }));
}

function rowsOf(groups: readonly Int32Array[]): Int32Array {
  const rows = new Int32Array(sizeOf(groups));
  let at = 0;
  for (const group of groups) {
    rows.set(group, at);
    at += group.length;
  }
  return rows;
}

function groupsOf(rows: Int32Array, column: Column | undefined): Map<string, Int32Array> {
  if (!column) throw new Error('Grouped folds need the column of the groups.');
  const lists = new Map<string, number[]>();
  for (const row of rows) {
    const group = categoryAt(column, row);
    if (group === '') continue;
    const known = lists.get(group);
    if (known) known.push(row);
    else lists.set(group, [row]);
  }
  return new Map(Array.from(lists, ([group, list]) => [group, Int32Array.from(list)]));
}

function shuffledGroups(groups: ReadonlyMap<string, Int32Array>, seed: number): Int32Array[] {
  const names = [...groups.keys()].sort();
  const order = Int32Array.from(names.keys());
  shuffle(order, new SeededRandom(seed));
  return Array.from(order, (at) => groups.get(names[at]!)!);
}

function sizeOf(lists: Iterable<Int32Array>): number {
  let sum = 0;
  for (const { length } of lists) sum += length;
  return sum;
}

function timesOf(column: Column | undefined): Float64Array {
  if (!column || column.type === 'STRING') throw new Error('Folds by time need a column of times.');
  return column.values;
}

function inOrder(rows: Int32Array, times: Float64Array): Int32Array {
  return rows.slice().sort((a, b) => times[a]! - times[b]! || a - b);
}
