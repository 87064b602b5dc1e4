import { checkText } from './plain-json.js';
import { characters, checkRange, type InputRange } from './ranges.js';

const MAX_NAME_LENGTH = 250;
// Characters that make two different names look alike: control characters, zero-width characters and direction marks.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

export function isVisible(text: string): boolean {
  return !INVISIBLE.test(text);
}

/** A name that people can see and type: no invisible character, no space at either end. */
export const NAME: InputRange = {
  min: 1,
  max: MAX_NAME_LENGTH,
  unit: 'visible characters without spaces at the ends',
  accepts: (name) => name.trim() === name && isVisible(name),
};

export function checkName(field: string, name: string): string {
  checkRange(NAME, name, null, field);
  return name;
}

/** A name that is also a part of a stored path and of a URL. */
export const PATH_NAME: InputRange = {
  min: 1,
  max: 128,
  unit: 'letters, digits and ._-, a letter or digit first',
  accepts: (name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name),
};

export function checkPathName(field: string, name: string): string {
  checkRange(PATH_NAME, name, null, field);
  return name;
}

/** The first `max` UTF-16 units of a text, without half of a character at the end. */
export function cutText(text: string, max: number): string {
  return text.slice(0, max).replace(/\p{Cs}$/u, '');
}

/** The text of a tag or parameter of a run. */
export const TAG_VALUE = characters(0, 8_000);

/** The tags or parameters of one call. */
export const entriesOf = (value: InputRange): InputRange => ({ max: 100, unit: 'entries', fields: { value } });

/** Checks one tag or parameter; `field` is the field of its input. */
export function checkTag(field: string, key: string, value: string, range = TAG_VALUE): void {
  checkName(`${field}.key`, key);
  checkText(value, null, `${field}.value`, range);
}

/** Checks tags or parameters and returns them as a record. */
export function checkTags(
  field: string,
  entries: readonly { key: string; value: string }[],
  range = TAG_VALUE,
): Record<string, string> {
  const { max, unit } = entriesOf(range);
  checkRange({ max, unit }, entries, null, field);
  // With `fromEntries`, `__proto__` is an ordinary key.
  return Object.fromEntries(
    entries.map(({ key, value }, i) => {
      checkTag(`${field}[${i}]`, key, value, range);
      return [key, value];
    }),
  );
}

/**
 * Checks the name of a registered model by MLflow's rule: / and : are not allowed, because URIs such as models:/name/1
 * contain the name.
 */
export const MODEL_NAME: InputRange = {
  min: 1,
  max: 256,
  unit: 'visible characters without / and :, no space at the ends, not . and not .. at the begin',
  accepts: (name) =>
    name.trim() === name && isVisible(name) && !/[/:]/.test(name) && name !== '.' && !name.startsWith('..'),
};

export function checkModelName(field: string, name: string): string {
  checkRange(MODEL_NAME, name, null, field);
  return name;
}
