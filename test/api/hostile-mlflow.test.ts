// One file because it is one table: a call of each endpoint, and hostile variations of it.
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { Endpoint } from '../../src/protocols/mlflow/endpoint.js';
import { loadModules } from '../../src/modules.js';
import { urlsOf } from '../../src/protocols/mlflow/register.js';
import { sql } from '../support/embedded.js';
import { MlflowCaller } from '../support/mlflow.js';
import { startTestService, tokenFor, type TestService } from '../support/service.js';

/** The objects of a tenant, with the ids that the protocol uses. */
interface Things {
  experiment: string;
  run: string;
  loggedModel: string;
  name: string;
  version: string;
  alias: string;
  webhook: string;
  upload: string;
  /** Part of the names of created objects, so that two series of calls do not collide. */
  label: string;
}

/** Every endpoint of the protocol that this service has. */
const ENDPOINTS = (await loadModules()).flatMap((module) => module.mlflowEndpoints);

const ABSENT: Things = {
  experiment: 'e'.repeat(32),
  run: 'd'.repeat(32),
  loggedModel: `m-${'c'.repeat(32)}`,
  name: 'absent model',
  version: '1',
  alias: 'absent-alias',
  webhook: '00000000-0000-7000-8000-00000000000b',
  upload: '00000000-0000-7000-8000-00000000000a',
  label: 'absent',
};

type Input = Record<string, unknown>;

const folder = ({ experiment, run }: Things) => `${experiment}/${run}/artifacts`;
const event = { entity: 'REGISTERED_MODEL', action: 'CREATED' };
const dataset = { name: 'k', digest: 'd', source_type: 'local', source: 's' };

