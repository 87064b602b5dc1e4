import type { ColumnReading, ColumnType } from '../../modules/model-contract/index.js';
import { badInput } from '../../errors.js';
import { literal } from './duckdb.js';

/** A column of a Parquet file; `sql` is its name in a statement. */
export interface PhysicalColumn {
  sql: string;
  sqlType: string;
}

/** Index in the file, from 0. */
export const ROW = '"matih row number"';
const NAN = "'NaN'::DOUBLE";
/** The beginning of the service's own refusals in DuckDB's error texts. */
export const REFUSAL = 'matih refuses ';

export const isText = (sqlType: string): boolean => sqlType === 'VARCHAR';
export const isFloat = (sqlType: string): boolean => sqlType === 'FLOAT' || sqlType === 'DOUBLE';

/** The column type for a type of the file; undefined for a type without single values. */
export function columnTypeOf(sqlType: string): ColumnType | undefined {
  if (/^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|BIGNUM)$/.test(sqlType))
    return 'NUMBER';
  if (sqlType === 'BOOLEAN') return 'BOOLEAN';
  if (sqlType === 'DATE' || sqlType.startsWith('TIMESTAMP')) return 'TIMESTAMP';
  if (/^(?:VARCHAR|UUID|TIME.*|ENUM\(.*\))$/s.test(sqlType)) return 'STRING';
  return undefined;
}

/** Numbers can be read as text, and booleans as 0 and 1; no other type can be read as another. */
const ACCEPTED: Record<ColumnType, readonly ColumnType[]> = {
  NUMBER: ['NUMBER', 'BOOLEAN'],
  BOOLEAN: ['BOOLEAN'],
  TIMESTAMP: ['TIMESTAMP'],
  STRING: ['STRING', 'NUMBER', 'BOOLEAN', 'TIMESTAMP'],
};

/** Errors: BAD_USER_INPUT for a column whose type in the file cannot be read in this way. */
export function checkReadable({ name, type }: ColumnReading, { sqlType }: PhysicalColumn): void {
  if (isText(sqlType)) return;
  const found = columnTypeOf(sqlType);
  if (found && ACCEPTED[type].includes(found)) return;
  throw badInput(`Column ${name}`, `values that can be read as ${type}`, sqlType);
}

/** True when a text means "no value". */
export function missingText(reading: ColumnReading, { sql }: PhysicalColumn): string {
  const words = (reading.nullValues ?? []).map(literal).join(', ');
  const text = reading.type === 'STRING' ? sql : `trim(${sql})`;
  // One list, because DuckDB keeps a vector for each operand of IN: 400 kB per column and thread, and a file may have
  // 2,000 columns.
  return words === ''
    ? `(${sql} IS NULL OR ${text} = '')`
    : `(${sql} IS NULL OR list_contains(['', ${words}], ${text}))`;
}

const pattern = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

/** The value of a text as a DOUBLE; NULL when it has none. */
export function parsedText(reading: ColumnReading, sql: string): string {
  const text = `trim(${sql})`;
  switch (reading.type) {
    case 'STRING':
      return sql;
    case 'BOOLEAN':
      return (
        `CASE WHEN lower(${text}) IN ('true', 't', 'yes', 'y', '1') THEN 1.0 WHEN lower(${text}) IN ` +
        `('false', 'f', 'no', 'n', '0') THEN 0.0 END`
      );
    case 'NUMBER':
      return parsedNumber(reading, text);
    case 'TIMESTAMP': {
      const instant =
        reading.format === undefined
          ? `coalesce(TRY_CAST(${text} AS TIMESTAMPTZ), TRY_CAST(regexp_replace(${text}, '^(\\S+[T ` +
            `]\\d+:\\d\\d)(Z|[+-][0-9:]+)$', '\\1:00\\2') AS TIMESTAMPTZ))`
          : `CAST(try_strptime(${text}, ${literal(reading.format)}) AS TIMESTAMPTZ)`;
      return `CASE WHEN isfinite(${instant}) THEN CAST(epoch_ms(${instant}) AS DOUBLE) END`;
    }
  }
}

