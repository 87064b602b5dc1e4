import { badInput } from '../../../errors.js';
import { checkText } from './plain-json.js';

const MAX_NAME_LENGTH = 250;
// Characters that make two different names look alike: control characters, zero-width characters and direction marks.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

export function isVisible(text: string): boolean {
  return !INVISIBLE.test(text);
}

/** Checks that people can see and type a name: 1 to 250 characters, none of them invisible, no space at either end. */
export function checkName(field: string, name: string): string {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH || name.trim() !== name || !isVisible(name)) {
    throw badInput(field, `1 to ${MAX_NAME_LENGTH} visible characters without spaces at the ends`, name);
  }
  return name;
}

/** Checks a name that is also a part of a stored path and of a URL. */
export function checkPathName(field: string, name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(name)) {
    throw badInput(field, 'letters, digits and ._- (at most 128, a letter or digit first)', name);
  }
  return name;
}

/** The first `max` UTF-16 units of a text, without half of a character at the end. */
export function cutText(text: string, max: number): string {
  return text.slice(0, max).replace(/\p{Cs}$/u, '');
}

const MAX_TAGS = 100;
const MAX_TAG_CHARACTERS = 8_000;

/** Checks one tag or parameter; `field` is the field of its input. */
export function checkTag(field: string, key: string, value: string, maxValueLength = MAX_TAG_CHARACTERS): void {
  checkName(`${field}.key`, key);
  if (value.length > maxValueLength)
    throw badInput(`${field}.value`, `at most ${maxValueLength} characters`, value.length);
  checkText(value, null, `${field}.value`);
}

/** Checks tags or parameters and returns them as a record. */
export function checkTags(
  field: string,
  entries: { key: string; value: string }[],
  maxValueLength = MAX_TAG_CHARACTERS,
): Record<string, string> {
  if (entries.length > MAX_TAGS) throw badInput(field, `at most ${MAX_TAGS} entries`, entries.length);
  // With `fromEntries`, `__proto__` is an ordinary key.
  return Object.fromEntries(
    entries.map(({ key, value }, i) => {
      checkTag(`${field}[${i}]`, key, value, maxValueLength);
      return [key, value];
    }),
  );
}

const MAX_MODEL_NAME_LENGTH = 256;

/**
 * Checks the name of a registered model by MLflow's rule: / and : are not allowed, because URIs such as models:/name/1
 * contain the name.
 */
export function checkModelName(field: string, name: string): string {
  const isPlain =
    name.length > 0 && name.length <= MAX_MODEL_NAME_LENGTH && name.trim() === name && !INVISIBLE.test(name);
  if (!isPlain || /[/:]/.test(name) || name === '.' || name.startsWith('..')) {
    const expected =
      `1 to ${MAX_MODEL_NAME_LENGTH} visible characters without / and :, no space at the ends, not . and not ` +
      '.. at the begin';
    throw badInput(field, expected, name);
  }
  return name;
}
