import { isInputObjectType, isObjectType, type GraphQLInputField, type GraphQLSchema } from 'graphql';
import { Extensions } from 'type-graphql';

/**
 * The range of an input: the value of a number, the characters of a text, the items of a list. All limits are
 * inclusive.
 */
export interface InputRange {
  min?: number;
  /** A lower limit that is not allowed itself; replaces `min`. */
  above?: number;
  max?: number;
  /** The unit: "rows", "milliseconds", "characters". */
  unit?: string;
}

const RANGE = 'range';
const ofArgument = (name: string): string => `range of ${name}`;

/**
 * Declares the range of an input field in one place: the schema's description ends with it, and the check of arguments
 * refuses values outside of it with BAD_USER_INPUT.
 */
export function Range(range: InputRange): PropertyDecorator {
  return Extensions({ [RANGE]: range });
}

/** The same for an argument of a root field. */
export function ArgumentRange(name: string, range: InputRange): MethodDecorator & PropertyDecorator {
  return Extensions({ [ofArgument(name)]: range });
}

type Extended = Readonly<Record<string, unknown>> | undefined | null;

export function rangeOfField(field: { extensions?: Extended }): InputRange | undefined {
  return field.extensions?.[RANGE] as InputRange | undefined;
}

export function rangeOfArgument(field: { extensions?: Extended }, name: string): InputRange | undefined {
  return field.extensions?.[ofArgument(name)] as InputRange | undefined;
}

const numberText = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 20 });

/** Examples: "1 to 10,000 rows", "above 0, at most 10", "at most 200 characters". */
export function rangeText({ min, above, max, unit }: InputRange): string {
  const bounds =
    above !== undefined
      ? [`above ${numberText(above)}`, max !== undefined && `at most ${numberText(max)}`].filter(Boolean).join(', ')
      : min === undefined
        ? `at most ${numberText(max!)}`
        : max === undefined
          ? `at least ${numberText(min)}`
          : `${numberText(min)} to ${numberText(max)}`;
  if (!unit) return bounds;
  return `${bounds} ${bounds.endsWith(' 1') ? unit.replace(/s$/, '') : unit}`;
}

export function isWithin({ min = -Infinity, above, max = Infinity }: InputRange, amount: number): boolean {
  return amount >= min && amount <= max && (above === undefined || amount > above);
}

/** Adds a sentence about the range to the description of every input that has one. */
export function describeRanges(schema: GraphQLSchema): GraphQLSchema {
  const describe = (input: Pick<GraphQLInputField, 'description'>, range: InputRange | undefined) => {
    if (!range) return;
    input.description = `${input.description ?? ''} Range: ${rangeText(range)}.`.trim();
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) describe(field, rangeOfField(field));
    if (isObjectType(type))
      for (const field of Object.values(type.getFields()))
        for (const arg of field.args) describe(arg, rangeOfArgument(field, arg.name));
  }
  return schema;
}
