import { badInput } from '../../../errors.js';
import type { ColumnCorrection, ColumnType } from './dataset-schema.js';

const MAX_CORRECTIONS = 2_000;
const MAX_NULL_VALUES = 100;
const MAX_TEXT_LENGTH = 200;
const DECIMAL = ['.', ','];
const THOUSANDS = [',', '.', ' ', "'", '’', '\u00a0', '\u202f'];
/** The format letters that DuckDB's strptime knows. */
const FORMAT = /^(?:[^%]|%-?[aAbBdHIjmMpSfgnyYzZ%])+$/s;

/** What a user says about a column, as it comes from GraphQL. */
export type GivenColumn = { [K in keyof Omit<ColumnCorrection, 'name'>]?: ColumnCorrection[K] | null } & {
  name: string;
};

/** Errors: BAD_USER_INPUT, which names the field. */
export function checkCorrections(field: string, given: readonly GivenColumn[]): ColumnCorrection[] {
  if (given.length > MAX_CORRECTIONS) throw badInput(field, `at most ${MAX_CORRECTIONS} columns`, given.length);
  return given.map((column, i) => checkCorrection(`${field}[${i}]`, column));
}

function checkCorrection(field: string, { name, ...given }: GivenColumn): ColumnCorrection {
  const correction: ColumnCorrection = {
    name,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)),
  };
  const { type, nullValues, decimalSeparator, thousandsSeparator, unit, format } = correction;
  if (nullValues) checkNullValues(`${field}.nullValues`, nullValues);
  for (const detail of ['decimalSeparator', 'thousandsSeparator', 'unit'] as const) {
    if (correction[detail] !== undefined) mustBe('NUMBER', type, `${field}.${detail}`, correction[detail]);
  }
  if (decimalSeparator !== undefined && !DECIMAL.includes(decimalSeparator))
    throw badInput(`${field}.decimalSeparator`, '"." or ","', decimalSeparator);
  if (thousandsSeparator !== undefined && !THOUSANDS.includes(thousandsSeparator))
    throw badInput(`${field}.thousandsSeparator`, 'one of "," "." " " and the apostrophe', thousandsSeparator);
  if (thousandsSeparator !== undefined && thousandsSeparator === (decimalSeparator ?? '.'))
    throw badInput(`${field}.thousandsSeparator`, 'another sign than the decimal separator has', thousandsSeparator);
  if (unit !== undefined && (unit === '' || unit.length > 20 || /[\d.,\s\0]/.test(unit)))
    throw badInput(`${field}.unit`, '1 to 20 characters without digits, points, commas and spaces', unit);
  if (format !== undefined) {
    mustBe('TIMESTAMP', type, `${field}.format`, format);
    if (format.length > MAX_TEXT_LENGTH || format.includes('\0') || !FORMAT.test(format) || !/%-?[yY]/.test(format))
      throw badInput(`${field}.format`, 'a format with a year in strptime’s letters, such as %d/%m/%Y %H:%M', format);
  }
  return correction;
}

/** Errors: BAD_USER_INPUT, which names the field. */
export function checkNullValues(field: string, words: readonly string[]): void {
  if (words.length > MAX_NULL_VALUES) throw badInput(field, `at most ${MAX_NULL_VALUES} words`, words.length);
  words.forEach((word, i) => {
    if (word.length > MAX_TEXT_LENGTH || word.includes('\0') || !word.isWellFormed())
      throw badInput(`${field}[${i}]`, `a word of at most ${MAX_TEXT_LENGTH} characters`, word);
  });
}

function mustBe(wanted: ColumnType, type: ColumnType | undefined, field: string, value: unknown): void {
  if (type !== undefined && type !== wanted)
    throw badInput(field, `nothing for the type ${type}, as it belongs to ${wanted}`, value);
}
