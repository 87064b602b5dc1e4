import { AppError, ErrorCode } from '../errors.js';

/** What PostgreSQL says about a value that it cannot store, by SQLSTATE. */
const EXPECTED: Record<string, string> = {
  '22001': 'a shorter text',
  '22003': 'a number within the range of its field',
  '22007': 'a time from the year 1 to 9999',
  '22008': 'a time from the year 1 to 9999',
  '22021': 'text without NUL characters and halves of characters',
  '22P02': 'a value of the form that its field has',
  '22P05': 'text without NUL characters and halves of characters',
  // A program limit; in the service's statements this is always the limit of an index or of a whole JSON value.
  '54000': 'a shorter text',
};

/**
 * Services check values first. A value that the database still refuses is the client's mistake, not a fault of this
 * service, and retrying is useless. Other errors are returned unchanged.
 */
export function asRefusedValue(error: unknown): unknown {
  for (let at = error, depth = 0; at instanceof Error && !(at instanceof AppError) && depth < 5; depth++) {
    const { code, column, cause } = at as Error & { code?: unknown; column?: unknown };
    const expected = typeof code === 'string' ? EXPECTED[code] : undefined;
    if (expected !== undefined) {
      const field = typeof column === 'string' ? column : undefined;
      return new AppError(
        ErrorCode.BAD_USER_INPUT,
        `A value${field === undefined ? '' : ` of ${field}`} cannot be stored: expected ${expected}.`,
        { ...(field !== undefined && { field }), expected },
        { cause: error },
      );
    }
    at = cause;
  }
  return error;
}
