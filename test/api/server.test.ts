import { createClient } from 'graphql-ws';
import { SignJWT, UnsecuredJWT } from 'jose';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Role } from '../../src/modules/core/rules/principal.js';
import {
  Caller,
  SECRET,
  startTestService,
  tokenFor,
  type GraphQLErrorShape,
  type TestService,
} from '../support/service.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ MAX_BODY_BYTES: '200000' });
  tess = await service.as();
});
afterAll(() => service?.close());

const post = (body: string, headers: Record<string, string> = {}) =>
  fetch(`${service.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });

const CREATE =
  'mutation ($name: String!, $tags: [KeyValueInput!]) { createExperiment(input: { name: $name, tags: $tags ' +
  '}) { experiment { id name } } }';

describe('tokens', () => {
  const now = Math.floor(Date.now() / 1000);
  const key = new TextEncoder().encode(SECRET);
  const claims = { tenant: 'acme', role: 'ADMIN' };
  const sign = (change: (jwt: SignJWT) => SignJWT, secret = key) =>
    change(
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('eve')
        .setIssuer('matih')
        .setAudience('matih-ml')
        .setExpirationTime(now + 60),
    ).sign(secret);

  const hostile: Record<string, () => Promise<string> | string> = {
    expired: () => sign((jwt) => jwt.setExpirationTime(now - 10)),
    'of another issuer': () => sign((jwt) => jwt.setIssuer('someone')),
    'for another audience': () => sign((jwt) => jwt.setAudience('other')),
    'signed with another secret': () => sign((jwt) => jwt, new TextEncoder().encode('x'.repeat(40))),
    unsigned: () => new UnsecuredJWT({ ...claims, sub: 'eve', iss: 'matih', aud: 'matih-ml', exp: now + 60 }).encode(),
    'without an end': () =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('eve')
        .setIssuer('matih')
        .setAudience('matih-ml')
        .sign(key),
    'with an unknown role': () =>
      new SignJWT({ tenant: 'acme', role: 'ROOT' })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('eve')
        .setIssuer('matih')
        .setAudience('matih-ml')
        .setExpirationTime(now + 60)
        .sign(key),
    'whose subject holds a NUL': () => sign((jwt) => jwt.setSubject('e\0ve')),
    'whose subject holds a line feed': () => sign((jwt) => jwt.setSubject('eve\nadmin')),
    'whose subject holds half a character': () => sign((jwt) => jwt.setSubject('e\ud800')),
    'whose subject turns the direction of text': () => sign((jwt) => jwt.setSubject('e\u202eve')),
    'whose subject is too long': () => sign((jwt) => jwt.setSubject('e'.repeat(201))),
    'whose subject is empty': () => sign((jwt) => jwt.setSubject('')),
    'whose end is beyond all dates': () => sign((jwt) => jwt.setExpirationTime(1e300)),
    'for a tenant that cannot be': () =>
      new SignJWT({ ...claims, tenant: 'acme\0' })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('eve')
        .setIssuer('matih')
        .setAudience('matih-ml')
        .setExpirationTime(now + 60)
        .sign(key),
    'that is no token': () => 'abc.def.ghi',
  };
  for (const [what, make] of Object.entries(hostile)) {
    it(`${what} is refused in the same way over HTTP and WebSocket`, async () => {
      const token = await make();
      const caller = new Caller(service.url, token);
      const { status, errors } = await caller.send('{ experiments { nodes { id } } }');
      expect(status).toBe(401);
      expect(errors?.[0]).toMatchObject({
        message: 'A valid bearer token is needed: send the header "Authorization: Bearer <token>".',
        extensions: { code: 'UNAUTHENTICATED' },
      });
      await expect(caller.collect('subscription { lifecycleEvents { id } }', {}, () => true)).rejects.toMatchObject({
        code: 4403,
      });
    });
  }

  it('decide what a caller may do', async () => {
    const viewer = await service.as({ role: Role.VIEWER });
    expect((await viewer.fails(CREATE, { name: 'x' })).extensions).toMatchObject({
      code: 'FORBIDDEN',
      expected: 'ENGINEER',
      got: 'VIEWER',
    });
    await viewer.ok('{ experiments { nodes { id } } }');
  });

  it('end a subscription when they expire', async () => {
    const brief = new Caller(service.url, await tokenFor({ lifetimeSeconds: 2 }));
    const started = Date.now();
    await expect(brief.collect('subscription { lifecycleEvents { id } }', {}, () => false, 10_000)).rejects.toThrow(
      /UNAUTHENTICATED/,
    );
    expect(Date.now() - started).toBeLessThan(8_000);
  });

  it('are not needed for health and metrics', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics']) expect((await fetch(service.url + path)).status).toBe(200);
    expect(await (await fetch(`${service.url}/metrics`)).text()).toContain('process_cpu_seconds_total');
  });
});

describe('documents that cost too much', () => {
  const documents: Record<string, string> = {
    'ten thousand aliases': `{ ${Array.from({ length: 10_000 }, (_, i) => `a${i}: __typename`).join(' ')} }`,
    'a hundred aliases': `{ ${Array.from({ length: 100 }, (_, i) => `a${i}: experiments { totalCount }`).join(' ')} }`,
    'depth of introspection': `{ __schema { types { fields { type ${'{ ofType '.repeat(20)}{ name }${' }'.repeat(20)} } } } }`,
    'a directive flood': `{ experiments { totalCount ${'@include(if: true) '.repeat(200)} } }`,
    'a page size times a page size':
      '{ runs(first: 500) { edges { node { metricHistory(key: "x", maxPoints: 10000) { value step seq key ' +
      'loggedAt } params { key value } tags { key value } metrics { key value step loggedAt } name id status ' +
      'experiment { id name description createdBy tags { key value } } } } nodes { ...R } } } fragment R on ' +
      'Run { id name params { key value } tags { key value } metrics { key value step loggedAt } experiment ' +
      '{ id name description createdBy tags { key value } state updatedAt createdAt } metricHistory(key: ' +
      '"y") { value step seq key loggedAt } createdBy createdAt startedAt endedAt status a: metrics { key ' +
      'value step loggedAt } b: metrics { key value step loggedAt } c: metrics { key value step loggedAt } ' +
      'd: params { key value } e: params { key value } f: metricHistory(key: "z") { value step seq key ' +
      'loggedAt } g: metricHistory(key: "z") { value step seq key loggedAt } h: metricHistory(key: "z") { ' +
      'value step seq key loggedAt } }',
  };
  for (const [what, document] of Object.entries(documents)) {
    it(`are refused before they run: ${what}`, async () => {
      const viaHttp = (await tess.fails(document)).extensions.code;
      expect(['QUERY_TOO_COMPLEX', 'BAD_USER_INPUT']).toContain(viaHttp);
      const client = tess.socket();
      const viaSocket = await new Promise<unknown>((resolve) =>
        client.subscribe({ query: document }, { next: resolve, error: resolve, complete: () => resolve('complete') }),
      );
      await client.dispose();
      expect((viaSocket as GraphQLErrorShape[])[0]).toMatchObject({ extensions: { code: viaHttp } });
    });
  }

  it('count page sizes in variables: given, by default or absent', async () => {
    const code = async (fields: number, variable: string, variables: object) => {
      const document = `query (${variable}) { models(first: $n) { nodes { versions(first: $n) { nodes { ...V } } } } }
        fragment V on ModelVersion { ${Array.from({ length: fields }, (_, i) => `f${i}: version`).join(' ')} }`;
      return (await tess.send(document, { ...variables })).errors?.[0]?.extensions.code;
    };
    expect(await code(15, '$n: Int', { n: 50 })).toBeUndefined();
    expect(await code(15, '$n: Int', { n: 60 })).toBe('QUERY_TOO_COMPLEX');
    expect(await code(15, '$n: Int = 60', {})).toBe('QUERY_TOO_COMPLEX');
    expect(await code(25, '$n: Int', {})).toBe('QUERY_TOO_COMPLEX');
    expect(await code(25, '$n: Int = 20', {})).toBeUndefined();
    expect(await code(25, '$n: Int = 20', { n: null })).toBe('QUERY_TOO_COMPLEX');
  });

  it('a subscription over HTTP gets an error that names the WebSocket', async () => {
    expect((await tess.fails('subscription { lifecycleEvents { id } }')).message).toContain('WebSocket');
  });

  it('fragment cycles, batches and large bodies are refused', async () => {
    expect(
      (await tess.fails('{ experiments { nodes { ...A } } } fragment A on Experiment { id ...A }')).extensions.code,
    ).toBe('BAD_USER_INPUT');
    expect((await post('[{"query":"{__typename}"}]', { authorization: `Bearer ${tess.token}` })).status).toBe(400);
    expect(
      (
        await post(JSON.stringify({ query: '{__typename}', padding: 'x'.repeat(300_000) }), {
          authorization: `Bearer ${tess.token}`,
        })
      ).status,
    ).toBe(413);
  });
});

describe('browsers', () => {
  it('cannot be made to send requests by a foreign page', async () => {
    const asText = await post(
      JSON.stringify({ query: 'mutation { createExperiment(input: { name: "csrf" }) { experiment { id } } }' }),
      {
        'content-type': 'text/plain',
        authorization: `Bearer ${tess.token}`,
      },
    );
    expect(asText.status).toBeGreaterThanOrEqual(400);
    const get = await fetch(
      `${service.url}/graphql?query=${encodeURIComponent('mutation { createExperiment(input: { name: "g" }) { experiment { id } } }')}`,
    );
    expect(get.status).toBe(404);
    const preflight = await fetch(`${service.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    const workbench = await fetch(`${service.url}/graphql`, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:3001', 'access-control-request-method': 'POST' },
    });
    expect(workbench.headers.get('access-control-allow-origin')).toBe('http://localhost:3001');
  });

  it('let pages of allowed origins call, and read the answers', async () => {
    const cors = async (method: string, headers: Record<string, string>) => {
      const body = method === 'POST' ? JSON.stringify({ query: '{ __typename }' }) : null;
      const authorization = `Bearer ${tess.token}`;
      const response = await fetch(`${service.url}/graphql`, {
        method,
        headers: { ...headers, ...(body && { 'content-type': 'application/json', authorization }) },
        body,
      });
      await response.text();
      const [origin, methods, asked] = ['origin', 'methods', 'headers'].map((name) =>
        response.headers.get(`access-control-allow-${name}`),
      );
      return { status: response.status, origin, methods, asked, vary: response.headers.get('vary') };
    };
    const origin = 'http://localhost:3001';
    const preflight = { 'access-control-request-method': 'POST' };
    const vary = 'Origin, Access-Control-Request-Headers';
    const methods = 'GET, POST, PUT';
    expect(await cors('OPTIONS', { origin, ...preflight, 'access-control-request-headers': 'authorization' })).toEqual({
      status: 204,
      origin,
      methods,
      asked: 'authorization',
      vary,
    });
    expect(await cors('OPTIONS', { origin, ...preflight })).toEqual({
      status: 204,
      origin,
      methods,
      asked: null,
      vary,
    });
    const none = { origin: null, methods: null, asked: null, vary: 'Origin' };
    expect(await cors('OPTIONS', preflight)).toEqual({ ...none, status: 400 });
    expect(await cors('OPTIONS', { origin })).toEqual({ ...none, status: 400, origin });
    expect(await cors('POST', { origin })).toEqual({ ...none, status: 200, origin });
    expect(await cors('POST', { origin: 'https://evil.example' })).toEqual({ ...none, status: 200 });
    expect(await cors('POST', {})).toEqual({ ...none, status: 200 });
  });

  it('open no WebSocket from a foreign origin', async () => {
    const status = await new Promise((resolve) => {
      const socket = new WebSocket(`${service.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', {
        origin: 'https://evil.example',
      });
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('error', () => undefined);
      socket.on('open', () => resolve('open'));
    });
    expect(status).toBe(403);
  });
});

describe('a socket', () => {
  it('has at most a hundred operations at the same time', async () => {
    const client = createClient({
      url: `${service.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { token: tess.token },
      lazy: false,
    });
    let refused: unknown = null;
    for (let i = 0; i < 101; i++) {
      client.subscribe(
        { query: 'subscription { lifecycleEvents { id } }' },
        { next: () => undefined, error: (error) => (refused = error), complete: () => undefined },
      );
    }
    await expect
      .poll(() => refused, { timeout: 10_000 })
      .toMatchObject([{ extensions: { code: 'RESOURCE_EXHAUSTED' } }]);
    await client.dispose();
  });
});

