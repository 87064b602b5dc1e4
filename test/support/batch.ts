import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preview } from '../../src/adapters/dataset-files/dataset-reader.js';
import { jobEnd, type JobView } from './registry.js';
import type { Caller, TestService } from './service.js';
import { parquetTable } from './tables.js';
import { StartBatchInferenceDocument, type StartBatchInferenceInput } from '../../schema/generated/operations.js';

/** Runs a batch inference to its end. */
export async function batchOf(caller: Caller, input: StartBatchInferenceInput, status?: string): Promise<JobView> {
  const { startBatchInference } = await caller.ok(StartBatchInferenceDocument, { input });
  return jobEnd(caller, startBatchInference.job.id, status);
}

/** The values of its result, by column. */
export async function columnsOf(
  service: TestService,
  caller: Caller,
  { result }: JobView,
): Promise<Record<string, unknown[]>> {
  const { downloadUrl, rows } = result as { downloadUrl: string; rows: number };
  const response = await fetch(`${service.url}${downloadUrl}`, {
    headers: { authorization: `Bearer ${caller.token}` },
  });
  const path = join(tmpdir(), `batch-${Math.random().toString(36).slice(2)}.parquet`);
  await writeFile(path, Buffer.from(await response.arrayBuffer()));
  try {
    const found = await preview(await parquetTable(path), rows);
    return Object.fromEntries(Object.keys(found[0] ?? {}).map((name) => [name, found.map((row) => row[name])]));
  } finally {
    await rm(path);
  }
}
