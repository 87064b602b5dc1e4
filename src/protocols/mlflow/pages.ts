import { invalidParameter } from './errors.js';
import { integer } from './protobuf-json.js';

// Page tokens as MLflow's own server makes them: the place in the list, as JSON in base64.

export const pageToken = (offset: number) => Buffer.from(JSON.stringify({ offset })).toString('base64');

export function offsetOf(token: string): number {
  if (token === '') return 0;
  let offset: unknown;
  try {
    const parsed: unknown = JSON.parse(Buffer.from(token, 'base64').toString());
    offset = parsed !== null && typeof parsed === 'object' && 'offset' in parsed ? parsed.offset : undefined;
  } catch {
    offset = undefined;
  }
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw invalidParameter(`Invalid page token: ${token.slice(0, 100)}.`);
}

/** One page of a list of which one item more than wanted was read. */
export function pageOf<Name extends string, T>(
  name: Name,
  found: T[],
  { offset, limit }: { offset: number; limit: number },
): Record<string, unknown> {
  return {
    ...(found.length > 0 && { [name]: found.slice(0, limit) }),
    ...(found.length > limit && { next_page_token: pageToken(offset + limit) }),
  };
}

/** A page size of which MLflow's server refuses too large ones before anything else. */
export const atMost = (largest: number) => integer.refine((value) => value === null || value <= largest);

export function checkMaxResults(value: number, largest: number): void {
  const refuse = (reason: string) => invalidParameter(`Invalid value ${value} for parameter 'max_results' supplied. It must be ${reason}`);
  if (value < 1) throw refuse('a positive integer');
  if (value > largest) throw refuse(`at most ${largest}`);
}
