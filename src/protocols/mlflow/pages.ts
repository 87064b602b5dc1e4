import { isDeepStrictEqual } from 'node:util';
import { AppError } from '../../errors.js';
import { invalidParameter } from './errors.js';
import { integer } from './protobuf-json.js';
import { pythonBytes, pythonRepr, pythonStr } from './python-json.js';

const MAX_SHOWN_BYTES = 100;

// Page tokens in the format of MLflow's own server: the place in the list, as JSON in base64.

export const pageToken = (offset: number, search: object = {}) =>
  Buffer.from(JSON.stringify({ ...search, offset })).toString('base64');

/** Other fields of the page token of logged models, with MLflow's names. */
const SEARCHED = {
  experiment_ids: ['Experiment IDs in the page token do', 'experiment IDs'],
  filter_string: ['Filter string in the page token does', 'filter string'],
  order_by: ['Order by in the page token does', 'order by'],
} as const;

export type SearchedModels = Record<keyof typeof SEARCHED, unknown>;

/** The place that a token names; it must be a token of the same search. */
export function offsetInSearch(token: string, search: SearchedModels): number {
  if (token === '') return 0;
  const parsed = parseToken(
    token,
    () => `: ${token.slice(0, MAX_SHOWN_BYTES)}. Expecting value: line 1 column 1 (char 0)`,
  );
  const found = parsed !== null && typeof parsed === 'object' ? (parsed as Partial<SearchedModels>) : {};
  for (const name of Object.keys(SEARCHED) as (keyof SearchedModels)[]) {
    const [begin, end] = SEARCHED[name];
    if (isDeepStrictEqual(found[name] ?? null, search[name])) continue;
    throw invalidParameter(
      `${begin} not match the requested ${end}. Expected: ${pythonStr(search[name])}. Found: ` +
        `${pythonStr(found[name] ?? null)}`,
    );
  }
  return offsetOf(token);
}

export function offsetOf(token: string): number {
  if (token === '') return 0;
  const parsed = parseToken(token);
  const offset = parsed !== null && typeof parsed === 'object' && 'offset' in parsed ? parsed.offset : undefined;
  if (typeof offset === 'number' && Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw invalidParameter(`Invalid page token, parsed value=${pythonRepr(parsed)}`);
}

function parseToken(token: string, tell = (bytes: Buffer) => `, decoded value=${pythonBytes(bytes)}`): unknown {
  const decoded = Buffer.from(token, 'base64');
  try {
    return JSON.parse(decoded.toString());
  } catch {
    throw invalidParameter(`Invalid page token${tell(decoded.subarray(0, MAX_SHOWN_BYTES))}`);
  }
}

/**
 * A text that is not a token is refused with MLflow's message; a token of another search, with a message of this
 * service.
 */
export const refusedToken = (token: string) => (error: unknown) => {
  if (!(error instanceof AppError) || error.details.field !== 'page_token') throw error;
  const parsed = parseToken(token);
  throw Array.isArray(parsed) ? error : invalidParameter(`Invalid page token, parsed value=${pythonRepr(parsed)}`);
};

/** One page of a list. The list was read with one item more than requested. */
export function pageOf<Name extends string, T>(
  name: Name,
  found: T[],
  { offset, limit, search }: { offset: number; limit: number; search?: SearchedModels },
): Record<string, unknown> {
  return {
    ...(found.length > 0 && { [name]: found.slice(0, limit) }),
    ...(found.length > limit && { next_page_token: pageToken(offset + limit, search) }),
  };
}

/** A page size. MLflow's server refuses too large ones before anything else. */
export const atMost = (largest: number) => integer.refine((value) => value === null || value <= largest);

export function checkMaxResults(value: number, largest: number): void {
  const refuse = (reason: string) =>
    invalidParameter(`Invalid value ${value} for parameter 'max_results' supplied. It must be ${reason}`);
  if (value < 1) throw refuse('a positive integer');
  if (value > largest) throw refuse(`at most ${largest}`);
}
