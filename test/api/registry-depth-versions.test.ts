import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createModel, forceToProduction, register, registerUpload, trainTumours } from '../support/registry.js';
import { linear } from '../fixtures/models/build.js';
import { Role } from '../../src/modules/core/rules/principal.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  DeleteModelTagDetailsDocument,
  DeleteModelVersionTagDetailsDocument,
  type KeyValueInput,
  ModelVersionsDetailsDocument,
  ModelsDetailsDocument,
  RegisterModelVersionDetailsDocument,
  SetModelTagsDetailsDocument,
  SetModelVersionTagsDetailsDocument,
  UpdateModelVersionDetailsDocument,
  type ModelFilterInput,
  type ModelOrderInput,
  UpdateModelVersionSemanticVersionDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let runId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  ({ runId } = await trainTumours(tess, { hyperparameters: { epochs: 1 } }));
});
afterAll(() => service?.close());
const tag = (key: string, value: string) => ({ key, value });

describe('tags', () => {
  const OF = {
    model: {
      field: 'modelId',
      setDocument: SetModelTagsDetailsDocument,
      deleteDocument: DeleteModelTagDetailsDocument,
      set: async (modelId: string, tags: KeyValueInput[]) =>
        (await tess.ok(SetModelTagsDetailsDocument, { input: { modelId, tags } })).setModelTags.model.tags,
      unset: async (modelId: string, key: string) =>
        (await tess.ok(DeleteModelTagDetailsDocument, { input: { modelId, key } })).deleteModelTag.model.tags,
    },
    modelVersion: {
      field: 'modelVersionId',
      setDocument: SetModelVersionTagsDetailsDocument,
      deleteDocument: DeleteModelVersionTagDetailsDocument,
      set: async (modelVersionId: string, tags: KeyValueInput[]) =>
        (await tess.ok(SetModelVersionTagsDetailsDocument, { input: { modelVersionId, tags } })).setModelVersionTags
          .modelVersion.tags,
      unset: async (modelVersionId: string, key: string) =>
        (await tess.ok(DeleteModelVersionTagDetailsDocument, { input: { modelVersionId, key } })).deleteModelVersionTag
          .modelVersion.tags,
    },
  };

  it.each(['model', 'modelVersion'] as const)('of a %s are set and deleted one by one', async (kind) => {
    const modelId = await createModel(tess, { tags: [tag('team', 'risk')] });
    const version = await register(tess, { modelId, runId, tags: [tag('team', 'risk')] });
    const { set, unset, setDocument, deleteDocument, field } = OF[kind];
    const id = kind === 'model' ? modelId : version.id;
    const refused = async (document: typeof setDocument | typeof deleteDocument, input: object) =>
      (await tess.fails(document, { input: { [field]: id, ...input } })).extensions;
    const byKey = (tags: KeyValueInput[]) => Object.fromEntries(tags.map(({ key, value }) => [key, value]));
    expect(byKey(await set(id, [tag('a', '1'), tag('b', ''), tag('a', '2')]))).toEqual({ team: 'risk', a: '2', b: '' });
    expect(byKey(await unset(id, 'team'))).toEqual({ a: '2', b: '' });
    expect((await refused(deleteDocument, { key: 'team' })).code).toBe('NOT_FOUND');
    expect((await refused(deleteDocument, { key: '__proto__' })).code).toBe('NOT_FOUND');
    // Names of an object's own properties are ordinary names.
    const odd = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    const named = byKey(
      await set(
        id,
        odd.map((key) => tag(key, `of ${key}`)),
      ),
    );
    for (const key of odd) expect(Object.getOwnPropertyDescriptor(named, key)?.value, key).toBe(`of ${key}`);
    for (const key of odd) await unset(id, key);
    // Many changes at the same time do not lose each other.
    await Promise.all(Array.from({ length: 10 }, (_, i) => set(id, [tag(`k${i}`, 'v')])));
    expect(Object.keys(byKey(await set(id, [])))).toHaveLength(12);
    await set(id, [tag('k'.repeat(250), 'v'.repeat(100_000))]);
    const wrong: [ReturnType<typeof tag>, string][] = [
      [tag('', 'v'), 'input.tags[0].key'],
      [tag('k'.repeat(251), 'v'), 'input.tags[0].key'],
      [tag('a\u200bb', 'v'), 'input.tags[0].key'],
      [tag('a', 'v'.repeat(100_001)), 'input.tags[0].value'],
      [tag('a', 'v\0'), 'input.tags[0].value'],
    ];
    for (const [entry, at] of wrong)
      expect(await refused(setDocument, { tags: [entry] })).toMatchObject({ code: 'BAD_USER_INPUT', field: at });
    const many = Array.from({ length: 101 }, (_, i) => tag(`m${i}`, ''));
    expect((await refused(setDocument, { tags: many })).code).toBe('BAD_USER_INPUT');
    const globex = await service.as({ tenant: 'globex' });
    expect((await globex.fails(setDocument, { input: { [field]: id, tags: [] } })).extensions.code).toBe('NOT_FOUND');
  });
});

