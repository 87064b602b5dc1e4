import { open, rm } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { FileReading } from '../../modules/model-contract/index.js';
import { badInput, ErrorCode } from '../../errors.js';
import { checkThere, openParquet } from './dataset-source.js';
import { profileSource } from './dataset-profile.js';
import { literal, readError, withDuckDb } from './duckdb.js';
import { readHead, writeCsvRows } from './import/csv.js';
import { openFileText } from './import/file-text.js';
import { decideReadings } from './import/infer.js';
import { readJsonColumns, writeJsonRows } from './import/json.js';
import { checkColumnNames, loadTextTable, uniqueNames, type WrittenRows } from './import/text-table.js';
import type { ImportOutcome, ImportRequest } from './port.js';
import { columnTypeOf } from './reading-sql.js';

/** A table on this machine for whose columns no reading is decided yet. */
interface RawTable {
  path: string;
  names: readonly string[];
  /** For JSON: whether every value of a column is a text in the file. */
  areTexts: readonly boolean[];
  reading: FileReading;
}

/**
 * Imports a user's file as the port describes. Runs in its own process (reader-child.ts), because the file is not
 * checked yet.
 */
export async function importDataset(request: ImportRequest): Promise<ImportOutcome> {
  const { path, format, tablePath } = request;
  await checkThere(path);
  const rowsPath = `${tablePath}.rows`;
  try {
    return await withDuckDb({ paths: [path, rowsPath, tablePath], memoryLimit: '2GB' }, async (connection) => {
      const raw =
        format === 'PARQUET' ? await readParquet(connection, request) : await makeTable(connection, request, rowsPath);
      const { columns, ...relations } = await openParquet(connection, raw.path);
      const imported = raw.names.map((name, i) => ({
        name,
        physical: columns[i]!,
        areTexts: raw.areTexts[i] ?? false,
        isTyped: format === 'PARQUET',
      }));
      const { corrections = [], earlier = [], nullValues } = request;
      const { readings, notes } = await decideReadings(connection, relations.relation, imported, {
        corrections,
        earlier,
        nullValues,
      });
      const source = { ...relations, columns: readings.map((reading, i) => ({ reading, physical: columns[i]! })) };
      const profile = await profileSource(connection, source);
      return {
        profile,
        reading: { ...raw.reading, notes: [...raw.reading.notes, ...notes] },
        hasTable: format !== 'PARQUET',
      };
    });
  } catch (error) {
    const told = readError(error, path);
    // A damaged file can make DuckDB fail in many ways, even in its own assertions.
    if (format === 'PARQUET' && told.code === ErrorCode.INTERNAL)
      throw badInput('file', 'a well-formed file', 'a damaged Parquet file, or one of a kind that cannot be read');
    throw told;
  } finally {
    await rm(rowsPath, { force: true });
  }
}

async function readParquet(
  connection: DuckDBConnection,
  { path, encoding, delimiter }: ImportRequest,
): Promise<RawTable> {
  if (encoding !== undefined) throw badInput('input.encoding', 'nothing for Parquet', encoding);
  if (delimiter !== undefined) throw badInput('input.delimiter', 'nothing for Parquet', delimiter);
  const { columns } = await openParquet(connection, path);
  const names = columns.map(({ name }) => name);
  checkColumnNames(names);
  for (const { name, sqlType } of columns) {
    if (!columnTypeOf(sqlType))
      throw badInput(
        'file',
        `single values in every column; leave column ${name} out, or give its parts columns of their own`,
        `${name} of type ${sqlType}`,
      );
  }
  await refuseWideDecimals(connection, path);
  const reading = { encoding: null, delimiter: null, compression: null, skippedLines: 0, notes: [] };
  return { path, names, areTexts: [], reading };
}

/** DuckDB reads decimals with more than 38 digits as another type. */
async function refuseWideDecimals(connection: DuckDBConnection, path: string): Promise<void> {
  const wide = await connection.runAndReadAll(
    `SELECT name, "precision" FROM parquet_schema(${literal(path)}) WHERE "precision" > 38 LIMIT 1`,
  );
  const [found] = wide.getRowsJS();
  if (found)
    throw badInput('file', 'decimals of at most 38 digits', `column ${String(found[0])} with ${String(found[1])}`);
}

async function makeTable(
  connection: DuckDBConnection,
  { path, format, tablePath, encoding, delimiter, maxBytes = Number.MAX_SAFE_INTEGER }: ImportRequest,
  rowsPath: string,
): Promise<RawTable> {
  if (format === 'JSON' && delimiter !== undefined) throw badInput('input.delimiter', 'nothing for JSON', delimiter);
  const file = await openFileText(path, format, encoding, maxBytes);
  const common = { encoding: file.encoding, compression: file.compression };
  const target = await open(rowsPath, 'w');
  let made: { names: string[]; areTexts: boolean[]; written: WrittenRows; reading: FileReading };
  try {
    if (format === 'JSON') {
      const { names: found, areTexts } = await readJsonColumns(file);
      const { names, notes } = uniqueNames(found);
      const written = await writeJsonRows(file, found, target);
      made = { names, areTexts, written, reading: { ...common, delimiter: null, skippedLines: 0, notes } };
    } else {
      const head = await readHead(file, delimiter);
      const { names, notes } = uniqueNames(head.names);
      checkColumnNames(names);
      const written = await writeCsvRows(file, head, target);
      const skippedLines = head.skippedLines + written.blankLines;
      made = { names, areTexts: [], written, reading: { ...common, delimiter: head.delimiter, skippedLines, notes } };
    }
  } finally {
    await target.close();
  }
  if (made.written.rows === 0 || made.names.length === 0) throw badInput('file', 'at least one row of data', 'no rows');
  await loadTextTable(connection, { rowsPath, tablePath, columns: made.names.length, written: made.written });
  return { path: tablePath, ...made };
}
