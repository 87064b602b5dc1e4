import { categoryAt, type Column } from '../modules/model-contract/index.js';
import { median } from '../modules/statistics/index.js';
import {
  CYCLES,
  type CyclePart,
  cyclePartOf,
  dayOf,
  DEFAULT_TERMS,
  isNetwork,
  type TrainingConfig,
} from '../modules/algorithms/index.js';
import { badInput } from '../errors.js';
import {
  asTaken,
  type Encoding,
  type NumericEncoding,
  type ScaledColumn,
  timeNumber,
  type TimeNumber,
  widthOf,
} from './encoding.js';
import { fitText, type TextEncoding } from './text-terms.js';
import { categoriesByFrequency } from './input-columns.js';

/**
 * The largest change of a value by rounding to single precision that is accepted, as a fraction of the standard
 * deviation.
 */
export const ROUNDING_SHARE = 1e-4;
const YEAR_DAYS = 365;
/** Two months: each day of a month comes twice. */
const MONTHS_DAYS = 62;

/**
 * Fits on the training rows how columns become numbers. Errors: BAD_USER_INPUT for a column that has no value there.
 */
export function fitEncoding(config: TrainingConfig, columns: ReadonlyMap<string, Column>, train: Int32Array): Encoding {
  const encoding: Encoding = { numeric: [], numericWidth: 0, slots: [], indicatorCount: 0, embedded: [] };
  const addSlot = (
    column: string,
    slot: { kind: 'CATEGORY'; categories: string[] } | { kind: 'TIME'; part: CyclePart },
    size: number,
  ) => {
    encoding.slots.push({ ...slot, column, offset: encoding.indicatorCount, size });
    encoding.indicatorCount += size;
  };
  config.features.forEach((feature, i) => {
    const { column: name, kind } = feature;
    const column = columns.get(name)!;
    const field = `config.features[${i}].column`;
    if (kind === 'NUMERIC') {
      encoding.numeric.push(fitNumber(column, train, field));
    } else if (kind === 'CATEGORICAL') {
      const categories = categoriesByFrequency(column, train).slice(0, config.hyperparameters.maxCategories);
      const size = categories.length + 2;
      const width = embeddingWidth(config, categories.length);
      if (width === undefined) addSlot(name, { kind: 'CATEGORY', categories }, size);
      else encoding.embedded.push({ kind: 'CATEGORY', column: name, categories, offset: 0, size, width });
    } else if (kind === 'TEXT') {
      encoding.numeric.push({ kind: 'TEXT', column: name, text: fitTexts(feature, column, train, field) });
    } else {
      const { numbers, slots } = fitTime(column, train, config.split.by === 'TIME', field);
      encoding.numeric.push(...numbers);
      for (const part of slots) addSlot(name, { kind: 'TIME', part }, CYCLES[part] + 1);
    }
  });
  encoding.numericWidth = encoding.numeric.reduce((sum, part) => sum + widthOf(part), 0);
  return encoding;
}

/** The numbers of a category's embedding; undefined when the column has too few categories for one. */
function embeddingWidth(config: TrainingConfig, categories: number): number | undefined {
  if (!isNetwork(config)) return undefined;
  const { embeddingFrom = Infinity, embeddingSize } = config.hyperparameters;
  if (categories < embeddingFrom) return undefined;
  // The usual rule, which fastai has.
  return embeddingSize ?? Math.round(1.6 * categories ** 0.56);
}

/** Learns the terms of a text column. Errors: BAD_USER_INPUT for texts without words. */
export function fitTexts(
  { maxTerms = DEFAULT_TERMS, ngrams = 1, lowercase = true }: TrainingConfig['features'][number],
  column: Column,
  train: Int32Array,
  field: string,
): TextEncoding {
  const texts = Array.from(train, (row) => categoryAt(column, row));
  const text = fitText(texts, { maxTerms, ngrams, lowercase });
  if (text.terms.length === 0)
    throw badInput(field, 'words of at least two letters or digits in the training rows', column.name);
  return text;
}

function fitNumber(column: Column, train: Int32Array, field: string): ScaledColumn {
  const values = column.values as Float64Array;
  const precision = precisionOf(values, train);
  const taken = Float64Array.from(train, (row) => asTaken(values[row]!, precision));
  const middle = median(taken);
  if (Number.isNaN(middle))
    throw badInput(field, 'at least one value in the training rows', `${column.name} (all missing)`);
  const rounded = precision === 'FP32' ? Math.fround : (value: number): number => value;
  const fill = rounded(middle);
  const { mean, inverseStd } = scaleOf(taken.map((value) => (Number.isNaN(value) ? fill : value)));
  return { kind: 'COLUMN', column: column.name, precision, fill, mean: rounded(mean), inverseStd: rounded(inverseStd) };
}

