import type { DuckDBConnection } from '@duckdb/node-api';
import {
  type ColumnCorrection,
  type ColumnReading,
  type ColumnType,
  DEFAULT_NULL_VALUES,
  readingOf,
} from '../../../modules/model-contract/index.js';
import { AppError, badInput, ErrorCode, quote } from '../../../errors.js';
import { literal } from '../duckdb.js';
import {
  columnTypeOf,
  checkReadable,
  expectedText,
  isText,
  missingText,
  parsedText,
  type PhysicalColumn,
  ROW,
} from '../reading-sql.js';
import { type Candidate, candidatesFor } from './candidates.js';

export interface ImportedColumn {
  name: string;
  physical: PhysicalColumn;
  /** For JSON: every value is a text in the file, so texts of digits are not numbers. */
  areTexts: boolean;
  /** For Parquet: the file itself gives the types of its columns. */
  isTyped: boolean;
}

export interface Given {
  corrections: readonly ColumnCorrection[];
  earlier: readonly ColumnReading[];
  nullValues: readonly string[] | undefined;
}

const SAMPLE_ROWS = 2_048;
const COLUMNS_AT_ONCE = 50;
/** Candidates that one pass over the table tests: the time to plan it grows with the square of their number. */
const TRIED_AT_ONCE = 20;
/** If this fraction of a text column's sampled texts are numbers, a note explains why it is text. */
const NEARLY = 0.8;

interface Trial {
  candidate: Candidate;
  physical: PhysicalColumn;
}

interface Verdict {
  /** Number of texts that are not missing. */
  present: number;
  failures: number;
  /** The first text that fails, and its row from 0. */
  row: number;
  text: string;
}

/**
 * Decides how each column is read: as given, or as in an earlier version, or in a way that all of its texts allow.
 * Errors: BAD_USER_INPUT.
 */
export async function decideReadings(
  connection: DuckDBConnection,
  relation: string,
  columns: readonly ImportedColumn[],
  given: Given,
): Promise<{ readings: ColumnReading[]; notes: string[] }> {
  const corrections = correctionsByName(columns, given.corrections);
  const earlier = new Map(given.earlier.map((reading) => [reading.name, reading]));
  const words = given.nullValues ?? DEFAULT_NULL_VALUES;
  const notes: string[] = [];
  const readings = new Map<string, ColumnReading>();
  const settled: Settled[] = [];
  const open: OpenColumn[] = [];
  for (const column of columns) {
    const wanted = wantedReading(column, corrections.get(column.name), earlier.get(column.name), words);
    if ('reading' in wanted) {
      readings.set(column.name, wanted.reading);
      settled.push({ column, ...wanted });
    } else open.push({ column, ...wanted });
  }
  await checkSettled(connection, relation, settled);
  for (let start = 0; start < open.length; start += COLUMNS_AT_ONCE) {
    const decided = await decide(connection, relation, open.slice(start, start + COLUMNS_AT_ONCE));
    for (const { reading, note } of decided) {
      readings.set(reading.name, reading);
      if (note !== undefined) notes.push(note);
    }
  }
  return { readings: columns.map(({ name }) => readings.get(name)!), notes };
}

interface Settled {
  column: ImportedColumn;
  reading: ColumnReading;
  /** The reading comes from an earlier version, and not from the user. */
  isEarlier: boolean;
}

/** A column whose reading its texts must show. */
interface OpenColumn {
  column: ImportedColumn;
  nullValues: readonly string[];
  /** Also for a text column. */
  areNullValuesGiven: boolean;
  type: ColumnType | undefined;
}

function correctionsByName(
  columns: readonly ImportedColumn[],
  corrections: readonly ColumnCorrection[],
): Map<string, ColumnCorrection> {
  const byName = new Map<string, ColumnCorrection>();
  const known = new Set(columns.map(({ name }) => name));
  corrections.forEach((correction, i) => {
    const field = `input.columns[${i}].name`;
    if (!known.has(correction.name)) throw badInput(field, `one of ${[...known].join(', ')}`, correction.name);
    if (byName.has(correction.name)) throw badInput(field, 'each column once', correction.name);
    byName.set(correction.name, correction);
  });
  return byName;
}

function wantedReading(
  column: ImportedColumn,
  correction: ColumnCorrection | undefined,
  earlier: ColumnReading | undefined,
  defaultWords: readonly string[],
): { reading: ColumnReading; isEarlier: boolean } | Omit<OpenColumn, 'column'> {
  const { name, physical } = column;
  const isNumber = [correction?.decimalSeparator, correction?.thousandsSeparator, correction?.unit].some(
    (detail) => detail !== undefined,
  );
  const told = correction?.type ?? (correction?.format !== undefined ? 'TIMESTAMP' : isNumber ? 'NUMBER' : undefined);
  const type = told ?? earlier?.type ?? (column.isTyped ? columnTypeOf(physical.sqlType) : undefined);
  if (correction === undefined && earlier) return { reading: readingOf(earlier), isEarlier: true };
  const inherited = earlier?.type === type ? earlier : undefined;
  const nullValues =
    correction?.nullValues ?? inherited?.nullValues ?? (type === 'STRING' ? undefined : [...defaultWords]);
  const isWhole =
    !isText(physical.sqlType) ||
    type === 'STRING' ||
    type === 'BOOLEAN' ||
    (type === 'NUMBER' && (isNumber || inherited)) ||
    (type === 'TIMESTAMP' && (correction?.format !== undefined || inherited));
  if (type !== undefined && isWhole) {
    const reading = readingOf({
      ...inherited,
      ...correction,
      name,
      type,
      ...(nullValues && isText(physical.sqlType) && { nullValues }),
    });
    return { reading, isEarlier: false };
  }
  return { nullValues: nullValues ?? defaultWords, areNullValuesGiven: correction?.nullValues !== undefined, type };
}

