import { badInput } from '../../../errors.js';
import { checkName } from './names.js';

const MAX_VALUE_CHARACTERS = 100_000;
const MAX_ENTRIES_AT_ONCE = 100;
const MAX_TAGS = 1_000;

/** The tags of a model or version with some set anew, by MLflow's limits of its registry. */
export function withTags(
  present: Readonly<Record<string, string>>,
  field: string,
  entries: readonly { key: string; value: string }[],
): Record<string, string> {
  if (entries.length > MAX_ENTRIES_AT_ONCE)
    throw badInput(field, `at most ${MAX_ENTRIES_AT_ONCE} entries`, entries.length);
  const tags = new Map(Object.entries(present));
  entries.forEach(({ key, value }, i) => {
    checkName(`${field}[${i}].key`, key);
    if (value.length > MAX_VALUE_CHARACTERS)
      throw badInput(`${field}[${i}].value`, `at most ${MAX_VALUE_CHARACTERS} characters`, value.length);
    tags.set(key, value);
  });
  if (tags.size > MAX_TAGS) throw badInput(field, `at most ${MAX_TAGS} tags on one thing`, tags.size);
  return Object.fromEntries(tags);
}

/** The tags without one; null when it is not among them. */
export function withoutTag(present: Readonly<Record<string, string>>, key: string): Record<string, string> | null {
  if (!Object.hasOwn(present, key)) return null;
  return Object.fromEntries(Object.entries(present).filter(([other]) => other !== key));
}

/** What became of each tag that was set anew or went: null for one that is gone. */
export function tagChanges(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const set = Object.entries(after).filter(([key, value]) => !Object.hasOwn(before, key) || before[key] !== value);
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return { ...Object.fromEntries(set), ...Object.fromEntries(gone.map((key) => [key, null])) };
}