/** A call of every endpoint, with an id at every place that takes one. Parameters of the path are among the others. */
const CALLS: Record<string, (things: Things) => Input> = {
  'GET /mlflow-artifacts/artifacts/*': (t) => ({ '*': `${folder(t)}/a/b.txt` }),
  'PUT /mlflow-artifacts/artifacts/*': (t) => ({ '*': `${folder(t)}/a/b.txt` }),
  'DELETE /mlflow-artifacts/artifacts/*': (t) => ({ '*': `${folder(t)}/a` }),
  'GET /mlflow-artifacts/artifacts': (t) => ({ path: folder(t) }),
  'GET /mlflow-artifacts/presigned/*': (t) => ({ '*': `${folder(t)}/a/b.txt` }),
  'POST /mlflow-artifacts/mpu/create/*': (t) => ({ '*': folder(t), path: 'big.bin', num_parts: 1 }),
  'POST /mlflow-artifacts/mpu/complete/*': (t) => ({
    '*': folder(t),
    path: 'big.bin',
    upload_id: t.upload,
    parts: [{ part_number: 1, etag: 'k' }],
  }),
  'POST /mlflow-artifacts/mpu/abort/*': (t) => ({ '*': folder(t), path: 'big.bin', upload_id: t.upload }),
  'GET /mlflow/artifacts/list': (t) => ({ run_id: t.run, path: 'a' }),
  'GET /mlflow/logged-models/:model_id/artifacts/directories': (t) => ({
    model_id: t.loggedModel,
    artifact_directory_path: '',
  }),
  'GET /get-artifact': (t) => ({ run_id: t.run, path: 'a/b.txt' }),
  'GET /mlflow/logged-models/:model_id/artifacts/files': (t) => ({
    model_id: t.loggedModel,
    artifact_file_path: 'f.txt',
  }),
  'POST /mlflow/registered-models/create': (t) => ({ name: `made ${t.label}`, tags: [{ key: 'k', value: 'v' }] }),
  'GET /mlflow/registered-models/get': (t) => ({ name: t.name }),
  'PATCH|POST /mlflow/registered-models/update': (t) => ({ name: t.name, description: 'mine' }),
  'POST /mlflow/registered-models/rename': (t) => ({ name: t.name, new_name: `mine ${t.label}` }),
  'DELETE /mlflow/registered-models/delete': (t) => ({ name: t.name }),
  'GET|POST /mlflow/registered-models/search': (t) => ({
    filter: `name = '${t.name}'`,
    order_by: ['name'],
    page_token: '',
  }),
  'GET|POST /mlflow/registered-models/get-latest-versions': (t) => ({ name: t.name, stages: ['None'] }),
  'POST /mlflow/registered-models/set-tag': (t) => ({ name: t.name, key: 'k', value: 'mine' }),
  'DELETE /mlflow/registered-models/delete-tag': (t) => ({ name: t.name, key: 't' }),
  'POST /mlflow/registered-models/alias': (t) => ({ name: t.name, alias: t.alias, version: t.version }),
  'DELETE /mlflow/registered-models/alias': (t) => ({ name: t.name, alias: t.alias }),
  'GET /mlflow/registered-models/alias': (t) => ({ name: t.name, alias: t.alias }),
  'POST /mlflow/model-versions/create': (t) => ({
    name: t.name,
    source: `runs:/${t.run}/a`,
    run_id: t.run,
    tags: [{ key: 'k', value: 'v' }],
  }),
  'GET /mlflow/model-versions/get': (t) => ({ name: t.name, version: t.version }),
  'PATCH|POST /mlflow/model-versions/update': (t) => ({ name: t.name, version: t.version, description: 'mine' }),
  'POST /mlflow/model-versions/transition-stage': (t) => ({
    name: t.name,
    version: t.version,
    stage: 'Archived',
    archive_existing_versions: false,
  }),
  'DELETE /mlflow/model-versions/delete': (t) => ({ name: t.name, version: t.version }),
  'GET|POST /mlflow/model-versions/search': (t) => ({
    filter: `name = '${t.name}'`,
    order_by: ['name'],
    page_token: '',
  }),
  'GET /mlflow/model-versions/get-download-uri': (t) => ({ name: t.name, version: t.version }),
  'POST /mlflow/model-versions/set-tag': (t) => ({ name: t.name, version: t.version, key: 'k', value: 'mine' }),
  'DELETE /mlflow/model-versions/delete-tag': (t) => ({ name: t.name, version: t.version, key: 't' }),
  'GET /model-versions/get-artifact': (t) => ({ name: t.name, version: t.version, path: 'b.txt' }),
  'POST /mlflow/experiments/create': (t) => ({ name: `made ${t.label}`, tags: [{ key: 'k', value: 'v' }] }),
  'GET /mlflow/experiments/get': (t) => ({ experiment_id: t.experiment }),
  'GET /mlflow/experiments/get-by-name': (t) => ({ experiment_name: t.name }),
  'POST /mlflow/experiments/update': (t) => ({ experiment_id: t.experiment, new_name: `mine ${t.label}` }),
  'POST /mlflow/experiments/delete': (t) => ({ experiment_id: t.experiment }),
  'POST /mlflow/experiments/restore': (t) => ({ experiment_id: t.experiment }),
  'POST /mlflow/experiments/set-experiment-tag': (t) => ({ experiment_id: t.experiment, key: 'k', value: 'mine' }),
  'POST /mlflow/experiments/delete-experiment-tag': (t) => ({ experiment_id: t.experiment, key: 't' }),
  'POST /mlflow/runs/create': (t) => ({
    experiment_id: t.experiment,
    start_time: 1,
    run_name: 'r',
    tags: [{ key: 'k', value: 'v' }],
  }),
  'GET /mlflow/runs/get': (t) => ({ run_id: t.run }),
  'POST /mlflow/runs/update': (t) => ({ run_id: t.run, status: 'FAILED', end_time: 1, run_name: 'mine' }),
  'POST /mlflow/runs/delete': (t) => ({ run_id: t.run }),
  'POST /mlflow/runs/restore': (t) => ({ run_id: t.run }),
  'POST /mlflow/runs/search': (t) => ({
    experiment_ids: [t.experiment],
    filter: `run_id = '${t.run}'`,
    order_by: ['metrics.k'],
  }),
  'POST /mlflow/runs/log-metric': (t) => ({
    run_id: t.run,
    key: 'k',
    value: 2,
    timestamp: 1,
    step: 1,
    model_id: t.loggedModel,
  }),
  'POST /mlflow/runs/log-parameter': (t) => ({ run_id: t.run, key: 'mine', value: 'v' }),
  'POST /mlflow/runs/set-tag': (t) => ({ run_id: t.run, key: 'k', value: 'mine' }),
  'POST /mlflow/runs/log-batch': (t) => ({
    run_id: t.run,
    metrics: [{ key: 'k', value: 2, timestamp: 1 }],
    params: [{ key: 'k', value: 'v' }],
    tags: [{ key: 'k', value: 'v' }],
  }),
  'POST /mlflow/runs/delete-tag': (t) => ({ run_id: t.run, key: 't' }),
  'POST /mlflow/runs/log-inputs': (t) => ({
    run_id: t.run,
    datasets: [{ dataset }],
    models: [{ model_id: t.loggedModel }],
  }),
  'POST /mlflow/runs/outputs': (t) => ({ run_id: t.run, models: [{ model_id: t.loggedModel, step: 1 }] }),
  'POST /mlflow/runs/log-model': (t) => ({
    run_id: t.run,
    model_json: `{"artifact_path":"a","flavors":{},"utc_time_created":"t","run_id":"r"}`,
  }),
  'GET /mlflow/metrics/get-history': (t) => ({ run_id: t.run, metric_key: 'k', max_results: 5 }),
  'GET /mlflow/metrics/get-history-bulk': (t) => ({ run_id: [t.run], metric_key: 'k' }),
  'GET /mlflow/metrics/get-history-bulk-interval': (t) => ({
    run_ids: [t.run],
    metric_key: 'k',
    start_step: 0,
    end_step: 9,
  }),
  'POST /mlflow/logged-models': (t) => ({
    experiment_id: t.experiment,
    source_run_id: t.run,
    name: 'n',
    params: [{ key: 'k', value: 'v' }],
    tags: [{ key: 'k', value: 'v' }],
  }),
  'GET /mlflow/logged-models/:model_id': (t) => ({ model_id: t.loggedModel, allow_deleted: true }),
  'PATCH /mlflow/logged-models/:model_id': (t) => ({ model_id: t.loggedModel, status: 'LOGGED_MODEL_READY' }),
  'DELETE /mlflow/logged-models/:model_id': (t) => ({ model_id: t.loggedModel }),
  'PATCH /mlflow/logged-models/:model_id/tags': (t) => ({ model_id: t.loggedModel, tags: [{ key: 'k', value: 'v' }] }),
  'DELETE /mlflow/logged-models/:model_id/tags/:tag_key': (t) => ({ model_id: t.loggedModel, tag_key: 't' }),
  'POST /mlflow/logged-models/:model_id/params': (t) => ({
    model_id: t.loggedModel,
    params: [{ key: 'k', value: 'v' }],
  }),
  'GET|POST /mlflow/experiments/search': (t) => ({ max_results: 5, filter: `name = '${t.name}'`, order_by: ['name'] }),
  'POST /mlflow/experiments/search-datasets': (t) => ({ experiment_ids: [t.experiment] }),
  'POST /mlflow/logged-models/search': (t) => ({
    experiment_ids: [t.experiment],
    datasets: [{ dataset_name: 'k' }],
    order_by: [{ field_name: 'metrics.k' }],
    page_token: '',
  }),
  'POST /mlflow/webhooks': (t) => ({ name: `made ${t.label}`, url: 'https://hooks.example.com/x', events: [event] }),
  'GET /mlflow/webhooks': () => ({ max_results: 5 }),
  'GET /mlflow/webhooks/:webhook_id': (t) => ({ webhook_id: t.webhook }),
  'PATCH /mlflow/webhooks/:webhook_id': (t) => ({ webhook_id: t.webhook, name: `mine ${t.label}`, events: [event] }),
  'DELETE /mlflow/webhooks/:webhook_id': (t) => ({ webhook_id: t.webhook }),
  'POST /mlflow/webhooks/:webhook_id/test': (t) => ({ webhook_id: t.webhook }),
};
const nameOf = ({ methods, path }: Endpoint) => `${methods.join('|')} ${path}`;

