import { pythonText } from './filters/messages.js';

// JSON as Python's json module writes it: MLflow's server shows it in messages and stores it in tags.

const SHOWN_LENGTH = 2_000;

const BEYOND_ASCII = /[\u0080-\uffff]/g;
const escaped = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Like Python's json.dumps(value, sort_keys=True, separators=(',', ':')), cut to a readable length. */
export function compactJson(value: unknown): string {
  try {
    const sorted = JSON.stringify(value, (_key, item: unknown) =>
      item !== null && typeof item === 'object' && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ).replaceAll(BEYOND_ASCII, escaped);
    return sorted.length > SHOWN_LENGTH ? `${sorted.slice(0, SHOWN_LENGTH)}…` : sorted;
  } catch (error) {
    // A value that nests too deep for the stack could still be parsed.
    if (error instanceof RangeError) return '…';
    throw error;
  }
}

/** Like json.dumps(value): with a space after commas and colons. */
export function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(', ')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${spacedJson(item)}`);
  return `{${entries.join(', ')}}`;
}

/** A value of json.loads, as Python's repr shows it. */
export const pythonRepr = (value: unknown): string => (isDeep(value) ? '…' : reprOf(value));

function reprOf(value: unknown): string {
  if (typeof value === 'string') return pythonText(value);
  if (Array.isArray(value)) return `[${value.map(reprOf).join(', ')}]`;
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value).map(([key, item]) => `${pythonText(key)}: ${reprOf(item)}`);
  return `{${entries.join(', ')}}`;
}

/** Like Python's str: a text stays as it is. */
export const pythonStr = (value: unknown): string => (typeof value === 'string' ? value : pythonRepr(value));

/** Bytes as Python's repr shows them. */
export const pythonBytes = (bytes: Buffer): string =>
  `b${pythonText(bytes.toString('latin1')).replace(/[^ -~]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`)}`;

const MAX_DEPTH = 200;

/** Whether a value nests deeper than any real one. It can be parsed, but writing it would overflow the stack. */
export function isDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    level = level.flatMap((item) => (item !== null && typeof item === 'object' ? Object.values(item) : []));
    if (level.length === 0) return false;
  }
  return true;
}

/** The list that a tag has as JSON; empty when a client wrote something else. */
export function parseList(text: string | null | undefined): unknown[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(list) && !isDeep(list) ? list : [];
  } catch {
    return [];
  }
}

/** That list with one more entry, as JSON. The oldest entries are dropped when it gets too long. */
export function addToList(before: string | null, entry: unknown, maxLength: number): string {
  const kept: string[] = [];
  let length = 0;
  for (const item of [...parseList(before), entry].reverse()) {
    const json = spacedJson(item);
    // Two characters for each separator, and for the outer brackets.
    length += json.length + 2;
    if (kept.length > 0 && length > maxLength) break;
    kept.push(json);
  }
  return `[${kept.reverse().join(', ')}]`;
}
