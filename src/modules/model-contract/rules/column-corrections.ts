import { characters, checkRange, type InputRange } from '../../core/index.js';
import { badInput } from '../../../errors.js';
import type { ColumnCorrection, ColumnType } from './dataset-schema.js';

/** Columns whose reading somebody corrects. */
export const CORRECTIONS: InputRange = { max: 2_000, unit: 'columns' };
export const NULL_VALUES: InputRange = { max: 100, unit: 'texts', each: characters(0, 200) };
export const TIME_FORMAT = characters(1, 200);
export const UNIT_SIGN: InputRange = {
  min: 1,
  max: 20,
  unit: 'characters without digits, points, commas and spaces',
  accepts: (sign) => !/[\d.,\s\0]/.test(sign),
};
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
  return given.map((column, i) => checkCorrection(`${field}[${i}]`, column));
}

function checkCorrection(field: string, { name, ...given }: GivenColumn): ColumnCorrection {
  const correction: ColumnCorrection = {
    name,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value != null)),
  };
  const { type, decimalSeparator, thousandsSeparator, unit, format } = correction;
  for (const detail of ['decimalSeparator', 'thousandsSeparator', 'unit'] as const) {
    if (correction[detail] !== undefined) mustBe('NUMBER', type, `${field}.${detail}`, correction[detail]);
  }
  if (decimalSeparator !== undefined && !DECIMAL.includes(decimalSeparator))
    throw badInput(`${field}.decimalSeparator`, '"." or ","', decimalSeparator);
  if (thousandsSeparator !== undefined && !THOUSANDS.includes(thousandsSeparator))
    throw badInput(`${field}.thousandsSeparator`, 'one of "," "." " " and the apostrophe', thousandsSeparator);
  if (thousandsSeparator !== undefined && thousandsSeparator === (decimalSeparator ?? '.'))
    throw badInput(`${field}.thousandsSeparator`, 'another sign than the decimal separator has', thousandsSeparator);
  if (unit !== undefined) checkRange(UNIT_SIGN, unit, null, `${field}.unit`);
  if (format !== undefined) {
    mustBe('TIMESTAMP', type, `${field}.format`, format);
    if (!FORMAT.test(format) || !/%-?[yY]/.test(format))
      throw badInput(`${field}.format`, 'a format with a year in strptime’s letters, such as %d/%m/%Y %H:%M', format);
  }
  return correction;
}

function mustBe(wanted: ColumnType, type: ColumnType | undefined, field: string, value: unknown): void {
  if (type !== undefined && type !== wanted)
    throw badInput(field, `nothing for the type ${type}, as it belongs to ${wanted}`, value);
}
