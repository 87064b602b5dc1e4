import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { newRun } from '../support/runs.js';
import { startTestService, tokenFor, type TestService } from '../support/service.js';

let service: TestService;
let token: string;
let runId: string;

beforeAll(async () => {
  service = await startTestService();
  token = await tokenFor();
  runId = await newRun(await service.as());
});
afterAll(() => service?.close());

interface Answer {
  status: number;
  type: string | null;
  cache: string | null;
  body: string;
}

async function post(body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify(body),
  });
  const text = (await response.text())
    .trim()
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<request>');
  // The order of `data` and `errors` has no meaning.
  const parts = text.startsWith('{')
    ? Object.entries(JSON.parse(text) as object).toSorted(([a], [b]) => a.localeCompare(b))
    : text;
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    cache: response.headers.get('cache-control'),
    body: JSON.stringify(parts),
  };
}

const RUN = 'query Run($id: ID!, $n: Int) { run(id: $id) { id name } runs(first: $n) { nodes { id } } }';
const FILTER =
  'query ($filter: RunFilterInput, $orderBy: [RunOrderInput!], $more: [KeyValueInput!]) { runs(first: 2, ' +
  'filter: $filter, orderBy: $orderBy) { nodes { id } } a: runs(filter: { params: $more }) { totalCount } }';
const PREDICT = 'mutation ($input: PredictInput!) { predict(input: $input) { rows outputs { name data } } }';
const NO_SUCH_ENDPOINT = { endpointId: '01a1fedb-904e-7148-ad0f-33f9595d7d0f', rows: [{ x: 1 }] };
const order = { field: 'NAME', direction: 'ASC' };
const TWO = 'query A { __typename } query B($id: ID!) { run(id: $id) { name } }';

const CHOICE =
  'query ($id: ID!, $isShown: Boolean!) { run(id: $id) { id @include(if: $isShown) name @skip(if: $isShown) } }';

/** From the second time on, Apollo has answered the same document before. */
const cases: Record<
  string,
  { body: Record<string, unknown>; headers?: () => Promise<Record<string, string>>; code?: string; status?: number }
