import type { TrainingWarning } from '../modules/algorithms/index.js';
import type { ErrorCode, ErrorDetails } from '../errors.js';
import type { CheckpointReport, EpochReport, TrainingOutcome, TrainingRequest } from './port.js';

/** What parent and child of a local training say to each other. */
export type ToChild = { type: 'start'; request: TrainingRequest } | { type: 'received' };

/** The child goes on from `epoch`, `checkpoint` and `warning` when the parent says `received`. */
export type FromChild =
  | { type: 'progress'; fraction: number; message: string }
  | { type: 'epoch'; report: EpochReport }
  | { type: 'checkpoint'; report: CheckpointReport }
  | { type: 'warning'; warning: TrainingWarning }
  | { type: 'done'; outcome: TrainingOutcome }
  | { type: 'failed'; error: { code: ErrorCode; message: string; details: ErrorDetails; stack?: string } };
