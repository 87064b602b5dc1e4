import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { loadModules } from '../../src/modules.js';
import { urlsOf } from '../../src/protocols/mlflow/register.js';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, tokenFor, type TestService } from '../support/service.js';

let service: TestService;
let tess: MlflowCaller;

beforeAll(async () => {
  service = await startTestService();
  tess = await MlflowCaller.of(service);
});
afterAll(() => service?.close());

const ENDPOINTS = (await loadModules()).flatMap((module) => module.mlflowEndpoints);
/** Every endpoint under every prefix, with example values for its parameters. */
const URLS = ENDPOINTS.flatMap((endpoint) =>
  urlsOf(endpoint).flatMap((url) =>
    endpoint.methods.map((method) => ({
      method,
      role: endpoint.role,
      url: url.replace(/:\w+/g, 'm-0').replace('*', 'a/b'),
    })),
  ),
);

describe('the caller', () => {
  it('is checked at every endpoint, known or not', async () => {
    const unknown = ['/api/2.0/mlflow/nothing', '/ajax-api/3.0/mlflow/traces', '/api/4.0/mlflow/x'].map((url) => ({
      method: 'POST',
      url,
    }));
    for (const { method, url } of [...URLS, ...unknown]) {
      for (const authorization of [
        undefined,
        'Bearer nonsense',
        `Basic ${btoa('user:')}`,
        `Basic ${btoa('user:nonsense')}`,
        'Basic !!',
        'Digest x',
      ]) {
        const response = await fetch(`${service.url}${url}`, {
          method,
          headers: authorization === undefined ? {} : { authorization },
        });
        expect([method, url, response.status]).toEqual([method, url, 401]);
        expect(await response.json()).toMatchObject({ error_code: 'UNAUTHENTICATED' });
      }
    }
  });

  it('needs the role of the endpoint', async () => {
    const viewer = await tokenFor({ role: Role.VIEWER });
    for (const { method, url, role } of URLS.filter((one) => one.role !== Role.VIEWER)) {
      const headers = {
        authorization: `Bearer ${viewer}`,
        ...(method !== 'GET' && { 'content-type': 'application/json' }),
      };
      const response = await fetch(`${service.url}${url}`, {
        method,
        headers,
        ...(method !== 'GET' && { body: '{}' }),
      });
      expect([url, role, response.status]).toEqual([url, role, 403]);
      expect(await response.json()).toMatchObject({ error_code: 'PERMISSION_DENIED' });
    }
  });

  it('can use Basic, with the token as the password', async () => {
    const response = await fetch(`${service.url}/api/2.0/mlflow/experiments/get?experiment_id=0`, {
      headers: { authorization: `Basic ${btoa(`anyone:${tess.token}`)}` },
    });
    expect(response.status).toBe(200);
  });

  it('is not checked by the probes', async () => {
    const version = await fetch(`${service.url}/version`);
    expect([version.status, await version.text()]).toEqual([200, expect.stringMatching(/^3\.\d+\.\d+$/)]);
    expect(await (await fetch(`${service.url}/health`)).text()).toBe('OK');
    for (const prefix of ['/api', '/ajax-api']) {
      expect(await (await fetch(`${service.url}${prefix}/3.0/mlflow/server-info`)).json()).toMatchObject({
        store_type: 'SqlStore',
        workspaces_enabled: false,
      });
    }
  });
});

