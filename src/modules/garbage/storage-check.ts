import type { ObjectStore } from '../../adapters/object-store/port.js';
import { statement } from '../../db/statement.js';
import { AppError, ErrorCode } from '../../errors.js';
import type { Attempt } from '../jobs/index.js';
import type { StorageReport } from './garbage-collection.job-kind.js';

type Found = StorageReport['objectsWithoutRow'];

const MAX_SHOWN = 100;
/** No index leads from a key to its row, so each batch reads the tables once. */
const BATCH = 50_000;
const LOOKS_AT_ONCE = 8;
/** Files and rows are compared by sums over this many buckets: one missing file makes only its own bucket doubtful. */
const BUCKETS = 4_096;
type Sums = Map<number, { rows: number; sum: bigint }>;

/** All columns that name a file. */
export const NAMED = [
  ['artifact', 'object_key'],
  ['batch_inference_part', 'object_key'],
  ['checkpoint', 'object_key'],
  ['dataset', 'object_key'],
  ['dataset', 'table_key'],
  ['direct_upload', 'object_key'],
  ['evaluation', 'markdown_key'],
  ['model_version', 'object_key'],
  ['request_log_file', 'object_key'],
  ['staged_object', 'object_key'],
  ['upload', 'object_key'],
] as const;

/** Files that must exist; files that are being stored are left out. */
const STORED = `
  select object_key as key from artifact where tenant = $1 union select object_key from checkpoint where tenant = $1
  union select object_key from batch_inference_part where tenant = $1
  union select object_key from request_log_file where tenant = $1
  union select object_key from dataset where tenant = $1 union select object_key from upload where tenant = $1
  union select table_key from dataset where tenant = $1 and table_key is not null
  union select object_key from model_version where tenant = $1 and status = 'READY' and object_key is not null`;

const AMONG = `select key from unnest($2::text[]) as k(key) join (${STORED}) s using (key)`;
const sums = (keys: string) => `
  select (hash & ${BUCKETS - 1})::int as bucket, count(*)::int as rows, sum(hash::numeric)::text as sum
  from (select hashtextextended(key, 0) as hash from (${keys}) stored) hashed group by 1`;
const SUMS = { bucket: 'integer', rows: 'integer', sum: 'text' } as const;

const sumsOfAll = statement({ name: 'stored_file_sums', text: sums(STORED), row: SUMS });
const sumsAmong = statement({ name: 'stored_file_sums_among', text: sums(AMONG), row: SUMS });
const storedAmong = statement({ name: 'stored_files_among', text: AMONG, row: { key: 'text' } });

const unnamedAmong = statement({
  name: 'unnamed_files_among',
  text: `select key from unnest($2::text[]) as k(key) where ${NAMED.map(
    ([table, column]) => `not exists (select from ${table} where tenant = $1 and ${column} = k.key)`,
  ).join(' and ')}`,
  row: { key: 'text' },
});

const storedInBuckets = statement({
  name: 'stored_files_in_buckets',
  text: `select key from (${STORED}) stored where (hashtextextended(key, 0) & ${BUCKETS - 1}) = any($2::bigint[])
    and key collate "C" > $3 order by key collate "C" limit $4`,
  row: { key: 'text' },
});

/** Finds files without a row and rows without a file, for the tenant, and changes nothing. */
export async function checkStorage(attempt: Attempt, objects: ObjectStore): Promise<StorageReport> {
  const report: StorageReport = {
    objects: 0,
    rows: 0,
    objectsWithoutRow: { count: 0, keys: [] },
    rowsWithoutObject: { count: 0, keys: [] },
  };
  const found: Sums = new Map();
  let batch: string[] = [];
  const look = async () => {
    attempt.signal.throwIfAborted();
    for (const key of await unnamed(attempt, batch)) note(report.objectsWithoutRow, key);
    add(found, await sumsOf(attempt, batch));
    report.objects += batch.length;
    attempt.progress(1, `${report.objects} files looked at`);
    batch = [];
  };
  for await (const key of objects.list(`${attempt.job.tenant}/`)) {
    if (batch.push(key) >= BATCH) await look();
  }
  await look();
  const named = await sumsOf(attempt);
  for (const { rows } of named.values()) report.rows += rows;
  // If all files of a bucket were found, its rows need no further check.
  const doubtful = [...named].filter(([bucket, { sum }]) => sum !== found.get(bucket)?.sum).map(([bucket]) => bucket);
  for (let after = ''; doubtful.length > 0;) {
    attempt.signal.throwIfAborted();
    const keys = await storedKeys(attempt, doubtful, after);
    // A key that was removed meanwhile does not count.
    for (const key of await stillStored(attempt, await absent(objects, keys))) note(report.rowsWithoutObject, key);
    attempt.progress(1, `${report.rows} rows looked at`);
    if (keys.length < BATCH) break;
    after = keys.at(-1)!;
  }
  return report;
}

function add(all: Sums, more: Sums): void {
  for (const [bucket, { rows, sum }] of more) {
    const before = all.get(bucket) ?? { rows: 0, sum: 0n };
    all.set(bucket, { rows: before.rows + rows, sum: before.sum + sum });
  }
}

/** Sums over the rows whose files must exist, or over those with some keys. Equal sums mean equal sets of keys. */
async function sumsOf(attempt: Attempt, among?: string[]): Promise<Sums> {
  const rows = await attempt.read(({ em, tenant }) =>
    among ? sumsAmong(em, [tenant, among]) : sumsOfAll(em, [tenant]),
  );
  return new Map(rows.map(({ bucket, rows: count, sum }) => [bucket, { rows: count, sum: BigInt(sum) }]));
}

async function unnamed(attempt: Attempt, keys: string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const rows = await attempt.read(({ em, tenant }) => unnamedAmong(em, [tenant, keys]));
  return rows.map(({ key }) => key);
}

async function storedKeys(attempt: Attempt, buckets: number[], after: string): Promise<string[]> {
  const rows = await attempt.read(({ em, tenant }) => storedInBuckets(em, [tenant, buckets, after, BATCH]));
  return rows.map(({ key }) => key);
}

async function stillStored(attempt: Attempt, keys: string[]): Promise<string[]> {
  if (keys.length === 0) return [];
  const rows = await attempt.read(({ em, tenant }) => storedAmong(em, [tenant, keys]));
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