> = {
  data: { body: { query: RUN, variables: { id: 'RUN', n: 1 } } },
  'data without variables that may be left out': { body: { query: RUN, variables: { id: 'RUN' } } },
  'an error of a service': {
    body: { query: RUN, variables: { id: '01a1fedb-904e-7148-ad0f-33f9595d7d0f' } },
    code: 'NOT_FOUND',
  },
  'a malformed id': { body: { query: RUN, variables: { id: 'x' } }, code: 'BAD_USER_INPUT' },
  'a missing variable': { body: { query: RUN, variables: {} }, code: 'BAD_USER_INPUT', status: 400 },
  'a variable of the wrong type': {
    body: { query: RUN, variables: { id: 'RUN', n: 'many' } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a page that costs too much': {
    body: { query: RUN, variables: { id: 'RUN', n: 100_000 } },
    code: 'QUERY_TOO_COMPLEX',
  },
  'the schema itself': {
    body: {
      query: 'query ($filter: RunFilterInput) { __schema { types { name } } runs(filter: $filter) { totalCount } }',
      variables: {},
    },
  },
  'input objects': {
    body: {
      query: FILTER,
      variables: {
        filter: {
          status: ['RUNNING'],
          params: [{ key: 'a', value: 'b' }],
          metrics: [{ key: 'm', min: 1, max: null }],
          search: null,
        },
        orderBy: order,
        more: [{ key: 'a', value: 'b' }],
      },
    },
  },
  'input objects that are null': { body: { query: FILTER, variables: { filter: null, orderBy: null, more: null } } },
  'a single value for a list': {
    body: { query: FILTER, variables: { filter: { status: 'RUNNING' }, more: { key: 'a', value: 'b' } } },
  },
  'a text for an object': {
    body: { query: FILTER, variables: { filter: 'RUNNING' } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'an unknown value of an enum': {
    body: { query: FILTER, variables: { orderBy: { ...order, field: 'AGE' } } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'an unknown field': {
    body: { query: FILTER, variables: { orderBy: { ...order, by: 'x' } } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a missing field': {
    body: { query: FILTER, variables: { orderBy: { field: 'NAME' } } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'null where something must be': {
    body: { query: FILTER, variables: { more: [null] } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a wrong value deep inside': {
    body: { query: FILTER, variables: { filter: { metrics: [{ key: 'm', min: 'low' }] } } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a malformed id inside': {
    body: { query: FILTER, variables: { filter: { experimentIds: ['x'] } } },
    code: 'BAD_USER_INPUT',
    status: 200,
  },
  'an error of a service at the only field': {
    body: { query: PREDICT, variables: { input: NO_SUCH_ENDPOINT } },
    code: 'NOT_FOUND',
  },
  'a refused argument of the only field': {
    body: { query: PREDICT, variables: { input: { ...NO_SUCH_ENDPOINT, endpointId: 'x' } } },
    code: 'BAD_USER_INPUT',
    status: 200,
  },
  'a default of the only field’s variable': {
    body: {
      query:
        `mutation ($input: PredictInput! = { endpointId: "${NO_SUCH_ENDPOINT.endpointId}", rows: [{ x: 1 }] ` +
        '}) { predict(input: $input) { rows } }',
      variables: {},
    },
    code: 'NOT_FOUND',
    status: 200,
  },
  'null for the only field': {
    body: { query: PREDICT, variables: { input: null } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'an unknown field of the only field’s input': {
    body: { query: PREDICT, variables: { input: { ...NO_SUCH_ENDPOINT, column: 'x' } } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a single tensor for a list': {
    body: {
      query: PREDICT,
      variables: {
        input: {
          endpointId: NO_SUCH_ENDPOINT.endpointId,
          tensors: { name: 'x', datatype: 'FP32', shape: 1, data: [1] },
        },
      },
    },
    code: 'NOT_FOUND',
    status: 200,
  },
  'a written out argument of the only field': {
    body: {
      query: `mutation { predict(input: { endpointId: "${NO_SUCH_ENDPOINT.endpointId}", rows: [{ x: 1 }] }) { rows } }`,
    },
    code: 'NOT_FOUND',
    status: 200,
  },
  'a missing variable of the only field': {
    body: { query: PREDICT, variables: {} },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'another operation than the only one': {
    body: { query: PREDICT, operationName: 'P', variables: { input: NO_SUCH_ENDPOINT } },
    code: 'BAD_USER_INPUT',
  },
  'one of several operations': { body: { query: TWO, operationName: 'B', variables: { id: 'RUN' } } },
  'none of several operations': { body: { query: TWO, variables: { id: 'RUN' } }, code: 'BAD_USER_INPUT', status: 400 },
  'an empty operation name': {
    body: { query: RUN, operationName: '', variables: { id: 'RUN' } },
    code: 'BAD_USER_INPUT',
  },
  'the name of the only operation': {
    body: { query: RUN, operationName: 'Run', variables: { id: 'RUN' } },
    status: 200,
  },
  'a subscription beside a query': {
    body: { query: `${TWO} subscription S { runLogs(runId: "RUN") { seq } }`, operationName: 'S' },
    code: 'BAD_USER_INPUT',
  },
  'a field that is left out': { body: { query: CHOICE, variables: { id: 'RUN', isShown: false } }, status: 200 },
  'a field that is not left out': { body: { query: CHOICE, variables: { id: 'RUN', isShown: true } }, status: 200 },
  'a choice that is missing': {
    body: { query: CHOICE, variables: { id: 'RUN' } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a choice that is no boolean': {
    body: { query: CHOICE, variables: { id: 'RUN', isShown: 'yes' } },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'a hash of another document': {
    body: {
      query: RUN,
      variables: { id: 'RUN' },
      extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } },
    },
    code: 'BAD_USER_INPUT',
    status: 400,
  },
  'an operation that is not there': {
    body: { query: TWO, operationName: 'C', variables: { id: 'RUN' } },
    code: 'BAD_USER_INPUT',
  },
  'variables that are a list': { body: { query: RUN, variables: ['RUN'] }, status: 400 },
  'no token': {
    body: { query: RUN, variables: { id: 'RUN' } },
    headers: async () => ({ authorization: '' }),
    code: 'UNAUTHENTICATED',
    status: 401,
  },
  'another tenant': {
    body: { query: RUN, variables: { id: 'RUN' } },
    headers: async () => ({ authorization: `Bearer ${await tokenFor({ tenant: 'other' })}` }),
    code: 'NOT_FOUND',
  },
  'a role that may not': {
    body: {
      query: 'mutation ($id: ID!) { finishRun(input: { runId: $id, status: FINISHED }) { run { name } } }',
      variables: { id: 'RUN' },
    },
    headers: async () => ({ authorization: `Bearer ${await tokenFor({ role: Role.VIEWER })}` }),
    code: 'FORBIDDEN',
  },
  'another media type': {
    body: { query: RUN, variables: { id: 'RUN' } },
    headers: async () => ({ accept: 'application/graphql-response+json' }),
  },
  'no media type that there is': {
    body: { query: RUN, variables: { id: 'RUN' } },
    headers: async () => ({ accept: 'text/html' }),
    status: 406,
  },
};

describe('a document that has been answered before is answered in the same way:', () => {
  for (const [what, { body, headers, code, status }] of Object.entries(cases)) {
    it(what, async () => {
      const filled = JSON.parse(JSON.stringify(body).replaceAll('"RUN"', JSON.stringify(runId))) as Record<
        string,
        unknown
      >;
      const own = (await headers?.()) ?? {};
      // A comment makes it another document, which Apollo sees for the first time.
      const first = await post({ ...filled, query: `${String(filled['query'])} # ${what}` }, own);
      for (const operationName of ['A', 'B', undefined])
        await post({ query: TWO, operationName, variables: { id: runId } });
      await post({ query: filled['query'], variables: { id: runId, n: 1 } });
      if (code) expect(first.body).toContain(`"code":"${code}"`);
      if (status) expect(first.status).toBe(status);
      for (let time = 2; time <= 4; time++) expect(await post(filled, own), `time ${time}`).toEqual(first);
    });
  }

  it('and one that is refused never runs', async () => {
    const caller = await service.as();
    const names = async () => {
      const { experiments } = await caller.ok<{ experiments: { nodes: { name: string }[] } }>(
        '{ experiments(first: 500) { nodes { name } } }',
      );
      return experiments.nodes.map(({ name }) => name);
    };
    const body = (name: string) => ({
      query: 'mutation A($name: String!) { createExperiment(input: { name: $name }) { experiment { name } } }',
      variables: { name },
    });
    const refusals: Record<string, Record<string, unknown>> = {
      'a name that no operation has': { operationName: 'B' },
      'an empty name': { operationName: '' },
      'a name that is no text': { operationName: 1 },
      'variables as text': { variables: '{}' },
      'a missing variable': { variables: {} },
      'a hash of another document': { extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } },
    };
    for (const [what, change] of Object.entries(refusals)) {
      const refused = { ...body(what), ...change };
      for (let time = 1; time <= 3; time++) expect((await post(refused)).body, what).toContain('"errors"');
      expect((await post(body(`right after ${what}`))).body).toContain(`right after ${what}`);
      for (let time = 4; time <= 6; time++) expect((await post(refused)).body, what).toContain('"errors"');
    }
    const made = Object.keys(refusals).map((what) => `right after ${what}`);
    const given = Object.keys(refusals);
    expect((await names()).filter((name) => given.includes(name) || made.includes(name)).toSorted()).toEqual(
      made.toSorted(),
    );
  });

  it('only when it is sent by POST as JSON', async () => {
    const query = '{ experiments { totalCount } }';
    const body = JSON.stringify({ query });
    const headers = { authorization: `Bearer ${token}` };
    for (let time = 1; time <= 3; time++) {
      expect((await post({ query })).status).toBe(200);
      const got = await fetch(`${service.url}/graphql?query=${encodeURIComponent(query)}`, { headers });
      expect(got.status).toBe(404);
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/graphql']) {
        const sent = await fetch(`${service.url}/graphql`, {
          method: 'POST',
          headers: { ...headers, 'content-type': type },
          body,
        });
        expect(sent.status, type).toBeGreaterThanOrEqual(400);
      }
    }
  });

  it('and each is counted once', async () => {
    const count = async () => {
      const text = await (await fetch(`${service.url}/metrics`)).text();
      const lines = text.split('\n').filter((line) => line.includes('_count') && line.includes('"experiments"'));
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    };
    const before = await count();
    for (let i = 0; i < 5; i++) expect((await post({ query: '{ experiments { totalCount } }' })).status).toBe(200);
    expect((await count()) - before).toBe(5);
  });
});