describe('errors of the MLflow protocol', () => {
  it('name endpoints that do not exist', async () => {
    for (const path of [
      'nothing',
      '/api/3.0/mlflow/traces',
      '/api/3.0/mlflow/traces/search',
      '/api/2.0/mlflow/registered-models',
      '/ajax-api/4.0/x',
      '/api/2.1/mlflow/runs/create',
      '/api/1.2/mlflow/runs/create',
      '/api/mlflow',
      '/ajax-api',
      '/mlflow-artifacts/artifacts',
      '/get-artifact',
      '/nothing/of/ours',
    ]) {
      expect(await tess.fails('POST', path)).toMatchObject({ status: 404, error_code: 'ENDPOINT_NOT_FOUND' });
    }
    expect(await tess.fails('GET', 'runs/create')).toMatchObject({ status: 404, error_code: 'ENDPOINT_NOT_FOUND' });
    expect(await tess.send('PUT', 'runs/get')).toMatchObject({
      status: 404,
      body: { message: 'This service has no endpoint PUT /api/2.0/mlflow/runs/get.' },
    });
  });

  it('name fields that are missing or of another type, as MLflow does', async () => {
    const docs = ' See the API docs for more information about request parameters.';
    for (const [path, body, message] of [
      ['experiments/create', {}, "Missing value for required parameter 'name'."],
      ['experiments/create', { name: '' }, "Missing value for required parameter 'name'."],
      [
        'experiments/create',
        { name: 5 },
        "Invalid value 5 for parameter 'name' supplied:  Hint: Value was of type 'int'.",
      ],
      [
        'experiments/create',
        { name: 'x', tags: { b: 1, a: [] } },
        `Invalid value {"a":[],"b":1} for parameter 'tags' supplied:  Hint: Value was of type 'dict'.`,
      ],
      [
        'runs/log-metric',
        { run_id: 'x', key: 'k', value: 'high', timestamp: 1 },
        `Invalid value "high" for parameter 'value' supplied:  Hint: Value was of type 'str'.`,
      ],
      ['runs/log-metric', { run_id: 'x', key: 'k', value: 1 }, "Missing value for required parameter 'timestamp'."],
      [
        'runs/log-batch',
        { run_id: 'x', metrics: [{ key: 'k', value: 1 }] },
        "Missing value for required parameter 'metrics[0].timestamp'.",
      ],
      ['runs/log-batch', {}, "Missing value for required parameter 'run_id'."],
    ] as const) {
      expect(await tess.fails('POST', path, body)).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
        message: message + docs,
      });
    }
    expect(await tess.fails('GET', 'runs/get')).toMatchObject({
      message: "Missing value for required parameter 'run_id'." + docs,
    });
  });

  it('are given for bodies that are not a JSON object, and for other content types', async () => {
    for (const body of ['', 'nonsense', '{"name":', 'null']) {
      expect(await tess.fails('POST', 'experiments/create', body)).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
      });
    }
    for (const body of ['[]', '7', '"7"', 'true']) {
      expect(await tess.fails('POST', 'experiments/create', body)).toMatchObject({
        status: 400,
        message: expect.stringContaining('JSON object'),
      });
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x']) {
      const { status, body } = await tess.send('POST', 'experiments/create', {
        body: { name: 'form' },
        headers: { 'content-type': type },
      });
      expect({ status, body }).toMatchObject({
        status: 400,
        body: { message: "Bad Request. Content-Type must be one of ['application/json']." },
      });
    }
    const huge = await tess.send('POST', 'runs/log-batch', { body: `{"x":"${'x'.repeat(33 * 1024 ** 2)}"}` });
    expect(huge).toMatchObject({ status: 400, body: { error_code: 'INVALID_PARAMETER_VALUE' } });
  });
});

