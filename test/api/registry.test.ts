// One file because its tests share one running service, which takes longer to start than most of the tests.
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { onnx } from 'onnx-proto';
import {
  allocates16GiB,
  externalTensor,
  float,
  infiniteLoop,
  linear,
  model,
  nested,
  node,
} from '../fixtures/models/build.js';
import {
  createModel,
  forceToProduction,
  register,
  registerUpload,
  trainTumours,
  type VersionView,
} from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CreateModelDocument,
  CreateRunDocument,
  ProductionVersionAtDocument,
} from '../../schema/generated/operations.js';
import {
  DatasetDetailsDocument,
  DeleteModelDetailsDocument,
  DeleteModelVersionDetailsDocument,
  DemoteModelVersionDetailsDocument,
  ModelDetailsDocument,
  ModelHistoryDetailsDocument,
  ModelVersionDetailsDocument,
  ModelVersionsDetailsDocument,
  ModelsNextVersionsForRegistryDocument,
  ModelsWithVersionsForRegistryDocument,
  RegisterModelVersionDetailsDocument,
  RunDetailsDocument,
  UpdateModelDetailsDocument,
  ValidateModelVersionDetailsDocument,
  type ModelFilterInput,
  ModelsForRegistryDocument,
  UpdateModelNameDescriptionKeyDocument,
  UpdateModelNameDocument,
  CreateModelIdDocument,
  ModelVersionForRegistryDocument,
  EventsSubjectIdPayloadDocument,
  ModelVersionsTotalCountVersionDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: Caller;
let runId: string;
let datasetId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  ({ runId, datasetId } = await trainTumours(tess));
});
afterAll(() => service?.close());

