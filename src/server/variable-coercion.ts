import {
  GraphQLScalarType,
  GraphQLSchema,
  isInputObjectType,
  isListType,
  isNonNullType,
  Kind,
  visit,
  type DocumentNode,
  type GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';

type Coerce = (value: unknown) => unknown;

const SUFFIX = '__compiled';
const INTROSPECTION = /\b__(schema|type)\b/;

/**
 * Coerces input objects in variables with functions that are compiled from their types. graphql-js walks through the
 * types again for every value, which is a third of the time of a request with thousands of points. graphql-js still
 * executes the document: `schema` has, for each input type, a scalar that coerces it. A value that is not clearly valid
 * is refused without a reason; graphql-js then gives the reason.
 */
export class VariableCoercion {
  readonly schema: GraphQLSchema;
  private readonly compiled = new Map<GraphQLInputObjectType, Coerce>();

  constructor(private readonly original: GraphQLSchema) {
    const config = original.toConfig();
    const scalars = config.types
      .filter(isInputObjectType)
      .map(
        (type) => new GraphQLScalarType({ name: type.name + SUFFIX, parseValue: (value) => this.coerce(type, value) }),
      );
    this.schema = new GraphQLSchema({ ...config, types: [...config.types, ...scalars], assumeValid: true });
  }

  /** The document for `schema`; null when nothing in it is coerced here, or when it is an introspection. */
  rewrite(document: DocumentNode): DocumentNode | null {
    if (INTROSPECTION.test(document.loc?.source.body ?? '__schema')) return null;
    let found = false;
    const rewritten = visit(document, {
      SelectionSet: () => false,
      VariableDefinition: ({ defaultValue }) => (defaultValue ? false : undefined),
      NamedType: ({ name }) => {
        if (!isInputObjectType(this.original.getType(name.value))) return undefined;
        found = true;
        return { kind: Kind.NAMED_TYPE, name: { kind: Kind.NAME, value: name.value + SUFFIX } };
      },
    });
    return found ? rewritten : null;
  }

  private coerce(type: GraphQLInputObjectType, value: unknown): unknown {
    let coerce = this.compiled.get(type);
    if (!coerce) {
      coerce = this.compileObject(type);
      this.compiled.set(type, coerce);
    }
    return coerce(value);
  }

  private compile(type: GraphQLInputType): Coerce {
    if (isNonNullType(type)) {
      const coerce = this.compile(type.ofType);
      return (value) => (value === null ? refuse() : coerce(value));
    }
    if (isListType(type)) {
      const coerce = this.compile(type.ofType);
      return (value) =>
        value === null ? null : Array.isArray(value) ? value.map((item: unknown) => coerce(item)) : refuse();
    }
    // Compiled at the first use, because an input type may contain itself.
    if (isInputObjectType(type)) return (value) => (value === null ? null : this.coerce(type, value));
    return (value) => {
      if (value === null) return null;
      const parsed: unknown = type.parseValue(value);
      return parsed === undefined ? refuse() : parsed;
    };
  }

  private compileObject(type: GraphQLInputObjectType): Coerce {
    if (type.isOneOf) return refuse;
    const fields = Object.values(type.getFields()).map(({ name, type: fieldType, defaultValue }) => ({
      name,
      coerce: this.compile(fieldType),
      isRequired: isNonNullType(fieldType),
      defaultValue,
    }));
    return (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse();
      const given = value as Record<string, unknown>;
      const coerced: Record<string, unknown> = {};
      let unknownCount = Object.keys(given).length;
      for (const { name, coerce, isRequired, defaultValue } of fields) {
        const part = given[name];
        if (part !== undefined) {
          coerced[name] = coerce(part);
          unknownCount--;
        } else if (defaultValue !== undefined) coerced[name] = defaultValue;
        else if (isRequired) refuse();
      }
      return unknownCount === 0 ? coerced : refuse();
    };
  }
}

function refuse(): never {
  throw new TypeError('not plainly right');
}