describe('hostile text', () => {
  const names: Record<string, string> = {
    empty: '',
    NUL: 'a\0b',
    'a lone surrogate': 'a\ud800b',
    'zero width': 'a\u200bb',
    'a line break': 'a\nb',
    'a megabyte': 'x'.repeat(120_000),
  };
  for (const [what, name] of Object.entries(names)) {
    it(`in a name is refused with the field: ${what}`, async () => {
      expect((await tess.fails(CREATE, { name })).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.name',
      });
    });
  }

  it('in other fields is refused too', async () => {
    expect((await tess.fails(CREATE, { name: 'p', tags: [{ key: 'a\u200bb', value: 'x' }] })).extensions).toMatchObject(
      {
        code: 'BAD_USER_INPUT',
        field: 'input.tags[0].key',
      },
    );
    expect((await tess.fails('{ experiment(id: "1e400") { id } }')).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'id',
    });
    expect((await tess.fails('{ runs(first: 1000000000) { nodes { id } } }')).extensions.code).toMatch(
      /BAD_USER_INPUT|QUERY_TOO_COMPLEX/,
    );
    expect(
      (await tess.fails('{ experiments(filter: { search: "' + '%'.repeat(500) + '" }) { nodes { id } } }')).extensions,
    ).toMatchObject({
      field: 'filter.search',
    });
    expect(
      (
        await tess.fails(
          'mutation { logMetrics(input: { runId: "01a1fedb-904e-7148-ad0f-33f9595d7d0f", metrics: [{ key: ' +
            '"x", value: 1e400 }] }) { addedCount } }',
        )
      ).extensions.code,
    ).toBe('BAD_USER_INPUT');
    await tess.ok(CREATE, { name: `'; drop table experiment; --` });
    expect(await tess.ok('{ experiments(filter: { search: "drop table" }) { nodes { name } } }')).toEqual({
      experiments: { nodes: [{ name: `'; drop table experiment; --` }] },
    });
  });
});

describe('an unexpected error', () => {
  it('is not shown, and its answer has the request id that finds it in the log', async () => {
    const admin = new pg.Client({ connectionString: service.database.url });
    await admin.connect();
    await admin.query('alter table run_tag rename to run_tag_away');
    await tess.ok(CREATE, { name: 'masked' });
    const { experiments } = await tess.ok<{ experiments: { nodes: { id: string }[] } }>(
      '{ experiments(first: 1) { nodes { id } } }',
    );
    const error = await tess.fails(
      `mutation ($e: ID!) { createRun(input: { experimentId: $e, tags: [{ key: "a", value: "b" }] }) { run { id } } }`,
      {
        e: experiments.nodes[0]?.id,
      },
    );
    await admin.query('alter table run_tag_away rename to run_tag');
    await admin.end();
    expect(error.extensions.code).toBe('INTERNAL');
    expect(error.message).not.toContain('run_tag');
    expect(error.message).toContain(String(error.extensions['requestId']));
  });
});
