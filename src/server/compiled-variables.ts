import {
  GraphQLScalarType,
  GraphQLSchema,
  isInputObjectType,
  isInputType,
  isListType,
  isNonNullType,
  Kind,
  typeFromAST,
  valueFromAST,
  visit,
  type DocumentNode,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type VariableDefinitionNode,
} from 'graphql';

type Coerce = (value: unknown) => unknown;

/** The values of an operation's variables by their types; null when one is not plainly right. */
export type ReadVariables = (given: Record<string, unknown>) => Record<string, unknown> | null;

interface Field {
  name: string;
  coerce: Coerce;
  required: boolean;
  byDefault: unknown;
}

const SUFFIX = '__compiled';
const INTROSPECTION = /\b__(schema|type)\b/;

/**
 * Coerces the variables of documents that run often by functions compiled from their types: graphql-js walks the types
 * again for every value, which for thousands of points or tensors is most of a request. What graphql-js runs gets them
 * through a schema in which a scalar stands beside each input type. Only what is plainly right is taken; the reasons of
 * a refusal are graphql-js's to give.
 */
export class CompiledVariables {
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

  /** The document for `schema`; null when there is nothing to gain, or the document asks for the schema itself. */
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

  reader(definitions: readonly VariableDefinitionNode[]): ReadVariables {
    const variables = definitions.map(({ variable, type: node, defaultValue }) => {
      const type = typeFromAST(this.original, node);
      if (!isInputType(type)) throw new TypeError(`not the type of a variable: ${String(type)}`);
      const byDefault = defaultValue && (() => valueFromAST(defaultValue, type));
      return { name: variable.name.value, coerce: this.compile(type), required: isNonNullType(type), byDefault };
    });
    return (given) => {
      const values: Record<string, unknown> = {};
      try {
        for (const { name, coerce, required, byDefault } of variables) {
          if (Object.hasOwn(given, name)) values[name] = coerce(given[name]);
          else if (byDefault) values[name] = byDefault();
          else if (required) return null;
        }
      } catch {
        return null;
      }
      return values;
    };
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
      return (value) => (value === null ? null : Array.isArray(value) ? value.map((item) => coerce(item)) : refuse());
    }
    // Compiled at the first use: an input type may contain itself.
    if (isInputObjectType(type)) return (value) => (value === null ? null : this.coerce(type, value));
    return (value) => {
      if (value === null) return null;
      const parsed: unknown = type.parseValue(value);
      return parsed === undefined ? refuse() : parsed;
    };
  }

  private compileObject(type: GraphQLInputObjectType): Coerce {
    if (type.isOneOf) return refuse;
    const fields = Object.values(type.getFields()).map(({ name, type: of, defaultValue }): Field => ({
      name,
      coerce: this.compile(of),
      required: isNonNullType(of),
      byDefault: defaultValue,
    }));
    return (value) => {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse();
      const given = value as Record<string, unknown>;
      const coerced: Record<string, unknown> = {};
      let unknown = Object.keys(given).length;
      for (const { name, coerce, required, byDefault } of fields) {
        const part = given[name];
        if (part !== undefined) {
          coerced[name] = coerce(part);
          unknown--;
        } else if (byDefault !== undefined) coerced[name] = byDefault;
        else if (required) refuse();
      }
      return unknown === 0 ? coerced : refuse();
    };
  }
}

function refuse(): never {
  throw new TypeError('not plainly right');
}
