import { globSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

/** Why a file may hold GraphQL documents of its own; all others import generated ones (ADR 0027). */
const ALLOWED: Record<string, string[]> = {
  'The document itself is what the test is about: its form, its size, its literals or its several roots.': [
    'test/api/answer-bytes.test.ts',
    'test/api/endpoint.test.ts',
    'test/api/hostile-arguments.test.ts',
    'test/api/hostile-files.test.ts',
    'test/api/metrics.test.ts',
    'test/api/predict.test.ts',
    'test/api/repeated-operations.test.ts',
    'test/api/run-search.test.ts',
    'test/api/server.test.ts',
    'test/api/subscription-hub.test.ts',
    'test/api/variable-coercion.test.ts',
  ],
  'The fields of the document decide whether the token allows it.': ['test/api/access-tokens.test.ts'],
  'A loop makes the fields of the document, most often from the schema.': [
    'test/api/input-ranges.test.ts',
    'test/api/job-outcomes.test.ts',
    'test/api/rest.test.ts',
    'test/jobs/slow-subscriber.test.ts',
  ],
  'The document is a part of a raw request or of a raw socket.': [
    'test/api/hostile-sockets.test.ts',
    'test/jobs/scripts.test.ts',
  ],
  'The service of the test has kinds or fields that the printed schema does not have.': [
    'test/api/new-module.test.ts',
    'test/api/outside-completion.test.ts',
  ],
  'A person types the document in a page, or reads it and sends it.': [
    'demo/scenario.ts',
    'test/engines/graphiql.test.ts',
  ],
};

/** The beginning of a string that holds a document, with a keyword or without one. */
const DOCUMENT = /(?<!\w)['"`]\s*(?:(?:query|mutation|subscription)(?: \w+)?\s*[({]|\{\s*(?:\$\{)?\w+\}?\s*[({])/;

it('only the listed files hold GraphQL documents of their own', () => {
  const found = globSync('{bench,demo,test}/**/*.ts')
    .filter((file) => !file.includes('/generated/') && !file.includes('node_modules'))
    .filter((file) => DOCUMENT.test(readFileSync(file, 'utf8')))
    .sort();
  expect(found).toEqual(Object.values(ALLOWED).flat().sort());
});
