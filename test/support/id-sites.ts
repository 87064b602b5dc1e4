import {
  getNamedType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';

/** A place in the arguments of a root field that takes an id. */
export interface IdSite {
  operation: 'query' | 'mutation' | 'subscription';
  field: string;
  /** The path from the argument; `*` means the items of a list. */
  path: string[];
}

export function siteName({ operation, field, path }: IdSite): string {
  return `${operation} ${field}(${path.join('.')})`;
}

function idPaths(input: GraphQLArgument | GraphQLInputField, seen: readonly string[] = []): string[][] {
  const below = (type: GraphQLInputType): string[][] => {
    if (isNonNullType(type)) return below(type.ofType);
    if (isListType(type)) return below(type.ofType).map((path) => ['*', ...path]);
    if (!isInputObjectType(type)) return type.name === 'ID' ? [[]] : [];
    if (seen.includes(type.name)) return [];
    return Object.values(type.getFields()).flatMap((field) => idPaths(field, [...seen, type.name]));
  };
  return below(input.type).map((path) => [input.name, ...path]);
}

/** Every place of the schema where a client can name an object by its id. */
export function idSites(schema: GraphQLSchema): IdSite[] {
  return (['query', 'mutation', 'subscription'] as const).flatMap((operation) => {
    const fields = Object.values(schema.getRootType(operation as never)?.getFields() ?? {});
    return fields.flatMap((field) =>
      field.args.flatMap((arg) => idPaths(arg).map((path) => ({ operation, field: field.name, path }))),
    );
  });
}

/** Ids that fields below the root take. There should be none, because the guard of root fields does not see them. */
export function nestedIdSites(schema: GraphQLSchema): string[] {
  const roots = new Set(
    [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].map((type) => type?.name),
  );
  return Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !roots.has(type.name) && !type.name.startsWith('__'))
    .flatMap((type) =>
      isObjectType(type)
        ? Object.values(type.getFields()).flatMap((field) =>
            field.args.flatMap((arg) => idPaths(arg).map((path) => `${type.name}.${field.name}(${path.join('.')})`)),
          )
        : [],
    );
}

/** The operation that calls one root field, with its arguments as variables of the same names. */
export function callOf(
  operation: IdSite['operation'],
  field: GraphQLField<unknown, unknown>,
  args: Record<string, unknown>,
): string {
  const used = field.args.filter(({ name }) => name in args);
  const declared = used.map(({ name, type }) => `$${name}: ${type}`).join(', ');
  const passed = used.map(({ name }) => `${name}: $${name}`).join(', ');
  const selection = isObjectType(getNamedType(field.type)) ? '{ __typename }' : '';
  return `${operation} ${used.length > 0 ? `(${declared})` : ''} { ${field.name}${used.length > 0 ? `(${passed})` : ''} ${selection} }`;
}

export function valueAt(args: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<string, unknown> | null | undefined)?.[key === '*' ? '0' : key],
    args,
  );
}

/** The same arguments with another value at one place. */
export function withValueAt<T>(args: T, path: readonly string[], value: unknown): T {
  const copy = structuredClone(args);
  const parent = valueAt(copy, path.slice(0, -1)) as Record<string, unknown>;
  const last = path.at(-1)!;
  parent[last === '*' ? '0' : last] = value;
  return copy;
}
