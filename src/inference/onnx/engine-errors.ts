import { ChildLost } from '../../child-task/child-task.js';
import { AppError, ErrorCode, quote } from '../../errors.js';
import type { HostReply } from './wire.js';

export function notLoaded(modelId: string): AppError {
  return new AppError(ErrorCode.NOT_FOUND, `The model ${quote(modelId)} is not loaded for inference.`, {
    got: quote(modelId),
  });
}

export function engineClosed(): AppError {
  return new AppError(ErrorCode.UNAVAILABLE, 'The inference engine is shutting down.');
}

/** The error when no host can be started. */
export function noHost(failure: Error): AppError {
  const message = 'No inference process can be started: ask who runs the service to look at its log.';
  return new AppError(ErrorCode.UNAVAILABLE, message, {}, { cause: failure });
}

export function requestTooLarge(bytes: number, maxBytes: number): AppError {
  return new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    `The inputs take up to ${bytes} bytes, where one run may take ${maxBytes}; send fewer rows.`,
    {
      field: 'inputs',
      expected: `at most ${maxBytes} bytes`,
      got: `${bytes} bytes`,
    },
  );
}

/** A full queue usually has room again after this time. */
const QUEUE_RETRY_MS = 1_000;

export function queueFull(queuedRows: number, maxQueueRows: number): AppError {
  return new AppError(
    ErrorCode.RESOURCE_EXHAUSTED,
    `${queuedRows} rows are waiting for inference already; try again later.`,
    {
      expected: `at most ${maxQueueRows} rows waiting`,
      got: `${queuedRows}`,
      retryAfterMs: QUEUE_RETRY_MS,
    },
  );
}

export function deadlineExceeded(deadlineMs: number): AppError {
  return new AppError(ErrorCode.DEADLINE_EXCEEDED, `The model did not answer within ${deadlineMs} ms.`, {
    expected: `an answer within ${deadlineMs} ms`,
  });
}

/** Translates a host's refusal for the caller. */
export function fromReply(header: HostReply): AppError {
  if (header.kind !== 'error')
    return new AppError(ErrorCode.INTERNAL, `An inference host answered with "${header.kind}".`);
  // The runtime names the file, which is a place of this machine.
  const said = header.message.replace(/^Load model from .+? failed:\s*/, 'The model cannot be loaded: ');
  const message =
    header.code === 'RESOURCE_EXHAUSTED' ? `The model needs more memory than a host may hold: ${said}` : said;
  const code = header.code === 'TOO_LARGE' ? ErrorCode.RESOURCE_EXHAUSTED : ErrorCode[header.code];
  return new AppError(code, message);
}

/**
 * Translates the loss of a host for the caller; `expected` completes "did not …". Any other error is a bug and is
 * thrown again.
 */
export function fromLoss(cause: unknown, expected: string): AppError {
  if (!(cause instanceof ChildLost)) throw cause;
  switch (cause.reason) {
    case 'TIME':
    case 'CPU':
      return new AppError(
        ErrorCode.DEADLINE_EXCEEDED,
        `The model did not ${expected}; the process that ran it was ended.`,
        { expected },
      );
    case 'MEMORY':
      return new AppError(
        ErrorCode.RESOURCE_EXHAUSTED,
        'The model needs more memory than a host may hold; the process that ran it was ended.',
      );
    case 'CLOSED':
      return engineClosed();
    case 'SILENCE':
      return new AppError(
        ErrorCode.UNAVAILABLE,
        'The process that ran the model gave no sign of life and was ended: try again.',
      );
    default:
      return new AppError(
        ErrorCode.UNAVAILABLE,
        `The process that ran the model ended by ${cause.how}.`,
        {},
        { cause },
      );
  }
}
