import { AppError, type ErrorCode, type ErrorDetails } from '../../errors.js';
import { importDataset } from './dataset-import.js';
import { preview } from './dataset-reader.js';
import type { ImportRequest, Table } from './port.js';

/** Entry point of the process that users' files are read in; started by reader-process.ts. */

export type ReaderRequest =
  | { kind: 'IMPORT'; request: ImportRequest }
  | { kind: 'PREVIEW'; table: Table; limit: number };

export type ReaderAnswer =
  | { value: unknown }
  | { code: ErrorCode; message: string; details: ErrorDetails }
  | { unexpected: string };

async function perform(request: ReaderRequest): Promise<ReaderAnswer> {
  try {
    return {
      value:
        request.kind === 'IMPORT' ? await importDataset(request.request) : await preview(request.table, request.limit),
    };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, details: error.details };
    return { unexpected: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (request: ReaderRequest) => {
  void perform(request).then((answer) => process.send?.(answer));
});
// Without its parent nobody would hear of the result.
process.on('disconnect', () => process.exit(0));
