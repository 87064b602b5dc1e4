import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { identifier, literal, withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import { RequestLogsDocument, type RequestLogsQuery, type RequestLogsQueryVariables } from '../generated/operations.js';
import type { Caller } from './service.js';

export type LogFile = RequestLogsQuery['requestLogs']['nodes'][number];

export const logFiles = async (caller: Caller, variables: RequestLogsQueryVariables) =>
  (await caller.ok(RequestLogsDocument, variables)).requestLogs;

/** Gets the file without a token, checks its size and hash, and reads columns with DuckDB. */
export async function rowsOfFile(url: string, file: LogFile, columns: string[]): Promise<unknown[][]> {
  const answer = await fetch(new URL(file.downloadUrl, url));
  expect(answer.status).toBe(200);
  const content = Buffer.from(await answer.arrayBuffer());
  expect(content).toHaveLength(file.sizeBytes);
  expect(createHash('sha256').update(content).digest('hex')).toBe(file.sha256);
  const folder = await mkdtemp(join(tmpdir(), 'matih-log-file-'));
  try {
    const path = join(folder, 'log.parquet');
    await writeFile(path, content);
    return await withDuckDb({ paths: [path] }, async (connection) => {
      const read = await connection.runAndReadAll(
        `select ${columns.map(identifier).join(', ')} from read_parquet(${literal(path)})
         order by log_request_id, log_mode, log_row`,
      );
      return read.getRowsJS();
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