/** Errors: BAD_USER_INPUT for the first value that cannot be read as given or as in an earlier version. */
async function checkSettled(
  connection: DuckDBConnection,
  relation: string,
  settled: readonly Settled[],
): Promise<void> {
  for (const { reading, column } of settled) checkReadable(reading, column.physical);
  const texts = settled.filter(({ reading, column }) => isText(column.physical.sqlType) && reading.type !== 'STRING');
  const trials = texts.map(({ reading, column }) => [{ candidate: { reading }, physical: column.physical }]);
  const verdicts = await tryAll(connection, relation, trials);
  for (const [i, { reading, isEarlier }] of texts.entries()) {
    const { failures, row, text } = verdicts[i]![0]!;
    if (failures === 0) continue;
    const how = isEarlier ? 'as in the version before' : 'as input.columns says';
    throw new AppError(
      ErrorCode.BAD_USER_INPUT,
      `Column ${reading.name}, row ${row + 1}: expected ${expectedText(reading)}, ${how}, got ${quote(text)} ` +
        `(${failures} such values). Mend the file, or say how the column is read: columns: [{ name: ` +
        `${quote(reading.name)}, type: …, nullValues: […] }].`,
      { field: 'input.columns', expected: expectedText(reading), got: quote(text), column: reading.name, row: row + 1 },
    );
  }
}

async function decide(
  connection: DuckDBConnection,
  relation: string,
  open: readonly OpenColumn[],
): Promise<{ reading: ColumnReading; note?: string }[]> {
  const sample = `(SELECT * FROM ${relation} LIMIT ${SAMPLE_ROWS})`;
  const trials: Trial[][] = [];
  const texts = await sampleTexts(connection, sample, open);
  for (const [i, { column, nullValues, type }] of open.entries()) {
    const isPossible = (candidate: Candidate): boolean =>
      type !== undefined ? candidate.reading.type === type : !column.areTexts || candidate.reading.type === 'TIMESTAMP';
    const candidates = candidatesFor(column.name, texts[i]!, nullValues).filter(isPossible);
    // A user who chose the type NUMBER accepts the loss of leading zeros.
    trials.push(
      candidates.map((candidate) => ({
        candidate: type ? { ...candidate, never: undefined } : candidate,
        physical: column.physical,
      })),
    );
  }
  const inSample = await tryAll(connection, sample, trials);
  const left = trials.map((list, i) => list.filter((_trial, j) => inSample[i]![j]!.failures === 0));
  const inAll = await tryAll(connection, relation, left);
  const decided: { reading: ColumnReading; note?: string }[] = [];
  for (const [i, { column, nullValues, areNullValuesGiven, type }] of open.entries()) {
    const { name } = column;
    const fitting = left[i]!.filter((_trial, j) => inAll[i]![j]!.failures === 0 && inAll[i]![j]!.present > 0).map(
      ({ candidate }) => candidate,
    );
    const [first] = fitting;
    const rival = first && (await rivalOf(connection, relation, column.physical, fitting));
    if (first && !rival) {
      decided.push({ reading: first.reading });
      continue;
    }
    const doubt = rival && `Column ${name} may be ${expectedText(first!.reading)} or ${expectedText(rival.reading)}`;
    const advice = `columns: [{ name: ${quote(name)}, ${rival?.reading.type === 'TIMESTAMP' ? `format: ${quote(rival.reading.format)}` : 'decimalSeparator: …, thousandsSeparator: …'} }]`;
    if (type !== undefined && type !== 'STRING') {
      if (doubt) throw badInput('input.columns', `${advice}, as no value tells which`, doubt);
      const reading: ColumnReading = { name, type, nullValues: [...nullValues] };
      await checkSettled(connection, relation, [{ column, reading, isEarlier: false }]);
      decided.push({ reading });
      continue;
    }
    const reading: ColumnReading = { name, type: 'STRING', ...(areNullValuesGiven && { nullValues: [...nullValues] }) };
    const note = doubt
      ? `${doubt}: it is kept as text until ${advice} says which.`
      : await whyText(connection, relation, column, trials[i]!, inSample[i]!);
    decided.push({ reading, ...(note !== undefined && { note }) });
  }
  return decided;
}

