import { badInput } from '../../../errors.js';

const EARLIEST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * A time that every client and the database can write: PostgreSQL has no year 0, and later years have more than four
 * digits.
 */
export function checkTimeMs(field: string, ms: number): number {
  if (ms >= EARLIEST_MS && ms <= LATEST_MS) return ms;
  const date = new Date(ms);
  throw badInput(field, 'a time from the year 1 to 9999', Number.isNaN(date.getTime()) ? `${ms} ms` : date);
}

/** Milliseconds since 1970 that somebody else counted. */
export function timeOf(field: string, ms: number): Date {
  return new Date(checkTimeMs(field, ms));
}
