import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { columnTypeOf } from '../../src/adapters/dataset-files/reading-sql.js';
import type { DatasetFormat } from '../../src/modules/model-contract/rules/dataset-schema.js';
import { importDataset } from '../../src/adapters/dataset-files/dataset-import.js';
import { openParquet } from '../../src/adapters/dataset-files/dataset-source.js';
import { withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import type { ImportOutcome, ImportRequest, Table } from '../../src/adapters/dataset-files/port.js';

const folder = mkdtempSync(path.join(tmpdir(), 'matih-tables-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
let made = 0;

export interface Imported extends ImportOutcome {
  table: Table;
}

/** A file in the form that registration makes readable. */
export async function importFile(
  file: string,
  format: DatasetFormat,
  given: Partial<ImportRequest> = {},
): Promise<Imported> {
  const tablePath = path.join(folder, `${made++}.parquet`);
  const outcome = await importDataset({ path: file, format, tablePath, ...given });
  return { ...outcome, table: { path: outcome.hasTable ? tablePath : file, columns: outcome.profile.columns } };
}

export async function tableOf(file: string, format: DatasetFormat): Promise<Table> {
  return (await importFile(file, format)).table;
}

/** A Parquet file with its own types. */
export async function parquetTable(file: string): Promise<Table> {
  const columns = await withDuckDb(
    { paths: [file] },
    async (connection) => (await openParquet(connection, file)).columns,
  );
  return {
    path: file,
    columns: columns.map(({ name, sqlType }) => ({ name, type: columnTypeOf(sqlType) ?? 'STRING' })),
  };
}
