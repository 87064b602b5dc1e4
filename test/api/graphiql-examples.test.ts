import { parse, validate } from 'graphql';
import { expect, it } from 'vitest';
import { EXAMPLES } from '../../graphiql/src/welcome.js';
import { createSchema } from '../../src/resolvers/schema.js';

it.each(EXAMPLES)('GraphiQL’s example "$title" fits the schema', async ({ query }) => {
  expect(validate(await createSchema(), parse(query))).toEqual([]);
});
