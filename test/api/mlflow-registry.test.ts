// One file because its tests share one running service, which takes longer to start than most of the tests.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { externalTensor, float, linear, model, node } from '../fixtures/models/build.js';
import { sql } from '../support/embedded.js';
import { MlflowCaller, type MlflowErrorShape } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import {
  ModelVersionsDetailsDocument,
  RegisterModelVersionDetailsDocument,
  ModelVersionsForMlflowRegistryDocument,
  ModelVersionsFrameworkPathDocument,
  RegisterModelVersionForMlflowRegistryDocument,
} from '../generated/operations.js';

let service: TestService;
let mlflow: MlflowCaller;
let tess: Caller;
let experimentId: string;
let runId: string;

type Version = Record<string, unknown> & { version: string; current_stage: string; status: string; source: string };
type Model = Record<string, unknown> & { name: string; latest_versions?: Version[] };

async function ok<T = Record<string, never>>(
  method: string,
  path: string,
  input: Record<string, unknown> = {},
): Promise<T> {
  const answer = await mlflow.send<T>(
    method,
    path,
    method === 'GET' ? { query: input as Record<string, string> } : { body: input },
  );
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body;
}

async function refused(
  method: string,
  path: string,
  input: Record<string, unknown>,
  as = mlflow,
): Promise<[string, string]> {
  const sent = method === 'GET' ? { query: input as Record<string, string> } : { body: input };
  const { status, body } = await as.send<MlflowErrorShape>(method, path, sent);
  expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400);
  return [body.error_code, body.message];
}

const create = (name: string, input: object = {}) =>
  ok<{ registered_model: Model }>('POST', 'registered-models/create', { name, ...input });
const register = async (name: string, input: Record<string, unknown>) =>
  (await ok<{ model_version: Version }>('POST', 'model-versions/create', { name, ...input })).model_version;
const getVersion = async (name: string, version: string) =>
  (await ok<{ model_version: Version }>('GET', 'model-versions/get', { name, version })).model_version;

