import { badInput } from '../../../errors.js';
import { checkTags } from './names.js';
import { ANY_TEXT } from './plain-json.js';

const MAX_TAGS = 1_000;
const MAX_SET_BYTES = 1024 ** 2;

interface SetSize {
  count: number;
  sizeBytes: number;
}

/** Checks the number and the bytes of all tags of an object, because they are always read together. */
export function checkSetSize(
  field: string,
  { count, sizeBytes }: SetSize,
  [maxCount, maxBytes]: readonly [number, number] = [MAX_TAGS, MAX_SET_BYTES],
): void {
  const refuse = (expected: string, got: string) =>
    badInput(field, `${expected} on one thing: delete some first, or log long texts as artifacts`, got);
  if (count > maxCount) throw refuse(`at most ${maxCount} entries`, `${count} entries`);
  if (sizeBytes > maxBytes)
    throw refuse(`entries of at most ${maxBytes} bytes together, keys and values`, `${sizeBytes} bytes`);
}

export function setSizeOf(record: Readonly<Record<string, string>>): SetSize {
  const entries = Object.entries(record);
  const sizeBytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return { count: entries.length, sizeBytes };
}

/** Checks tags of a model or version by the limits of MLflow's registry and returns them as a record. */
export function registryTags(
  field: string,
  entries: readonly { key: string; value: string }[],
): Record<string, string> {
  const tags = checkTags(field, entries, ANY_TEXT);
  checkSetSize(field, setSizeOf(tags));
  return tags;
}

/** The new value of each tag that was set or changed; null for each removed one. */
export function tagChanges(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const set = Object.entries(after).filter(([key, value]) => !Object.hasOwn(before, key) || before[key] !== value);
  const gone = Object.keys(before).filter((key) => !Object.hasOwn(after, key));
  return { ...Object.fromEntries(set), ...Object.fromEntries(gone.map((key) => [key, null])) };
}
