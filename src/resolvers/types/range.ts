import { getNamedType, getNullableType, isInputObjectType, isListType, isObjectType } from 'graphql';
import type { GraphQLInputField, GraphQLInputType, GraphQLSchema } from 'graphql';
import { Args, Extensions, getMetadataStorage, type ClassType } from 'type-graphql';
import { ANY_ITEMS, ANY_TEXT, describeRange, type InputRange } from '../../modules/core/index.js';

/** A range of the schema, and who makes the check. */
export interface DeclaredRange {
  range: InputRange;
  /** Checked by the module from the same range, as other doors meet it too; otherwise with the arguments of a field. */
  isOfModule: boolean;
}

const RANGE = 'range';
const ofArgument = (name: string): string => `range of ${name}`;
const ofClasses = new Map<object, Map<string, DeclaredRange>>();

function declared(range: InputRange, isOfModule: boolean): PropertyDecorator {
  return (prototype, property) => {
    const ranges = ofClasses.get(prototype) ?? new Map<string, DeclaredRange>();
    ofClasses.set(prototype, ranges.set(String(property), { range, isOfModule }));
  };
}

/**
 * Declares the range of an input field in one place: the schema's description ends with it, and the check of arguments
 * refuses values outside of it with BAD_USER_INPUT.
 */
export function Range(range: InputRange): PropertyDecorator {
  return declared(range, false);
}

/** Declares a range that a rule of a module checks, for this door and for others. */
export function RangeOfModule(range: InputRange): PropertyDecorator {
  return declared(range, true);
}

/** `Range` for an argument of a field; `isOfModule` makes it `RangeOfModule`. */
export function ArgumentRange(
  name: string,
  range: InputRange,
  { isOfModule = false }: Partial<DeclaredRange> = {},
): MethodDecorator & PropertyDecorator {
  return Extensions({ [ofArgument(name)]: { range, isOfModule } satisfies DeclaredRange });
}

/** All arguments of a class with their ranges; type-graphql's own `Args` loses these. */
export function ArgsWithRanges(type: () => ClassType<object>): ParameterDecorator {
  return (prototype, method, index) => {
    if (method === undefined) throw new Error('Arguments belong to a method.');
    Args(type)(prototype, method, index);
    for (const [name, range] of ofClasses.get(type().prototype as object) ?? [])
      Extensions({ [ofArgument(name)]: range })(prototype, String(method));
  };
}

type Extended = { extensions?: Readonly<Record<string, unknown>> | undefined | null };

/** The range of an input field, or of an argument of a field. Any text and any list of plain values has one. */
export function rangeOfField(field: Extended & { type: GraphQLInputType }): DeclaredRange | undefined {
  return (field.extensions?.[RANGE] as DeclaredRange | undefined) ?? rangeOfType(field.type);
}

export function rangeOfArgument(
  field: Extended,
  { name, type }: { name: string; type: GraphQLInputType },
): DeclaredRange | undefined {
  return (field.extensions?.[ofArgument(name)] as DeclaredRange | undefined) ?? rangeOfType(type);
}

function rangeOfType(type: GraphQLInputType): DeclaredRange | undefined {
  const bare = getNullableType(type);
  const { name } = getNamedType(type);
  if (isListType(bare)) {
    const isPlain = !isInputObjectType(getNamedType(type)) && name !== 'JSON';
    return isPlain ? { range: name === 'String' ? ANY_TEXTS : ANY_ITEMS, isOfModule: false } : undefined;
  }
  return name === 'String' ? { range: ANY_TEXT, isOfModule: false } : undefined;
}
const ANY_TEXTS: InputRange = { ...ANY_ITEMS, each: ANY_TEXT };

function rangeOfProperty(prototype: object | null, property: string): DeclaredRange | undefined {
  if (!prototype) return undefined;
  return (
    ofClasses.get(prototype)?.get(property) ??
    rangeOfProperty(Object.getPrototypeOf(prototype) as object | null, property)
  );
}

/** Gives each field of an input type the range of its property, of a class above too: type-graphql loses those. */
function attachRanges(schema: GraphQLSchema): void {
  for (const { name, target } of getMetadataStorage().inputTypes) {
    const type = schema.getType(name);
    if (!isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const range = rangeOfProperty(target.prototype as object, field.name);
      if (range) field.extensions = { ...field.extensions, [RANGE]: range };
    }
  }
}

/** Adds a sentence about the range to the description of every input that has one. */
export function describeRanges(schema: GraphQLSchema): GraphQLSchema {
  attachRanges(schema);
  const describe = (input: Pick<GraphQLInputField, 'description'>, declaration: DeclaredRange | undefined) => {
    if (declaration)
      input.description = `${input.description ?? ''} Range: ${describeRange(declaration.range)}.`.trim();
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields())) describe(field, rangeOfField(field));
    if (isObjectType(type))
      for (const field of Object.values(type.getFields()))
        for (const arg of field.args) describe(arg, rangeOfArgument(field, arg));
  }
  return schema;
}
