import {
  execute,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString,
  parse,
} from 'graphql';
import { describe, expect, it } from 'vitest';
import type { RequestContext } from '../../src/resolvers/request-context.js';
import { CompiledAnswers } from '../../src/server/compiled-answers.js';

const Anything = new GraphQLScalarType({ name: 'Anything', serialize: (value) => value });
const Color = new GraphQLEnumType({ name: 'Color', values: { RED: { value: 0 }, BLUE: { value: 1 } } });
const Leaf: GraphQLObjectType = new GraphQLObjectType({
  name: 'Leaf',
  fields: () => ({
    text: { type: GraphQLString },
    sure: { type: new GraphQLNonNull(GraphQLString) },
    count: { type: GraphQLInt },
    share: { type: GraphQLFloat },
    color: { type: Color },
    any: { type: Anything },
    counts: { type: new GraphQLList(new GraphQLNonNull(GraphQLInt)) },
    below: { type: new GraphQLList(Leaf) },
    computed: { type: GraphQLString, resolve: () => 'x' },
  }),
});

/** A schema whose root fields answer `result()`, one of them never null. */
function schemaOf(result: () => unknown): GraphQLSchema {
  const args = { n: { type: new GraphQLNonNull(GraphQLInt) }, m: { type: GraphQLInt, defaultValue: 7 } };
  const query = new GraphQLObjectType({
    name: 'Query',
    fields: {
      maybe: { type: Leaf, args, resolve: result },
      surely: { type: new GraphQLNonNull(Leaf), args, resolve: result },
      echo: { type: Anything, args, resolve: (_source, given) => given },
    },
  });
  return new GraphQLSchema({ query });
}

const ALL = '{ __typename text sure count share color any counts again: text below { sure below { counts } } }';
const well = {
  text: 'a"\u2028',
  sure: 'b',
  count: 3,
  share: 0.5,
  color: 1,
  any: { x: [1, null] },
  counts: [1, 2],
  below: [{ sure: 'c' }, null],
};

const results: Record<string, () => unknown> = {
  'all that was asked for': () => well,
  'little of it': () => ({ sure: 'b' }),
  'a promise': () => Promise.resolve(well),
  nothing: () => null,
  undefined: () => undefined,
  'null where something must be': () => ({ ...well, sure: null }),
  'null deep inside': () => ({ ...well, below: [{ sure: null }, { sure: 'c', below: [{ counts: [null] }] }] }),
  'numbers that are none': () => ({ ...well, count: 1.5, share: NaN, counts: [1, 'many'] }),
  'an unknown value of an enum': () => ({ ...well, color: 9 }),
  'a promise inside': () => ({ ...well, text: Promise.resolve('later'), any: Promise.resolve(1) }),
  'a rejection inside': () => ({ ...well, text: Promise.reject(new Error('later')) }),
  'a method': () => ({ ...well, text: () => 'called', any: () => 1 }),
  'an error as a value': () => ({
    ...well,
    text: new Error('value'),
    any: new Error('value'),
    below: [new Error('value')],
  }),
  'an error as the answer': () => new Error('answer'),
  'something thrown': () => {
    throw new Error('thrown');
  },
  'text thrown': () => {
    throw 'thrown';
  },
  'a rejection': () => Promise.reject(new Error('rejected')),
  'another collection': () => ({ ...well, counts: new Set([1, 2]) }),
  'no collection': () => ({ ...well, counts: 1 }),
  'text for an object': () => 'text',
};

describe('a compiled answer is what graphql-js answers:', () => {
  for (const field of ['maybe', 'surely', 'alias: surely']) {
    for (const [what, result] of Object.entries(results)) {
      it(`${field}, ${what}`, async () => {
        const schema = schemaOf(result);
        const document = parse(`query ($n: Int!) { ${field}(n: $n) ${ALL} }`);
        const variableValues = { n: 1 };
        const expected = JSON.stringify(await execute({ schema, document, variableValues }));
        expect(await answer(schema, `query ($n: Int!) { ${field}(n: $n) ${ALL} }`, variableValues)).toBe(expected);
      });
    }
  }

  it('with its arguments', async () => {
    const query = 'query ($n: Int) { echo(n: $n) }';
    for (const variables of [{ n: 1 }, {}]) {
      const expected = JSON.stringify(
        await execute({ schema: schemaOf(() => null), document: parse(query), variableValues: variables }),
      );
      expect(
        await answer(
          schemaOf(() => null),
          query,
          variables,
        ),
      ).toBe(expected);
    }
  });
});

describe('not compiled:', () => {
  for (const query of [
    '{ maybe(n: 1) { computed } }',
    '{ maybe(n: 1) { text } surely(n: 1) { text } }',
    '{ maybe(n: 1) { ... on Leaf { text } } }',
    '{ maybe(n: 1) { text @skip(if: true) } }',
    '{ maybe(n: 1) { below { sure } below { text } } }',
    '{ __typename }',
    '{ ...f } fragment f on Query { maybe(n: 1) { text } }',
  ]) {
    it(query, () => expect(new CompiledAnswers(schemaOf(() => null)).compile(parse(query))).toBeNull());
  }
});

async function answer(schema: GraphQLSchema, query: string, variableValues: Record<string, unknown>): Promise<string> {
  const answers = new CompiledAnswers(schema);
  const document = parse(query);
  const compiled = answers.compile(document);
  if (!compiled) throw new Error('not compiled');
  let outcome: () => unknown;
  try {
    const value: unknown = await compiled.ask({} as RequestContext, variableValues);
    outcome = () => value;
  } catch (error) {
    outcome = () => {
      throw error;
    };
  }
  try {
    return compiled.write(outcome());
  } catch {
    const rootValue = compiled.rootValue(outcome);
    return JSON.stringify(await execute({ schema: answers.schema, document, variableValues, rootValue }));
  }
}
