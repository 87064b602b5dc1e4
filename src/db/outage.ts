import { AppError, diskFull, ErrorCode } from '../errors.js';

/**
 * SQL states of PostgreSQL: connection lost (08), no resources (53), stopped by an operator (57), ended as idle
 * (25P03), retry (40).
 */
const SQL_STATES = /^(08|53|57|40)...$|^25P03$/;
const SYSTEM_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
];
/** Errors to which the driver gives no code. */
const MESSAGES =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|Client was closed)/;

/**
 * Translates an unreachable database to UNAVAILABLE: nothing was changed, or a repetition is harmless. Other errors are
 * returned unchanged.
 */
export function asOutage(error: unknown): unknown {
  const full = error instanceof AppError ? undefined : diskFull(error);
  if (full) return full;
  for (let at = error, depth = 0; at instanceof Error && !(at instanceof AppError) && depth < 5; depth++) {
    const { code, message, cause } = at as Error & { code?: unknown };
    if (
      (typeof code === 'string' && (SQL_STATES.test(code) || SYSTEM_CODES.includes(code))) ||
      MESSAGES.test(message)
    ) {
      return new AppError(
        ErrorCode.UNAVAILABLE,
        'The database is out of reach or busy; try again.',
        {},
        { cause: error },
      );
    }
    at = cause;
  }
  return error;
}
