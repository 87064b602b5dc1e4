import { badInput } from '../../errors.js';
import { type Column, categoryAt } from '../../modules/model-contract/index.js';
import { type CyclePart, cyclePartOf, type TrainingConfig } from '../../modules/algorithms/index.js';
import { asTaken, type ScaledColumn, timeNumber, type TimeNumber } from '../encoding.js';
import { fitTexts, precisionOf, timePartsOf } from '../fit-encoding.js';
import { categoriesByFrequency } from '../input-columns.js';
import { type TextEncoding, TextWriter } from '../text-terms.js';
import { type Binning, binningOf, binOfNumber, numericBinning } from './bins.js';
import type { ColumnLayout } from './memory.js';

/** A part of a timestamp as a number: hours 0 to 23, weekdays from Monday = 0, months 0 to 11, days since 1970. */
export type TimePart = TimeNumber['kind'] | CyclePart;

/** A feature of the trees; a timestamp column has several. */
export type TreeFeature = { column: string; binning: Binning; monotone: -1 | 0 | 1 } & (
  | { kind: 'NUMBER'; precision: ScaledColumn['precision'] }
  /** The codes of the categories are their positions; after them one code for all other categories. */
  | { kind: 'CATEGORY'; categories: readonly string[] }
  | { kind: 'TIME'; part: TimePart }
  /** How often the term at this position of `text` occurs; those of one column stand side by side. */
  | { kind: 'TERM'; text: TextEncoding; at: number }
);

/** Fits the features on the training rows. Errors: BAD_USER_INPUT for a column without a value there. */
export function fitFeatures(
  config: TrainingConfig,
  columns: ReadonlyMap<string, Column>,
  train: Int32Array,
): TreeFeature[] {
  return config.features.flatMap((feature, i): TreeFeature[] => {
    const { column: name, kind, monotone } = feature;
    const column = columns.get(name)!;
    const field = `config.features[${i}].column`;
    if (kind === 'CATEGORICAL') {
      const categories = categoriesByFrequency(column, train).slice(0, config.hyperparameters.maxCategories);
      const binning: Binning = { kind: 'CATEGORY', codes: categories.length + 1 };
      return [{ kind: 'CATEGORY', column: name, categories, binning, monotone: 0 }];
    }
    if (kind === 'TEXT') return termFeatures(column, train, fitTexts(feature, column, train, field));
    const values = column.values as Float64Array;
    if (kind === 'TIMESTAMP') {
      return timePartsOf(column, train, config.split.by === 'TIME', field).map((part) => ({
        kind: 'TIME',
        column: name,
        part,
        monotone: 0,
        binning: numericBinning(timePartAt(values, part), train),
      }));
    }
    const precision = precisionOf(values, train);
    const valueAt = (row: number): number => asTaken(values[row]!, precision);
    if (train.every((row) => Number.isNaN(valueAt(row))))
      throw badInput(field, 'at least one value in the training rows', `${name} (all missing)`);
    const direction = { INCREASING: 1, DECREASING: -1 } as const;
    return [
      {
        kind: 'NUMBER',
        column: name,
        precision,
        monotone: monotone ? direction[monotone] : 0,
        binning: numericBinning(valueAt, train),
      },
    ];
  });
}

/** Counts, and not TF-IDF: whole numbers are the same here and in the exported graph, and so are their bins. */
function termFeatures(column: Column, train: Int32Array, text: TextEncoding): TreeFeature[] {
  const writer = new TextWriter(text);
  const counts = text.terms.map(() => new Set<number>());
  const texts = new Float64Array(text.terms.length);
  for (const row of train)
    for (const [position, count] of writer.counts(categoryAt(column, row))) {
      counts[position]!.add(count);
      texts[position]! += 1;
    }
  return counts.map((found, at) => {
    if (texts[at]! < train.length) found.add(0);
    const binning = binningOf(Float64Array.from(found).sort());
    return { kind: 'TERM', column: column.name, text, at, monotone: 0, binning };
  });
}

function timePartAt(values: Float64Array, part: TimePart): (row: number) => number {
  return (row) => {
    const instant = Math.trunc(values[row]!);
    if (Number.isNaN(instant)) return Number.NaN;
    return part === 'YEAR' || part === 'AGE' ? timeNumber(part, instant) : cyclePartOf(part, instant);
  };
}

/** Writes the bins of these rows into the words of their columns. */
export function writeBins(
  features: readonly TreeFeature[],
  layouts: readonly ColumnLayout[],
  columns: ReadonlyMap<string, Column>,
  rows: Int32Array,
  words: readonly Uint32Array[],
): void {
  layouts.forEach((layout, at) => {
    const into = words[at]!;
    layout.features.forEach((index, position) => {
      const feature = features[index]!;
      // A text is read once for all its terms.
      if (feature.kind === 'TERM') return;
      const binAt = binReader(feature, columns);
      const shift = 8 * position;
      for (let i = 0; i < rows.length; i++) into[i] = into[i]! | (binAt(rows[i]!) << shift);
    });
  });
  writeTerms(features, layouts, columns, rows, words);
}

interface TermPlace {
  into: Uint32Array;
  shift: number;
  edges: Float64Array;
}

/** A term that a text does not have is in the first bin, whose code is 0. */
function writeTerms(
  features: readonly TreeFeature[],
  layouts: readonly ColumnLayout[],
  columns: ReadonlyMap<string, Column>,
  rows: Int32Array,
  words: readonly Uint32Array[],
): void {
  const places = new Map<TextEncoding, { column: Column; terms: TermPlace[] }>();
  layouts.forEach((layout, at) => {
    layout.features.forEach((index, position) => {
      const feature = features[index]!;
      if (feature.kind !== 'TERM' || feature.binning.kind !== 'NUMERIC') return;
      const { text, binning } = feature;
      const known = places.get(text) ?? { column: columns.get(feature.column)!, terms: [] };
      known.terms[feature.at] = { into: words[at]!, shift: 8 * position, edges: binning.edges };
      places.set(text, known);
    });
  });
  for (const [text, { column, terms }] of places) {
    const writer = new TextWriter(text);
    for (let i = 0; i < rows.length; i++)
      for (const [position, count] of writer.counts(categoryAt(column, rows[i]!))) {
        const { into, shift, edges } = terms[position]!;
        into[i] = into[i]! | (binOfNumber(edges, count) << shift);
      }
  }
}

function binReader(
  feature: Exclude<TreeFeature, { kind: 'TERM' }>,
  columns: ReadonlyMap<string, Column>,
): (row: number) => number {
  const column = columns.get(feature.column)!;
  if (feature.kind === 'CATEGORY') {
    const codes = new Map(feature.categories.map((category, code) => [category, code]));
    const other = feature.categories.length;
    codes.set('', other + 1);
    return (row) => codes.get(categoryAt(column, row)) ?? other;
  }
  const values = column.values as Float64Array;
  const valueAt =
    feature.kind === 'TIME'
      ? timePartAt(values, feature.part)
      : (row: number): number => asTaken(values[row]!, feature.precision);
  const { binning } = feature;
  if (binning.kind !== 'NUMERIC') throw new Error('A number has numeric bins.');
  return (row) => binOfNumber(binning.edges, valueAt(row));
}