function parsedNumber({ decimalSeparator = '.', thousandsSeparator, unit }: ColumnReading, text: string): string {
  const value = (plain: string): string =>
    `CASE WHEN NOT contains(${plain}, '_') THEN TRY_CAST(${plain} AS DOUBLE) END`;
  if (decimalSeparator === '.' && thousandsSeparator === undefined && unit === undefined) return value(text);
  let bare = text;
  if (unit !== undefined) {
    const sign = pattern(unit);
    bare = `regexp_replace(regexp_replace(${text}, ${literal(`^([+-]?)\\s*${sign}\\s*`)}, '\\1'), ${literal(`\\s*${sign}$`)}, '')`;
  }
  const thousands =
    thousandsSeparator === undefined ? '' : `[+-]?[1-9]\\d{0,2}(?:${pattern(thousandsSeparator)}\\d{3})+|`;
  const decimal = pattern(decimalSeparator);
  const grammar = `(?:(?:${thousands}[+-]?\\d+)(?:${decimal}\\d*)?|[+-]?${decimal}\\d+)(?:[eE][+-]?\\d+)?`;
  const withoutThousands =
    thousandsSeparator === undefined ? bare : `replace(${bare}, ${literal(thousandsSeparator)}, '')`;
  const plain =
    decimalSeparator === '.' ? withoutThousands : `replace(${withoutThousands}, ${literal(decimalSeparator)}, '.')`;
  return `CASE WHEN regexp_full_match(${bare}, ${literal(grammar)}) THEN TRY_CAST(${plain} AS DOUBLE) END`;
}

const MEANING: Record<ColumnType, string> = {
  NUMBER: 'a number',
  BOOLEAN: 'true or false',
  TIMESTAMP: 'a date or time',
  STRING: 'text',
};

export function expectedText({ type, format, decimalSeparator, thousandsSeparator, unit }: ColumnReading): string {
  const details = [
    format && `of the format ${format}`,
    decimalSeparator && `with the decimal separator "${decimalSeparator}"`,
    thousandsSeparator && `with the thousands separator "${thousandsSeparator}"`,
    unit && `in ${unit}`,
  ].filter(Boolean);
  return [MEANING[type], ...details].join(' ');
}

/** Ends the statement with an error text that says what is wrong and where. */
function refusal(reading: ColumnReading, { sql }: PhysicalColumn): string {
  const parts = literal(REFUSAL + JSON.stringify({ name: reading.name, expected: expectedText(reading) }));
  return `CAST(error(${parts} || ' ' || CAST(${ROW} + 1 AS VARCHAR) || ' ' || left(${sql}, 200)) AS DOUBLE)`;
}

/** A DOUBLE (missing = NaN; booleans are 0 and 1; times in milliseconds since 1970) or, for STRING, a VARCHAR. */
export function valueExpression(reading: ColumnReading, column: PhysicalColumn): string {
  const { sql, sqlType } = column;
  if (reading.type === 'STRING') return textExpression(reading, column);
  if (isText(sqlType)) {
    const value = `coalesce(${parsedText(reading, sql)}, ${refusal(reading, column)})`;
    return `CASE WHEN ${missingText(reading, column)} THEN ${NAN} ELSE ${value} END`;
  }
  if (columnTypeOf(sqlType) === 'TIMESTAMP')
    return `coalesce(CASE WHEN isfinite(${sql}) THEN CAST(epoch_ms(CAST(${sql} AS TIMESTAMP)) AS DOUBLE) END, ${NAN})`;
  if (sqlType === 'BOOLEAN') return `coalesce(CAST(CAST(${sql} AS INTEGER) AS DOUBLE), ${NAN})`;
  return `coalesce(CAST(${sql} AS DOUBLE), ${NAN})`;
}

/** The category as a VARCHAR. For floating-point numbers `String` makes it from the value. */
export function textExpression(reading: ColumnReading, column: PhysicalColumn): string {
  const { sql, sqlType } = column;
  if (isText(sqlType)) return `CASE WHEN NOT ${missingText(reading, column)} THEN ${sql} END`;
  if (sqlType === 'DATE') return `strftime(${sql}, '%Y-%m-%d')`;
  if (columnTypeOf(sqlType) === 'TIMESTAMP') return `strftime(CAST(${sql} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ')`;
  return `CAST(${sql} AS VARCHAR)`;
}

/** True when the column has a usable value. */
export function presentExpression(reading: ColumnReading, column: PhysicalColumn): string {
  const { sql, sqlType } = column;
  if (isText(sqlType)) {
    const has = `NOT ${missingText(reading, column)}`;
    return reading.type === 'NUMBER' ? `(${has} AND isfinite(${valueExpression(reading, column)}))` : `(${has})`;
  }
  if (isFloat(sqlType) || columnTypeOf(sqlType) === 'TIMESTAMP') return `(${sql} IS NOT NULL AND isfinite(${sql}))`;
  return `(${sql} IS NOT NULL)`;
}
