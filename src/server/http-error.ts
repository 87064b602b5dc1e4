import { AppError, ErrorCode } from '../errors.js';
import { shownParts } from './client-error.js';
import { httpStatus } from './http-status.js';

export interface HttpError {
  status: number;
  /** Null unless a retry may soon succeed. */
  retryAfterSeconds: number | null;
  /** What the client may see. */
  body: { code: ErrorCode; message: string; requestId: string; [detail: string]: unknown };
}

const RETRY_AFTER_SECONDS = 1;

/** The error of a plain HTTP request; the message of an unknown error is not shown. */
export function toHttpError(error: unknown, requestId: string): HttpError {
  if (error instanceof AppError) {
    const status = httpStatus(error.code);
    const { message, details } = shownParts(error);
    const { retryAfterMs } = error.details;
    const isKnown = typeof retryAfterMs === 'number';
    const isCrowded = isKnown && error.code === ErrorCode.RESOURCE_EXHAUSTED;
    return {
      status: isCrowded ? 429 : status,
      retryAfterSeconds: isKnown ? Math.ceil(retryAfterMs / 1000) : status === 503 ? RETRY_AFTER_SECONDS : null,
      body: { code: error.code, message, ...details, requestId },
    };
  }
  const { statusCode = 500 } = error as { statusCode?: number };
  const isClients = statusCode < 500 && error instanceof Error;
  const code = isClients
    ? statusCode === 413
      ? ErrorCode.RESOURCE_EXHAUSTED
      : ErrorCode.BAD_USER_INPUT
    : ErrorCode.INTERNAL;
  const message = isClients ? error.message : 'Something went wrong on our side.';
  return { status: statusCode, retryAfterSeconds: null, body: { code, message, requestId } };
}
