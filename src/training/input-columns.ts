import {
  type InputColumn,
  type Column,
  categoryAt,
  type ColumnReading,
  readingOf,
} from '../modules/model-contract/index.js';
import type { TrainingConfig } from '../modules/algorithms/index.js';

/**
 * In a column with more or longer categories, the rarest ones are not recorded; the answer to a request with one of
 * them says so.
 */
const MAX_CATEGORIES = 2_000;
const MAX_CHARACTERS = 500_000;

/** What the model knows about each feature's column: how it is read, and which categories the training rows have. */
export function inputColumns(
  config: TrainingConfig,
  readings: readonly ColumnReading[],
  columns: ReadonlyMap<string, Column>,
  train: Int32Array,
): Map<string, InputColumn> {
  const byName = new Map(readings.map((reading) => [reading.name, readingOf(reading)]));
  return new Map(
    config.features.map(({ column: name, kind }) => {
      const column = columns.get(name)!;
      const reading = byName.get(name)!;
      if (kind !== 'CATEGORICAL') return [name, reading];
      return [name, { ...reading, categories: recorded(categoriesByFrequency(column, train)) }];
    }),
  );
}

/** The most frequent categories come first. */
export function categoriesByFrequency(column: Column, rows: Int32Array): string[] {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const category = categoryAt(column, row);
    if (category !== '') counts.set(category, (counts.get(category) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .map(([category]) => category);
}

function recorded(categories: readonly string[]): string[] {
  let characters = 0;
  return categories.slice(0, MAX_CATEGORIES).filter((category) => (characters += category.length) <= MAX_CHARACTERS);
}