let service: TestService;
let tess: MlflowCaller;
let mallory: MlflowCaller;
let own: Things;

/** Sends the call: parameters of the path in the URL, the others in the query or the body, by method. */
async function send(
  as: MlflowCaller,
  endpoint: Endpoint,
  input: Input,
  { raw = {}, method = endpoint.methods[0]! }: Sent = {},
) {
  const rest = { ...input };
  const url = urlsOf(endpoint)[0]!.replace(/:\w+|\*/g, (part) => {
    const key = part === '*' ? part : part.slice(1);
    delete rest[key];
    return (raw[key] ?? String(input[key])).split('/').map(encodeURIComponent).join('/');
  });
  const isQuery = method === 'GET' || endpoint.kind === 'STREAM';
  const search = new URLSearchParams();
  if (isQuery)
    for (const [key, value] of Object.entries(rest))
      for (const one of [raw[key] ?? value].flat()) search.append(key, String(one));
  const fields = Object.entries(rest).map(
    ([key, value]) => `${JSON.stringify(key)}:${raw[key] ?? JSON.stringify(value)}`,
  );
  const body = method === 'PUT' ? 'stranger' : isQuery ? undefined : `{${fields.join(',')}}`;
  const response = await fetch(`${service.url}${url}${isQuery && search.size > 0 ? `?${search}` : ''}`, {
    method,
    headers: { authorization: `Bearer ${as.token}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  });
  return { status: response.status, text: await response.text() };
}

interface Sent {
  /** Values of some fields, as they are written in JSON or in the URL. */
  raw?: Record<string, string>;
  method?: Endpoint['methods'][number];
}

/** Everything that a tenant has in the database, as one text per table, and its files. */
async function everythingOf(tenant: string): Promise<Record<string, unknown>> {
  const tables = (await sql(
    service.database.url,
    `select table_name as name from information_schema.columns where table_schema = 'public' and column_name ` +
      `= 'tenant'`,
  )) as { name: string }[];
  const all: Record<string, unknown> = {};
  for (const { name } of tables) {
    const [row] = (await sql(
      service.database.url,
      `select count(*)::int as rows, md5(string_agg(t::text, '|' order by t::text)) as content from ${name} ` +
        `t where tenant = '${tenant}'`,
    )) as unknown[];
    all[name] = row;
  }
  const files: string[] = [];
  for await (const key of service.app.context.objects.list(`${tenant}/`)) files.push(key);
  return { ...all, files };
}

async function makeThings(as: MlflowCaller): Promise<Things> {
  const name = 'secret model';
  const { experiment_id: experiment } = await as.post<{ experiment_id: string }>('experiments/create', { name });
  const run = await as.newRun({ experiment_id: experiment, tags: [{ key: 't', value: 'v' }] });
  await as.post('runs/log-metric', { run_id: run, key: 'k', value: 1, timestamp: 1 });
  const { model } = await as.post<{ model: { info: { model_id: string } } }>('logged-models', {
    experiment_id: experiment,
    source_run_id: run,
    tags: [{ key: 't', value: 'v' }],
  });
  const loggedModel = model.info.model_id;
  for (const path of [
    `${experiment}/${run}/artifacts/a/b.txt`,
    `${experiment}/models/${loggedModel}/artifacts/f.txt`,
  ]) {
    const put = await fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${as.token}` },
      body: 'secret',
    });
    expect(put.status).toBe(200);
  }
  await as.post('registered-models/create', { name, tags: [{ key: 't', value: 'v' }] });
  await as.post('model-versions/create', {
    name,
    source: `runs:/${run}/a`,
    run_id: run,
    tags: [{ key: 't', value: 'v' }],
  });
  await as.post('registered-models/alias', { name, alias: 'champion', version: '1' });
  const { webhook } = await as.post<{ webhook: { webhook_id: string } }>('webhooks', {
    name,
    url: 'https://hooks.example.com/secret',
    events: [event],
  });
  const { upload_id: upload } = await as.post<{ upload_id: string }>(
    `/api/2.0/mlflow-artifacts/mpu/create/${experiment}/${run}/artifacts`,
    {
      path: 'big.bin',
      num_parts: 1,
    },
  );
  return {
    experiment,
    run,
    loggedModel,
    name,
    version: '1',
    alias: 'champion',
    webhook: webhook.webhook_id,
    upload,
    label: 'foreign',
  };
}

