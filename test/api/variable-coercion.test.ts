import fc from 'fast-check';
import {
  getVariableValues,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  Kind,
  parse,
  type DocumentNode,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql';
import { beforeAll, describe, expect, it } from 'vitest';
import { serviceSchema } from '../../src/composition.js';
import { VariableCoercion } from '../../src/server/variable-coercion.js';

let schema: GraphQLSchema;
let coercion: VariableCoercion;

beforeAll(async () => {
  schema = await serviceSchema();
  coercion = new VariableCoercion(schema);
});

const VALUES_PER_TYPE = 100;

const JUNK = fc.oneof(
  fc.constantFrom(null, undefined, true, '', 'x', 0, -1, 1.5, 2 ** 40, Infinity, NaN),
  fc.constantFrom<unknown>([], {}, [null], { x: 1 }, [[1]]),
);

const BY_NAME: Record<string, fc.Arbitrary<unknown>> = {
  Int: fc.integer({ min: 0, max: 1000 }),
  Float: fc.double({ noNaN: true, noDefaultInfinity: true }),
  String: fc.string(),
  ID: fc.oneof(fc.uuid(), fc.integer()),
  Boolean: fc.boolean(),
  SafeInt: fc.maxSafeInteger(),
  DateTimeISO: fc.constant('2026-01-02T03:04:05.678Z'),
  JSON: fc.jsonValue(),
  TensorData: fc.array(fc.integer()),
};

/** Mostly values that the type accepts. */
function valuesOf(type: GraphQLInputType, depth = 0): fc.Arbitrary<unknown> {
  const right = plainValuesOf(isNonNullType(type) ? type.ofType : type, depth);
  const values = fc.oneof({ weight: 100, arbitrary: right }, { weight: 1, arbitrary: JUNK });
  return isNonNullType(type) ? values : fc.oneof({ weight: 5, arbitrary: values }, fc.constant(null));
}

function plainValuesOf(type: GraphQLInputType, depth: number): fc.Arbitrary<unknown> {
  if (isListType(type)) {
    const items = valuesOf(type.ofType, depth + 1);
    const lists = fc.array(items, { maxLength: depth > 3 ? 0 : 3 });
    return fc.oneof({ weight: 30, arbitrary: lists }, { weight: 1, arbitrary: items });
  }
  if (isEnumType(type)) return fc.constantFrom(...type.getValues().map(({ name }) => name));
  if (!isInputObjectType(type)) return BY_NAME[type.toString()] ?? JUNK;
  const fields = Object.values(type.getFields());
  const required = fields.filter((field) => isNonNullType(field.type));
  const model = Object.fromEntries(
    fields
      .filter((field) => depth <= 3 || isNonNullType(field.type))
      .map((field) => [field.name, valuesOf(field.type, depth + 1)]),
  );
  const right = fc.record(model, { requiredKeys: required.map(({ name }) => name) });
  return fc.oneof(
    { weight: 30, arbitrary: right },
    { weight: 1, arbitrary: right.map((value) => ({ ...value, unknownField: 1 })) },
    { weight: 1, arbitrary: right.map((value) => ({ ...value, [required[0]?.name ?? 'none']: undefined })) },
  );
}

function coerce(of: GraphQLSchema, document: DocumentNode, value: unknown) {
  const [operation] = document.definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation');
  return getVariableValues(of, operation.variableDefinitions ?? [], { value });
}

describe('variables are coerced in the same way as by graphql-js', () => {
  it('for values of every input type, right and wrong', () => {
    const counts = { taken: 0, refused: 0, left: 0 };
    for (const type of Object.values(schema.getTypeMap()).filter(isInputObjectType)) {
      const document = parse(`query ($value: ${type.name}!) { __typename }`);
      const rewritten = coercion.rewrite(document)!;
      fc.assert(
        fc.property(plainValuesOf(type, 0), (value) => {
          const expected = coerce(schema, document, value);
          const got = coerce(coercion.schema, rewritten, value);
          // Only graphql-js gives errors.
          if (expected.errors) expect(got.errors, JSON.stringify(value)).toBeDefined();
          else if (!got.errors) expect(plain(got.coerced)).toEqual(plain(expected.coerced));
          counts[expected.errors ? 'refused' : got.errors ? 'left' : 'taken']++;
        }),
        { numRuns: VALUES_PER_TYPE },
      );
    }
    // The values are of several kinds, and few valid ones are left to graphql-js.
    expect(counts.taken).toBeGreaterThan(5_000);
    expect(counts.refused).toBeGreaterThan(500);
    expect(counts.left).toBeLessThan(counts.taken / 10);
  });

  it('and only where input objects have no default', () => {
    const documents = {
      '($id: ID!) { run(id: $id) { id } }': false,
      '($filter: RunFilterInput = {}) { runs(filter: $filter) { totalCount } }': false,
      '($filter: RunFilterInput) { runs(filter: $filter) { totalCount } }': true,
      '($filter: RunFilterInput) { __type(name: "Run") { name } runs(filter: $filter) { totalCount } }': false,
    };
    for (const [text, isRewritten] of Object.entries(documents)) {
      expect(coercion.rewrite(parse(`query ${text}`)) !== null, text).toBe(isRewritten);
    }
  });
});

/** graphql-js makes objects without a prototype. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Date || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
