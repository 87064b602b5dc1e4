import {
  getArgumentValues,
  GraphQLObjectType,
  GraphQLSchema,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type DocumentNode,
  type FieldNode,
  type GraphQLField,
  type GraphQLLeafType,
  type GraphQLOutputType,
  type GraphQLResolveInfo,
  type SelectionSetNode,
} from 'graphql';
import type { RequestContext } from '../resolvers/request-context.js';

/** A value as JSON; throws on what graphql-js would have to report. */
type Write = (value: unknown) => string;

type Variables = Record<string, unknown>;

export interface CompiledAnswer {
  /** What the root field's method returns or throws. */
  ask(context: RequestContext, variables: Variables): unknown;
  /** The whole answer as JSON; throws when graphql-js has to say what is not well. */
  write: Write;
  /** From what graphql-js completes it, given what `ask` has returned or thrown. */
  rootValue(outcome: () => unknown): Record<string, () => unknown>;
}

/**
 * Answers operations of one root field, below which there are only properties, by functions compiled from their
 * selection: graphql-js looks at every selected field of every value anew. Whatever is not plainly right, an error
 * included, is graphql-js's to tell: it completes what the root field's method has returned or thrown, against
 * `schema`, whose root fields have no methods.
 */
export class CompiledAnswers {
  readonly schema: GraphQLSchema;

  constructor(private readonly original: GraphQLSchema) {
    const { query, mutation, types, ...config } = original.toConfig();
    this.schema = new GraphQLSchema({
      ...config,
      types: types.filter((type) => type !== query && type !== mutation),
      query: query && withoutResolvers(query),
      mutation: mutation && withoutResolvers(mutation),
      assumeValid: true,
    });
  }

  /** Null when it asks for more. */
  compile(document: DocumentNode): CompiledAnswer | null {
    const [operation, ...others] = document.definitions;
    if (operation?.kind !== Kind.OPERATION_DEFINITION || others.length > 0 || operation.directives?.length) return null;
    const [node, ...more] = operation.selectionSet.selections;
    if (node?.kind !== Kind.FIELD || more.length > 0 || node.directives?.length) return null;
    const parentType = this.original.getRootType(operation.operation);
    const field = parentType?.getFields()[node.name.value];
    const write = field && writer(field.type, node.selectionSet);
    if (!parentType || !field?.resolve || !write) return null;
    const { resolve } = field;
    const key = node.alias?.value ?? node.name.value;
    const start = `{"data":{${JSON.stringify(key)}:`;
    const argumentsOf = argumentReader(field, node);
    const place: Omit<GraphQLResolveInfo, 'variableValues'> = {
      fieldName: field.name,
      fieldNodes: [node],
      returnType: field.type,
      parentType,
      path: { prev: undefined, key, typename: parentType.name },
      schema: this.original,
      fragments: {},
      rootValue: undefined,
      operation,
    };
    return {
      ask: (context, variableValues) =>
        resolve(undefined, argumentsOf(variableValues), context, { ...place, variableValues }),
      write: (value) => `${start}${write(value)}}}`,
      rootValue: (outcome) => ({ [field.name]: outcome }),
    };
  }
}

/** Arguments that are variables, as they mostly are, need no look at their types: validation has compared them. */
function argumentReader(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
): (variables: Variables) => Record<string, unknown> {
  const given = (node.arguments ?? []).flatMap(({ name, value }) =>
    value.kind === Kind.VARIABLE ? [{ name: name.value, variable: value.name.value }] : [],
  );
  if (given.length !== field.args.length) return (variables) => getArgumentValues(field, node, variables);
  return (variables) => {
    const values: Record<string, unknown> = {};
    for (const { name, variable } of given) {
      // Without a value there may be a default, or an error.
      if (!Object.hasOwn(variables, variable) || variables[variable] === null)
        return getArgumentValues(field, node, variables);
      values[name] = variables[variable];
    }
    return values;
  };
}

function withoutResolvers(type: GraphQLObjectType): GraphQLObjectType {
  const config = type.toConfig();
  const fields = Object.entries(config.fields).map(([name, { resolve: _resolve, ...field }]) => [name, field]);
  return new GraphQLObjectType({ ...config, fields: Object.fromEntries(fields) as typeof config.fields });
}

/** Null for what has methods, fragments, directives or several possible types. */
function writer(type: GraphQLOutputType, selected: SelectionSetNode | undefined): Write | null {
  if (isNonNullType(type)) {
    const write = writer(type.ofType, selected);
    return write && ((value) => (value == null ? refuse() : write(value)));
  }
  const write = isListType(type)
    ? listWriter(type.ofType, selected)
    : isObjectType(type)
      ? objectWriter(type, selected)
      : isLeafType(type)
        ? leafWriter(type)
        : null;
  return write && ((value) => (value == null ? 'null' : isAtHand(value) ? write(value) : refuse()));
}

/** graphql-js would call a function, wait for a promise and report an error. */
function isAtHand(value: unknown): boolean {
  if (typeof value !== 'object') return typeof value !== 'function';
  return !(value instanceof Error) && typeof (value as { then?: unknown }).then !== 'function';
}

function leafWriter(type: GraphQLLeafType): Write {
  return (value) => {
    const serialized: unknown = type.serialize(value);
    return serialized == null ? refuse() : (JSON.stringify(serialized) ?? refuse());
  };
}

function listWriter(itemType: GraphQLOutputType, selected: SelectionSetNode | undefined): Write | null {
  const write = writer(itemType, selected);
  return write && ((value) => (Array.isArray(value) ? `[${value.map((item) => write(item)).join()}]` : refuse()));
}

function objectWriter(type: GraphQLObjectType, selected: SelectionSetNode | undefined): Write | null {
  if (!selected || type.isTypeOf) return null;
  const parts = new Map<string, { name: string; write: Write }>();
  for (const node of selected.selections) {
    if (node.kind !== Kind.FIELD || node.directives?.length) return null;
    const key = node.alias?.value ?? node.name.value;
    const field: GraphQLField<unknown, unknown> | undefined = type.getFields()[node.name.value];
    const write =
      node.name.value === '__typename'
        ? () => JSON.stringify(type.name)
        : field && !field.resolve
          ? writer(field.type, node.selectionSet)
          : null;
    if (!write || parts.has(key)) return null;
    parts.set(key, { name: node.name.value, write });
  }
  const ordered = [...parts].map(([key, part], i) => ({
    ...part,
    start: `${i === 0 ? '' : ','}${JSON.stringify(key)}:`,
  }));
  return (value) => {
    if (typeof value !== 'object') return refuse();
    let json = '{';
    for (const { start, name, write } of ordered) json += start + write((value as Record<string, unknown>)[name]);
    return `${json}}`;
  };
}

function refuse(): never {
  throw new TypeError('not plainly right');
}
