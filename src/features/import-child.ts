import { AppError, type ErrorCode, type ErrorDetails } from '../errors.js';
import { importDataset } from './dataset-import.js';
import type { ImportOutcome, ImportRequest } from './port.js';

/** Entry point of the process that one new file is read in; started by import-apart.ts. */

export type ImportAnswer =
  | { outcome: ImportOutcome }
  | { code: ErrorCode; message: string; details: ErrorDetails }
  | { unexpected: string };

async function perform(request: ImportRequest): Promise<ImportAnswer> {
  try {
    return { outcome: await importDataset(request) };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, details: error.details };
    return { unexpected: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (request: ImportRequest) => {
  void perform(request).then((answer) => process.send!(answer, () => process.disconnect()));
});
// Without its parent nobody would hear of the result.
process.on('disconnect', () => process.exit(0));
