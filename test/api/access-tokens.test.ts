// One file because its tests share one running service and one more process, which take longer to start than most of
// the tests.
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { getNamedType, type GraphQLObjectType, isObjectType } from 'graphql';
import { createClient } from 'graphql-ws';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { TokenScope } from '../../src/modules/core/rules/token-scope.js';
import { loadModules } from '../../src/modules.js';
import { scopedEndpoints } from '../../src/protocols/mlflow/run-scope.js';
import { serviceSchema } from '../../src/composition.js';
import { checkScope, narrowRules } from '../../src/resolvers/scope-rules.js';
import { linear } from '../fixtures/models/build.js';
import { ServiceGroup, type ServiceProcess } from '../support/processes.js';
import { Caller, SECRET, startTestService, type TestService } from '../support/service.js';
import { serve, xToY } from '../support/serving.js';
import { createExperiment } from '../support/training.js';
import { PredictDetailsDocument } from '../generated/operations.js';

let group: ServiceGroup;
let service: TestService;
let other: ServiceProcess;
let admin: Caller;
let db: Client;

beforeAll(async () => {
  group = await ServiceGroup.create();
  service = await startTestService({ DATA_DIR: group.dataDir }, group.database);
  other = await group.start('api');
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  db = new Client({ connectionString: group.database.url });
  await db.connect();
});
afterAll(async () => {
  await db?.end();
  await service?.close();
  await group?.close();
});

interface Issued {
  token: string;
  accessToken: { id: string; expiresAt: string };
}

const ISSUE =
  'mutation ($input: IssueAccessTokenInput!) { issueAccessToken(input: $input) { token accessToken { id ' +
  'expiresAt } } }';
const REVOKE = `mutation ($id: ID!) { revokeAccessToken(input: { id: $id }) { accessToken { revokedAt } } }`;

async function issue(input: Record<string, unknown>): Promise<Issued> {
  return (await admin.ok<{ issueAccessToken: Issued }>(ISSUE, { input: { name: 'ci', role: 'ENGINEER', ...input } }))
    .issueAccessToken;
}

const here = ({ token }: { token: string }) => new Caller(service.url, token);
const there = ({ token }: { token: string }) => new Caller(other.url, token);

async function newRun(): Promise<string> {
  const experimentId = await createExperiment(admin);
  const { createRun } = await admin.ok<{ createRun: { run: { id: string } } }>(
    `mutation ($id: ID!) { createRun(input: { experimentId: $id }) { run { id } } }`,
    { id: experimentId },
  );
  return createRun.run.id;
}

const EXPERIMENTS = '{ experiments { totalCount } }';

