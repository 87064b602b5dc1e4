import { badInput } from '../../../errors.js';

const EARLIEST_MS = Date.parse('0001-01-01T00:00:00.000Z');
const LATEST_MS = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Checks a time against what every client and the database can write: PostgreSQL has no year 0, and years after 9999
 * have more than four digits.
 */
export function checkTimeMs(field: string, ms: number): number {
  if (ms >= EARLIEST_MS && ms <= LATEST_MS) return ms;
  const date = new Date(ms);
  throw badInput(field, 'a time from the year 1 to 9999', Number.isNaN(date.getTime()) ? `${ms} ms` : date);
}

/** The time of a number of milliseconds since 1970 that a client gave. */
export function timeOf(field: string, ms: number): Date {
  return new Date(checkTimeMs(field, ms));
}
