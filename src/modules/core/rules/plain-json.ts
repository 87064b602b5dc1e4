import { badInput } from '../../../errors.js';

const MAX_STRING_LENGTH = 100_000;
const MAX_JSON_DEPTH = 32;

/** The place of a value. It becomes a text only in an error, because a call can have a hundred thousand values. */
export interface Place {
  parent: Place | null;
  key: string | number;
}

/** Checks a text that will be stored and shown. */
export function checkText(text: string, parent: Place | null, key: string | number): void {
  if (text.length > MAX_STRING_LENGTH)
    throw badInput(pathOf(parent, key), `at most ${MAX_STRING_LENGTH} characters`, `${text.length} characters`);
  if (text.includes('\0')) throw badInput(pathOf(parent, key), 'text without NUL characters', text);
  if (!text.isWellFormed()) throw badInput(pathOf(parent, key), 'well-formed Unicode text', text);
}

/** Checks JSON that will be stored and shown. */
export function checkJson(value: unknown, parent: Place | null, key: string | number, depth = 0): void {
  if (depth > MAX_JSON_DEPTH)
    throw badInput(pathOf(parent, key), `JSON nested at most ${MAX_JSON_DEPTH} deep`, 'deeper nesting');
  if (typeof value === 'string') checkText(value, parent, key);
  else if (typeof value === 'number' && !Number.isFinite(value))
    throw badInput(pathOf(parent, key), 'finite numbers', String(value));
  if (typeof value !== 'object' || value === null) return;
  const place = { parent, key };
  if (Array.isArray(value)) value.forEach((item, i) => checkJson(item, place, i, depth + 1));
  else {
    for (const [name, item] of Object.entries(value)) {
      checkText(name, parent, key);
      checkJson(item, place, name, depth + 1);
    }
  }
}

export function pathOf(parent: Place | null, key: string | number): string {
  if (!parent) return String(key);
  const before = pathOf(parent.parent, parent.key);
  return typeof key === 'number' ? `${before}[${key}]` : `${before}.${key}`;
}
