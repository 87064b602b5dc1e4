import { getNamedType, type GraphQLObjectType, isObjectType } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { serviceSchema } from '../../src/composition.js';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { serve, x, xToY } from '../support/serving.js';
import { UndeployForRestDocument } from '../generated/operations.js';

let service: TestService;
let tess: Caller;
const name = 'doubled';

beforeAll(async () => {
  service = await startTestService({ MAX_BODY_BYTES: '200000' });
  tess = await service.as();
});
afterAll(() => service?.close());

interface RestAnswer {
  status: number;
  headers: Headers;
  body: Record<string, unknown>;
}

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<RestAnswer> {
  const response = await fetch(`${service.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tess.token}`, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

const predict = (body: unknown, headers?: Record<string, string>) =>
  post(`/v1/endpoints/${name}/predict`, body, headers);

describe('POST /v1/endpoints/{name}/predict', () => {
  it('answers like GraphQL, for rows and for tensors, whatever content type curl sends', async () => {
    const { endpointId } = await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1) }, { name });
    const schema = await serviceSchema();
    // Everything that GraphQL returns: a field that is added there must be added here.
    const selection = (type: string): string =>
      Object.values((schema.getType(type) as GraphQLObjectType).getFields())
        .map((field) => {
          const below = getNamedType(field.type).name;
          if (below === 'ModelVersion') return `${field.name} { id version }`;
          if (below === 'Deployment') return `${field.name} { id }`;
          return isObjectType(schema.getType(below)) ? `${field.name} { ${selection(below)} }` : field.name;
        })
        .join(' ');
    const query = `mutation ($input: PredictInput!) { predict(input: $input) { ${selection('PredictPayload')} } }`;
    const graphql = (
      await tess.ok<{ predict: Record<string, unknown> }>(query, { input: { endpointId, rows: [{ x: 3 }, { x: 4 }] } })
    ).predict;
    for (const type of ['application/json', 'application/x-www-form-urlencoded']) {
      const { status, body, headers } = await predict(
        { rows: [{ x: 3 }, { x: 4 }], requestId: `by ${type}` },
        { 'content-type': type },
      );
      expect(status).toBe(200);
      expect(headers.get('content-type')).toContain('application/json');
      expect(body).toEqual({ ...graphql, requestId: `by ${type}`, latencyMs: expect.any(Number) as number });
    }
    expect((await predict({ tensors: [x([3, 4])] })).body['outputs']).toEqual(graphql['outputs']);
  });

  it('refuses with a status, a code, the field, what was expected and what was given', async () => {
    const cases: [unknown, number, string, string | undefined][] = [
      ['{"rows": [', 400, 'BAD_USER_INPUT', 'body'],
      ['', 400, 'BAD_USER_INPUT', 'body'],
      ['[]', 400, 'BAD_USER_INPUT', 'body'],
      [{}, 400, 'BAD_USER_INPUT', 'input'],
      [{ rows: 5 }, 400, 'BAD_USER_INPUT', 'rows'],
      [{ rows: [5] }, 400, 'BAD_USER_INPUT', 'rows[0]'],
      [{ rows: [{ x: 1 }], extra: 1 }, 400, 'BAD_USER_INPUT', 'extra'],
      [{ rows: [{ x: 1 }], requestId: '' }, 400, 'BAD_USER_INPUT', 'requestId'],
      [{ rows: [{ x: 1 }], requestId: 5 }, 400, 'BAD_USER_INPUT', 'requestId'],
      [{ rows: [{ x: 1 }], requestId: 'a\0b' }, 400, 'BAD_USER_INPUT', 'requestId'],
      [{ rows: [{ x: 1 }], deadlineMs: 0 }, 400, 'BAD_USER_INPUT', 'deadlineMs'],
      ['{"rows": [{"x": 1e400}]}', 400, 'BAD_USER_INPUT', 'rows[0].x'],
      ['{"rows": [{"__proto__": 1, "x": 1}]}', 400, 'INVALID_TENSOR', 'rows[0].__proto__'],
      [{ rows: [{ x: 'two' }] }, 400, 'INVALID_TENSOR', 'rows[0].x'],
      [{ rows: [{ x: 1 }, {}] }, 400, 'INVALID_TENSOR', 'rows[1].x'],
      [{ tensors: [{ ...x([1]), datatype: 'FP16' }] }, 400, 'BAD_USER_INPUT', 'tensors[0].datatype'],
      [`{"rows": [{"x": "${'1'.repeat(300_000)}"}]}`, 413, 'RESOURCE_EXHAUSTED', undefined],
    ];
    for (const [body, status, code, field] of cases) {
      const answer = await predict(body);
      const what = JSON.stringify(body).slice(0, 100);
      expect({ status: answer.status, code: answer.body['code'], field: answer.body['field'] }, what).toEqual({
        status,
        code,
        field,
      });
      expect(answer.body['requestId'], what).toBe(answer.headers.get('x-request-id'));
      expect(answer.body['message'], what).not.toMatch(/input\./);
      expect(answer.body['message'], what).toEqual(expect.any(String));
    }
  });

  it('gives the same error for an absent endpoint and one of another tenant, and requires a token and a role', async () => {
    const foreign = await service.as({ tenant: 'other' });
    const other = await fetch(`${service.url}/v1/endpoints/${name}/predict`, {
      method: 'POST',
      headers: { authorization: `Bearer ${foreign.token}` },
      body: '{"rows": [{"x": 1}]}',
    });
    const absent = await post('/v1/endpoints/absent/predict', { rows: [{ x: 1 }] });
    expect(other.status).toBe(404);
    expect(absent.status).toBe(404);
    const text = ({ message }: Record<string, unknown>) => String(message).replace(/"[^"]*"/, '…');
    expect(text((await other.json()) as Record<string, unknown>)).toBe(text(absent.body));
    expect(await predict({ rows: [{ x: 1 }] }, { authorization: 'Bearer none' })).toMatchObject({
      status: 401,
      body: { code: 'UNAUTHENTICATED' },
    });
    const viewer = await service.as({ role: Role.VIEWER });
    expect(await predict({ rows: [{ x: 1 }] }, { authorization: `Bearer ${viewer.token}` })).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN', expected: 'ENGINEER' },
    });
    expect(await post('/v1/endpoints', {})).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
  });

  it('says when to retry while nothing is live', async () => {
    const idle = await serve(service, tess, { bytes: linear([1], 0), signature: xToY(1) }, { name: 'idle' });
    await tess.ok(UndeployForRestDocument, {
      id: idle.deploymentId,
    });
    await expect
      .poll(async () => (await post('/v1/endpoints/idle/predict', { rows: [{ x: 1 }] })).status, {
        timeout: 5_000,
        interval: 50,
      })
      .toBe(503);
    const refused = await post('/v1/endpoints/idle/predict', { rows: [{ x: 1 }] });
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(refused.body['code']).toBe('UNAVAILABLE');
  });
});

interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<string, { requestBody: { content: Record<string, { schema: { $ref: string } }> }; responses: object }>
  >;
  components: {
    schemas: Record<
      string,
      { properties: Record<string, unknown>; required?: string[]; additionalProperties?: boolean }
    >;
  };
}

describe('GET /v1/openapi.json', () => {
  it('describes what is checked and what is answered, with every reference resolved', async () => {
    const response = await fetch(`${service.url}/v1/openapi.json`);
    const text = await response.text();
    const description = JSON.parse(text) as OpenApi;
    expect(description.openapi).toBe('3.1.0');
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, schema]) => schema!);
    expect(references.length).toBeGreaterThan(5);
    for (const reference of references) expect(description.components.schemas[reference], reference).toBeDefined();
    const { body } = await predict({ rows: [{ x: 1 }] });
    const { PredictAnswer: answer, PredictRequest: request } = description.components.schemas;
    expect(Object.keys(body).sort()).toEqual(Object.keys(answer!.properties).sort());
    expect(request!.additionalProperties).toBe(false);
    expect(Object.keys(request!.properties)).toEqual([
      ...['rows', 'tensors', 'routingKey', 'attributes', 'deadlineMs', 'requestId'],
    ]);
  });
});
