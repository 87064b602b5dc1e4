import { parentPort, workerData } from 'node:worker_threads';
import { parameterImportance, type ImportanceRequest, type ParameterImportance } from '../domain/tracking/parameter-importance.js';
import { AppError, type ErrorCode, type ErrorDetails } from '../errors.js';

/** Entry point of the thread that one analysis runs in; started by importance-apart.ts. */

export type ImportanceAnswer = { outcome: ParameterImportance } | { code: ErrorCode; message: string; details: ErrorDetails };

function perform(request: ImportanceRequest): ImportanceAnswer {
  try {
    return { outcome: parameterImportance(request) };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, message: error.message, details: error.details };
    throw error;
  }
}

parentPort!.postMessage(perform(workerData as ImportanceRequest));
