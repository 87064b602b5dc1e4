import {
  parameterImportance,
  type ImportanceRequest,
  type ParameterImportance,
} from '../../modules/statistics/index.js';
import { AppError, type ErrorCode, type ErrorDetails } from '../../errors.js';

/** Entry point of the process that one analysis runs in; started by importance-apart.ts. */

export type ImportanceAnswer =
  | { outcome: ParameterImportance }
  | { code: ErrorCode; message: string; details: ErrorDetails }
  | { unexpected: string };

function perform(request: ImportanceRequest): ImportanceAnswer {
  try {
    return { outcome: parameterImportance(request) };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, details: error.details };
    return { unexpected: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (request: ImportanceRequest) => {
  process.send!(perform(request), () => process.disconnect());
});
// Without its parent nobody would hear of the result.
process.on('disconnect', () => process.exit(0));
