import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColumnSchema, DatasetProfile } from '../../modules/model-contract/index.js';
import { badInput } from '../../errors.js';
import type { DatasetSource, SourceColumn } from './dataset-source.js';
import { columnTypeOf, isFloat, isText, missingText, textExpression, valueExpression } from './reading-sql.js';

/** Up to this number, different values are counted exactly. */
const EXACT_DISTINCT_LIMIT = 5000;
const SHOWN_CHARACTERS = 200;
const SHOWN_WORDS = 20;
/** Columns per pass over the file: the time of a pass grows with the square of this number. */
const COLUMNS_PER_PASS = 16;
/** Expressions of one column. */
const MEASURES = 6;
const LATEST_MS = 8.64e15;

function missing({ reading, physical }: SourceColumn): string {
  if (isText(physical.sqlType)) return missingText(reading, physical);
  return isFloat(physical.sqlType)
    ? `(${physical.sql} IS NULL OR isnan(${physical.sql}))`
    : `(${physical.sql} IS NULL)`;
}

/** The expression that counts as a category; for floating-point numbers, the value. */
function distinct(column: SourceColumn): string {
  const { reading, physical } = column;
  if (!isText(physical.sqlType)) return `CASE WHEN NOT ${missing(column)} THEN ${physical.sql} END`;
  return textExpression(reading, physical);
}

function extreme(aggregate: 'min' | 'max', column: SourceColumn): string {
  const { reading, physical } = column;
  const { sql, sqlType } = physical;
  const has = `FILTER (NOT ${missing(column)})`;
  const value = valueExpression(reading, physical);
  switch (reading.type) {
    case 'NUMBER': {
      if (!isText(sqlType)) return `CAST(${aggregate}(${sql}) ${has} AS VARCHAR)`;
      const isPlain =
        reading.decimalSeparator === undefined &&
        reading.thousandsSeparator === undefined &&
        reading.unit === undefined;
      return isPlain
        ? `arg_${aggregate}(trim(${sql}), ${value}) ${has}`
        : `CAST(${aggregate}(${value}) ${has} AS VARCHAR)`;
    }
    case 'TIMESTAMP': {
      const instant = isText(sqlType)
        ? `epoch_ms(CAST(${aggregate}(${value}) ${has} AS BIGINT))`
        : `${aggregate}(${sql}) FILTER (isfinite(${sql}))`;
      return `strftime(CAST(${instant} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%gZ')`;
    }
    case 'STRING':
      return `${aggregate}(left(${textExpression(reading, physical)}, ${SHOWN_CHARACTERS}))`;
    case 'BOOLEAN':
      return isText(sqlType)
        ? `CAST(CAST(${aggregate}(${value}) ${has} AS BOOLEAN) AS VARCHAR)`
        : `CAST(${aggregate}(${sql}) AS VARCHAR)`;
  }
}

/** The mean number of words of the texts that are there. */
function meanWords(column: SourceColumn): string {
  const { reading, physical } = column;
  if (reading.type !== 'STRING' || !isText(physical.sqlType)) return 'NULL';
  const spaces = `length(trim(${physical.sql})) - length(replace(trim(${physical.sql}), ' ', ''))`;
  return `avg(${spaces} + 1) FILTER (NOT ${missing(column)})`;
}

/**
 * Values that no other system accepts, including this service's database: text with NUL, and times after the end of
 * JavaScript's calendar.
 */
function oddity({ reading, physical }: SourceColumn): string {
  const { sql, sqlType } = physical;
  if (isText(sqlType)) return `coalesce(bool_or(contains(${sql}, chr(0))), false)`;
  if (columnTypeOf(sqlType) !== 'TIMESTAMP') return 'false';
  return (
    `coalesce(bool_or(abs(${valueExpression({ ...reading, type: 'TIMESTAMP' }, physical)}) > ${LATEST_MS}) ` +
    `FILTER (isfinite(${sql})), false)`
  );
}

/** Errors: BAD_USER_INPUT for a table without rows, and for values that this service cannot store. */
export async function profileSource(connection: DuckDBConnection, source: DatasetSource): Promise<DatasetProfile> {
  const passes: DatasetProfile[] = [];
  for (let start = 0; start < source.columns.length; start += COLUMNS_PER_PASS) {
    passes.push(await profileColumns(connection, source.rows, source.columns.slice(start, start + COLUMNS_PER_PASS)));
  }
  return { rowCount: passes[0]?.rowCount ?? 0, columns: passes.flatMap((pass) => pass.columns) };
}

async function profileColumns(
  connection: DuckDBConnection,
  relation: string,
  measured: readonly SourceColumn[],
): Promise<DatasetProfile> {
  const measures = measured.flatMap((column) => [
    oddity(column),
    `count(*) FILTER (${missing(column)})`,
    `approx_count_distinct(${distinct(column)})`,
    extreme('min', column),
    extreme('max', column),
    meanWords(column),
  ]);
  const [rows, ...values] = (
    await connection.runAndReadAll(`SELECT count(*), ${measures.join(', ')} FROM ${relation}`)
  ).getRowsJS()[0]!;
  const rowCount = Number(rows);
  if (rowCount === 0) throw badInput('file', 'at least one row of data', 'no rows');
  const columns: ColumnSchema[] = [];
  for (const [i, column] of measured.entries()) {
    const { reading, physical } = column;
    const [isOdd, missingCount, distinctCount, min, max, words] = values.slice(i * MEASURES, (i + 1) * MEASURES);
    if (isOdd) {
      const [expected, got] = isText(physical.sqlType)
        ? ['text without NUL characters', 'some']
        : ['instants up to the year 275760', 'later ones'];
      throw badInput('file', expected, `${got} in column ${reading.name}`);
    }
    const count = Number(missingCount);
    columns.push({
      ...reading,
      missingCount: count,
      ...(isText(physical.sqlType) && {
        missingWords: count > 0 ? await missingWords(connection, relation, column) : [],
      }),
      distinctCount: Math.min(Number(distinctCount), rowCount - count),
      ...(typeof words === 'number' && { meanWords: words }),
      min: textOf(min),
      max: textOf(max),
    });
  }
  await countExactly(connection, relation, measured, columns);
  return { rowCount, columns };
}

async function countExactly(
  connection: DuckDBConnection,
  relation: string,
  measured: readonly SourceColumn[],
  columns: ColumnSchema[],
): Promise<void> {
  const few = columns.flatMap((column, i) => (column.distinctCount <= EXACT_DISTINCT_LIMIT ? [i] : []));
  if (few.length === 0) return;
  const counts = few.map((i) => `count(DISTINCT ${distinct(measured[i]!)})`);
  const exact = (await connection.runAndReadAll(`SELECT ${counts.join(', ')} FROM ${relation}`)).getRowsJS()[0]!;
  few.forEach((position, i) => {
    columns[position]!.distinctCount = Number(exact[i]);
  });
}

async function missingWords(connection: DuckDBConnection, relation: string, { reading, physical }: SourceColumn) {
  const text = reading.type === 'STRING' ? physical.sql : `trim(${physical.sql})`;
  const answer = await connection.runAndReadAll(
    `SELECT coalesce(${text}, '') AS word, count(*) AS times FROM ${relation} WHERE ` +
      `${missingText(reading, physical)} GROUP BY word ORDER BY times DESC, word LIMIT ${SHOWN_WORDS}`,
  );
  return answer.getRowsJS().map(([word, times]) => ({ text: String(word), count: Number(times) }));
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}
