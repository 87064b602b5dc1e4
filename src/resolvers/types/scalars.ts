import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';
import { GraphQLDateTimeISO, GraphQLJSON, GraphQLJSONObject } from 'graphql-scalars';
import { quote } from '../../errors.js';

export function scalarError(name: string, expected: string, got: unknown): GraphQLError {
  return new GraphQLError(`${name}: expected ${expected}, got ${quote(got)}.`, {
    extensions: { expected, got: quote(got) },
  });
}

function safeInteger(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw scalarError('SafeInt', 'an integer from -(2^53 - 1) to 2^53 - 1', value);
  return value;
}

/** Integers that need more than 32 bits: steps, sizes, counts, sequence numbers. */
export const SafeInt = new GraphQLScalarType<number, number>({
  name: 'SafeInt',
  description:
    'An integer from -(2^53 - 1) to 2^53 - 1, for steps, sizes in bytes, counts and sequence ' +
    'numbers, which can exceed the 32 bits of Int.',
  parseValue: safeInteger,
  parseLiteral: (node) => {
    if (node.kind !== Kind.INT) throw scalarError('SafeInt', 'an integer', 'value' in node ? node.value : node.kind);
    return safeInteger(Number(node.value));
  },
  serialize: (value) => safeInteger(Number(value)),
});

const SPECIAL: Record<string, number> = { NaN, Infinity, '-Infinity': -Infinity };

function metricValue(value: unknown): number {
  const number = typeof value === 'string' ? SPECIAL[value] : value;
  if (typeof number !== 'number') throw scalarError('MetricValue', 'a number, "NaN", "Infinity" or "-Infinity"', value);
  return number;
}

/** For metrics, because Float refuses NaN and infinity, which a diverging training logs. */
export const MetricValue = new GraphQLScalarType<number, number | string>({
  name: 'MetricValue',
  description:
    'A 64-bit float. NaN and infinities, which can occur in a diverging training, are written as ' +
    'the strings "NaN", "Infinity" and "-Infinity".',
  parseValue: metricValue,
  parseLiteral: (node) => {
    if (node.kind === Kind.STRING) return metricValue(node.value);
    if (node.kind !== Kind.INT && node.kind !== Kind.FLOAT) throw scalarError('MetricValue', 'a number', node.kind);
    const value = Number(node.value);
    if (!Number.isFinite(value)) throw scalarError('MetricValue', 'a number that 64 bits hold', node.value);
    return value;
  },
  serialize: (value) => {
    const number = Number(value);
    return Number.isFinite(number) ? number : String(number);
  },
});

const PLAIN_UTC = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,3})?Z$/;

/**
 * The usual form, with a day that every month has, is read at once, because a bulk request has thousands of times. The
 * library checks all others.
 */
export const DateTime = new GraphQLScalarType<Date, string>({
  ...GraphQLDateTimeISO.toConfig(),
  parseValue: (value) =>
    typeof value === 'string' && PLAIN_UTC.test(value) ? new Date(value) : GraphQLDateTimeISO.parseValue(value),
});

export { GraphQLJSON as Json, GraphQLJSONObject as JsonObject };