async function download(caller: Caller, url: string): Promise<Buffer> {
  const response = await fetch(`${caller.url}${url}`, { headers: { authorization: `Bearer ${caller.token}` } });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

/** Statements of the list, without those of background work. */
const OF_THE_LIST = /^select[^]* from "?(model|model_version|gate_result|stage_transition|artifact|evaluation|run)\b/;

describe('models', () => {
  it('are created, found and changed', async () => {
    const name = 'late-flights';
    const id = await createModel(tess, {
      name,
      task: 'REGRESSION',
      modelType: 'LINEAR_REGRESSION',
      framework: 'onnx',
      tags: [{ key: 'team', value: 'air' }],
    });
    for (const filter of <ModelFilterInput[]>[
      { search: 'LATE' },
      { modelType: 'LINEAR_REGRESSION' },
      { tags: [{ key: 'team', value: 'air' }] },
      { task: 'REGRESSION' },
    ]) {
      const { models } = await tess.ok(ModelsForRegistryDocument, {
        filter,
        orderBy: { field: 'NAME', direction: 'ASC' },
      });
      expect(
        models.nodes.map((found) => found.id),
        JSON.stringify(filter),
      ).toEqual([id]);
      expect(models.totalCount).toBe(1);
    }
    for (const filter of <ModelFilterInput[]>[
      { search: 'l%e' },
      { framework: 'torch' },
      { tags: [{ key: 'team', value: 'sea' }] },
      { stage: 'PRODUCTION', search: 'late' },
    ]) {
      expect(
        (await tess.ok(ModelsForRegistryDocument, { filter, orderBy: { field: 'NAME', direction: 'ASC' } })).models
          .nodes,
        JSON.stringify(filter),
      ).toEqual([]);
    }
    const { updateModel } = await tess.ok(UpdateModelNameDescriptionKeyDocument, {
      input: { id, description: '**late?**', tags: [] },
    });
    expect(updateModel).toEqual({ model: { name, description: '**late?**', tags: [] } });
    const again = await tess.fails(CreateModelDocument, {
      input: { name: 'late-flights', task: 'OTHER', modelType: 'x' },
    });
    expect(again.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.name' });
  });

  it('of one name are created once, however many callers at the same time', async () => {
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        tess.send(CreateModelIdDocument, { input: { name: 'at-once', task: 'OTHER', modelType: 'x' } }),
      ),
    );
    const codes = answers.map(({ errors }) => errors?.[0]?.extensions.code ?? 'OK').sort();
    expect(codes).toEqual([...new Array<string>(7).fill('CONFLICT'), 'OK']);
  });

  it('are listed with their versions in a fixed number of statements', async () => {
    const counts: number[] = [];
    for (const models of [2, 4]) {
      for (let i = 0; i < models; i++) {
        const modelId = await createModel(tess, { framework: `f${models}` });
        for (let j = 0; j < 3; j++) await register(tess, { modelId, runId });
      }
      service.statements.length = 0;
      const filter = { framework: `f${models}` };
      const { models: found } = await tess.ok(ModelsWithVersionsForRegistryDocument, { filter });
      counts.push(service.statements.filter((statement) => OF_THE_LIST.test(statement)).length);
      expect(found.nodes.map(({ versions }) => versions.nodes.map(({ version }) => version))).toEqual(
        Array.from({ length: models }, () => [3, 2]),
      );
      const after = found.nodes[0]!.versions.pageInfo.endCursor;
      const rest = await tess.ok(ModelsNextVersionsForRegistryDocument, { filter, after });
      expect(rest.models.nodes[0]!.versions).toEqual({ nodes: [{ version: 1 }], pageInfo: { hasNextPage: false } });
    }
    expect(counts[1]).toBe(counts[0]);
    console.log(
      `models with versions, gates, history, files and evaluations: ${counts[0]} statements however many models`,
    );
  });

  it('refuse names that are invisible, or that cannot be a part of URLs', async () => {
    for (const name of ['', ' ', ' a', '.', '..', '../x', 'a/b', 'a:b', 'a\u200bb', 'a\nb', 'x'.repeat(257)]) {
      const error = await tess.fails(CreateModelDocument, { input: { name, task: 'OTHER', modelType: 'x' } });
      expect(error.extensions, JSON.stringify(name)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.name' });
    }
  });

  it('store their files under safe keys, whatever their names are', async () => {
    const names = [
      '.hidden',
      'a\\b',
      'ａ b',
      '%2e%2e',
      "it's (1) ~ *",
      'größe'.repeat(50),
      '-a',
      'a=b',
      'a@b',
      '__proto__',
    ];
    const upload = Buffer.from(linear([1, 2], 3));
    for (const name of names) {
      const modelId = await createModel(tess, { name });
      expect((await registerUpload(tess, modelId, upload)).status, name).toBe('READY');
    }
    const keys: string[] = [];
    for await (const key of service.app.context.objects.list('')) if (key.endsWith('/1/model.onnx')) keys.push(key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBeGreaterThanOrEqual(names.length);
    const modelId = await createModel(tess, { name: 'before' });
    const { updateModel } = await tess.ok(UpdateModelNameDocument, { input: { id: modelId, name: 'after' } });
    expect(updateModel).toEqual({ model: { name: 'after' } });
    const taken = await tess.fails(UpdateModelDetailsDocument, { input: { id: modelId, name: '.hidden' } });
    expect(taken.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.name' });
  });
});

describe('a version from a run', () => {
  it('has its files, signature, metrics and card at the documented paths', async () => {
    const modelId = await createModel(tess, { name: 'tumours', description: 'Benign? <script>alert(1)</script>' });
    const version = await register(tess, {
      modelId,
      runId,
      description: 'first *try*',
      tags: [{ key: 'data', value: 'wisconsin' }],
    });
    expect(version).toMatchObject({
      version: 1,
      semanticVersion: '1.0.0',
      stage: 'DEVELOPMENT',
      status: 'READY',
      error: null,
    });
    const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id: version.id });
    expect(modelVersion).toMatchObject({
      model: { name: 'tumours', productionVersion: null },
      run: { id: runId },
      gates: [],
      stageHistory: [],
      signature: {
        inputs: ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'].map((name) => ({
          name,
          datatype: 'FP32',
          shape: [-1, 1],
          semantic: 'NUMERIC',
        })),
        outputs: [
          { name: 'label', datatype: 'INT64', shape: [-1] },
          { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
        ],
      },
    });
    expect(modelVersion.metrics.find(({ name }) => name === 'holdout.roc_auc')!.value).toBeGreaterThan(0.9);
    const { artifacts } = modelVersion;
    expect(artifacts.map(({ path }) => path)).toEqual(['model.onnx', 'model_card.md', 'requirements.txt']);
    const [file, card, requirements] = await Promise.all(
      artifacts.map(({ downloadUrl }) => download(tess, downloadUrl)),
    );
    expect(createHash('sha256').update(file!).digest('hex')).toBe(modelVersion.sha256);
    expect(onnx.ModelProto.decode(file!).graph?.output?.map(({ name }) => name)).toEqual(['label', 'probabilities']);
    expect(requirements!.toString()).toContain('onnxruntime');
    const { dataset } = await tess.ok(DatasetDetailsDocument, { id: datasetId });
    const text = card!.toString();
    for (const part of [
      '# tumours, version 1 (1.0.0)',
      dataset.sha256,
      'holdout',
      'radius',
      '## Limits',
      'target',
      runId,
      'first \\*try\\*',
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('<script>');
    const keys: string[] = [];
    for await (const key of service.app.context.objects.list('acme/models/tumours')) keys.push(key);
    expect(keys.sort()).toEqual(
      ['model.onnx', 'model_card.md', 'requirements.txt'].map((path) => `acme/models/tumours/1/${path}`),
    );
    const { events } = await tess.ok(EventsSubjectIdPayloadDocument, {
      filter: { types: ['MODEL_REGISTERED'], modelId },
    });
    expect(events.nodes).toEqual([
      {
        subjectId: version.id,
        payload: expect.objectContaining({ modelName: 'tumours', version: 1, semanticVersion: '1.0.0', runId }),
      },
    ]);
  });

  it('gets its own number however many are registered at the same time, and a semantic version by what changed', async () => {
    const modelId = await createModel(tess);
    const versions = await Promise.all(Array.from({ length: 5 }, () => register(tess, { modelId, runId })));
    expect(versions.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5]);
    expect(versions.map(({ semanticVersion }) => semanticVersion).sort()).toEqual([
      '1.0.0',
      '1.0.1',
      '1.0.2',
      '1.0.3',
      '1.0.4',
    ]);
    const trained = await trainTumours(tess, { seed: 9 });
    expect((await register(tess, { modelId, runId: trained.runId })).semanticVersion).toBe('1.1.0');
    expect((await registerUpload(tess, modelId, linear([1, 2], 0))).semanticVersion).toBe('2.0.0');
    const { modelVersions } = await tess.ok(ModelVersionsTotalCountVersionDocument, {
      filter: { modelId, stage: ['DEVELOPMENT'], framework: 'onnx', modelType: 'LOGISTIC_REGRESSION', status: 'READY' },
      first: 3,
      orderBy: { field: 'VERSION', direction: 'DESC' },
    });
    expect(modelVersions).toEqual({ totalCount: 7, nodes: [{ version: 7 }, { version: 6 }, { version: 5 }] });
  });

  it('is refused without a finished training, for another task, and without exactly one source', async () => {
    const modelId = await createModel(tess);
    const { run } = await tess.ok(RunDetailsDocument, { id: runId });
    const { createRun } = await tess.ok(CreateRunDocument, { input: { experimentId: run.experiment.id } });
    expect(
      (await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId, runId: createRun.run.id } }))
        .extensions,
    ).toMatchObject({
      code: 'CONFLICT',
      field: 'input.runId',
    });
    const regression = await createModel(tess, { task: 'REGRESSION' });
    expect(
      (await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId: regression, runId } })).extensions,
    ).toMatchObject({
      code: 'CONFLICT',
      expected: 'REGRESSION',
      got: 'CLASSIFICATION',
    });
    expect((await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId } })).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input',
    });
    expect(
      (await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId, runId, uploadId: runId } }))
        .extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
    });
  });

  it('is NOT_FOUND for another tenant, with everything about it', async () => {
    const other = await service.as({ tenant: 'globex' });
    const modelId = await createModel(tess);
    const { id } = await register(tess, { modelId, runId });
    const theirs = await createModel(other);
    for (const [query, variables] of [
      [ModelVersionDetailsDocument, { id }],
      [ModelDetailsDocument, { id: modelId }],
      [ModelHistoryDetailsDocument, { modelId }],
      [ProductionVersionAtDocument, { modelId, at: '2026-01-01T00:00:00Z' }],
      [RegisterModelVersionDetailsDocument, { input: { modelId, runId } }],
      [RegisterModelVersionDetailsDocument, { input: { modelId: theirs, runId } }],
      [ModelVersionsDetailsDocument, { filter: { modelId } }],
      [ModelVersionsDetailsDocument, { filter: { runId } }],
      [DeleteModelVersionDetailsDocument, { input: { id } }],
      [DeleteModelDetailsDocument, { input: { id: modelId } }],
    ] as const) {
      expect((await other.fails(query, variables)).extensions.code, query.toString()).toBe('NOT_FOUND');
    }
  });
});