describe('semantic versions', () => {
  it('may be set by hand; the service continues from the greatest', async () => {
    const modelId = await createModel(tess);
    const semantic = async (input: Record<string, unknown> = {}) =>
      (await register(tess, { modelId, runId, ...input })).semanticVersion;
    expect(await semantic()).toBe('1.0.0');
    expect(await semantic({ semanticVersion: '10.2.0' })).toBe('10.2.0');
    // A correction of an older line.
    expect(await semantic({ semanticVersion: '9.9.9' })).toBe('9.9.9');
    expect(await semantic()).toBe('10.2.1');
    const input = { modelId, runId, semanticVersion: '9.9.9' };
    expect((await tess.fails(RegisterModelVersionDetailsDocument, { input })).extensions).toMatchObject({
      code: 'CONFLICT',
      field: 'input.semanticVersion',
      got: '9.9.9',
    });
    for (const semanticVersion of [
      '',
      '1',
      '1.2',
      'v1.2.3',
      '1.2.3-rc.1',
      '01.2.3',
      '1.2.-3',
      '1.2.3\n',
      '1.2.1000000000',
      '1.2.3.4',
      '１.2.3',
    ])
      expect(
        (await tess.fails(RegisterModelVersionDetailsDocument, { input: { ...input, semanticVersion } })).extensions,
        semanticVersion,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.semanticVersion',
      });
    expect(await semantic({ semanticVersion: '999999999.0.0' })).toBe('999999999.0.0');
  });

  it('can be changed only while nobody can depend on them', async () => {
    const modelId = await createModel(tess);
    const first = await register(tess, { modelId, runId });
    const second = await register(tess, { modelId, runId });
    const change = (id: string, semanticVersion: string) => ({ input: { id, semanticVersion } });
    expect(await tess.ok(UpdateModelVersionSemanticVersionDocument, change(second.id, '3.0.0'))).toEqual({
      updateModelVersion: { modelVersion: { semanticVersion: '3.0.0' } },
    });
    // Setting its own version again is not a change.
    await tess.ok(UpdateModelVersionDetailsDocument, change(second.id, '3.0.0'));
    expect((await tess.fails(UpdateModelVersionDetailsDocument, change(first.id, '3.0.0'))).extensions.code).toBe(
      'CONFLICT',
    );
    const admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
    await forceToProduction(admin, first.id, null);
    expect((await tess.fails(UpdateModelVersionDetailsDocument, change(first.id, '4.0.0'))).extensions).toMatchObject({
      code: 'CONFLICT',
      field: 'input.semanticVersion',
      got: 'PRODUCTION',
    });
    await tess.ok(UpdateModelVersionDetailsDocument, change(first.id, '1.0.0'));
  });

  it('are unique, however many versions are registered at the same time', async () => {
    const modelId = await createModel(tess);
    const made = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) =>
        register(tess, { modelId, runId, ...(i % 2 === 0 && { semanticVersion: '2.0.0' }) }),
      ),
    );
    const given = made.flatMap((one) => (one.status === 'fulfilled' ? [one.value.semanticVersion] : []));
    expect(new Set(given).size).toBe(given.length);
    expect(given.filter((one) => one === '2.0.0')).toHaveLength(1);
  });
});