beforeAll(async () => {
  service = await startTestService({ LOG_LEVEL: 'silent' });
  tess = await MlflowCaller.of(service, { role: Role.ADMIN });
  mallory = await MlflowCaller.of(service, { tenant: 'globex', subject: 'mallory', role: Role.ADMIN });
  own = await makeThings(tess);
});
afterAll(() => service?.close());

/** A raw request, which no client library corrects; returns the status and the whole answer. */
function exchange(request: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(service.url);
    const socket = connect(Number(port), hostname, () => socket.write(request));
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('end', () => resolve({ status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text }));
    socket.on('error', reject);
  });
}
const head = (line: string, ...headers: string[]) =>
  [`${line} HTTP/1.1`, 'host: x', 'connection: close', ...headers, '', ''].join('\r\n');

describe('every endpoint of the MLflow protocol', () => {
  it('has a call in these tests', () => {
    expect(ENDPOINTS.map(nameOf).sort()).toEqual(Object.keys(CALLS).sort());
  });

  it('lets no VIEWER write', () => {
    const reads = ENDPOINTS.filter(
      ({ role, methods }) => role === Role.VIEWER && methods.some((method) => method !== 'GET'),
    );
    expect(reads.map(nameOf).filter((name) => !/\/(search|search-datasets|get-latest-versions)$/.test(name))).toEqual(
      [],
    );
  });

  it('gives another tenant the same answers as for absent objects, and changes nothing', async () => {
    const before = await everythingOf('acme');
    for (const endpoint of ENDPOINTS) {
      for (const method of endpoint.methods) {
        const call = CALLS[nameOf(endpoint)]!;
        const [foreign, absent] = [
          await send(mallory, endpoint, call(own), { method }),
          await send(mallory, endpoint, call(ABSENT), { method }),
        ];
        expect(tidy(foreign, own), nameOf(endpoint)).toEqual(tidy(absent, ABSENT));
        if (
          JSON.stringify(call(own)) !== JSON.stringify({ ...call(own), ...call(ABSENT) }) &&
          !/\/(create|search)$/.test(endpoint.path)
        )
          expect(foreign.text, nameOf(endpoint)).not.toContain('secret"');
      }
    }
    expect(await everythingOf('acme')).toEqual(before);
  });

  it('accepts no file and no call without a token, with an expired one, or with a too small role', async () => {
    const before = await everythingOf('acme');
    const expired = await tokenFor({ lifetimeSeconds: -10 });
    const viewer = await MlflowCaller.of(service, { role: Role.VIEWER });
    for (const endpoint of ENDPOINTS) {
      const input = CALLS[nameOf(endpoint)]!(own);
      expect((await send(new MlflowCaller(service.url, expired), endpoint, input)).status, nameOf(endpoint)).toBe(401);
      expect((await send(new MlflowCaller(service.url, ''), endpoint, input)).status, nameOf(endpoint)).toBe(401);
      if (endpoint.role !== Role.VIEWER)
        expect((await send(viewer, endpoint, input)).status, nameOf(endpoint)).toBe(403);
    }
    expect(await everythingOf('acme')).toEqual(before);
  });

  it('never fails with an internal error, whatever value a field has', async () => {
    const base = await MlflowCaller.of(service, { tenant: 'initech', role: Role.ADMIN });
    const things = await makeThings(base);
    const problems: string[] = [];
    for (const endpoint of ENDPOINTS) {
      const input = CALLS[nameOf(endpoint)]!(things);
      for (const field of Object.keys(input)) {
        const isInAddress =
          endpoint.methods[0] === 'GET' || endpoint.kind === 'STREAM' || endpoint.path.includes(field);
        for (const value of isInAddress ? HOSTILE_TEXTS : HOSTILE_JSON) {
          const { status, text } = await send(base, endpoint, input, { raw: { [field]: value } });
          if (status >= 500 || (status >= 400 && !isRefusal(text)))
            problems.push(`${nameOf(endpoint)} ${field}=${value.slice(0, 40)}: ${status} ${text.slice(0, 100)}`);
        }
      }
    }
    expect(problems).toEqual([]);
  });
});

