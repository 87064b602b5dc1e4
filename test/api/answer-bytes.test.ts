import { GraphQLError } from 'graphql';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/index.js';
import { toClientError } from '../../src/server/client-error.js';
import { MlflowCaller, type MlflowErrorShape, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';

const MAX_ANSWER_BYTES = 1_000_000;
const EXPERIMENTS = 40;
const TAGS = 10;
const TAG_LENGTH = 2_000;
const DESCRIPTION_LENGTH = 20_000;

let service: TestService;
let engineer: Caller;
let viewer: Caller;
let other: Caller;

const CREATE =
  'mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id description ' +
  'tags { value } } } }';

const tagsOf = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `tag${i}`, value: 'v'.repeat(length) }));

beforeAll(async () => {
  service = await startTestService({ MAX_ANSWER_BYTES: String(MAX_ANSWER_BYTES) });
  engineer = await service.as();
  viewer = await service.as({ role: Role.VIEWER });
  other = await service.as({ tenant: 'other' });
  for (let i = 0; i < EXPERIMENTS; i++) {
    const description = 'd'.repeat(DESCRIPTION_LENGTH);
    await engineer.ok(CREATE, { input: { name: `e${i}`, description, tags: tagsOf(TAGS, TAG_LENGTH) } });
  }
  await other.ok(CREATE, { input: { name: 'small' } });
});
afterAll(() => service?.close());

const TOO_LARGE = 'QUERY_TOO_COMPLEX';
const SENTENCE = /^This answer is larger than 1000000 bytes .*MAX_ANSWER_BYTES.*`first`.*`after`\.$/;
const page = (first: number, fields = 'description tags { value }') =>
  `experiments(first: ${first}) { nodes { ${fields} } }`;
const aliased = (count: number, field: string) =>
  `{ ${Array.from({ length: count }, (_, i) => `a${i}: ${field}`).join(' ')} }`;

/** The whole answer is one error. The second time, the document is known and takes another path. */
async function expectRefused(query: string, message: RegExp): Promise<void> {
  for (let time = 1; time <= 3; time++) {
    const { data, errors } = await viewer.send(query);
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]).toMatchObject({
      message: expect.stringMatching(message),
      extensions: { code: TOO_LARGE, expected: expect.stringMatching(/^at most \d+ bytes$/) },
    });
  }
}

describe('an answer above the limit', () => {
  it('is refused, and one below the limit is not', async () => {
    for (let time = 1; time <= 2; time++) await viewer.ok(`{ ${page(20)} }`);
    await expectRefused(`{ ${page(28)} }`, SENTENCE);
  });

  it('is refused however it is divided', async () => {
    for (const count of [2, 10, 30]) await expectRefused(aliased(count, page(14)), /larger than \d+ bytes/);
    await expectRefused(`{ a: ${page(4, aliased(29, 'description').slice(1, -1))} }`, SENTENCE);
    const edges =
      'experiments(first: 14) { nodes { description tags { value } } edges { node { description tags { value ' +
      '} } } }';
    await expectRefused(`{ ${edges} }`, SENTENCE);
  });

  it('is refused when the rows alone are too large', async () => {
    await expectRefused(`{ ${page(100, 'name')} }`, /^The rows behind this answer are larger than 2000000 bytes/);
  });

  it('is measured as it is sent', async () => {
    const description = '\u0001'.repeat(18_000);
    await other.ok(CREATE, { input: { name: 'escapes', description } });
    for (let time = 1; time <= 2; time++) {
      await other.ok(aliased(9, 'experiment(name: "escapes") { description }'));
      const { data, errors } = await other.send(aliased(10, 'experiment(name: "escapes") { description }'));
      expect(data).toBeNull();
      expect(errors?.[0]?.message).toMatch(SENTENCE);
    }
  });

  it('is refused when it is an introspection', async () => {
    const types = '__schema { types { name description fields { name description type { name } } } }';
    await viewer.ok(`{ ${types} }`);
    await expectRefused(aliased(20, types), SENTENCE);
  });

  it('is refused over a WebSocket', async () => {
    const client = viewer.socket();
    try {
      for (const first of [28, 4]) {
        const results = [];
        for await (const result of client.iterate({ query: `{ ${page(first)} }` })) results.push(result);
        expect(results).toHaveLength(1);
        if (first === 28)
          expect(results[0]).toMatchObject({ data: null, errors: [{ extensions: { code: TOO_LARGE } }] });
        else expect(results[0]?.errors).toBeUndefined();
      }
    } finally {
      await client.dispose();
    }
  });

  it('does not undo a change, and says so', async () => {
    const input = { name: 'changed', description: 'd'.repeat(90_000) };
    const fields = Array.from({ length: 20 }, (_, i) => `d${i}: description`).join(' ');
    const query =
      'mutation ($input: CreateExperimentInput!) { createExperiment(input: $input) { experiment { id ' +
      `${fields} } } }`;
    const { data, errors } = await engineer.send(query, { input });
    expect(data).toBeNull();
    expect(errors).toHaveLength(1);
    expect(errors?.[0]).toMatchObject({
      message: expect.stringMatching(/^The change was made, but its answer is larger than 1000000 bytes/),
      extensions: { code: TOO_LARGE },
    });
    await viewer.ok('{ experiment(name: "changed") { id } }');
  });
});

