import { z } from 'zod';
import { listIn, numberIn, type InputRange } from '../../core/index.js';

/** A value of one parameter that a search can choose. */
export type ParameterValue = number | string | boolean;

/** A parameter has a meaning only when another one has one of these values. */
export interface Condition {
  parameter: string;
  oneOf: readonly ParameterValue[];
}

/** Where a search looks by default: narrower than what is allowed. */
export type ParameterSearch =
  | { kind: 'FLOAT' | 'INTEGER'; low: number; high: number; log?: boolean; step?: number }
  | { kind: 'CATEGORICAL'; choices: readonly ParameterValue[] };

/** The parameters before this one, in the order of the algorithm's list. */
type Given = Readonly<Record<string, unknown>>;

interface Said<T> {
  /** What it means, with its unit: for a person who fills in a form. */
  about: string;
  /** Absent: the training computes one, as `whenAbsent` says. A function: it depends on other parameters. */
  default?: T | ((given: Given) => T | undefined);
  /** What holds without a value, where `default` is not one value. */
  whenAbsent?: string;
  when?: Condition;
  search?: ParameterSearch;
}

export const PARAMETER_TYPES = ['INTEGER', 'FLOAT', 'BOOLEAN', 'CATEGORICAL', 'INTEGER_LIST'] as const;

/** A parameter of an algorithm: its check, its default, and what a client is told about it. */
export interface Parameter extends Said<unknown> {
  type: (typeof PARAMETER_TYPES)[number];
  schema: z.ZodType;
  range?: InputRange;
  /** The texts that it can be, each with its meaning. */
  choices?: Readonly<Record<string, string>>;
}

type Ranged<T> = Said<T> & { range: InputRange };

export function integer<const S extends Ranged<number>>(said: S) {
  return { ...said, type: 'INTEGER' as const, schema: numberIn(said.range, z.int()) };
}

export function float<const S extends Ranged<number>>(said: S) {
  return { ...said, type: 'FLOAT' as const, schema: numberIn(said.range, z.number()) };
}

export function flag<const S extends Said<boolean>>(said: S) {
  return { ...said, type: 'BOOLEAN' as const, schema: z.boolean() };
}

export function categorical<
  const C extends Record<string, string>,
  const S extends Said<keyof C & string> & { choices: C },
>(said: S & { choices: C }) {
  const values = Object.keys(said.choices) as (keyof C & string)[];
  return { ...said, type: 'CATEGORICAL' as const, schema: z.enum(values) };
}

/** A list of integers; a text such as "64,32" is the same list, because a search has no lists among its choices. */
export function integers<const S extends Ranged<number[]>>(said: S) {
  const list = listIn(said.range, numberIn(said.range.each ?? {}, z.int()));
  return { ...said, type: 'INTEGER_LIST' as const, schema: z.preprocess(listOf, list) };
}

function listOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d+(,\d+)*$/.test(value) ? value.split(',').map(Number) : value;
}

type Output<P extends Parameter> = z.output<P['schema']>;
type DefaultOf<P> = P extends { default: infer D } ? (D extends (given: Given) => infer R ? R : D) : undefined;
/** Whether a checked configuration always has it. */
type IsAlways<P> = P extends { when: Condition } ? false : undefined extends DefaultOf<P> ? false : true;

/** The checked values of these parameters, defaults filled in. */
export type ValuesOf<P extends Readonly<Record<string, Parameter>>> = {
  [K in keyof P as IsAlways<P[K]> extends true ? K : never]: Output<P[K]>;
} & {
  [K in keyof P as IsAlways<P[K]> extends true ? never : K]?: Output<P[K]>;
};