describe('requests that no client sends', () => {
  const post = (path: string, body: string) =>
    tess.send<{ error_code: string; message: string }>('POST', path, { body });

  it('are read in a time that is proportional to their length', async () => {
    // Many quotes in a text without an end: each was once tried as the beginning of a text, half a second for each 30
    // kB.
    const bodies = {
      quotes: `x"${'\\"'.repeat(500_000)}`,
      'numbers that are none': `[${'NaN,'.repeat(500_000)}`,
      backslashes: `x"${'\\'.repeat(1_000_001)}`,
      'nested arrays': `{"filter":${deep(1_000_000)}}`,
      'nested objects': `{"filter":${'{"a":'.repeat(500_000)}1${'}'.repeat(500_000)}}`,
      'a text of 30 MB': JSON.stringify({ filter: 'x'.repeat(30_000_000) }),
      'keys of an object': `{${Array.from({ length: 300_000 }, (_, i) => `"k${i}":1`).join(',')}}`,
      'one key again and again': `{${'"filter":"","filter":"x",'.repeat(100_000)}"filter":""}`,
      '10,000 terms': JSON.stringify({ filter: Array.from({ length: 10_000 }, () => "name = 'x'").join(' AND ') }),
      'quotes in a filter': JSON.stringify({ filter: `name = '${"\\'".repeat(30_000)}` }),
      'back-quotes in a filter': JSON.stringify({ filter: '`'.repeat(60_000) }),
      'double quotes in a filter': JSON.stringify({ filter: `tags."${'""'.repeat(30_000)}` }),
      'spaces in a filter': JSON.stringify({ filter: `name${' '.repeat(60_000)}` }),
    };
    for (const [what, body] of Object.entries(bodies)) {
      for (const path of ['runs/search', 'registered-models/search', 'logged-models/search']) {
        const startedMs = performance.now();
        const { status } = await post(path, body);
        const tookMs = performance.now() - startedMs;
        expect(status, what).toBeLessThan(500);
        expect(tookMs, `${what} to ${path}: ${tookMs.toFixed(0)} ms`).toBeLessThan(5_000);
      }
    }
  });

  it('with a hundred thousand items in a list are refused or done, and never done in part', async () => {
    const many = (item: unknown) =>
      `[${Array.from({ length: 100_000 }, (_, i) => JSON.stringify(item).replaceAll('"k"', `"k${i}"`)).join(',')}]`;
    const problems: string[] = [];
    for (const endpoint of ENDPOINTS.filter(
      ({ kind, methods }) => kind === 'JSON' && methods.some((method) => method !== 'GET'),
    )) {
      const call = CALLS[nameOf(endpoint)]!({ ...own, name: 'many', label: `many ${endpoint.path}` });
      for (const [field, value] of Object.entries(call)) {
        if (!Array.isArray(value)) continue;
        const method = endpoint.methods.find((one) => one !== 'GET')!;
        const startedMs = performance.now();
        const { status, text } = await send(tess, endpoint, call, { raw: { [field]: many(value[0]) }, method });
        const tookMs = performance.now() - startedMs;
        const isGood = status < 500 && tookMs < 20_000;
        if (!isGood)
          problems.push(`${nameOf(endpoint)} ${field}: ${status} after ${tookMs.toFixed(0)} ms, ${text.slice(0, 100)}`);
      }
    }
    expect(problems).toEqual([]);
  });

  it('with a deep tag or model do not break later reads of it', async () => {
    const run = await tess.newRun();
    const history = { key: 'mlflow.log-model.history', value: deep(4_000) };
    await tess.post('runs/set-tag', { run_id: run, ...history });
    const model = { artifact_path: 'a', flavors: { deep: 'x' }, utc_time_created: 't', run_id: 'r' };
    const bodies = [JSON.stringify(model), JSON.stringify(model).replace('"x"', deep(200_000))];
    for (const text of bodies)
      expect((await post('runs/log-model', JSON.stringify({ run_id: run, model_json: text }))).status).toBeLessThan(
        500,
      );
    const { model: logged } = await tess.post<{ model: { info: { model_id: string } } }>('logged-models', {
      experiment_id: '0',
      tags: [{ key: 'mlflow.modelVersions', value: deep(40_000) }],
    });
    const { model_id: id } = logged.info;
    await tess.post('registered-models/create', { name: 'deep' });
    await tess.post('model-versions/create', { name: 'deep', source: `models:/${id}`, model_id: id });
  });

  it('with wrong or repeated names, or with characters that no text may have, are refused', async () => {
    for (const source of ['models:/%E0%A4%A/1', 'models:/%/1', 'models:/%ED%A0%80@a', 'models:/a/99999999999999999999'])
      expect([400, 404], source).toContain(
        (await post('model-versions/create', JSON.stringify({ name: own.name, source }))).status,
      );
    for (const path of [
      '/model-versions/get-artifact?name=a&name=b&version=1&version=2&path=x&path=y',
      '/model-versions/get-artifact?name=%00&version=1&path=x',
      '/model-versions/get-artifact?name=a&version=1&path=%00',
      '/get-artifact?run_id=a&run_id=b&path=x&path=y',
      '/get-artifact?run_id=%ed%a0%80&path=x',
      `/api/2.0/mlflow/logged-models/${own.loggedModel}/artifacts/files?artifact_file_path=a&artifact_file_path=b`,
      '/api/2.0/mlflow/runs/get?run_id=a&run_id=b',
      '/api/2.0/mlflow/metrics/get-history-bulk?metric_key=k&run_id[]=a',
    ]) {
      const { status } = await tess.send('GET', path);
      expect(path.includes('bulk') ? [400] : [400, 404], path).toContain(status);
    }
  });

  it('cannot avoid the check of the caller', async () => {
    const target = `/api/2.0/mlflow/experiments/get?experiment_id=${own.experiment}`;
    const [path, query] = target.split('?');
    const shapes = [
      target,
      `/ajax-api/2.0/mlflow/experiments/get?${query}`,
      `/${target}`,
      `/api//2.0/mlflow/experiments/get?${query}`,
      `${path}/?${query}`,
      `${path}/.?${query}`,
      `/api/2.0/mlflow/x/../experiments/get?${query}`,
      `/version/..${target}`,
      `/version/%2e%2e${target}`,
      `/health;${target}`,
      `/API/2.0/MLFLOW/experiments/get?${query}`,
      `/api/2.0/mlflow/experiments%2fget?${query}`,
      `/%61pi/2.0/mlflow/experiments/get?${query}`,
      `/api/2.0/mlflow%5cexperiments%5cget?${query}`,
      `${path}%00?${query}`,
      `${path};a=b?${query}`,
      `http://evil.example${target}`,
      `/get-artifact?run_id=${own.run}&path=a/b.txt`,
      `/api/2.0/mlflow-artifacts/artifacts/${folder(own)}/a/b.txt`,
      `/graphql/..${target}`,
    ];
    const viewer = await tokenFor({ role: Role.VIEWER });
    for (const shape of shapes) {
      for (const method of [
        'GET',
        'HEAD',
        'OPTIONS',
        'POST',
        'PATCH',
        'PUT',
        'DELETE',
        'TRACE',
        'PROPFIND',
        'get',
        'X-HTTP',
      ]) {
        for (const authorization of [
          'x: y',
          'authorization: Basic',
          `authorization: Bearer ${viewer}, Bearer x`,
          'x-http-method-override: GET',
        ]) {
          const { status, text } = await exchange(head(`${method} ${shape}`, authorization, 'content-length: 0'));
          expect([method, shape, status >= 400 && status < 500], text.slice(0, 300)).toEqual([method, shape, true]);
          expect(text).not.toContain('secret');
        }
      }
      // With a valid token, no request causes a fault, or does what the role may not do.
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT']) {
        const { status } = await exchange(
          head(`${method} ${shape}`, `authorization: Bearer ${viewer}`, 'content-length: 0'),
        );
        expect([method, shape, status < 500 && (method === 'GET' || status >= 400)]).toEqual([method, shape, true]);
      }
    }
  });

  it('are refused with malformed credentials', async () => {
    const { token } = tess;
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const refused = [
      `Basic ${base64(token)}`,
      `Basic ${base64(`${token}:`)}`,
      `Basic ${base64(`u:${token}:x`)}`,
      `Basic ${base64(`u: ${token}`)}`,
      `Basic ${base64(`u:${token}`)} x`,
      `Basic  ${base64(`u:${token}`)}!`,
      `Basic ${Buffer.from(`u:${token}`, 'utf16le').toString('base64')}`,
      `Basic ${encodeURIComponent(base64('u:=?'))}`,
      `Bearer`,
      `Bearer ${token.slice(0, -5)}`,
      `Bearer ${token}.`,
      `Token ${token}`,
      token,
      `Bearer ${base64('{"alg":"none"}').replace(/=+$/, '')}.${token.split('.')[1]}.`,
    ];
    for (const authorization of refused) {
      const response = await fetch(`${service.url}/api/2.0/mlflow/experiments/get?experiment_id=0`, {
        headers: { authorization },
      });
      expect(response.status, authorization).toBe(401);
      expect(await response.json()).toMatchObject({ error_code: 'UNAUTHENTICATED' });
    }
  });

  it('with forged page tokens, and with huge numbers, are refused or find nothing', async () => {
    const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
    const tokens = [
      'x',
      '!!!',
      base64({ offset: -1 }),
      base64({ offset: 1.5 }),
      base64({ offset: 1e300 }),
      base64({ offset: '1; drop table run' }),
      base64({ offset: Number.MAX_SAFE_INTEGER }),
      base64({ offset: null }),
      base64([]),
      base64({ __proto__: { offset: 1 } }),
      base64(['2020-01-01', own.run]),
      'A'.repeat(100_000),
    ];
    for (const path of [
      'experiments/search',
      'registered-models/search',
      'model-versions/search',
      'logged-models/search',
      'runs/search',
    ]) {
      const given = { max_results: 5, ...(/^(runs|logged)/.test(path) && { experiment_ids: [own.experiment] }) };
      for (const page_token of tokens) {
        const { status, body } = await tess.send('POST', path, { body: { ...given, page_token } });
        expect(
          status === 400 || (status === 200 && Object.keys(body).length === 0),
          `${path} ${page_token.slice(0, 60)}`,
        ).toBe(true);
      }
      for (const max_results of [0, -1, 1e9, 1e300, 0.5]) {
        // For logged models, an absent limit means the default, and a page never has more than 50,000.
        const isTaken = path.startsWith('logged') && (max_results === 0 || max_results === 1e9);
        const { status } = await tess.send('POST', path, { body: { ...given, max_results } });
        expect(status, `${path} ${max_results}`).toBe(isTaken ? 200 : 400);
      }
      for (const order of [
        'name; drop table run',
        "name'--",
        'name DESC, (select 1)',
        'name ASC NULLS FIRST',
        '1',
        'name DESC DESC',
        'tags.`x`; --',
      ]) {
        const order_by = path.startsWith('logged') ? [{ field_name: order }] : [order];
        expect((await tess.send('POST', path, { body: { ...given, order_by } })).status, `${path} ${order}`).toBe(400);
      }
    }
  });

  it('cannot name a host to which others would send their token', async () => {
    const where = '/0/models/x/artifacts';
    for (const uri of [
      'http://evil.example',
      'HTTPS://evil.example:8080',
      ' https://evil.example',
      'ht\ntps://evil.example',
      'http:evil.example',
      'mlflow-artifacts://evil.example',
      'mlflow-artifacts:/\t/evil.example',
      `https://evil.example/api/2.0/mlflow-artifacts/artifacts/${own.experiment}/${own.run}/artifacts`,
    ]) {
      const location = await tess.fails('POST', 'experiments/create', { name: `at ${uri}`, artifact_location: uri });
      expect(location, uri).toMatchObject({ status: 400, error_code: 'INVALID_PARAMETER_VALUE' });
      for (const source of [`${uri}${where}`, `${uri}/${folder(own)}`]) {
        const version = await tess.fails('POST', 'model-versions/create', { name: own.name, source, run_id: own.run });
        expect(version, source).toMatchObject({ status: 400, error_code: 'INVALID_PARAMETER_VALUE' });
      }
    }
    for (const artifact_location of ['s3://bucket/x', 'mlflow-artifacts:/x', 'mlflow-artifacts:///x'])
      await tess.post('experiments/create', { name: artifact_location, artifact_location });
  });

  it('to an invalid host name create no upload that nobody can send', async () => {
    const path = `/api/2.0/mlflow-artifacts/mpu/create/${folder(own)}`;
    const body = JSON.stringify({ path: 'hosted.bin', num_parts: 1 });
    for (const host of ['[', 'a b', 'x@evil.example', 'evil.example/x?', '%', '\\', '']) {
      const lines = [
        `POST ${path} HTTP/1.1`,
        `host: ${host}`,
        'connection: close',
        `authorization: Bearer ${tess.token}`,
      ];
      lines.push('content-type: application/json', `content-length: ${body.length}`);
      const { status, text } = await exchange(`${lines.join('\r\n')}\r\n\r\n${body}`);
      expect(status < 500, `${host}: ${text.slice(-200)}`).toBe(true);
    }
  });
});