/** Another candidate that would give other values. */
async function rivalOf(
  connection: DuckDBConnection,
  relation: string,
  { sql }: PhysicalColumn,
  [first, ...others]: readonly Candidate[],
): Promise<Candidate | undefined> {
  // Booleans, numbers in the common notation and ISO 8601 are unambiguous.
  const { type, format, decimalSeparator, thousandsSeparator } = first!.reading;
  if (type === 'BOOLEAN' || (type === 'TIMESTAMP' && format === undefined)) return undefined;
  if (type === 'NUMBER' && decimalSeparator === undefined && thousandsSeparator === undefined) return undefined;
  for (const other of others) {
    const differing =
      `${parsedText(first!.reading, sql)} IS DISTINCT FROM ${parsedText(other.reading, sql)} AND NOT ` +
      `${missingText(first!.reading, { sql, sqlType: 'VARCHAR' })}`;
    const answer = await connection.runAndReadAll(`SELECT count(*) FILTER (${differing}) FROM ${relation}`);
    if (Number(answer.getRowsJS()[0]![0]) > 0) return other;
  }
  return undefined;
}

/** Explains why a column is text when most of its texts are numbers, or when its numbers have leading zeros. */
async function whyText(
  connection: DuckDBConnection,
  relation: string,
  { name, areTexts }: ImportedColumn,
  trials: readonly Trial[],
  inSample: readonly Verdict[],
): Promise<string | undefined> {
  const position = trials.findIndex(({ candidate }) => candidate.reading.type === 'NUMBER');
  const trial = trials[position];
  if (areTexts || !trial) return undefined;
  const { present, failures } = inSample[position]!;
  if (present === 0 || failures > present * (1 - NEARLY)) {
    const [[padded] = []] = await tryAll(connection, relation, [
      [{ ...trial, candidate: { ...trial.candidate, never: undefined } }],
    ]);
    if (padded!.present === 0 || padded!.failures > 0) return undefined;
    return `Column ${name} holds numbers with zeros in front: they are kept as text, zeros and all.`;
  }
  const [[verdict] = []] = await tryAll(connection, relation, [[trial]]);
  return (
    `Column ${name} is kept as text: ${verdict!.failures} of its ${verdict!.present} values are no plain ` +
    `numbers, the first of them ${quote(verdict!.text)} in row ${verdict!.row + 1}. If they mean that the ` +
    `value is missing: columns: [{ name: ${quote(name)}, nullValues: [${quote(verdict!.text)}] }].`
  );
}

/** For each column, the different texts of the sample, trimmed and without missing values. */
async function sampleTexts(
  connection: DuckDBConnection,
  sample: string,
  open: readonly OpenColumn[],
): Promise<string[][]> {
  const texts = open.map(({ column }) => `left(trim(${column.physical.sql}), 100)`);
  const columns = (await connection.runAndReadAll(`SELECT ${texts.join(', ')} FROM ${sample}`)).getColumnsJS();
  return open.map(({ nullValues }, i) => {
    const missing = new Set<unknown>([null, '', ...nullValues]);
    return [...new Set(columns[i])].filter((text) => !missing.has(text)).map(String);
  });
}

/** One result for each candidate of each column. */
async function tryAll(
  connection: DuckDBConnection,
  relation: string,
  trials: readonly (readonly Trial[])[],
): Promise<Verdict[][]> {
  const all = trials.flat();
  const verdicts: Verdict[] = [];
  for (let start = 0; start < all.length; start += TRIED_AT_ONCE) {
    const measures = all.slice(start, start + TRIED_AT_ONCE).flatMap(({ candidate, physical }) => {
      const { reading, shape, never, evidence } = candidate;
      const { sql } = physical;
      const present = `NOT ${missingText(reading, physical)}`;
      const looks = [
        shape !== undefined && `regexp_full_match(trim(${sql}), ${literal(shape)})`,
        never !== undefined && `NOT regexp_full_match(trim(${sql}), ${literal(never)})`,
        `${parsedText(reading, sql)} IS NOT NULL`,
      ].filter(Boolean);
      const fails = `${present} AND NOT (${looks.join(' AND ')})`;
      const counted = evidence === undefined ? present : `${present} AND contains(${sql}, ${literal(evidence)})`;
      return [
        `count(*) FILTER (${counted})`,
        `count(*) FILTER (${fails})`,
        `min(${ROW}) FILTER (${fails})`,
        `arg_min(left(${sql}, 200), ${ROW}) FILTER (${fails})`,
      ];
    });
    const answer = await connection.runAndReadAll(`SELECT ${measures.join(', ')} FROM ${relation}`);
    const values = answer.getRowsJS()[0]!;
    for (let i = 0; i < values.length; i += 4) {
      const [present, failures, row, text] = values.slice(i, i + 4);
      verdicts.push({
        present: Number(present),
        failures: Number(failures),
        row: Number(row ?? 0),
        text: String(text ?? ''),
      });
    }
  }
  let next = 0;
  return trials.map((list) => list.map(() => verdicts[next++]!));
}