async function put(path: string, content: Buffer | string): Promise<void> {
  const response = await fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${mlflow.token}`, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(Buffer.from(content)),
  });
  expect(response.status).toBe(200);
}

const SIGNATURE = (...names: string[]) =>
  `signature:\n  inputs: ` +
  `'${JSON.stringify(names.map((name) => ({ type: 'double', name, required: true })))}'\n  outputs: ` +
  `'[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'\n`;
const ONNX = Buffer.from(linear([1, 2], 3));
/** Its weights are another file of this machine. */
const HOSTILE_ONNX = Buffer.from(
  model({
    input: [float('x', [1])],
    output: [float('y', [1])],
    initializer: [externalTensor('w', '/etc/passwd')],
    node: [node('Add', ['x', 'w'], ['y'])],
  }),
);
const SKLEARN =
  'flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn:\n    pickled_model: model.pkl\n';

/** Logs a model with its files; returns its id. */
async function logModel(files: Record<string, Buffer | string>): Promise<string> {
  const { model: logged } = await ok<{ model: { info: { model_id: string } } }>(
    'POST',
    '/api/2.0/mlflow/logged-models',
    {
      experiment_id: experimentId,
      name: 'logged',
      source_run_id: runId,
    },
  );
  const id = logged.info.model_id;
  for (const [path, content] of Object.entries(files))
    await put(`${experimentId}/models/${id}/artifacts/${path}`, content);
  return id;
}

beforeAll(async () => {
  service = await startTestService({ LOG_LEVEL: 'error' });
  mlflow = await MlflowCaller.of(service);
  tess = await service.as();
  ({ experiment_id: experimentId } = await ok<{ experiment_id: string }>('POST', 'experiments/create', {
    name: 'registry',
  }));
  const { run } = await ok<{ run: { info: { run_id: string } } }>('POST', 'runs/create', {
    experiment_id: experimentId,
    start_time: 1,
  });
  runId = run.info.run_id;
});
afterAll(() => service?.close());

describe('registered models', () => {
  it('are created, read, changed, renamed and deleted', async () => {
    const { registered_model: made } = await create('first model', {
      description: 'what for',
      tags: [{ key: 'team', value: 'air' }],
    });
    expect(made).toEqual({
      name: 'first model',
      creation_timestamp: expect.any(Number),
      last_updated_timestamp: expect.any(Number),
      description: 'what for',
      tags: [{ key: 'team', value: 'air' }],
    });
    await ok('POST', 'registered-models/set-tag', { name: 'first model', key: 'team', value: 'sea' });
    await ok('POST', 'registered-models/set-tag', { name: 'first model', key: 'other', value: '' });
    for (let i = 0; i < 2; i++)
      await ok('DELETE', 'registered-models/delete-tag', { name: 'first model', key: 'other' });
    await ok('PATCH', 'registered-models/update', { name: 'first model', description: 'changed' });
    const { registered_model: renamed } = await ok<{ registered_model: Model }>('POST', 'registered-models/rename', {
      name: 'first model',
      new_name: 'größe 模型',
    });
    expect(renamed).toMatchObject({
      name: 'größe 模型',
      description: 'changed',
      tags: [{ key: 'team', value: 'sea' }],
    });
    expect(await refused('GET', 'registered-models/get', { name: 'first model' })).toEqual([
      'RESOURCE_DOES_NOT_EXIST',
      'Registered Model with name=first model not found',
    ]);
    expect(await ok('DELETE', 'registered-models/delete', { name: 'größe 模型' })).toEqual({});
    expect((await refused('DELETE', 'registered-models/delete', { name: 'größe 模型' }))[0]).toBe(
      'RESOURCE_DOES_NOT_EXIST',
    );
  });

  it('refuse names that MLflow refuses, and names that are invisible', async () => {
    await create('taken');
    expect(await refused('POST', 'registered-models/create', { name: 'taken' })).toEqual([
      'RESOURCE_ALREADY_EXISTS',
      'Registered Model (name=taken) already exists.',
    ]);
    await create('other name');
    expect((await refused('POST', 'registered-models/rename', { name: 'other name', new_name: 'taken' }))[0]).toBe(
      'RESOURCE_ALREADY_EXISTS',
    );
    for (const name of ['', '  ', 'a/b', 'a:b', '.', '..', '../x', '/x', 'a\0b', 'a\u200Bb', 'x'.repeat(257), 7, ['a']])
      expect((await refused('POST', 'registered-models/create', { name }))[0], String(name)).toBe(
        'INVALID_PARAMETER_VALUE',
      );
    const viewer = await MlflowCaller.of(service, { role: Role.VIEWER });
    expect((await refused('POST', 'registered-models/create', { name: 'x' }, viewer))[0]).toBe('PERMISSION_DENIED');
    const stranger = await MlflowCaller.of(service, { tenant: 'globex' });
    expect((await refused('GET', 'registered-models/get', { name: 'taken' }, stranger))[0]).toBe(
      'RESOURCE_DOES_NOT_EXIST',
    );
    const prompt = { name: 'prompt', tags: [{ key: 'mlflow.prompt.is_prompt', value: 'true' }] };
    expect((await refused('POST', 'registered-models/create', prompt))[0]).toBe('ENDPOINT_NOT_FOUND');
    expect((await refused('GET', '/api/2.0/mlflow/gateway/secrets/get', {}))[0]).toBe('ENDPOINT_NOT_FOUND');
  });

  it('are searched with MLflow’s filters, in order, page by page', async () => {
    for (const [i, name] of ['s-a', 's-b', 's-c'].entries())
      await create(name, { tags: [{ key: 'n', value: String(i) }] });
    const names = async (input: Record<string, unknown>) =>
      (
        (await ok<{ registered_models?: Model[] }>('GET', 'registered-models/search', input)).registered_models ?? []
      ).map(({ name }) => name);
    expect(await names({ filter: "name LIKE 's-%'" })).toEqual(['s-a', 's-b', 's-c']);
    expect(await names({ filter: "name ILIKE 'S-%'", order_by: 'name DESC' })).toEqual(['s-c', 's-b', 's-a']);
    expect(await names({ filter: "tags.n != '1' AND tag.`n` LIKE '%'" })).toEqual(['s-a', 's-c']);
    expect(await names({ filter: "name IN ('s-a', 's-c')", order_by: 'timestamp DESC' })).toEqual(['s-c', 's-a']);
    expect(await names({ filter: "name LIKE 's-%' AND tag.`mlflow.prompt.is_prompt` != 'true'" })).toEqual([
      's-a',
      's-b',
      's-c',
    ]);
    expect(await names({ filter: "tag.`mlflow.prompt.is_prompt` = 'true'" })).toEqual([]);
    const seen: string[] = [];
    let token: string | undefined;
    do {
      const input = { filter: "name LIKE 's-%'", max_results: '2', ...(token && { page_token: token }) };
      const page = await ok<{ registered_models: Model[]; next_page_token?: string }>(
        'GET',
        'registered-models/search',
        input,
      );
      seen.push(...page.registered_models.map(({ name }) => name));
      token = page.next_page_token;
    } while (token);
    expect(seen).toEqual(['s-a', 's-b', 's-c']);
    const bad = [
      { filter: "nme = 'x'" },
      { filter: 'name = x' },
      { filter: "name > 'x'" },
      { filter: "name = 'a' OR name = 'b'" },
    ];
    for (const input of [
      ...bad,
      { order_by: 'tags.n' },
      { max_results: '1001' },
      { max_results: '-1' },
      { page_token: 'x' },
    ])
      expect((await refused('GET', 'registered-models/search', input))[0], JSON.stringify(input)).toBe(
        'INVALID_PARAMETER_VALUE',
      );
  });

  it('never share files with another model that had the same name', async () => {
    const onnx = { 'model.onnx': ONNX, MLmodel: 'flavors:\n  onnx:\n    data: model.onnx\n' };
    await create('shared');
    const id = await logModel(onnx);
    const input = { source: `models:/${id}`, model_id: id };
    await register('shared', input);
    await ok('POST', 'registered-models/rename', { name: 'shared', new_name: 'shared before' });
    await create('shared');
    await register('shared', input);
    const keys = await sql(
      service.database.url,
      `select distinct object_key from model_version where object_key like '%/shared%'`,
    );
    expect(keys).toHaveLength(2);
    await ok('DELETE', 'registered-models/delete', { name: 'shared' });
    const { modelVersions } = await tess.ok(ModelVersionsDetailsDocument, { filter: { search: 'shared before' } });
    for (const { downloadUrl } of modelVersions.nodes[0]!.artifacts) {
      const response = await fetch(`${service.url}${downloadUrl}`, {
        headers: { authorization: `Bearer ${tess.token}` },
      });
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    }
  });
});

describe('model versions', () => {
  const name = 'versions';
  let first: string;

  it('made from one logged model at the same time are all listed in its tag', async () => {
    const id = await logModel({ MLmodel: SKLEARN });
    const names = ['at-once-1', 'at-once-2', 'at-once-3', 'at-once-4'];
    for (const one of names) await create(one);
    await Promise.all(names.map((one) => register(one, { source: `models:/${id}`, model_id: id })));
    const logged = await ok<{ model: { info: { tags: { key: string; value: string }[] } } }>(
      'GET',
      `logged-models/${id}`,
    );
    const told = JSON.parse(logged.model.info.tags.find(({ key }) => key === 'mlflow.modelVersions')!.value) as {
      name: string;
    }[];
    expect(told.map(({ name: of }) => of).sort()).toEqual(names);
  });

  it('are made from a logged model’s files, with what their MLmodel file says', async () => {
    await create(name);
    first = await logModel({ MLmodel: `${SKLEARN}${SIGNATURE('a', 'b')}`, 'model.pkl': 'not looked into' });
    const version = await register(name, {
      source: `models:/${first}`,
      model_id: first,
      description: 'one',
      tags: [{ key: 'q', value: 'good' }],
    });
    expect(version).toEqual({
      name,
      version: '1',
      creation_timestamp: expect.any(Number),
      last_updated_timestamp: expect.any(Number),
      current_stage: 'None',
      description: 'one',
      source: `models:/${first}`,
      run_id: runId,
      run_link: '',
      status: 'READY',
      tags: [{ key: 'q', value: 'good' }],
    });
    expect(await ok('GET', 'model-versions/get-download-uri', { name, version: '1' })).toEqual({
      artifact_uri: `mlflow-artifacts:/${experimentId}/models/${first}/artifacts`,
    });
    const file = await fetch(`${service.url}/model-versions/get-artifact?name=${name}&version=1&path=model.pkl`, {
      headers: { authorization: `Bearer ${mlflow.token}` },
    });
    expect(await file.text()).toBe('not looked into');
    const second = await logModel({ MLmodel: `${SKLEARN}${SIGNATURE('a', 'b')}` });
    await register(name, { source: `models:/${second}`, model_id: second });
    await register(name, { source: `models:/${second}`, model_id: second });
    const third = await logModel({ MLmodel: `${SKLEARN}${SIGNATURE('a', 'b', 'c')}` });
    await register(name, { source: `models:/${third}`, model_id: third });
    const { modelVersions } = await tess.ok(ModelVersionsForMlflowRegistryDocument, {
      filter: { search: 'versions' },
      orderBy: { field: 'VERSION', direction: 'ASC' },
    });
    const inputs = ['a', 'b'].map((column) => ({ name: column, datatype: 'FP64', shape: [-1] }));
    expect(modelVersions.nodes[0]).toEqual({
      version: 1,
      semanticVersion: '1.0.0',
      status: 'READY',
      framework: 'sklearn',
      signature: { inputs, outputs: [{ name: 'output_0', datatype: 'INT64' }] },
    });
    // Another training, the same model again, another signature.
    expect(modelVersions.nodes.map((shown) => (shown as { semanticVersion: string }).semanticVersion)).toEqual([
      '1.0.0',
      '1.1.0',
      '1.1.1',
      '2.0.0',
    ]);
  });

  it('are listed in pages of ten thousand, also when a client asks for more', async () => {
    await create('very-many');
    await register('very-many', { source: 's3://bucket/model' });
    const count = 10_500;
    await sql(
      service.database.url,
      `insert into model_version (id, tenant, created_at, model_id, version, semantic_version, status, source_uri,
        created_by, updated_at, reference)
       select gen_random_uuid(), v.tenant, now(), v.model_id, n, n || '.0.0', 'READY', 's3://bucket/model', 'tess',
         now(), '{"columns": {}}'
       from model_version v join model m on m.id = v.model_id, generate_series(2, ${count}) n
         where m.name = 'very-many'`,
    );
    interface Page {
      model_versions: Version[];
      next_page_token?: string;
    }
    const search = { filter: "name = 'very-many'", order_by: 'version_number ASC', max_results: 200_000 };
    service.statements.length = 0;
    const page = await ok<Page>('GET', 'model-versions/search', search);
    expect(page.model_versions).toHaveLength(10_000);
    expect(service.statements.filter((text) => text.includes('reference'))).toEqual([]);
    const rest = await ok<Page>('GET', 'model-versions/search', { ...search, page_token: page.next_page_token });
    const versions = [...page.model_versions, ...rest.model_versions].map(({ version }) => Number(version));
    expect(versions).toEqual(Array.from({ length: count }, (_, i) => i + 1));
    expect(rest.next_page_token).toBeUndefined();
  });

  it('are made from a run’s files too, from files elsewhere, and from other versions', async () => {
    await create('sources');
    await put(`${experimentId}/${runId}/artifacts/model/MLmodel`, SKLEARN);
    const made = await register('sources', { source: `runs:/${runId}/model`, run_id: runId });
    expect(made).toMatchObject({ version: '1', run_id: runId, status: 'READY' });
    const root = `mlflow-artifacts:/${experimentId}/${runId}/artifacts/model`;
    expect(await register('sources', { source: root, run_id: runId, run_link: 'https://elsewhere/run' })).toMatchObject(
      {
        source: root,
        run_link: 'https://elsewhere/run',
      },
    );
    expect(await register('sources', { source: 's3://bucket/model' })).toMatchObject({
      source: 's3://bucket/model',
      run_id: '',
    });
    const numbers = async (filter: string) =>
      (await ok<{ model_versions: Version[] }>('GET', 'model-versions/search', { filter })).model_versions.map(
        ({ version }) => version,
      );
    expect(await numbers("name = 'sources' AND run_id = ''")).toEqual(['3']);
    expect(await numbers("name = 'sources' AND run_id != ''")).toEqual(['2', '1']);
    await ok('POST', 'registered-models/alias', { name: 'sources', alias: 'best', version: '1' });
    for (const source of ['models:/sources/1', 'models:/sources@best', 'models:/sources/None'])
      expect((await register('sources', { source })).version, source).toBeDefined();
    expect((await getVersion('sources', '4')).source).toBe(`runs:/${runId}/model`);
  });

  it('use a model.onnx among the files, after the same check as an upload', async () => {
    await create('with onnx');
    const MLmodel = 'flavors:\n  onnx:\n    data: model.onnx\n    onnx_version: 1.20\n';
    const good = await logModel({ MLmodel, 'model.onnx': ONNX });
    expect(await register('with onnx', { source: `models:/${good}`, model_id: good })).toMatchObject({
      status: 'READY',
    });
    const hostile = await logModel({ MLmodel, 'model.onnx': HOSTILE_ONNX });
    const refusedFile = await register('with onnx', { source: `models:/${hostile}`, model_id: hostile });
    expect(refusedFile).toMatchObject({
      status: 'READY',
      status_message: expect.stringMatching(/^Its model.onnx was not taken: /),
    });
    const escaping = await logModel({ MLmodel: MLmodel.replace('model.onnx', '../../../x'), 'model.onnx': ONNX });
    expect(await register('with onnx', { source: `models:/${escaping}`, model_id: escaping })).toMatchObject({
      status_message: 'The MLmodel file names a model.onnx that is not there.',
    });
    const { modelVersions } = await tess.ok(ModelVersionsFrameworkPathDocument, {
      filter: { search: 'with onnx' },
      orderBy: { field: 'VERSION', direction: 'ASC' },
    });
    expect(modelVersions.nodes).toEqual([
      { framework: 'onnx', artifacts: ['model.onnx', 'model_card.md', 'requirements.txt'].map((path) => ({ path })) },
      { framework: 'onnx', artifacts: [] },
      { framework: 'onnx', artifacts: [] },
    ]);
    expect(await register('with onnx', { source: 'models:/with onnx/1' })).toMatchObject({
      version: '4',
      status: 'READY',
    });
  });

  it('are registered through GraphQL too', async () => {
    const id = (text: string) => text.replace(/^(?:m-)?(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    const { createModel } = await tess.ok(CreateModelDocument, {
      input: { name: 'by GraphQL', modelType: 'TREE', task: 'OTHER' },
    });
    const modelId = createModel.model.id;
    const versionOf = async (input: object) =>
      (await tess.ok(RegisterModelVersionForMlflowRegistryDocument, { input: { modelId, ...input } }))
        .registerModelVersion.modelVersion;
    const made = { status: 'READY', framework: 'sklearn', run: { id: id(runId) } };
    expect(await versionOf({ loggedModelId: id(first) })).toEqual({
      ...made,
      version: 1,
      sourceUri: `models:/${first}`,
    });
    await put(`${experimentId}/${runId}/artifacts/by graphql/MLmodel`, SKLEARN);
    expect(await versionOf({ runId: id(runId), artifactPath: 'by graphql' })).toEqual({
      ...made,
      version: 2,
      sourceUri: `runs:/${runId}/by graphql`,
    });
    const codeOf = async (input: object) =>
      (await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId, ...input } })).extensions.code;
    expect(await codeOf({ runId: id(runId), artifactPath: 'none' })).toBe('CONFLICT');
    for (const artifactPath of ['../x', '%2e%2e/x', '/x', ''])
      expect(await codeOf({ runId: id(runId), artifactPath }), artifactPath).toBe('INVALID_PATH');
    expect(await codeOf({ loggedModelId: id(first), artifactPath: 'x' })).toBe('BAD_USER_INPUT');
    expect(await codeOf({ loggedModelId: id(first), runId: id(runId) })).toBe('BAD_USER_INPUT');
    expect(await codeOf({ loggedModelId: modelId })).toBe('NOT_FOUND');
  });

  it('are made whatever an MLmodel file says', async () => {
    await create('odd files');
    const bomb = `a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nflavors: *c\n`;
    for (const MLmodel of [
      '',
      '\0',
      '- a list',
      '{',
      'flavors: 7',
      'flavors:\n  sklearn:',
      bomb,
      `${SKLEARN}signature:\n  inputs: 'not json'\n`,
    ]) {
      const id = await logModel({ MLmodel });
      expect((await register('odd files', { source: `models:/${id}`, model_id: id })).status, MLmodel).toBe('READY');
    }
  });

  it('refuse sources that have no owner, are on this machine, or lead elsewhere', async () => {
    await create('refused');
    const other = '0'.repeat(32);
    const bad: Record<string, unknown>[] = [
      { source: '' },
      { source: '/etc/passwd' },
      { source: 'file:///etc/passwd' },
      { source: 'model' },
      { source: `models:/${first}` },
      { source: `models:/${first}`, run_id: runId },
      { source: `runs:/${runId}/model` },
      { source: `runs:/${runId}/../x`, run_id: runId },
      { source: `runs:/${runId}/%252e%252e/x`, run_id: runId },
      { source: `mlflow-artifacts:/${experimentId}/${runId}/artifacts/model` },
      { source: `mlflow-artifacts:/${experimentId}/${runId}/artifacts/../../x`, run_id: runId },
      { source: `mlflow-artifacts:/${experimentId}/${runId}/artifacts/model`, model_id: first },
      { source: 's3://bucket/../x' },
      { source: 's3://bucket/a%00b' },
      { source: `runs:/${runId}/model`, run_id: runId, model_id: first },
    ];
    for (const input of bad)
      expect(
        (await refused('POST', 'model-versions/create', { name: 'refused', ...input }))[0],
        JSON.stringify(input),
      ).toBe('INVALID_PARAMETER_VALUE');
    // Ids that do not exist and ids of others give the same error.
    const refusal = /^(INVALID_PARAMETER_VALUE|RESOURCE_DOES_NOT_EXIST)$/;
    for (const input of [
      { source: `runs:/${other}/model`, run_id: other },
      { source: 'models:/none/1' },
      { source: `models:/m-${other}`, model_id: `m-${other}` },
    ])
      expect(
        (await refused('POST', 'model-versions/create', { name: 'refused', ...input }))[0],
        JSON.stringify(input),
      ).toMatch(refusal);
    const stranger = await MlflowCaller.of(service, { tenant: 'globex' });
    await stranger.send('POST', 'registered-models/create', { body: { name: 'theirs' } });
    const foreign = { name: 'theirs', source: `models:/${first}`, model_id: first };
    const absent = { name: 'theirs', source: `models:/m-${other}`, model_id: `m-${other}` };
    const [code, message] = await refused('POST', 'model-versions/create', foreign, stranger);
    expect(code).toMatch(refusal);
    expect(await refused('POST', 'model-versions/create', absent, stranger)).toEqual([
      code,
      message.replaceAll(first, `m-${other}`),
    ]);
    expect(await ok('GET', 'model-versions/search', { filter: "name = 'refused'" })).toEqual({});
  });

  it('are read, changed, tagged, searched and deleted', async () => {
    await ok('PATCH', 'model-versions/update', { name, version: '1', description: 'changed' });
    await ok('POST', 'model-versions/set-tag', { name, version: '1', key: 'k', value: 'v' });
    for (let i = 0; i < 2; i++) await ok('DELETE', 'model-versions/delete-tag', { name, version: '1', key: 'q' });
    expect(await getVersion(name, '1')).toMatchObject({ description: 'changed', tags: [{ key: 'k', value: 'v' }] });
    const numbers = async (filter: string, order_by = 'version_number ASC') =>
      (
        (await ok<{ model_versions?: Version[] }>('GET', 'model-versions/search', { filter, order_by }))
          .model_versions ?? []
      ).map(({ version }) => version);
    expect(await numbers(`name = '${name}'`)).toEqual(['1', '2', '3', '4']);
    expect(await numbers(`name = '${name}' AND version_number > 2`, 'version_number DESC')).toEqual(['4', '3']);
    expect(await numbers(`name = '${name}' AND run_id = '${runId}' AND source_path LIKE '%${first}'`)).toEqual(['1']);
    expect(await numbers(`name = '${name}' AND run_id IN ('nobody', '${runId}') AND tags.k = 'v'`)).toEqual(['1']);
    for (const filter of ["version_number = 'x'", "stage = 'x'", 'run_id = 1'])
      expect((await refused('GET', 'model-versions/search', { filter }))[0], filter).toBe('INVALID_PARAMETER_VALUE');
    for (const version of ['99', '0', '-1'])
      expect((await refused('GET', 'model-versions/get', { name, version }))[0], version).toBe(
        'RESOURCE_DOES_NOT_EXIST',
      );
    expect(await refused('GET', 'model-versions/get', { name, version: 'x' })).toEqual([
      'INVALID_PARAMETER_VALUE',
      "Parameter 'version' must be an integer, got 'x'.",
    ]);
    await ok('DELETE', 'model-versions/delete', { name, version: '4' });
    expect((await refused('GET', 'model-versions/get', { name, version: '4' }))[0]).toBe('RESOURCE_DOES_NOT_EXIST');
  });

  it('have aliases', async () => {
    const alias = (method: string, input: object) =>
      ok<{ model_version: Version }>(method, 'registered-models/alias', { name, ...input });
    await alias('POST', { alias: 'champion', version: '1' });
    await alias('POST', { alias: 'champion', version: '2' });
    await alias('POST', { alias: 'second', version: '2' });
    expect((await alias('GET', { alias: 'champion' })).model_version).toMatchObject({
      version: '2',
      aliases: ['champion', 'second'],
    });
    expect((await alias('GET', { alias: 'latest' })).model_version.version).toBe('3');
    expect(
      (await ok<{ registered_model: Model }>('GET', 'registered-models/get', { name })).registered_model['aliases'],
    ).toEqual([
      { alias: 'champion', version: '2' },
      { alias: 'second', version: '2' },
    ]);
    for (let i = 0; i < 2; i++) await alias('DELETE', { alias: 'champion' });
    expect(await refused('GET', 'registered-models/alias', { name, alias: 'champion' })).toEqual([
      'INVALID_PARAMETER_VALUE',
      'Registered model alias champion not found.',
    ]);
    for (const bad of ['latest', 'v1', 'a b', 'x'.repeat(256)])
      expect((await refused('POST', 'registered-models/alias', { name, alias: bad, version: '1' }))[0], bad).toBe(
        'INVALID_PARAMETER_VALUE',
      );
    expect((await refused('POST', 'registered-models/alias', { name, alias: 'a', version: '99' }))[0]).toBe(
      'RESOURCE_DOES_NOT_EXIST',
    );
  });

  it('change their stage only through the gates', async () => {
    const move = (version: string, stage: string, archive = false) =>
      ({ name, version, stage, archive_existing_versions: archive }) satisfies Record<string, unknown>;
    const [code, message] = await refused('POST', 'model-versions/transition-stage', move('1', 'Staging'));
    expect(code).toBe('INVALID_PARAMETER_VALUE');
    expect(message).toMatch(
      /^Version 1 cannot go to STAGING: gate VALIDATION has no result yet\. Next: validateModelVersion/,
    );
    const jump = await refused('POST', 'model-versions/transition-stage', move('1', 'production'));
    expect(jump[0]).toBe('INVALID_PARAMETER_VALUE');
    expect(jump[1]).toMatch(
      /^Version 1 cannot go to Production: first it goes to STAGING, and gate VALIDATION has no result yet\. Next: /,
    );
    expect((await refused('POST', 'model-versions/transition-stage', move('1', 'Live')))[1]).toBe(
      'Invalid Model Version stage: Live. Value must be one of None, Staging, Production, Archived.',
    );
    expect((await refused('POST', 'model-versions/transition-stage', move('1', 'Archived', true)))[0]).toBe(
      'INVALID_PARAMETER_VALUE',
    );
    expect((await getVersion(name, '1')).current_stage).toBe('None');
    const stage = async (version: string, to: string, archive = false) =>
      (await ok<{ model_version: Version }>('POST', 'model-versions/transition-stage', move(version, to, archive)))
        .model_version.current_stage;
    expect([
      await stage('1', 'None'),
      await stage('1', 'Archived'),
      await stage('1', 'Archived'),
      await stage('1', 'none'),
    ]).toEqual(['None', 'Archived', 'Archived', 'None']);
    await passGates(name);
    // As in MLflow: a model's time changes when a version changes or is deleted, but not when a tag changes.
    const changedAt = async () =>
      Number(
        (await ok<{ registered_model: Model }>('GET', 'registered-models/get', { name })).registered_model[
          'last_updated_timestamp'
        ],
      );
    const [archivedAt] = [await changedAt(), await stage('1', 'Archived'), await stage('1', 'None')];
    const movedAt = await changedAt();
    expect(movedAt).toBeGreaterThan(archivedAt);
    const versionAt = (await getVersion(name, '1'))['last_updated_timestamp'];
    await ok('POST', 'registered-models/set-tag', { name, key: 'k', value: 'v' });
    await ok('POST', 'model-versions/set-tag', { name, version: '1', key: 'k', value: 'v' });
    await ok('DELETE', 'registered-models/delete-tag', { name, key: 'k' });
    await ok('DELETE', 'model-versions/delete-tag', { name, version: '1', key: 'k' });
    await ok('POST', 'registered-models/alias', { name, alias: 'timed', version: '1' });
    await ok('DELETE', 'registered-models/alias', { name, alias: 'timed' });
    expect([await changedAt(), (await getVersion(name, '1'))['last_updated_timestamp']]).toEqual([movedAt, versionAt]);
    await create('shrinks');
    const sources = [
      await register('shrinks', { source: 's3://b/x' }),
      await register('shrinks', { source: 's3://b/y' }),
    ];
    const grownAt = await ok<{ registered_model: Model }>('GET', 'registered-models/get', { name: 'shrinks' });
    await ok('DELETE', 'model-versions/delete', { name: 'shrinks', version: sources[0]!.version });
    const shrunkAt = await ok<{ registered_model: Model }>('GET', 'registered-models/get', { name: 'shrinks' });
    expect(Number(shrunkAt.registered_model['last_updated_timestamp'])).toBeGreaterThan(
      Number(grownAt.registered_model['last_updated_timestamp']),
    );
    await ok('DELETE', 'registered-models/delete', { name: 'shrinks' });
    expect([await stage('1', 'Staging'), await stage('2', 'Staging', true)]).toEqual(['Staging', 'Staging']);
    expect((await getVersion(name, '1')).current_stage).toBe('Archived');
    // In as many steps as the rules need, all or none.
    expect(await stage('1', 'Production')).toBe('Production');
    expect((await refused('POST', 'model-versions/transition-stage', move('2', 'Production')))[1]).toMatch(
      /gate SHADOW has no result yet/,
    );
    const { model_versions: latest } = await ok<{ model_versions: Version[] }>(
      'POST',
      'registered-models/get-latest-versions',
      { name },
    );
    expect(latest.map((version) => [version.version, version.current_stage])).toEqual([
      ['1', 'Production'],
      ['2', 'Staging'],
      ['3', 'None'],
    ]);
    expect((await refused('DELETE', 'model-versions/delete', { name, version: '1' }))[0]).toBe(
      'INVALID_PARAMETER_VALUE',
    );
    expect((await refused('DELETE', 'registered-models/delete', { name }))[0]).toBe('INVALID_PARAMETER_VALUE');
  });

  /** Results as evaluations would leave them. */
  async function passGates(modelName: string): Promise<void> {
    for (const gate of ['VALIDATION', 'EVALUATION'])
      for (const version of [1, 2])
        await sql(
          service.database.url,
          `insert into gate_result (id, tenant, model_version_id, gate, passed, checks, created_by)
           select '${randomUUID()}', v.tenant, v.id, '${gate}', true, '[]', 'test' from model_version v
             join model m on m.id = v.model_id
           where m.name = '${modelName}' and v.version = ${version}`,
        );
  }
});