const isRefusal = (text: string) => /^\{"error_code":"[A-Z_]+","message":/.test(text);

/** An answer without the parts that always differ between two calls. */
function tidy({ status, text }: { status: number; text: string }, things: Things): object {
  let shown = text;
  for (const [key, value] of Object.entries(things)) if (value.length > 1) shown = shown.replaceAll(value, `<${key}>`);
  shown = shown.replace(/made (foreign|absent|<label>)/g, 'made');
  return {
    status,
    text: shown
      .replace(/[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}/g, '<id>')
      .replace(/\d{13}/g, '<time>'),
  };
}

const deep = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const HOSTILE_JSON = [
  'null',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  JSON.stringify('x'.repeat(100_000)),
  `"' or 1=1 --"`,
  '"%E0%A4%A"',
  '"../../etc/passwd"',
  '-1',
  '1e400',
  '1.5',
  '9223372036854775808',
  '"9223372036854775807"',
  'NaN',
  'true',
  '{}',
  '{"__proto__":{"a":1}}',
  '{"key":"k","value":"v","constructor":1}',
  '[[]]',
  '[null]',
  deep(20_000),
];
const HOSTILE_TEXTS = [
  '',
  '\0',
  `' or 1=1 --`,
  '%',
  '%E0%A4%A',
  '%25%30%30',
  '../x',
  '-1',
  '1e400',
  '9223372036854775808',
  'NaN',
  'x'.repeat(3_000),
];