describe('an uploaded file', () => {
  it('is tried in a sandbox and then registered with its own signature', async () => {
    const modelId = await createModel(tess);
    const version = await registerUpload(tess, modelId, linear([0.5, -1], 2));
    expect(version).toMatchObject({ status: 'READY', version: 1 });
    const { modelVersion } = await tess.ok(ModelVersionForRegistryDocument, { id: version.id });
    expect(modelVersion).toEqual({
      run: null,
      metrics: [],
      agreementMaxAbsDiff: null,
      signature: {
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2], semantic: null }],
        outputs: [{ name: 'y', shape: [-1, 1] }],
      },
    });
  });

  const external = model({
    input: [float('x', ['N', 1])],
    output: [float('y', ['N', 1])],
    initializer: [externalTensor('w', '/etc/passwd')],
    node: [node('Add', ['x', 'w'], ['y'])],
  });
  const customOp = model({
    input: [float('x', ['N', 1])],
    output: [float('y', ['N', 1])],
    node: [node('Steal', ['x'], ['y'], [], 'evil.corp')],
  });
  const hostile: Record<string, Uint8Array> = {
    'random bytes': Buffer.from(Array.from({ length: 500 }, (_, i) => (i * 7919) % 251)),
    'a pickle': Buffer.from('\x80\x04\x95cos\nsystem\n'),
    'a zip archive': Buffer.from('PK\x03\x04aaaaaaaa'),
    'a truncated model': linear([1, 2, 3], 1).slice(0, 60),
    'external data': external,
    'a custom operator': customOp,
    'nesting without end': nested(40),
    'a loop without end': infiniteLoop(),
    '16 GiB at the first run': allocates16GiB(),
  };
  it.each(Object.entries(hostile))('of %s is INVALID_MODEL, and nothing is registered', async (_name, bytes) => {
    const modelId = await createModel(tess);
    const { uploadId } = await tess.upload('model.onnx', Buffer.from(bytes));
    const error = await tess.fails(RegisterModelVersionDetailsDocument, { input: { modelId, uploadId } });
    expect(error.extensions.code).toBe('INVALID_MODEL');
    expect(error.message).not.toMatch(/\/tmp|node_modules|at Object|\.ts/);
    const { model: untouched } = await tess.ok(ModelDetailsDocument, { id: modelId });
    expect(untouched.versions.totalCount).toBe(0);
  });
});