describe('requests of the MLflow protocol', () => {
  it('are read by the rules of protobuf', async () => {
    const runId = await tess.newRun();
    // A JSON string with JSON, as old clients send it; unknown fields are ignored; null means absent.
    await tess.post('runs/set-tag', { run_id: runId, key: 'a', value: null, unknown: { deep: [1] } });
    const { status } = await tess.send('POST', 'runs/set-tag', {
      body: JSON.stringify(JSON.stringify({ run_uuid: runId, key: 'b', value: '1' })),
    });
    expect(status).toBe(200);
    // Python writes numbers that JSON does not have.
    const loose =
      `{"run_id": "${runId}", "metrics": [{"key": "NaN", "value": NaN, "timestamp": 1}, {"key": "i", ` +
      '"value": -Infinity, "timestamp": "2.0"}]}';
    expect((await tess.send('POST', 'runs/log-batch', { body: loose })).status).toBe(200);
    const { data } = await tess.run(runId);
    expect(data.tags).toEqual(
      expect.arrayContaining([
        { key: 'a', value: '' },
        { key: 'b', value: '1' },
      ]),
    );
    expect(data.metrics).toEqual([
      { key: 'NaN', value: 'NaN', timestamp: 1, step: 0 },
      { key: 'i', value: -Number.MAX_VALUE, timestamp: 2, step: 0 },
    ]);
    const { status: wrong, body } = await tess.send('GET', 'logged-models/m-0', { query: { allow_deleted: 'maybe' } });
    expect([wrong, body]).toEqual([
      400,
      expect.objectContaining({ message: "Invalid boolean value: maybe, must be 'true' or 'false'." }),
    ]);
  });

  it('keep the limits of MLflow', async () => {
    const runId = await tess.newRun();
    const metrics = (count: number) => Array.from({ length: count }, (_, i) => ({ key: 'm', value: 1, timestamp: i }));
    const pairs = (count: number) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: 'v' }));
    const refused = (body: object) => tess.fails('POST', 'runs/log-batch', { run_id: runId, ...body });
    expect((await refused({ metrics: metrics(1_001) })).message).toContain(
      'can contain at most 1000 metrics. Got 1001 metrics.',
    );
    expect((await refused({ params: pairs(101) })).message).toContain(
      'can contain at most 100 params. Got 101 params.',
    );
    expect((await refused({ tags: pairs(101) })).message).toContain('can contain at most 100 tags. Got 101 tags.');
    expect((await refused({ metrics: metrics(950), params: pairs(51) })).message).toContain(
      'at most 1000 metrics, params, and tags',
    );
    expect((await refused({ params: [...pairs(1), ...pairs(1)] })).message).toContain(
      "Duplicate parameter keys have been submitted: ['k0'].",
    );
    expect((await refused({ metrics: [{ key: 'k'.repeat(251), value: 1, timestamp: 1 }] })).message).toBe(
      "'Metric name' exceeds the maximum length of 250 characters",
    );
    expect((await refused({ metrics: [{ key: 'k', value: 1, timestamp: -1 }] })).message).toContain(
      'Timestamp must be a nonnegative long',
    );
    // Longer values are cut, as in MLflow's own server.
    await tess.post('runs/log-batch', {
      run_id: runId,
      metrics: metrics(900),
      params: [{ key: 'p', value: 'é'.repeat(6_001) }],
      tags: [{ key: 't', value: 'x'.repeat(8_001) }],
    });
    const { data } = await tess.run(runId);
    expect(data.params?.[0]?.value).toHaveLength(6_000);
    expect(data.tags?.find(({ key }) => key === 't')?.value).toHaveLength(8_000);
  });

  it('are refused with one clear error when they are hostile', async () => {
    const runId = await tess.newRun();
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const hostile: [string, unknown][] = [
      ...[
        'a\0b',
        '\ud800',
        '../x',
        '/x',
        'a//b',
        '.',
        'a/../b',
        'x/',
        'a\nb',
        "'; drop table run",
        'k'.repeat(1_000_000),
      ].map((key): [string, unknown] => ['runs/set-tag', { run_id: runId, key, value: 'v' }]),
      ...['a\0b', '\udfff'].map((value): [string, unknown] => [
        'runs/log-parameter',
        { run_id: runId, key: 'k', value },
      ]),
      ...[1.5, 2 ** 53, '9'.repeat(19), 'x', {}, true].map((step): [string, unknown] => [
        'runs/log-metric',
        { run_id: runId, key: 'k', value: 1, timestamp: 1, step },
      ]),
      ...[-1, 9e15, 1e300].map((timestamp): [string, unknown] => [
        'runs/log-metric',
        { run_id: runId, key: 'k', value: 1, timestamp },
      ]),
      ...['1e', 'Inf', '0x10', '', [], true].map((value): [string, unknown] => [
        'runs/log-metric',
        { run_id: runId, key: 'k', value, timestamp: 1 },
      ]),
      ['experiments/create', { name: 'zero\u200bwidth' }],
      ['experiments/create', { name: 'x'.repeat(501) }],
      ['runs/create', { experiment_id: '0', start_time: -5 }],
      ['runs/create', { experiment_id: '0', run_name: 'x'.repeat(300) }],
      ['runs/update', { run_id: runId, status: 99 }],
      ['runs/log-batch', `{"run_id":"${runId}","metrics":${nested}}`],
      ['runs/log-model', { run_id: runId, model_json: '[1]' }],
      ['logged-models', { experiment_id: '0', name: '../../etc' }],
      ['logged-models', { experiment_id: '0', name: 'x'.repeat(1_000_000) }],
      ['logged-models', { experiment_id: '0', model_type: 'x'.repeat(1_000_000) }],
      ['logged-models', { experiment_id: '0', params: [{ key: 'k'.repeat(1_000), value: 'v' }] }],
      ['logged-models', { experiment_id: '0', tags: [{ key: 'k', value: 'v'.repeat(1_000_000) }] }],
    ];
    for (const [path, body] of hostile) {
      const error = await tess.fails('POST', path, body);
      expect(error, `${path} ${JSON.stringify(body).slice(0, 200)}`).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
      });
      expect(error.message.length).toBeLessThan(3_000);
    }
    const { data } = await tess.run(runId);
    expect([data.metrics, data.params, data.tags?.length]).toEqual([undefined, undefined, 1]);
    for (const query of [
      { run_id: runId, metric_key: 'k', max_results: 0 },
      { run_id: runId, metric_key: 'k', max_results: 5, page_token: 'forged' },
      { run_id: runId, metric_key: 'k', page_token: btoa('[1,2,"x"]') },
      { run_id: runId, metric_key: 'a\0b' },
      { run_id: runId, metric_key: 'k', max_results: 'many' },
    ]) {
      expect(await tess.fails('GET', 'metrics/get-history', query)).toMatchObject({
        status: 400,
        error_code: 'INVALID_PARAMETER_VALUE',
      });
    }
  });
});
