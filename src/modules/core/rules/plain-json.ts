import { badInput } from '../../../errors.js';
import { characters, checkRange, pathOf, type InputRange, type InputPosition } from './ranges.js';

/** Any text of a request. */
export const ANY_TEXT = characters(0, 100_000);
/** Any list of ids, names, numbers or words; lists of rows and points have limits of their own. */
export const ANY_ITEMS: InputRange = { max: 1_000, unit: 'items' };
const MAX_JSON_DEPTH = 32;

/** Checks a text that will be stored and shown. */
export function checkText(text: string, parent: InputPosition | null, key: string | number, range = ANY_TEXT): void {
  checkRange(range, text, parent, key);
  if (text.includes('\0')) throw badInput(pathOf(parent, key), 'text without NUL characters', text);
  if (!text.isWellFormed()) throw badInput(pathOf(parent, key), 'well-formed Unicode text', text);
}

/** Checks JSON that will be stored and shown. */
export function checkJson(value: unknown, parent: InputPosition | null, key: string | number, depth = 0): void {
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
