import type { ObjectStore } from '../../adapters/object-store/port.js';
import { sql } from '../../db/sql.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { JobRun } from '../platform/job-run.js';

export interface StorageReport {
  objects: number;
  rows: number;
  /** Files that no row names. */
  objectsWithoutRow: Found;
  /** Rows whose file is not there. */
  rowsWithoutObject: Found;
}

interface Found {
  count: number;
  keys: string[];
}

const MAX_SHOWN = 100;
const BATCH = 5_000;
const LOOKS_AT_ONCE = 8;

/** Every column that names a file. */
const NAMED = [
  ['artifact', 'object_key'],
  ['checkpoint', 'object_key'],
  ['dataset', 'object_key'],
  ['direct_upload', 'object_key'],
  ['evaluation', 'markdown_key'],
  ['model_version', 'object_key'],
  ['staged_object', 'object_key'],
  ['upload', 'object_key'],
] as const;

/** Those whose files must be there: not what is only being stored. */
const STORED = `
  select object_key as key from artifact where tenant = ? union select object_key from checkpoint where tenant = ?
  union select object_key from dataset where tenant = ? union select object_key from upload where tenant = ?
  union select object_key from model_version where tenant = ? and status = 'READY' and object_key is not null`;
const STORED_TABLES = STORED.split('?').length - 1;

/** Looks for orphans both ways among the tenant's files, and changes nothing. */
export async function checkStorage(run: JobRun, objects: ObjectStore): Promise<StorageReport> {
  const report: StorageReport = {
    objects: 0,
    rows: 0,
    objectsWithoutRow: { count: 0, keys: [] },
    rowsWithoutObject: { count: 0, keys: [] },
  };
  let batch: string[] = [];
  const look = async () => {
    run.signal.throwIfAborted();
    for (const key of await unnamed(run, batch)) note(report.objectsWithoutRow, key);
    report.objects += batch.length;
    run.progress(1, `${report.objects} files looked at`);
    batch = [];
  };
  for await (const key of objects.list(`${run.job.tenant}/`)) {
    if (batch.push(key) >= BATCH) await look();
  }
  await look();
  for (let after = ''; ;) {
    run.signal.throwIfAborted();
    const keys = await storedKeys(run, after);
    for (const key of await absent(objects, keys)) {
      // What was removed meanwhile is no orphan.
      if ((await unnamed(run, [key])).length === 0) note(report.rowsWithoutObject, key);
    }
    report.rows += keys.length;
    run.progress(1, `${report.rows} rows looked at`);
    if (keys.length < BATCH) return report;
    after = keys.at(-1)!;
  }
}

async function unnamed(run: JobRun, keys: string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const known = NAMED.map(([table, column]) => `not exists (select from ${table} where tenant = ? and ${column} = k.key)`).join(' and ');
  const rows = await run.read((session) =>
    sql<{ key: string }>(session.em, `select key from unnest(?::text[]) as k(key) where ${known}`, [
      keys,
      ...NAMED.map(() => session.tenant),
    ]),
  );
  return rows.map(({ key }) => key);
}

async function storedKeys(run: JobRun, after: string): Promise<string[]> {
  const rows = await run.read((session) =>
    sql<{ key: string }>(session.em, `select key from (${STORED}) stored where key collate "C" > ? order by key collate "C" limit ?`, [
      ...Array.from({ length: STORED_TABLES }, () => session.tenant),
      after,
      BATCH,
    ]),
  );
  return rows.map(({ key }) => key);
}

async function absent(objects: ObjectStore, keys: string[]): Promise<string[]> {
  const missing: string[] = [];
  for (let from = 0; from < keys.length; from += LOOKS_AT_ONCE) {
    await Promise.all(
      keys.slice(from, from + LOOKS_AT_ONCE).map(async (key) => {
        if (!(await isThere(objects, key))) missing.push(key);
      }),
    );
  }
  return missing;
}

async function isThere(objects: ObjectStore, key: string): Promise<boolean> {
  try {
    await objects.sizeBytes(key);
    return true;
  } catch (error) {
    if (error instanceof AppError && error.code === ErrorCode.NOT_FOUND) return false;
    throw error;
  }
}

function note(found: Found, key: string): void {
  found.count += 1;
  if (found.keys.length < MAX_SHOWN) found.keys.push(key);
}
