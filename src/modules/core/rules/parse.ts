import { z } from 'zod';
import { badInput } from '../../../errors.js';
import type { InputRange } from './ranges.js';

/** A number within a range that the API declares. */
export function numberIn<T extends z.ZodNumber>(range: InputRange, number: T): T {
  const { min, above, max, below } = range;
  let schema = number;
  if (min !== undefined) schema = schema.min(min);
  if (above !== undefined) schema = schema.gt(above);
  if (max !== undefined) schema = schema.max(max);
  if (below !== undefined) schema = schema.lt(below);
  return schema;
}

/** A list of as many items as the API declares. */
export function listIn<T extends z.ZodType>({ min, max }: InputRange, item: T): z.ZodArray<T> {
  const list = z.array(item).min(min ?? 0);
  return max === undefined ? list : list.max(max);
}

/**
 * The checked value with its defaults. BAD_USER_INPUT names the first wrong field below `field`, what was expected and
 * what was given.
 */
export function parseInput<T>(schema: z.ZodType<T>, field: string, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  throw badInput(pathText(field, path), expectedBy(issue), valueAt(input, path));
}

function pathText(start: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`),
    start,
  );
}

/** What a schema expected where it found this fault. */
export function expectedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'unrecognized_keys':
      return 'nothing here';
    case 'too_small':
      return `${sized(issue.origin)} ${issue.inclusive ? 'of at least' : 'above'} ${issue.minimum}`;
    case 'too_big':
      return `${sized(issue.origin)} ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type':
      return `a value of type ${issue.expected}`;
    default:
      return issue.message;
  }
}

function sized(origin: string): string {
  return origin === 'array' ? 'a list with a length' : 'a number';
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    input,
  );
}