describe('deletion', () => {
  it('deletes versions in DEVELOPMENT with their files, and never uses a number twice', async () => {
    const modelId = await createModel(tess, { name: 'short-lived' });
    const first = await register(tess, { modelId, runId });
    const second = await register(tess, { modelId, runId });
    await tess.ok(DeleteModelVersionDetailsDocument, { input: { id: second.id } });
    expect((await tess.fails(ModelVersionDetailsDocument, { id: second.id })).extensions.code).toBe('NOT_FOUND');
    expect((await tess.fails(DeleteModelVersionDetailsDocument, { input: { id: second.id } })).extensions.code).toBe(
      'NOT_FOUND',
    );
    await expect.poll(() => keysBelow('acme/models/short-lived/2')).toEqual([]);
    expect((await keysBelow('acme/models/short-lived/1')).length).toBe(3);
    expect((await register(tess, { modelId, runId })).version).toBe(3);
    await tess.ok(DeleteModelDetailsDocument, { input: { id: modelId } });
    expect((await tess.fails(ModelVersionDetailsDocument, { id: first.id })).extensions.code).toBe('NOT_FOUND');
    await expect.poll(() => keysBelow('acme/models/short-lived')).toEqual([]);
    const reborn = await createModel(tess, { name: 'short-lived' });
    expect(await register(tess, { modelId: reborn, runId })).toMatchObject({ status: 'READY', version: 1 });
  });

  it('is refused for versions in production or in its history', async () => {
    const modelId = await createModel(tess);
    const first = await register(tess, { modelId, runId });
    const second = await register(tess, { modelId, runId });
    await forceToProduction(admin, first.id, null);
    expect((await tess.fails(DeleteModelVersionDetailsDocument, { input: { id: first.id } })).extensions).toMatchObject(
      {
        code: 'CONFLICT',
        got: 'PRODUCTION',
      },
    );
    await forceToProduction(admin, second.id, first.id);
    expect((await tess.fails(DeleteModelVersionDetailsDocument, { input: { id: first.id } })).extensions).toMatchObject(
      {
        code: 'CONFLICT',
        got: 'ARCHIVED',
      },
    );
    await tess.ok(DemoteModelVersionDetailsDocument, { input: { modelVersionId: first.id } });
    expect((await tess.fails(DeleteModelVersionDetailsDocument, { input: { id: first.id } })).message).toContain(
      'history',
    );
    expect((await tess.fails(DeleteModelDetailsDocument, { input: { id: modelId } })).extensions.code).toBe('CONFLICT');
  });
});