describe('search', () => {
  it('finds models and versions by text, framework, kind and the stage of the latest version', async () => {
    const caller = await service.as({ tenant: 'finders' });
    const admin = await service.as({ tenant: 'finders', role: Role.ADMIN });
    const sklearn = await createModel(caller, {
      name: 'churn',
      framework: 'sklearn',
      modelType: 'RandomForest',
      task: 'OTHER',
    });
    const onnx = await createModel(caller, {
      name: 'fraud',
      description: 'Finds 100% of Churners_',
      task: 'OTHER',
      tags: [tag('owner', 'Risk Team')],
    });
    const plain = await registerUpload(caller, onnx, linear([1], 0), {
      tags: [tag('reviewed', 'yes')],
      description: 'the calm one',
    });
    const boosted = await registerUpload(caller, onnx, linear([2], 0), { framework: 'xgboost' });
    const own = await registerUpload(caller, sklearn, linear([3], 0), { semanticVersion: '7.7.7' });

    const models = async (filter: ModelFilterInput, orderBy?: ModelOrderInput) => {
      const found = await caller.ok(ModelsDetailsDocument, {
        filter,
        orderBy: orderBy ?? { field: 'NAME', direction: 'ASC' },
      });
      expect(found.models.totalCount).toBe(found.models.nodes.length);
      return found.models.nodes.map(({ name }) => name);
    };
    expect(await models({ search: 'CHURN' })).toEqual(['churn', 'fraud']);
    expect(await models({ search: 'risk t' })).toEqual(['fraud']);
    expect(await models({ search: 'owner' })).toEqual(['fraud']);
    expect(await models({ search: '0%' })).toEqual(['fraud']);
    expect(await models({ search: 's_' })).toEqual(['fraud']);
    expect(await models({ search: '%' })).toEqual(['fraud']);
    expect(await models({ search: 'nothing like it' })).toEqual([]);
    expect(await models({ framework: 'sklearn' })).toEqual(['churn']);
    expect(await models({ framework: 'xgboost' })).toEqual(['fraud']);
    expect(await models({ framework: 'onnx' })).toEqual(['fraud']);
    expect(await models({ modelType: 'RandomForest' })).toEqual(['churn']);
    expect(await models({}, { field: 'LAST_VERSION', direction: 'DESC' })).toEqual(['fraud', 'churn']);
    expect(await models({ latestStage: 'DEVELOPMENT' })).toEqual(['churn', 'fraud']);
    await forceToProduction(admin, plain.id, null);
    expect(await models({ latestStage: 'PRODUCTION' })).toEqual([]);
    expect(await models({ stage: 'PRODUCTION' })).toEqual(['fraud']);
    await forceToProduction(admin, boosted.id, plain.id);
    expect(await models({ latestStage: 'PRODUCTION' })).toEqual(['fraud']);

    const versions = async (filter: object) => {
      const found = await caller.ok(ModelVersionsDetailsDocument, {
        filter,
        orderBy: { field: 'CREATED_AT', direction: 'ASC' },
      });
      return found.modelVersions.nodes.map(({ id, framework }) => [id, framework]);
    };
    expect(await versions({ framework: 'onnx' })).toEqual([[plain.id, 'onnx']]);
    expect(await versions({ framework: 'xgboost' })).toEqual([[boosted.id, 'xgboost']]);
    expect(await versions({ framework: 'sklearn' })).toEqual([[own.id, 'sklearn']]);
    expect(await versions({ search: 'calm' })).toEqual([[plain.id, 'onnx']]);
    expect(await versions({ search: 'reviewed' })).toEqual([[plain.id, 'onnx']]);
    expect(await versions({ search: '7.7' })).toEqual([[own.id, 'sklearn']]);
    expect((await versions({ search: 'fraud' })).map(([id]) => id)).toEqual([plain.id, boosted.id]);
    expect(await versions({ search: 'fraud', framework: 'xgboost', stage: ['PRODUCTION'] })).toEqual([
      [boosted.id, 'xgboost'],
    ]);
    expect(await versions({ search: "' or 1=1 --" })).toEqual([]);
    const error = await caller.fails(ModelVersionsDetailsDocument, { filter: { search: 'x'.repeat(201) } });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'filter.search' });
  });
});
