import type { z } from 'zod';
import { badInput } from '../../errors.js';
import { type TrainingConfig, trainingConfigSchema } from './training-config.js';

/** A training's configuration before defaults and checks. */
export type TrainingConfigInput = z.input<typeof trainingConfigSchema>;

/** Fills in defaults and checks shape and ranges. BAD_USER_INPUT names the first wrong field below `field`, what was expected, what came. */
export function parseTrainingConfig(field: string, input: unknown): TrainingConfig {
  const parsed = trainingConfigSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  throw badInput(pathText(field, path), expectedBy(issue), valueAt(input, path));
}

function pathText(start: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`), start);
}

function expectedBy(issue: z.core.$ZodIssue): string {
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
  return path.reduce<unknown>((value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined), input);
}

/** Longest text of a run parameter. */
const MAX_PARAM_LENGTH = 5_000;

/** The configuration as parameters of its run: one per leaf, lists as one text. */
export function configParams(config: TrainingConfig): { key: string; value: string }[] {
  const { features, ...rest } = config;
  const listed = features.map(({ column }) => column).join(', ');
  return [
    ...leaves('', rest),
    { key: 'features', value: listed.length > MAX_PARAM_LENGTH ? `${listed.slice(0, MAX_PARAM_LENGTH - 1)}…` : listed },
  ];
}

function leaves(path: string, value: unknown): { key: string; value: string }[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [{ key: path, value: Array.isArray(value) ? value.join(', ') : String(value) }];
  return Object.entries(value).flatMap(([key, inner]) => leaves(path === '' ? key : `${path}.${key}`, inner));
}
