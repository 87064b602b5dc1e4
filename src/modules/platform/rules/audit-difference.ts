import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';

type Values = Record<string, unknown>;

/** In an audit row, a longer text is replaced by its beginning, size and SHA-256. */
const MAX_TEXT_CHARACTERS = 2_000;
const BEGINNING_CHARACTERS = 100;
/** Limit of one value with all its parts; a larger one is replaced by its size and SHA-256. */
const MAX_VALUE_BYTES = 256 * 1024;

/**
 * What an audit row says about a change. When the object existed before and after: only what differs, and of records
 * such as tags only the entries that differ. So a row is as large as the change, not as the object.
 */
export function auditDifference(
  before: object | null,
  after: object | null,
): { before: Values | null; after: Values | null } {
  const [was, is] = before !== null && after !== null ? differing({ ...before }, { ...after }) : [before, after];
  return { before: was && shortenEach(was), after: is && shortenEach(is) };
}

function differing(before: Values, after: Values): [Values, Values] {
  const [was, is]: [Values, Values] = [{}, {}];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [old, now] = [before[key], after[key]];
    if (isDeepStrictEqual(old, now)) continue;
    const [oldPart, nowPart] = isRecord(old) && isRecord(now) ? differing(old, now) : [old, now];
    if (Object.hasOwn(before, key)) put(was, key, oldPart);
    if (Object.hasOwn(after, key)) put(is, key, nowPart);
  }
  return [was, is];
}

function isRecord(value: unknown): value is Values {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function shortenEach(values: object): Values {
  const short: Values = {};
  for (const [key, value] of Object.entries(values)) put(short, key, shorten(value));
  return short;
}

function shorten(value: unknown): unknown {
  if (typeof value === 'string')
    return value.length <= MAX_TEXT_CHARACTERS
      ? value
      : { begins: value.slice(0, BEGINNING_CHARACTERS).toWellFormed(), ...sizeAndHashOf(value) };
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const short = Array.isArray(value) ? value.map(shorten) : shortenEach(value);
  const text = JSON.stringify(short);
  return text.length <= MAX_VALUE_BYTES ? short : sizeAndHashOf(JSON.stringify(value));
}

function sizeAndHashOf(text: string): { sizeBytes: number; sha256: string } {
  return { sizeBytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') };
}

/** `__proto__` is an ordinary key. */
function put(record: Values, key: string, value: unknown): void {
  Object.defineProperty(record, key, { value, enumerable: true, configurable: true, writable: true });
}