export function precisionOf(values: Float64Array, train: Int32Array): ScaledColumn['precision'] {
  // A value that single precision cannot hold would be refused later, in the holdout.
  if (values.some((value) => Number.isFinite(value) && !Number.isFinite(Math.fround(value)))) return 'FP64';
  let largest = 0;
  for (const row of train) {
    const single = Math.fround(values[row]!);
    if (Number.isFinite(single)) largest = Math.max(largest, Math.abs(values[row]! - single));
  }
  if (largest === 0) return 'FP32';
  const { std } = scaleOf(Float64Array.from(train, (row) => values[row]!).filter(Number.isFinite));
  return std > 0 && largest > ROUNDING_SHARE * std ? 'FP64' : 'FP32';
}

/**
 * Of the finite numbers. A column that does not vary stays as it is, because its standard deviation would be only
 * rounding.
 */
function scaleOf(values: Float64Array): { mean: number; std: number; inverseStd: number } {
  let [sum, low, high] = [0, Infinity, -Infinity];
  for (const value of values) {
    sum += value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!(low < high)) return { mean: values.length > 0 ? low : 0, std: 0, inverseStd: 1 };
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const std = Math.sqrt(squares / values.length);
  const inverseStd = 1 / std;
  return { mean, std, inverseStd: Number.isFinite(Math.fround(inverseStd)) ? inverseStd : 1 };
}

/**
 * The parts of a timestamp that vary in the training rows. A cycle must come twice, or (the year) once. If the holdout
 * has later rows (a split by time), less than a year gives no month, year and age: they would not repeat, and a trend
 * of some weeks is misleading when it is extrapolated.
 */
function fitTime(
  column: Column,
  train: Int32Array,
  isForLater: boolean,
  field: string,
): { numbers: NumericEncoding[]; slots: CyclePart[] } {
  const values = column.values as Float64Array;
  const instants = Float64Array.from(train, (row) => Math.trunc(values[row]!)).filter(
    (instant) => !Number.isNaN(instant),
  );
  if (instants.length === 0)
    throw badInput(field, 'at least one value in the training rows', `${column.name} (all missing)`);
  let [first, last] = [Infinity, -Infinity];
  for (const instant of instants) {
    first = Math.min(first, instant);
    last = Math.max(last, instant);
  }
  const wholeYear = dayOf(last) - dayOf(first) >= YEAR_DAYS;
  const varying = (Object.keys(CYCLES) as CyclePart[]).filter((part) => {
    const usual = cyclePartOf(part, first);
    return instants.some((instant) => cyclePartOf(part, instant) !== usual);
  });
  const isShort = (part: CyclePart): boolean => part === 'HOUR' || part === 'WEEKDAY';
  const slots = varying.filter((part) => isShort(part) || (part === 'MONTH' && (wholeYear || !isForLater)));
  const hasMonths = dayOf(last) - dayOf(first) >= MONTHS_DAYS;
  const cycles = varying.filter((part) => isShort(part) || (part === 'DAY_OF_MONTH' ? hasMonths : wholeYear));
  const { name } = column;
  const scaled = (kind: TimeNumber['kind']): TimeNumber[] => {
    const { mean, std, inverseStd } = scaleOf(instants.map((instant) => timeNumber(kind, instant)));
    return std > 0 ? [{ kind, column: name, mean, inverseStd }] : [];
  };
  const trend = wholeYear || !isForLater ? [...scaled('YEAR'), ...scaled('AGE')] : [];
  const numbers = [...trend, ...cycles.map((part): NumericEncoding => ({ kind: 'CYCLE', column: name, part }))];
  // When all timestamps are the same, no part varies; but the presence of one still says something when others are
  // missing.
  return numbers.length + slots.length > 0 ? { numbers, slots } : { numbers, slots: ['HOUR'] };
}

/** The parts of a timestamp column that can help, as single numbers. Errors: as for fitEncoding. */
export function timePartsOf(
  column: Column,
  train: Int32Array,
  isForLater: boolean,
  field: string,
): (TimeNumber['kind'] | CyclePart)[] {
  const { numbers, slots } = fitTime(column, train, isForLater, field);
  const parts = numbers.map((number) => (number.kind === 'CYCLE' ? number.part : (number as TimeNumber).kind));
  return [...new Set([...parts, ...slots])];
}
