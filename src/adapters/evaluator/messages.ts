import type { ErrorCode, ErrorDetails } from '../../errors.js';
import type { EvaluationOutcome, EvaluationRequest, ProbeOutcome, ProbeRequest } from './port.js';

/** What is asked of an evaluation process: one thing. */
export type Work = { kind: 'EVALUATE'; request: EvaluationRequest } | { kind: 'PROBE'; request: ProbeRequest };

export type Answer =
  | { kind: 'EVALUATED'; outcome: EvaluationOutcome }
  | { kind: 'PROBED'; outcome: ProbeOutcome }
  | { kind: 'FAILED'; code: ErrorCode; message: string; details: ErrorDetails; stack?: string };