it('only a full call stack means that a document is nested too deep', () => {
  const codeOf = (error: Error) =>
    toClientError(new GraphQLError(error.message, { originalError: error }), pino({ level: 'silent' }), 'r').extensions
      .code;
  expect(codeOf(new RangeError('Maximum call stack size exceeded'))).toBe(TOO_LARGE);
  expect(codeOf(new RangeError('Invalid string length'))).toBe('INTERNAL');
  expect(codeOf(new RangeError('Array buffer allocation failed'))).toBe('INTERNAL');
});

describe('many large answers at the same time', () => {
  it('of one tenant run one after the other, and no other tenant waits for them', async () => {
    const query = aliased(4, page(15));
    let isOver = false;
    const waitsMs: number[] = [];
    const others = (async () => {
      while (!isOver) {
        const startedAt = performance.now();
        const { experiments } = await other.ok<{ experiments: { totalCount: number } }>(
          '{ experiments { totalCount } }',
        );
        expect(experiments.totalCount).toBeGreaterThan(0);
        waitsMs.push(performance.now() - startedAt);
      }
    })();
    const answers = await Promise.all(Array.from({ length: 30 }, () => viewer.send(query)));
    isOver = true;
    await others;
    expect(new Set(answers.map(({ errors }) => errors?.[0]?.extensions.code))).toEqual(new Set([TOO_LARGE]));
    expect(Math.max(...waitsMs)).toBeLessThan(5_000);
  });

  it('are all made when each fits', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => viewer.send(`{ ${page(20)} }`)));
    expect(answers.map(({ errors }) => errors)).toEqual(answers.map(() => undefined));
  });

  it('return their room when their clients disconnect', async () => {
    const leave = async () => {
      const abort = new AbortController();
      const sent = fetch(`${service.url}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${viewer.token}` },
        body: JSON.stringify({ query: `{ ${page(20)} }` }),
        signal: abort.signal,
      });
      setTimeout(() => abort.abort(), Math.random() * 60);
      await sent.then((response) => response.text()).catch(() => undefined);
    };
    await Promise.all(Array.from({ length: 40 }, leave));
    await viewer.ok(`{ ${page(20)} }`);
  });
});

describe('an answer of MLflow’s protocol', () => {
  const search = (max_results: number, page_token = '') => ({ body: { max_results, page_token } });

  it('is refused past the limit, with how to page', async () => {
    const mlflow = await MlflowCaller.of(service, { role: Role.VIEWER });
    const { status, body } = await mlflow.send<MlflowErrorShape>('POST', 'experiments/search', search(28));
    expect(status).toBe(400);
    expect(body.error_code).toBe('INVALID_PARAMETER_VALUE');
    expect(body.message).toMatch(/^This answer is larger than 1000000 bytes .*max_results.*page_token\.$/);
    const pages = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const answer: { status: number; body: { experiments: object[]; next_page_token?: string } } = await mlflow.send(
        'POST',
        'experiments/search',
        search(10, token),
      );
      expect(answer.status).toBe(200);
      pages.push(...answer.body.experiments);
      token = answer.body.next_page_token;
    }
    expect(pages.length).toBeGreaterThanOrEqual(EXPERIMENTS);
  });

  it('is refused where the rows alone are too large', async () => {
    const mlflow = await MlflowCaller.of(service, { role: Role.VIEWER });
    const { status, body } = await mlflow.send<MlflowErrorShape>('POST', 'experiments/search', search(1_000));
    expect(status).toBe(400);
    expect(body.message).toMatch(/^The rows behind this answer are larger than 2000000 bytes .*max_results/);
  });

  it('has fewer runs than asked for where they are large, and a token for the rest', async () => {
    const mlflow = await MlflowCaller.of(service, { tenant: 'runs' });
    const { body: made } = await mlflow.send<{ experiment_id: string }>('POST', 'experiments/create', {
      body: { name: 'many' },
    });
    const db = await TrafficWriter.connect(service.database.url);
    try {
      await db.query(
        `insert into run (id, tenant, experiment_id, name, created_by)
         select gen_random_uuid(), 'runs', id, 'r' || n, 'x' from experiment, generate_series(1, 1500) n
         where tenant = 'runs'`,
        [],
      );
    } finally {
      await db.end();
    }
    const ids: string[] = [];
    const sizes: number[] = [];
    for (let token: string | undefined = ''; token !== undefined;) {
      const answer: { status: number; body: { runs: MlflowRun[]; next_page_token?: string } } = await mlflow.send(
        'POST',
        'runs/search',
        { body: { experiment_ids: [made.experiment_id], max_results: 50_000, page_token: token } },
      );
      expect(answer.status).toBe(200);
      sizes.push(answer.body.runs.length);
      ids.push(...answer.body.runs.map(({ info }) => info.run_id));
      token = answer.body.next_page_token;
    }
    expect(sizes).toEqual([1_000, 500]);
    expect(new Set(ids).size).toBe(1_500);
  });
});