describe('a token of the service', () => {
  it('works in every process with its role, and the list does not show the token itself', async () => {
    const name = `list-${randomUUID()}`;
    const issued = await issue({ name, lifeSeconds: 3_600 });
    for (const caller of [here(issued), there(issued)]) {
      await caller.ok(EXPERIMENTS);
      expect((await caller.fails('{ auditLog { totalCount } }')).extensions.code).toBe('FORBIDDEN');
    }
    const made = await here(issued).ok<{ createExperiment: { experiment: { createdBy: string } } }>(
      `mutation { createExperiment(input: { name: "by-${name}" }) { experiment { createdBy } } }`,
    );
    expect(made.createExperiment.experiment.createdBy).toBe(`token:${name}`);
    const all = await admin.send(
      `{ accessTokens(filter: { search: "${name}" }) { nodes { id name role scope expiresAt lastUsedAt ` +
        'revokedAt createdBy createdAt endpoints { id } run { id } } } }',
    );
    expect(JSON.stringify(all)).not.toContain(issued.token.split('.')[2]);
    expect(all.data).toMatchObject({
      accessTokens: {
        nodes: [
          { id: issued.accessToken.id, name, role: 'ENGINEER', scope: 'EVERYTHING', createdBy: 'ada', revokedAt: null },
        ],
      },
    });
    const seconds = (new Date(issued.accessToken.expiresAt).getTime() - Date.now()) / 1000;
    expect(seconds).toBeGreaterThan(3_590);
    expect(seconds).toBeLessThanOrEqual(3_600);
    const { rows } = await db.query(
      `select * from access_token t, audit_log a where t.id = $1 and a.subject_id = t.id::text`,
      [issued.accessToken.id],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({ action: 'issueAccessToken', actor: 'ada' });
    expect(JSON.stringify(rows)).not.toContain(issued.token.split('.')[2]);
  });

  it(
    'cannot be issued above the own role, by an engineer, for too long or short, or with a scope that lacks ' +
      'its subject',
    async () => {
      const runId = await newRun();
      const cases: [Record<string, unknown>, string, string | undefined][] = [
        [{ lifeSeconds: 59 }, 'BAD_USER_INPUT', 'input.lifeSeconds'],
        [{ lifeSeconds: 1e12 }, 'BAD_USER_INPUT', 'input.lifeSeconds'],
        [{ name: ' a' }, 'BAD_USER_INPUT', 'input.name'],
        [{ name: 'a\u202eb' }, 'BAD_USER_INPUT', 'input.name'],
        [{ name: 'a'.repeat(129) }, 'BAD_USER_INPUT', 'input.name'],
        [{ scope: 'PREDICT' }, 'BAD_USER_INPUT', 'input.endpointNames'],
        [{ scope: 'PREDICT', endpointNames: ['absent'] }, 'NOT_FOUND', 'input.endpointNames'],
        [{ scope: 'READ', endpointNames: ['absent'] }, 'BAD_USER_INPUT', 'input.endpointNames'],
        [{ scope: 'WRITE_RUN' }, 'BAD_USER_INPUT', 'input.runId'],
        [{ scope: 'WRITE_RUN', runId, role: 'VIEWER' }, 'BAD_USER_INPUT', 'input.role'],
        [{ scope: 'WRITE_RUN', runId: randomUUID() }, 'NOT_FOUND', undefined],
        [{ runId }, 'BAD_USER_INPUT', 'input.runId'],
      ];
      for (const [input, code, field] of cases) {
        const { extensions } = await admin.fails(ISSUE, { input: { name: 'x', role: 'ENGINEER', ...input } });
        expect({ code: extensions.code, field: extensions.field }, JSON.stringify(input)).toEqual({ code, field });
      }
      const engineer = await issue({});
      expect((await here(engineer).fails(ISSUE, { input: { name: 'x', role: 'VIEWER' } })).extensions.code).toBe(
        'FORBIDDEN',
      );
      const reader = await issue({ role: 'ADMIN', scope: 'READ' });
      expect((await here(reader).fails(ISSUE, { input: { name: 'x', role: 'VIEWER' } })).extensions.code).toBe(
        'FORBIDDEN',
      );
      const stranger = await service.as({ role: Role.ADMIN, tenant: 'other' });
      expect((await stranger.fails(REVOKE, { id: engineer.accessToken.id })).extensions.code).toBe('NOT_FOUND');
      expect(await stranger.ok('{ accessTokens { totalCount } }')).toEqual({ accessTokens: { totalCount: 0 } });
    },
  );

  it('shows when it was last used, within a minute', async () => {
    const issued = await issue({ name: 'used' });
    const before = Date.now();
    await there(issued).ok(EXPERIMENTS);
    const lastUsed = async () =>
      (
        await db.query<{ at: Date | null }>('select last_used_at as at from access_token where id = $1', [
          issued.accessToken.id,
        ])
      ).rows[0]!.at;
    await expect.poll(lastUsed, { timeout: 60_000, interval: 500 }).not.toBeNull();
    expect(Math.abs((await lastUsed())!.getTime() - before)).toBeLessThan(60_000);
  });
});

it('tokens that ended 90 days ago are deleted', async () => {
  const [old, recent] = [await issue({ name: 'old' }), await issue({ name: 'recent' })];
  const ended = `update access_token set expires_at = now() - $2 * interval '1 day' where id = $1`;
  await db.query(ended, [old.accessToken.id, 91]);
  await db.query(ended, [recent.accessToken.id, 89]);
  await service.app.context.services.retention.prune();
  const FIND = `query ($id: ID!) { accessToken(id: $id) { name } }`;
  expect((await admin.fails(FIND, { id: old.accessToken.id })).extensions.code).toBe('NOT_FOUND');
  expect(await admin.ok(FIND, { id: recent.accessToken.id })).toEqual({ accessToken: { name: 'recent' } });
});

describe('a token that is not what it claims', () => {
  const own = () => issue({ name: 'model' });
  const parts = (token: string) =>
    token.split('.').map((part) => Buffer.from(part, 'base64url').toString()) as [string, string, string];
  const text = (value: string | object) =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

  const hostile: Record<string, () => Promise<string>> = {
    'without a signature, of algorithm none': async () => {
      const [header, claims] = parts((await own()).token);
      return `${text({ ...(JSON.parse(header) as object), alg: 'none' })}.${text(claims)}.`;
    },
    'that keeps its header and has no signature': async () =>
      (await own()).token.split('.').slice(0, 2).join('.') + '.',
    'signed with the public key as an HMAC secret': async () => {
      const [header, claims] = parts((await own()).token);
      const { rows } = await db.query<{ secret: string }>('select secret from signing_key');
      const { x } = JSON.parse(rows[0]!.secret) as { x: string };
      return new SignJWT(JSON.parse(claims) as Record<string, unknown>)
        .setProtectedHeader({ ...(JSON.parse(header) as object), alg: 'HS256' })
        .sign(Buffer.from(x, 'base64url').length >= 32 ? Buffer.from(x, 'base64url') : Buffer.alloc(32));
    },
    'signed with the installation’s secret in the type of ours': async () => {
      const [header, claims] = parts((await own()).token);
      return new SignJWT(JSON.parse(claims) as Record<string, unknown>)
        .setProtectedHeader({ ...(JSON.parse(header) as object), alg: 'HS256' })
        .sign(new TextEncoder().encode(SECRET));
    },
    'with another role under the same signature': async () => {
      const { token } = await own();
      const [, claims] = parts(token);
      return [
        token.split('.')[0],
        text({ ...(JSON.parse(claims) as object), role: 'ADMIN' }),
        token.split('.')[2],
      ].join('.');
    },
    'of a key that there is not': async () => {
      const [header, claims] = parts((await own()).token);
      return `${text(header.replace(/"kid":"[^"]*"/, `"kid":"${randomUUID()}"`))}.${text(claims)}.${text('signature')}`;
    },
    'whose key id is a path': async () => {
      const [header, claims] = parts((await own()).token);
      return `${text(header.replace(/"kid":"[^"]*"/, `"kid":"../../etc/passwd"`))}.${text(claims)}.${text('signature')}`;
    },
    unsecured: async () => new UnsecuredJWT({ sub: 'eve', tenant: 'acme', role: 'ADMIN', exp: 4e9 }).encode(),
    'that has expired': async () => {
      const issued = await own();
      await db.query(`update access_token set expires_at = now() - interval '1 s' where id = $1`, [
        issued.accessToken.id,
      ]);
      return issued.token;
    },
    'whose row is another tenant’s': async () => {
      const issued = await own();
      await db.query(`update access_token set tenant = 'other' where id = $1`, [issued.accessToken.id]);
      return issued.token;
    },
    'whose row is gone': async () => {
      const issued = await own();
      await db.query(`delete from access_token where id = $1`, [issued.accessToken.id]);
      return issued.token;
    },
  };
  for (const [what, make] of Object.entries(hostile)) {
    it(`${what} is refused with the same error`, async () => {
      const caller = new Caller(service.url, await make());
      const { status, errors } = await caller.send(EXPERIMENTS);
      expect(status).toBe(401);
      expect(errors?.[0]?.message).toBe(
        'A valid bearer token is needed: send the header "Authorization: Bearer <token>".',
      );
      expect(
        (
          await fetch(`${service.url}/api/2.0/mlflow/experiments/search`, {
            method: 'POST',
            headers: { authorization: `Bearer ${caller.token}`, 'content-type': 'application/json' },
            body: '{}',
          })
        ).status,
      ).toBe(401);
    });
  }
});

describe('revoking a token', () => {
  it('ends it in every process within five seconds, with its subscriptions and sockets', async () => {
    const issued = await issue({ name: 'to-revoke' });
    await here(issued).ok(EXPERIMENTS);
    await there(issued).ok(EXPERIMENTS);
    const endings = [here(issued), there(issued)].map(async (caller) => {
      const closed = Promise.withResolvers<number>();
      // A socket that stays open without subscriptions, so that the service must close it.
      const client = createClient({
        url: `${caller.url.replace('http', 'ws')}/graphql`,
        webSocketImpl: WebSocket,
        connectionParams: { token: caller.token },
        lazy: false,
        retryAttempts: 0,
        onNonLazyError: () => undefined,
      });
      client.on('closed', (event) => closed.resolve((event as { code: number }).code));
      const errors: string[] = [];
      const subscription = client.iterate<Record<string, unknown>>({
        query: 'subscription { lifecycleEvents { id } }',
      });
      for await (const { errors: told } of subscription) {
        if (told) {
          errors.push(...told.map(({ extensions }) => String(extensions?.['code'])));
          break;
        }
      }
      const code = await Promise.race([
        closed.promise,
        new Promise<number>((resolve) => setTimeout(() => resolve(0), 3_000)),
      ]);
      await client.dispose();
      return { errors, code };
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const startedAt = performance.now();
    await admin.ok(REVOKE, { id: issued.accessToken.id });
    const status = async (caller: Caller) => (await caller.send(EXPERIMENTS)).status;
    await expect.poll(() => status(there(issued)), { timeout: 5_000, interval: 5 }).toBe(401);
    const thereMs = performance.now() - startedAt;
    await expect.poll(() => status(here(issued)), { timeout: 5_000, interval: 5 }).toBe(401);
    for (const ending of await Promise.all(endings))
      expect(ending).toEqual({ errors: ['UNAUTHENTICATED'], code: 4401 });
    const allMs = performance.now() - startedAt;
    console.log(
      `revoked: refused in the other process after ${thereMs.toFixed(0)} ms, subscriptions over after ` +
        `${allMs.toFixed(0)} ms`,
    );
    expect(allMs).toBeLessThan(5_000);
    // A second time changes nothing.
    await admin.ok(REVOKE, { id: issued.accessToken.id });
    const { rows } = await db.query(`select action from audit_log where subject_id = $1 order by created_at`, [
      issued.accessToken.id,
    ]);
    expect(rows.map(({ action }: { action: string }) => action)).toEqual(['issueAccessToken', 'revokeAccessToken']);
  });

  it('ends it also when no wake-up arrives', async () => {
    const issued = await issue({ name: 'quietly-revoked' });
    await there(issued).ok(EXPERIMENTS);
    await db.query('update access_token set revoked_at = now() where id = $1', [issued.accessToken.id]);
    const startedAt = performance.now();
    await expect
      .poll(async () => (await there(issued).send(EXPERIMENTS)).status, { timeout: 5_000, interval: 20 })
      .toBe(401);
    console.log(`without a wake-up: refused after ${(performance.now() - startedAt).toFixed(0)} ms`);
  });
});

describe('a scope', () => {
  it('names only fields, types and endpoints that exist', async () => {
    const schema = await serviceSchema();
    const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()].flatMap((type) =>
      Object.keys(type!.getFields()),
    );
    for (const { fields, selectable } of Object.values(narrowRules)) {
      for (const field of Object.keys(fields)) expect(roots).toContain(field);
      for (const [type, names] of Object.entries(selectable)) {
        const known = Object.keys((schema.getType(type) as { getFields(): object } | undefined)?.getFields() ?? {});
        expect(known.length, type).toBeGreaterThan(0);
        if (names !== '*') for (const name of names) expect(known, type).toContain(name);
      }
    }
    const all = (await loadModules()).flatMap((module) => module.mlflowEndpoints);
    const endpoints = all.map(({ methods, path }) => `${methods.join()} ${path}`);
    for (const name of scopedEndpoints) expect(endpoints).toContain(name);
  });

  it('refuses every root field that its rules do not name, also a new one', async () => {
    const schema = await serviceSchema();
    const runId = randomUUID();
    const predicting = ['predict', 'chat', 'complete', 'chatStream', 'completeStream'];
    const scopes: [TokenScope, (type: string, field: string) => boolean][] = [
      [{ kind: 'READ' }, (type) => type !== 'Mutation'],
      [{ kind: 'PREDICT', endpoints: [] }, (_type, field) => predicting.includes(field)],
      [{ kind: 'WRITE_RUN', runId }, (_type, field) => Object.hasOwn(narrowRules.WRITE_RUN.fields, field)],
    ];
    let tried = 0;
    for (const type of [schema.getQueryType()!, schema.getMutationType()!, schema.getSubscriptionType()!]) {
      for (const { name: fieldName, type: returnType } of Object.values(type.getFields())) {
        for (const [scope, isAllowed] of scopes) {
          const principal = { subject: 's', tenant: 't', role: Role.ADMIN, expiresAt: new Date(), scope };
          const asked = { fieldName, returnType, fieldNodes: [], fragments: {} };
          const check = () => checkScope(principal, type, { id: runId, runId, input: { runId } }, asked);
          const what = `${scope.kind}: ${type.name}.${fieldName}`;
          if (isAllowed(type.name, fieldName)) expect(check, what).not.toThrow();
          else expect(check, what).toThrow(/outside this token's scope/);
          tried++;
        }
      }
    }
    console.log(`scopes: ${tried} pairs of a scope and a root field`);
  });

  it('READ reads, and changes nothing over any protocol', async () => {
    const reader = here(await issue({ role: 'ADMIN', scope: 'READ' }));
    await reader.ok('{ experiments { nodes { id } } auditLog(first: 1) { nodes { id } } }');
    const tag = `mutation ($id: ID!) { setRunTags(input: { runId: $id, tags: [] }) { run { id } } }`;
    expect((await reader.fails(tag, { id: await newRun() })).extensions.code).toBe('FORBIDDEN');
    const mlflow = (path: string, body: object) =>
      fetch(`${service.url}/api/2.0/mlflow/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${reader.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await mlflow('experiments/search', { max_results: 1 })).status).toBe(200);
    expect((await mlflow('experiments/create', { name: 'x' })).status).toBe(403);
    const upload = await fetch(`${service.url}/uploads?fileName=a.csv`, {
      method: 'POST',
      headers: { authorization: `Bearer ${reader.token}`, 'content-type': 'text/csv' },
      body: 'a',
    });
    expect(upload.status).toBe(403);
  });

  it('PREDICT predicts at its endpoints, by GraphQL and REST, and does nothing else', async () => {
    const schema = await serviceSchema();
    const [own, foreign] = [`own-${randomUUID()}`, `foreign-${randomUUID()}`];
    const model = { bytes: linear([2], 0), signature: xToY(1) };
    const mine = await serve(service, admin, model, { name: own });
    const others = await serve(service, admin, model, { name: foreign });
    const issued = await issue({ scope: 'PREDICT', endpointNames: [own] });
    const caller = here(issued);
    const rows = [{ x: 4 }];
    for (const ref of [{ endpointName: own }, { endpointId: mine.endpointId }]) {
      const { predict } = await caller.ok(PredictDetailsDocument, {
        input: { ...ref, rows },
      });
      expect(predict.predictions[0]!.value).toBe(8);
    }
    const rest = (name: string) =>
      fetch(`${service.url}/v1/endpoints/${name}/predict`, {
        method: 'POST',
        headers: { authorization: `Bearer ${issued.token}` },
        body: JSON.stringify({ rows }),
      });
    expect((await rest(own)).status).toBe(200);
    expect((await rest(foreign)).status).toBe(403);
    expect(((await (await rest('absent')).json()) as { message: string }).message).toBe(
      ((await (await rest(foreign)).json()) as { message: string }).message,
    );
    for (const ref of [
      { endpointName: foreign },
      { endpointId: others.endpointId },
      { endpointName: 'absent' },
      { endpointId: randomUUID() },
    ])
      expect((await caller.fails(PredictDetailsDocument, { input: { ...ref, rows } })).extensions.code).toBe(
        'FORBIDDEN',
      );
    const everything = (name: string): string =>
      Object.values((schema.getType(name) as GraphQLObjectType).getFields())
        .map((field) => {
          const below = getNamedType(field.type);
          if (below.name === 'ModelVersion') return `${field.name} { id version }`;
          if (below.name === 'Deployment') return `${field.name} { id }`;
          return isObjectType(below) ? `${field.name} { ${everything(below.name)} }` : field.name;
        })
        .join(' ');
    await caller.ok(
      `mutation { predict(input: { endpointName: "${own}", rows: [{ x: 1 }] }) { ${everything('PredictPayload')} } }`,
    );
    const beyond = [
      EXPERIMENTS,
      '{ endpoints { nodes { id } } }',
      `{ endpoint(id: "${mine.endpointId}") { id } }`,
      'mutation { createExperiment(input: { name: "x" }) { experiment { id } } }',
      `mutation { predict(input: { endpointName: "${own}", rows: [{ x: 1 }] }) { modelVersion { model { name } } } }`,
      `mutation { predict(input: { endpointName: "${own}", rows: [{ x: 1 }] }) { modelVersion { description } } }`,
      `mutation { predict(input: { endpointName: "${own}", rows: [{ x: 1 }] }) { ...all } } fragment all on ` +
        'PredictPayload { deployment { endpoint { id } } }',
      `mutation { predict(input: { endpointName: "${own}", rows: [{ x: 1 }] }) { ... { deployment { ... on ` +
        'Deployment { traffic { requests } } } } } }',
    ];
    for (const query of beyond) expect((await caller.fails(query)).extensions.code, query).toBe('FORBIDDEN');
    await expect(caller.collect('subscription { lifecycleEvents { id } }', {}, () => true)).rejects.toThrow(
      'FORBIDDEN',
    );
    for (const [method, path] of [
      ['POST', '/api/2.0/mlflow/experiments/search'],
      ['GET', `/api/2.0/mlflow/runs/get?run_id=${await newRun()}`],
      ['GET', `/artifacts/${randomUUID()}`],
      ['POST', '/uploads?fileName=a.csv'],
    ] as const) {
      const { status } = await fetch(`${service.url}${path}`, {
        method,
        headers: { authorization: `Bearer ${issued.token}`, 'content-type': 'application/json' },
        ...(method === 'POST' && { body: '{}' }),
      });
      expect(status, path).toBe(403);
    }
    // Another endpoint with the same name is not the one in the scope.
    await admin.ok(`mutation ($id: ID!) { deleteEndpoint(input: { id: $id }) { deletedId } }`, { id: mine.endpointId });
    await serve(service, admin, model, { name: own });
    const late = async () =>
      (await caller.send(PredictDetailsDocument, { input: { endpointName: own, rows } })).errors?.[0]?.extensions.code;
    await expect.poll(late, { timeout: 5_000, interval: 50 }).toBe('FORBIDDEN');
  });

  it('WRITE_RUN logs to its run and reads it, over GraphQL and MLflow, and reaches no other run', async () => {
    const [runId, foreignId] = [await newRun(), await newRun()];
    const issued = await issue({ scope: 'WRITE_RUN', runId });
    const caller = here(issued);
    const LOG =
      'mutation ($id: ID!) { logMetrics(input: { runId: $id, metrics: [{ key: "loss", value: 1, step: 1 }] ' +
      '}) { addedCount } }';
    const READ =
      'query ($id: ID!) { run(id: $id) { id name status metrics { key value } params { key value } tags { ' +
      'key value } metricHistory(key: "loss") { value } logs { nodes { line } } artifacts { path downloadUrl ' +
      '} } }';
    await caller.ok(LOG, { id: runId });
    await caller.ok(
      'mutation ($id: ID!) { logParams(input: { runId: $id, params: [{ key: "a", value: "1" }] }) { run { id ' +
        'params { key } } } }',
      { id: runId },
    );
    const { uploadId } = await caller.upload('a.csv', 'a,b\n1,2\n');
    await caller.ok(
      'mutation ($id: ID!, $upload: ID!) { logArtifact(input: { runId: $id, path: "a.csv", uploadId: $upload ' +
        '}) { artifact { id } } }',
      { id: runId, upload: uploadId },
    );
    const { run } = await caller.ok<{ run: { metrics: object[]; artifacts: { downloadUrl: string }[] } }>(READ, {
      id: runId,
    });
    expect(run.metrics).toEqual([{ key: 'loss', value: 1 }]);
    const bearer = { authorization: `Bearer ${issued.token}` };
    expect((await fetch(new URL(run.artifacts[0]!.downloadUrl, service.url), { headers: bearer })).status).toBe(200);
    expect(
      await caller.collect(
        `subscription ($id: ID!) { runMetrics(runId: $id, after: 0) { value } }`,
        { id: runId },
        () => true,
      ),
    ).toEqual([{ value: 1 }]);

    for (const [query, variables] of [
      [LOG, { id: foreignId }],
      [READ, { id: foreignId }],
      [EXPERIMENTS, {}],
      ['query ($id: ID!) { run(id: $id) { experiment { name } } }', { id: runId }],
      ['query ($id: ID!) { run(id: $id) { children { nodes { id } } } }', { id: runId }],
      ['query ($id: ID!) { run(id: $id) { parent { id } clonedFrom { id } } }', { id: runId }],
      [
        'mutation ($id: ID!) { finishRun(input: { runId: $id, status: FINISHED }) { run { experiment { name } } } }',
        { id: runId },
      ],
      ['mutation ($id: ID!) { deleteRun(input: { runId: $id }) { run { id } } }', { id: runId }],
      ['mutation ($id: ID!) { cloneRun(input: { runId: $id }) { run { id } } }', { id: runId }],
    ] as [string, Record<string, unknown>][])
      expect((await caller.fails(query, variables)).extensions.code, query).toBe('FORBIDDEN');
    await expect(
      caller.collect(`subscription ($id: ID!) { runMetrics(runId: $id) { value } }`, { id: foreignId }, () => true),
    ).rejects.toThrow('FORBIDDEN');

    const hex = (id: string) => id.replaceAll('-', '');
    const mlflow = async (method: string, path: string, body?: object) =>
      (
        await fetch(`${service.url}/api/2.0/${path}`, {
          method,
          headers: { ...bearer, ...(body && { 'content-type': 'application/json' }) },
          ...(body && { body: JSON.stringify(body) }),
        })
      ).status;
    const metric = { key: 'acc', value: 0.5, timestamp: 1_700_000_000_000, step: 0 };
    for (const [id, status] of [
      [runId, 200],
      [foreignId, 403],
    ] as const) {
      const run_id = hex(id);
      expect(await mlflow('GET', `mlflow/runs/get?run_id=${run_id}`)).toBe(status);
      expect(await mlflow('POST', 'mlflow/runs/log-metric', { run_id, ...metric })).toBe(status);
      expect(await mlflow('POST', 'mlflow/runs/log-batch', { run_id, metrics: [metric] })).toBe(status);
      expect(await mlflow('POST', 'mlflow/runs/set-tag', { run_id, key: 'k', value: 'v' })).toBe(status);
      expect(await mlflow('GET', `mlflow/metrics/get-history?run_id=${run_id}&metric_key=acc`)).toBe(status);
      expect(await mlflow('GET', `mlflow/artifacts/list?run_id=${run_id}`)).toBe(status);
    }
    expect(await mlflow('POST', 'mlflow/runs/log-metric', { run_id: hex(runId), ...metric, model_id: 'm-1' })).toBe(
      403,
    );
    expect(
      await mlflow('POST', 'mlflow/runs/log-batch', { run_id: hex(runId), metrics: [{ ...metric, model_id: 'm-1' }] }),
    ).toBe(403);
    expect(await mlflow('POST', 'mlflow/runs/log-metric', { run_uuid: hex(foreignId), run_id: '', ...metric })).toBe(
      403,
    );
    expect(await mlflow('POST', 'mlflow/experiments/search', {})).toBe(403);
    expect(await mlflow('POST', 'mlflow/runs/search', { experiment_ids: [] })).toBe(403);
    expect(await mlflow('POST', 'mlflow/runs/delete', { run_id: hex(runId) })).toBe(403);
    const { rows } = await db.query<{ id: string; experiment: string }>(
      'select id, experiment_id as experiment from run where id = any($1)',
      [[runId, foreignId]],
    );
    const put = async (id: string, prefix = '') => {
      const experiment = hex(rows.find((row) => row.id === id)!.experiment);
      const path = `${prefix}${experiment}/${hex(id)}/artifacts/notes.txt`;
      return (
        await fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
          method: 'PUT',
          headers: bearer,
          body: 'hello',
        })
      ).status;
    };
    expect(await put(runId)).toBe(200);
    expect(await put(foreignId)).toBe(403);
    expect(await put(foreignId, `${hex(runId)}%2F..%2F`)).not.toBe(200);
    expect(await put(foreignId, '%2E/')).toBe(403);
  });
});

describe('together with AUTH_JWKS_URL', () => {
  it('tokens of the service and of other issuers work, each verified only with its own keys', async () => {
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const jwks = JSON.stringify({
      keys: [{ ...(await exportJWK(publicKey)), kid: 'theirs', alg: 'EdDSA', use: 'sig' }],
    });
    const issuer = createServer((_request, response) =>
      response.setHeader('content-type', 'application/json').end(jwks),
    );
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    const { port } = issuer.address() as AddressInfo;
    const settings = {
      ROLE: 'api',
      DATA_DIR: group.dataDir,
      AUTH_JWT_SECRET: '',
      AUTH_JWKS_URL: `http://127.0.0.1:${port}/keys`,
    };
    const federated = await startTestService(settings, group.database);
    try {
      const sign = (header: object, claims: object = {}) =>
        new SignJWT({ tenant: 'acme', role: 'ENGINEER', ...claims })
          .setProtectedHeader({ alg: 'EdDSA', kid: 'theirs', ...header })
          .setSubject('eve')
          .setIssuer('matih')
          .setAudience('matih-ml')
          .setExpirationTime('1h')
          .sign(privateKey);
      const status = async (token: string) => (await new Caller(federated.url, token).send(EXPERIMENTS)).status;
      expect(await status(await sign({}))).toBe(200);
      const own = await issue({ name: 'federated' });
      expect(await status(own.token)).toBe(200);
      // A token that claims to be of this service is accepted by no other verifier, whoever signed it.
      const [header] = own.token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
      expect(await status(await sign(JSON.parse(header!) as object, { jti: own.accessToken.id }))).toBe(401);
      expect(await status(await sign({ typ: 'matih+jwt' }, { jti: own.accessToken.id, scope: 'EVERYTHING' }))).toBe(
        200,
      );
      expect(await status(admin.token)).toBe(401);
    } finally {
      await federated.close();
      issuer.close();
    }
  });
});

describe('npm run token', () => {
  const run = promisify(execFile);
  const cli = (...args: string[]) =>
    run(process.execPath, ['dist/token.js', ...args], {
      env: { PATH: process.env['PATH'], DATABASE_URL: group.database.url },
    });

  it('issues, lists and revokes on the database of a running service', async () => {
    const { stdout: issuedText } = await cli(
      'issue',
      '--name',
      'from-cli',
      '--role',
      'viewer',
      '--life',
      '1h',
      '--tenant',
      'acme',
      '--json',
    );
    const issued = JSON.parse(issuedText) as { token: string; id: string };
    await there(issued).ok(EXPERIMENTS);
    expect(
      (await there(issued).fails('mutation { createExperiment(input: { name: "x" }) { experiment { id } } }'))
        .extensions.code,
    ).toBe('FORBIDDEN');
    const { stdout: listed } = await cli('list', '--tenant', 'acme');
    expect(listed).toContain('from-cli');
    expect(listed).not.toContain(issued.token);
    expect((await cli('list', '--tenant', 'nobody')).stdout.trim()).toBe('There are none.');
    await cli('revoke', issued.id, '--tenant', 'acme');
    await expect
      .poll(async () => (await there(issued).send(EXPERIMENTS)).status, { timeout: 5_000, interval: 20 })
      .toBe(401);
    expect((await cli('--help')).stdout).toContain('issue --name');
  });

  it('explains in one sentence what is wrong', async () => {
    const refusal = async (...args: string[]) =>
      cli(...args).then(
        () => 'accepted',
        (error: { stderr: string }) => error.stderr.trim(),
      );
    expect(await refusal('issue', '--name', 'x')).toBe('--role: expected VIEWER, ENGINEER or ADMIN, got "nothing".');
    expect(await refusal('issue', '--name', 'x', '--role', 'ADMIN', '--scope', 'write')).toMatch(
      /^--scope: expected everything, read, predict or write-run/,
    );
    expect(await refusal('revoke', 'x')).toMatch(/^revoke: expected the id of a token/);
    expect(await refusal('give')).toMatch(/^the command: expected issue/);
    expect(await refusal('list', '--nothing')).toMatch(/--nothing/);
  });

  it('rotates the key: old tokens stay valid until their key is removed', async () => {
    const before = await issue({ name: 'old-key' });
    await cli('rotate-key');
    const after = await issue({ name: 'new-key' });
    expect(JSON.parse(Buffer.from(after.token.split('.')[0]!, 'base64url').toString())).not.toEqual(
      JSON.parse(Buffer.from(before.token.split('.')[0]!, 'base64url').toString()),
    );
    await there(before).ok(EXPERIMENTS);
    await there(after).ok(EXPERIMENTS);
    await cli('rotate-key', '--give-up-others');
    for (const gone of [before, after])
      await expect
        .poll(async () => (await there(gone).send(EXPERIMENTS)).status, { timeout: 5_000, interval: 20 })
        .toBe(401);
    await there(await issue({ name: 'newest-key' })).ok(EXPERIMENTS);
  });
});
