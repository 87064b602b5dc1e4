import { gunzipSync, gzipSync, deflateSync, inflateSync } from 'node:zlib';
import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear, linearClassifier, multilayer } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { IssueAccessTokenDocument } from '../../schema/generated/operations.js';
import { DeploymentDetailsDocument, PredictionsDetailsDocument } from '../generated/operations.js';
import { createEndpoint, deploy, makeVersion, serve, x, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;
const MAX_BYTES = 200_000;

beforeAll(async () => {
  service = await startTestService({ MAX_INFERENCE_BYTES: String(MAX_BYTES) });
  tess = await service.as();
});
afterAll(() => service?.close());

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  bytes: Buffer;
}

/** Node's plain client, because fetch unpacks answers. */
function send(
  method: string,
  path: string,
  body?: Buffer | string,
  headers: Record<string, string> = {},
  token = tess.token,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${service.url}${path}`,
      { method, headers: { authorization: `Bearer ${token}`, ...headers } },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, bytes: Buffer.concat(chunks) }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const parse = ({ bytes }: Answer) => JSON.parse(bytes.toString()) as Record<string, unknown>;

async function infer(body: unknown, path = '/v2/models/doubled/infer', headers?: Record<string, string>) {
  const answer = await send('POST', path, typeof body === 'string' ? body : JSON.stringify(body), headers);
  return { status: answer.status, headers: answer.headers, body: parse(answer) };
}

/** A body with JSON and tensors after it. */
function binary(json: object, ...tensors: Buffer[]): { body: Buffer; headers: Record<string, string> } {
  const head = Buffer.from(JSON.stringify(json));
  return {
    body: Buffer.concat([head, ...tensors]),
    headers: { 'inference-header-content-length': String(head.length) },
  };
}

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
const rawX = (rows: number, bytes = rows * 4, more: object = {}) => ({
  name: 'x',
  datatype: 'FP32',
  shape: [rows, 1],
  parameters: { binary_data_size: bytes },
  ...more,
});

/** The JSON of an answer, and the floats after it. */
function split({ bytes, headers }: Answer): { json: Record<string, unknown>; values: number[] } {
  const length = Number(headers['inference-header-content-length']);
  return {
    json: JSON.parse(bytes.subarray(0, length).toString()) as Record<string, unknown>,
    values: [...new Float32Array(Uint8Array.from(bytes.subarray(length)).buffer)],
  };
}

describe('inference', () => {
  it('waits for an endpoint that the other tests use', async () => {
    await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1) }, { name: 'doubled' });
  });

  it('takes JSON, flat and nested, and echoes the id', async () => {
    const flat = await infer({ id: 'mine', inputs: [x([3, 4])] });
    expect(flat).toMatchObject({
      status: 200,
      body: {
        model_name: 'doubled',
        model_version: expect.stringMatching(/^\d+$/) as string,
        id: 'mine',
        outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 1], data: [7, 9] }],
      },
    });
    expect(flat.headers['content-type']).toMatch(/^application\/json/);
    // The same id again: clients number their requests from 1 in each process.
    const nested = await infer({ id: 'mine', inputs: [{ ...x([3, 4]), data: [[3], [4]] }] });
    expect(nested.body).toEqual(flat.body);
    const { body } = await infer({ inputs: [x([1])], outputs: [] });
    expect(body).not.toHaveProperty('id');
    expect(body['outputs']).toHaveLength(1);
  });

  it('takes tensors as bytes and answers in bytes where they are wanted', async () => {
    const { body, headers } = binary({ inputs: [rawX(2)], parameters: { binary_data_output: true } }, floats(3, 4));
    const answer = await send('POST', '/v2/models/doubled/infer', body, headers);
    expect(answer.status, answer.bytes.toString()).toBe(200);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(split(answer)).toMatchObject({
      json: { outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 1], parameters: { binary_data_size: 8 } }] },
      values: [7, 9],
    });
    // The parameter of an output goes before that of the request.
    const own = binary(
      {
        inputs: [rawX(1)],
        outputs: [{ name: 'y', parameters: { binary_data: false } }],
        parameters: { binary_data_output: true },
      },
      floats(3),
    );
    const json = await send('POST', '/v2/models/doubled/infer', own.body, own.headers);
    expect(parse(json)['outputs']).toEqual([{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [7] }]);
  });

  it('takes the bytes of the one input and nothing else', async () => {
    const answer = await send('POST', '/v2/models/doubled/infer', floats(1, 2, 3), {
      'inference-header-content-length': '0',
    });
    expect(split(answer).values).toEqual([3, 5, 7]);
  });

  it('unpacks requests, and packs answers that are worth it', async () => {
    const values = Array.from({ length: 2_000 }, (_, i) => i);
    const body = JSON.stringify({ inputs: [x(values)] });
    for (const [coding, pack, unpack] of [
      ['gzip', gzipSync, gunzipSync],
      ['deflate', deflateSync, inflateSync],
    ] as const) {
      const answer = await send('POST', '/v2/models/doubled/infer', pack(body), {
        'content-encoding': coding,
        'accept-encoding': coding,
      });
      expect(answer.headers['content-encoding']).toBe(coding);
      const unpacked = JSON.parse(unpack(answer.bytes).toString()) as { outputs: { data: number[] }[] };
      expect(unpacked.outputs[0]!.data).toEqual(values.map((value) => 2 * value + 1));
      // The length of the JSON is that before the packing.
      const raw = binary({ inputs: [rawX(2)], parameters: { binary_data_output: true } }, floats(3, 4));
      const both = await send('POST', '/v2/models/doubled/infer', pack(raw.body), {
        ...raw.headers,
        'content-encoding': coding,
      });
      expect(split(both).values).toEqual([7, 9]);
    }
    const small = await send('POST', '/v2/models/doubled/infer', JSON.stringify({ inputs: [x([1])] }), {
      'accept-encoding': 'gzip, deflate',
    });
    expect(small.headers).not.toHaveProperty('content-encoding');
  });

  it('returns the outputs that were asked for, in that order, and the best classes of one', async () => {
    const { bytes, signature } = classifier();
    await serve(service, tess, { bytes, signature, task: 'CLASSIFICATION' }, { name: 'classes' });
    const path = '/v2/models/classes/infer';
    const both = await infer(
      { inputs: [{ ...x([5, 1], 2), name: 'X' }], outputs: [{ name: 'probabilities' }, { name: 'label' }] },
      path,
    );
    expect((both.body['outputs'] as { name: string }[]).map(({ name }) => name)).toEqual(['probabilities', 'label']);
    const best = await infer(
      {
        inputs: [{ ...x([5, 1], 2), name: 'X' }],
        outputs: [{ name: 'probabilities', parameters: { classification: 1 } }],
      },
      path,
    );
    expect(best.body['outputs']).toEqual([
      {
        name: 'probabilities',
        datatype: 'BYTES',
        shape: [1, 1],
        data: [expect.stringMatching(/^0\.\d{6}:\d:\w+$/) as string],
      },
    ]);
  });

  it('takes priority and timeout, and refuses what they cannot be', async () => {
    expect(
      (await infer({ inputs: [x([1])], parameters: { priority: 1, timeout: 2_000_000, sequence_id: 7 } })).status,
    ).toBe(200);
    expect((await infer({ inputs: [x([1])], parameters: { priority: 0, timeout: 0 } })).status).toBe(200);
    expect(await infer({ inputs: [x([1])], parameters: { timeout: -1 } })).toMatchObject({
      status: 400,
      body: { error: 'parameters.timeout: expected a whole number from 0, got -1.' },
    });
  });

  it('answers the same by the fast road of small requests and by the ordinary way', async () => {
    const good = { id: 'same', inputs: [x([3, 4])] };
    const raw = binary({ inputs: [rawX(2)], parameters: { binary_data_output: true } }, floats(3, 4));
    const path = '/v2/models/doubled/infer';
    const requests: [string, string | Buffer, Record<string, string>?][] = [
      [path, JSON.stringify(good)],
      [path, raw.body, raw.headers],
      [path, floats(5), { 'inference-header-content-length': '0' }],
      ['/v2/models/doubled/versions/1/infer', JSON.stringify(good)],
      ['/v2/models/doubled/versions/99/infer', JSON.stringify(good)],
      ['/v2/models/nothing/infer', JSON.stringify(good)],
      [path, '{"inputs": '],
      [path, JSON.stringify({ inputs: [{ ...x([3]), datatype: 'FP16' }] })],
      [path, JSON.stringify(good), { authorization: 'Bearer wrong' }],
      [path, JSON.stringify({ ...good, parameters: { timeout: -1 } })],
      [path, '', {}],
    ];
    for (const [url, body, headers] of requests) {
      const fast = await send('POST', url, body, { 'content-length': String(body.length), ...headers });
      // A browser's request takes the ordinary way.
      const ordinary = await send('POST', url, body, { origin: service.url, ...headers });
      expect(fast.headers['x-request-id']).toMatch(/^[\w-]{36}$/);
      for (const header of ['content-type', 'retry-after', 'inference-header-content-length', 'content-length'])
        expect(fast.headers[header], header).toBe(ordinary.headers[header]);
      expect([fast.status, fast.bytes.toString('latin1')]).toEqual([
        ordinary.status,
        ordinary.bytes.toString('latin1'),
      ]);
    }
  });

  it('counts and logs these calls as those of GraphQL', async () => {
    const { deploymentId } = await serve(
      service,
      tess,
      { bytes: linear([1], 0), signature: xToY(1) },
      { name: 'counted' },
    );
    await infer({ id: 'known', inputs: [x([5])] }, '/v2/models/counted/infer');
    const own = await infer({ inputs: [x([6])] }, '/v2/models/counted/infer');
    await service.app.context.services.traffic.flush();
    const { deployment } = await tess.ok(DeploymentDetailsDocument, { id: deploymentId });
    const { predictions } = await tess.ok(PredictionsDetailsDocument, { endpointName: 'counted' });
    expect(deployment.traffic.requests).toBe(2);
    expect(predictions.nodes.map(({ requestId }) => requestId).sort()).toEqual(
      ['known', String(own.headers['x-request-id'])].sort(),
    );
  });
});

function classifier() {
  const weights = [
    [1, 0],
    [0, 1],
  ];
  return {
    bytes: linearClassifier([0, 1], weights, [0, 0]),
    signature: {
      inputs: [{ ...xToY(2).inputs[0]!, name: 'X' }],
      outputs: [
        { name: 'label', datatype: 'INT64' as const, shape: [-1], meaning: 'LABEL' as const },
        { name: 'probabilities', datatype: 'FP32' as const, shape: [-1, 2], meaning: 'PROBABILITIES' as const },
      ],
      classes: ['no', 'yes'],
    },
  };
}

describe('endpoints, versions and rights', () => {
  it('describes the server, a model and its configuration', async () => {
    const server = parse(await send('GET', '/v2', undefined, { authorization: '' }));
    expect(server).toMatchObject({ name: 'matih-ml-service', version: expect.any(String) as string });
    expect(server['extensions']).toContain('binary_tensor_data');
    expect((await send('GET', '/v2/health/live', undefined, { authorization: '' })).status).toBe(200);
    expect(parse(await send('GET', '/v2/health/ready', undefined, { authorization: '' }))).toEqual({ ready: true });
    expect(parse(await send('GET', '/v2/models/doubled'))).toMatchObject({
      name: 'doubled',
      versions: [expect.any(String) as string],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
    });
    expect(parse(await send('GET', '/v2/models/doubled/config'))).toMatchObject({
      name: 'doubled',
      backend: 'onnxruntime',
      max_batch_size: 10_000,
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [1] }],
    });
    expect(parse(await send('GET', '/v2/models/doubled/ready'))).toEqual({ name: 'doubled', ready: true });
  });

  it('serves its OpenAPI description, whose paths all exist and whose references are resolved', async () => {
    const description = await send('GET', '/v2/openapi.json', undefined, { authorization: '' });
    const { paths, components } = parse(description) as {
      paths: Record<string, Record<string, object>>;
      components: { schemas: Record<string, object> };
    };
    const references = [...description.bytes.toString().matchAll(/"#\/components\/schemas\/(\w+)"/g)];
    for (const [, name] of references) expect(components.schemas, name).toHaveProperty(name!);
    expect(Object.keys(paths)).toHaveLength(17);
    for (const [path, operations] of Object.entries(paths)) {
      const real = path.replace('{model}', 'doubled').replace('{version}', '1');
      for (const method of Object.keys(operations)) {
        const answer = await send(method.toUpperCase(), real, undefined, { authorization: '' });
        expect(String(answer.bytes), real).not.toContain('There is no');
      }
    }
  });

  it('answers by the traffic policy, or by the version in the path wherever it is deployed', async () => {
    const first = await serve(service, tess, { bytes: linear([1], 0), signature: xToY(1) }, { name: 'two' });
    const second = await makeVersion(service, {
      bytes: linear([1], 100),
      signature: xToY(1),
      modelId: first.modelId,
    });
    await deploy(tess, { endpointId: first.endpointId, modelVersionId: second.versionId, weightBps: 0 });
    const { versions } = parse(await send('GET', '/v2/models/two')) as { versions: string[] };
    expect(versions).toHaveLength(2);
    const yOf = async (path: string) =>
      ((await infer({ inputs: [x([1])] }, path)).body['outputs'] as { data: number[] }[])[0]!.data;
    expect(await yOf('/v2/models/two/infer')).toEqual([1]);
    expect(await yOf(`/v2/models/two/versions/${versions[0]}/infer`)).toEqual([1]);
    expect(await yOf(`/v2/models/two/versions/${versions[1]}/infer`)).toEqual([101]);
    const absent = await infer({ inputs: [x([1])] }, '/v2/models/two/versions/999/infer');
    expect(absent).toMatchObject({ status: 404, body: { error: expect.stringContaining('Version 999') as string } });
    expect((await infer({ inputs: [x([1])] }, '/v2/models/two/versions/latest/infer')).status).toBe(404);
    expect((await send('GET', '/v2/models/two/versions/999/ready')).status).toBe(404);
  });

  it('asks for a token and a role, as GraphQL does, and shows nothing of other tenants', async () => {
    const body = JSON.stringify({ inputs: [x([1])] });
    const path = '/v2/models/doubled/infer';
    expect(await send('POST', path, body, { authorization: 'Bearer none' })).toMatchObject({ status: 401 });
    expect(await send('GET', '/v2/models/doubled', undefined, { authorization: '' })).toMatchObject({ status: 401 });
    const viewer = await service.as({ role: Role.VIEWER });
    expect(parse(await send('POST', path, body, {}, viewer.token))['error']).toMatch(/needs the role ENGINEER/);
    const [version] = parse(await send('GET', '/v2/models/doubled'))['versions'] as string[];
    const byVersion = `/v2/models/doubled/versions/${version}/infer`;
    expect((await send('POST', byVersion, body, {}, viewer.token)).status).toBe(403);
    const stranger = await service.as({ tenant: 'other' });
    const foreign = await send('POST', path, body, {}, stranger.token);
    const absent = await send('POST', '/v2/models/absent/infer', body);
    expect([foreign.status, absent.status]).toEqual([404, 404]);
    expect(String(parse(foreign)['error']).replace('doubled', 'absent')).toBe(parse(absent)['error']);
    const admin = await service.as({ role: Role.ADMIN });
    const { issueAccessToken } = await admin.ok(IssueAccessTokenDocument, {
      input: { name: 'oip', role: 'ENGINEER', scope: 'PREDICT', endpointNames: ['doubled'] },
    });
    const { token } = issueAccessToken;
    expect((await send('POST', path, body, {}, token)).status).toBe(200);
    expect((await send('GET', '/v2/models/doubled', undefined, {}, token)).status).toBe(200);
    await createEndpoint(tess, { modelId: (await makeVersion(service, linearVersion())).modelId, name: 'outside' });
    expect((await send('POST', '/v2/models/outside/infer', body, {}, token)).status).toBe(403);
    expect((await send('GET', '/v2/models/outside', undefined, {}, token)).status).toBe(403);
  });

  it('says when nothing is live', async () => {
    const { modelId } = await makeVersion(service, linearVersion());
    await createEndpoint(tess, { modelId, name: 'idle' });
    for (const answer of [
      await send('POST', '/v2/models/idle/infer', JSON.stringify({ inputs: [x([1])] })),
      await send('GET', '/v2/models/idle/ready'),
    ]) {
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBe('1');
      expect(parse(answer)['error']).toBe('Endpoint "idle" has no live deployment that is ready.');
    }
  });
});

const linearVersion = () => ({ bytes: linear([1], 0), signature: xToY(1) });

describe('the model repository', () => {
  const load = (name: string, body?: object, token?: string) =>
    send('POST', `/v2/repository/models/${name}/load`, body && JSON.stringify(body), {}, token);

  it('lists, loads, unloads and counts', async () => {
    const first = await makeVersion(service, linearVersion());
    const second = await makeVersion(service, { bytes: linear([1], 7), signature: xToY(1), modelId: first.modelId });
    await createEndpoint(tess, { modelId: first.modelId, name: 'loaded' });
    const index = async (body?: string) =>
      (
        parse(await send('POST', '/v2/repository/index', body)) as unknown as { name: string; version?: string }[]
      ).filter(({ name }) => name === 'loaded');
    expect(await index()).toEqual([{ name: 'loaded' }]);
    const loaded = await load('loaded');
    expect([loaded.status, loaded.bytes.length]).toEqual([200, 0]);
    // The newest one, and the next request finds it.
    const outputs = async () => (await infer({ inputs: [x([1])] }, '/v2/models/loaded/infer')).body['outputs'];
    expect(await outputs()).toMatchObject([{ data: [8] }]);
    const [{ version } = {}] = await index();
    expect(version).toBeDefined();
    const older = Number(version) - 1;
    expect((await load('loaded', { parameters: { version: String(older) } })).status).toBe(200);
    const config = JSON.stringify({ version_policy: { specific: { versions: [older] } } });
    expect((await load('loaded', { parameters: { config } })).status).toBe(200);
    expect(await index('{"ready": true}')).toEqual([
      { name: 'loaded', version: String(older), state: 'READY', reason: '' },
      { name: 'loaded', version, state: 'READY', reason: '' },
    ]);
    // The traffic stays where it was.
    expect(await outputs()).toMatchObject([{ data: [8] }]);
    await service.app.context.services.traffic.flush();
    const stats = parse(await send('GET', `/v2/models/loaded/versions/${version}/stats`))['model_stats'];
    expect(stats).toMatchObject([{ name: 'loaded', version, inference_stats: { success: { count: 2 } } }]);
    const all = parse(await send('GET', '/v2/models/stats'))['model_stats'] as { name: string }[];
    expect(all.filter(({ name }) => name === 'loaded')).toHaveLength(2);
    const unloaded = await send('POST', '/v2/repository/models/loaded/unload');
    expect([unloaded.status, unloaded.bytes.length]).toEqual([200, 0]);
    expect(await index()).toEqual([{ name: 'loaded' }]);
    expect(second.modelId).toBe(first.modelId);
  });

  it('refuses who may not, and what it cannot load', async () => {
    const viewer = await service.as({ role: Role.VIEWER });
    expect((await load('loaded', undefined, viewer.token)).status).toBe(403);
    const stranger = await service.as({ tenant: 'other' });
    expect((await load('loaded', undefined, stranger.token)).status).toBe(404);
    const foreign = parse(await send('POST', '/v2/repository/index', undefined, {}, stranger.token));
    expect(foreign).toEqual([]);
    const cases: [object, number, string][] = [
      [{ parameters: { version: '999' } }, 404, 'has no version 999'],
      [{ parameters: { version: 'x' } }, 400, 'parameters.version'],
      [{ parameters: { config: '{' } }, 400, 'parameters.config'],
      [{ parameters: { config: '{}', 'file:1/model.onnx': 'AA==' } }, 400, 'upload and register'],
      [{ parameters: 5 }, 400, 'parameters'],
    ];
    for (const [body, code, sentence] of cases) {
      const answer = await load('loaded', body);
      expect(answer.status, sentence).toBe(code);
      expect(parse(answer)['error'], sentence).toContain(sentence);
    }
    const broken = await makeVersion(service, { bytes: Buffer.from('no model'), signature: xToY(1) });
    await createEndpoint(tess, { modelId: broken.modelId, name: 'broken' });
    const answer = await load('broken');
    expect(answer.status).toBe(400);
    expect(parse(answer)['error']).toMatch(/^Version \d+ was not loaded at endpoint "broken": /);
    const empty = await send('GET', '/v2/models/broken/versions/1/stats');
    expect(empty.status).toBe(404);
  });
});

describe('hostile requests', () => {
  it('refuses wrong JSON with one sentence that names the part', async () => {
    const one = x([1]);
    const cases: [unknown, string][] = [
      ['{"inputs": [', 'The body is not JSON'],
      ['', 'The body is not JSON'],
      ['[]', 'body: expected an object'],
      ['"\ud800"', 'body'],
      [{}, 'inputs: expected a list'],
      [{ inputs: 5 }, 'inputs: expected a list'],
      [{ inputs: [] }, 'inputs: expected input'],
      [{ inputs: [5] }, 'inputs[0]: expected an object'],
      [{ inputs: [{ ...one, name: 7 }] }, 'inputs[0].name'],
      [{ inputs: [{ ...one, name: 'z' }] }, 'inputs[0].name'],
      [{ inputs: [{ ...one, datatype: 'FP16' }] }, 'inputs[0].datatype'],
      [{ inputs: [{ ...one, datatype: 'FP64' }] }, 'inputs[0].datatype: expected FP32'],
      [{ inputs: [{ ...one, datatype: 'constructor' }] }, 'inputs[0].datatype'],
      [{ inputs: [{ ...one, shape: [-1, 1] }] }, 'inputs[0].shape[0]'],
      [{ inputs: [{ ...one, shape: [1.5, 1] }] }, 'inputs[0].shape[0]'],
      [{ inputs: [{ ...one, shape: [2 ** 31, 2 ** 31] }] }, 'inputs[0].shape[1]'],
      [{ inputs: [{ ...one, shape: [1] }] }, 'inputs[0].shape: expected rank 2'],
      [{ inputs: [{ ...one, shape: new Array(50_000).fill(1) }] }, 'inputs[0].shape: expected a list of at most 32'],
      [{ inputs: [{ ...one, shape: 'x' }] }, 'inputs[0].shape'],
      [{ inputs: [{ ...one, data: [1, 2] }] }, 'inputs[0].data: expected 1 elements'],
      [{ inputs: [{ ...one, data: undefined }] }, 'inputs[0].data'],
      [{ inputs: [{ ...one, data: ['1'] }] }, 'inputs[0].data[0]'],
      [{ inputs: [{ ...one, data: [null] }] }, 'inputs[0].data[0]'],
      ['{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1e400]}]}', 'inputs[0].data[0]'],
      ['{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[NaN]}]}', 'The body is not JSON'],
      [`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":${'['.repeat(9e4)}${']'.repeat(9e4)}}]}`, ''],
      [`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1,${'['.repeat(9e4)}${']'.repeat(9e4)}]}]}`, ''],
      [{ inputs: [one, one] }, 'inputs[1].name: expected each input once'],
      [{ inputs: [{ ...one, parameters: { binary_data_size: 4 } }] }, 'inputs[0]: expected either data'],
      [{ inputs: [{ ...one, parameters: 5 }] }, 'inputs[0].parameters'],
      [{ inputs: [{ ...one, parameters: { shared_memory_region: 'r' } }] }, 'shared memory'],
      [{ inputs: [one], outputs: [{ name: 'nope' }] }, 'outputs[0].name'],
      [{ inputs: [one], outputs: [{ name: 'y' }, { name: 'y' }] }, 'outputs[1].name: expected each output once'],
      [{ inputs: [one], outputs: [{}] }, 'outputs[0].name'],
      [{ inputs: [one], outputs: {} }, 'outputs'],
      [{ inputs: [one], outputs: [{ name: 'y', parameters: { binary_data: 1 } }] }, 'binary_data'],
      [{ inputs: [one], outputs: [{ name: 'y', parameters: { classification: -1 } }] }, 'classification'],
      [{ inputs: [one], id: 5 }, 'id: expected a text'],
      [{ inputs: [one], id: 'i'.repeat(300) }, 'requestId: expected'],
      [{ inputs: [one], parameters: { priority: 'high' } }, 'parameters.priority'],
      [{ inputs: [one], parameters: { routing_key: 5 } }, 'parameters.routing_key'],
      [{ inputs: new Array(5_000).fill(5) }, 'inputs: expected a list of at most 1000'],
    ];
    for (const [body, sentence] of cases) {
      const answer = await infer(body);
      const what = `${JSON.stringify(body).slice(0, 120)}: ${JSON.stringify(answer.body)}`;
      expect(answer.status, what).toBe(400);
      expect(Object.keys(answer.body), what).toEqual(['error']);
      expect(answer.body['error'], what).toContain(sentence);
    }
  });

  it('refuses lengths that lie', async () => {
    const head = (json: object) => Buffer.from(JSON.stringify(json));
    const good = head({ inputs: [rawX(1)] });
    const cases: [Buffer, string, string][] = [
      [good, '-1', 'inference-header-content-length'],
      [good, '1e3', 'inference-header-content-length'],
      [good, String(good.length + 1), 'inference-header-content-length'],
      [good, '99999999999', 'inference-header-content-length'],
      [Buffer.concat([good, floats(1)]), String(good.length - 1), 'The body is not JSON'],
      [good, String(good.length), 'binary_data_size'],
      [Buffer.concat([good, floats(1, 2)]), String(good.length), '4 bytes after the last one'],
      [Buffer.concat([head({ inputs: [rawX(1, 8)] }), floats(1, 2)]), '', 'expected 4 bytes'],
      [Buffer.concat([head({ inputs: [rawX(1, 3)] }), Buffer.alloc(3)]), '', 'expected 4 bytes'],
      [Buffer.concat([head({ inputs: [rawX(1, -4)] }), floats(1)]), '', 'binary_data_size'],
      [Buffer.concat([head({ inputs: [rawX(1, 2 ** 40)] }), floats(1)]), '', 'binary_data_size'],
      [Buffer.concat([head({ inputs: [rawX(2 ** 30, 4)] }), floats(1)]), '', 'bytes for 1073741824 elements'],
      [Buffer.concat([head({ inputs: [rawX(1)] }), floats(NaN)]), '', 'a finite number'],
      [Buffer.concat([head({ inputs: [rawX(1, 4, { datatype: 'BF16' })] }), floats(1)]), '', 'inputs[0].datatype'],
      [Buffer.alloc(7), '0', 'body: expected elements of FP32'],
      [Buffer.alloc(0), '0', 'body: expected elements of FP32'],
    ];
    for (const [body, given, sentence] of cases) {
      const jsonEnd = body.lastIndexOf('}') + 1;
      const answer = await send('POST', '/v2/models/doubled/infer', body, {
        'inference-header-content-length': given || String(jsonEnd),
      });
      const what = `${body.toString('latin1').slice(0, 120)}: ${answer.bytes.toString()}`;
      expect(answer.status, what).toBe(400);
      expect(parse(answer)['error'], what).toContain(sentence);
    }
  });

  it('refuses BYTES whose lengths do not fit, and bytes that are no text', async () => {
    const signature = { inputs: [{ name: 's', datatype: 'BYTES' as const, shape: [-1, 1] }], outputs: xToY(1).outputs };
    await serve(service, tess, { bytes: multilayer([1, 1]), signature }, { name: 'texts' });
    const texts = (...parts: number[][]) => Buffer.concat(parts.map((part) => Buffer.from(part)));
    const cases: [Buffer, number, string][] = [
      [texts([255, 255, 255, 255, 65]), 1, 'a text that ends within its tensor'],
      [texts([2, 0, 0, 0, 65]), 1, 'a text that ends within its tensor'],
      [texts([1, 0, 0, 0, 65, 66]), 1, 'bytes of text'],
      [texts([1, 0, 0, 0, 255]), 1, 'UTF-8 text'],
      [texts([1, 0, 0, 0, 0]), 1, 'without NUL'],
      [texts([1, 0, 0]), 1, 'texts with their lengths'],
      [texts([0, 0, 0, 0, 1, 0, 0, 0]), 2, 'a text that ends within its tensor'],
      [Buffer.alloc(0), 2 ** 31, 'texts with their lengths'],
    ];
    for (const [bytes, rows, sentence] of cases) {
      const { body, headers } = binary(
        {
          inputs: [{ name: 's', datatype: 'BYTES', shape: [rows, 1], parameters: { binary_data_size: bytes.length } }],
        },
        bytes,
      );
      const answer = await send('POST', '/v2/models/texts/infer', body, headers);
      expect(answer.status, answer.bytes.toString()).toBe(400);
      expect(parse(answer)['error']).toContain(sentence);
    }
  });

  it('refuses bombs and broken packing without making them large', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2));
    expect(bomb.length).toBeLessThan(MAX_BYTES);
    const before = process.memoryUsage.rss();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => send('POST', '/v2/models/doubled/infer', bomb, { 'content-encoding': 'gzip' })),
    );
    expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 1024 ** 2);
    for (const answer of answers) {
      expect(answer.status).toBe(413);
      expect(parse(answer)['error']).toContain('MAX_INFERENCE_BYTES');
    }
    for (const [coding, body] of [
      ['gzip', Buffer.from('not packed')],
      ['deflate', gzipSync('{}')],
      ['gzip', gzipSync('{}').subarray(0, 12)],
      ['br', Buffer.from('x')],
    ] as const) {
      const answer = await send('POST', '/v2/models/doubled/infer', body, { 'content-encoding': coding });
      expect(answer.status, coding).toBe(400);
    }
    const large = await send('POST', '/v2/models/doubled/infer', Buffer.alloc(MAX_BYTES + 1));
    expect(large.status).toBe(413);
    expect(parse(large)).toHaveProperty('error');
  });

  it('refuses what is larger than a small limit, too', async () => {
    const small = await startTestService({ MAX_INFERENCE_BYTES: '2048' });
    try {
      const { token } = await small.as();
      const body = JSON.stringify({ inputs: [x(Array.from({ length: 1_000 }, () => 1))] });
      const answer = await fetch(`${small.url}/v2/models/doubled/infer`, {
        ...{ method: 'POST', body, headers: { authorization: `Bearer ${token}` } },
      });
      expect(answer.status).toBe(413);
    } finally {
      await small.close();
    }
  });

  it('answers unknown paths in the form of the protocol', async () => {
    for (const [method, path] of [
      ['GET', '/v2/nothing'],
      ['POST', '/v2/models'],
      ['GET', '/v2/systemsharedmemory/status'],
    ] as const) {
      const answer = await send(method, path);
      expect(answer.status, path).toBe(404);
      expect(parse(answer)['error'], path).toContain(path);
    }
  });
});