describe('a crash between the row and its files', () => {
  async function leavePending(modelId: string): Promise<VersionView> {
    const version = await register(tess, { modelId, runId });
    const { db, objects } = service.app.context;
    await db.asSystem(async (em) => {
      await em.execute(`update model_version set status = 'PENDING' where id = ?`, [version.id]);
      await em.execute(`delete from artifact where model_version_id = ?`, [version.id]);
    });
    for (const key of await keysBelow(`acme/models/${await nameOf(modelId)}/${version.version}`))
      await objects.delete(key);
    return version;
  }

  it('is completed by the sweeper', async () => {
    const modelId = await createModel(tess);
    const left = await leavePending(modelId);
    expect(
      (await tess.fails(ValidateModelVersionDetailsDocument, { input: { modelVersionId: left.id } })).extensions,
    ).toMatchObject({ code: 'CONFLICT', got: 'PENDING' });
    expect((await tess.fails(DeleteModelVersionDetailsDocument, { input: { id: left.id } })).extensions.code).toBe(
      'CONFLICT',
    );
    const { versionStorage } = service.app.context.services;
    expect(await versionStorage.sweep()).toBe(0);
    expect(await versionStorage.sweep(0)).toBe(1);
    expect((await tess.ok(ModelVersionDetailsDocument, { id: left.id })).modelVersion).toMatchObject({
      status: 'READY',
    });
    expect((await keysBelow(`acme/models/${await nameOf(modelId)}/1`)).length).toBe(3);
    expect(await versionStorage.sweep(0)).toBe(0);
  });

  it('ends with a reason when the source is missing or changed', async () => {
    const { versionStorage } = service.app.context.services;
    const { db, objects } = service.app.context;
    for (const [source, reason] of [
      ['acme/uploads/nothing-here', 'No stored file'],
      ['acme/uploads/altered', 'has changed'],
    ] as const) {
      await objects.put('acme/uploads/altered', Buffer.from('not the model'));
      const modelId = await createModel(tess);
      const left = await leavePending(modelId);
      await db.asSystem((em) => em.execute('update model_version set source_key = ? where id = ?', [source, left.id]));
      await versionStorage.sweep(0);
      const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, {
        id: left.id,
      });
      expect(modelVersion.status).toBe('FAILED');
      expect(modelVersion.error).toContain(reason);
      const folder = `acme/models/${await nameOf(modelId)}`;
      await expect.poll(() => keysBelow(folder)).toEqual([]);
      expect(await tess.ok(DeleteModelVersionDetailsDocument, { input: { id: left.id } })).toEqual({
        deleteModelVersion: { deletedId: left.id },
      });
    }
  });
});

async function keysBelow(folder: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of service.app.context.objects.list(folder)) keys.push(key);
  return keys;
}

async function nameOf(modelId: string): Promise<string> {
  return (await tess.ok(ModelDetailsDocument, { id: modelId })).model.name;
}
