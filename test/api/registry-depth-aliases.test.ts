import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { createModel, register, trainTumours } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  DeleteModelAliasDetailsDocument,
  DeleteModelDetailsDocument,
  DeleteModelVersionDetailsDocument,
  EventsDetailsDocument,
  ModelVersionByAliasDetailsDocument,
  SetModelAliasDetailsDocument,
  ModelForRegistryDepthAliasesDocument,
  ModelAliasDocument,
  AuditLogBeforeAfterDocument,
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

async function modelWith(versions: number): Promise<{ modelId: string; ids: string[] }> {
  const modelId = await createModel(tess);
  const ids: string[] = [];
  for (let i = 0; i < versions; i++) ids.push((await register(tess, { modelId, runId })).id);
  return { modelId, ids };
}

const set = async (modelId: string, modelVersionId: string, alias: string) =>
  (await tess.ok(SetModelAliasDetailsDocument, { input: { modelId, modelVersionId, alias } })).setModelAlias.modelAlias;

describe('aliases', () => {
  it('point to one version at a time, can be moved, and are found by model, version, id and name', async () => {
    const { modelId, ids } = await modelWith(2);
    const [first, second] = ids as [string, string];
    const made = await set(modelId, first, 'champion');
    expect(made).toMatchObject({
      alias: 'champion',
      createdBy: 'tess',
      model: { id: modelId },
      modelVersion: { id: first, aliases: ['champion'] },
    });
    await set(modelId, first, 'Blue_2-x');
    expect(await tess.ok(ModelVersionByAliasDetailsDocument, { alias: 'champion', modelId })).toEqual({
      modelVersionByAlias: { id: first },
    });
    const moved = await set(modelId, second, 'champion');
    expect(moved).toMatchObject({ id: made.id, modelVersion: { id: second, aliases: ['champion'] } });
    const { model } = await tess.ok(ModelForRegistryDepthAliasesDocument, { id: modelId });
    expect(model.aliases).toEqual([
      { alias: 'Blue_2-x', modelVersion: { id: first } },
      { alias: 'champion', modelVersion: { id: second } },
    ]);
    expect(model.versions.nodes).toEqual([
      { id: second, aliases: ['champion'] },
      { id: first, aliases: ['Blue_2-x'] },
    ]);
    expect(await tess.ok(ModelVersionByAliasDetailsDocument, { alias: 'champion', modelName: model.name })).toEqual({
      modelVersionByAlias: { id: second },
    });
    // Upper and lower case are different.
    expect((await tess.fails(ModelVersionByAliasDetailsDocument, { alias: 'Champion', modelId })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });

  it('write events and audit rows, once per change', async () => {
    const { modelId, ids } = await modelWith(2);
    const [first, second] = ids as [string, string];
    await set(modelId, first, 'live');
    await set(modelId, first, 'live');
    await set(modelId, second, 'live');
    const { id } = await set(modelId, second, 'live');
    expect(await tess.ok(DeleteModelAliasDetailsDocument, { input: { modelId, alias: 'live' } })).toEqual({
      deleteModelAlias: { deletedId: id },
    });
    expect(
      (await tess.fails(DeleteModelAliasDetailsDocument, { input: { modelId, alias: 'live' } })).extensions.code,
    ).toBe('NOT_FOUND');
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { types: ['MODEL_ALIAS_CHANGED'], modelId } });
    const told = events.nodes.map(({ subjectId, payload }) => {
      const { alias, version, previousVersionId } = payload as Record<string, unknown>;
      return [subjectId, alias, version, previousVersionId];
    });
    expect(told.reverse()).toEqual([
      [first, 'live', 1, null],
      [second, 'live', 2, first],
      [second, 'live', null, second],
    ]);
    const admin = await service.as({ role: Role.ADMIN });
    const { auditLog } = await admin.ok(AuditLogBeforeAfterDocument, {
      filter: { subjectId: second, action: 'deleteModelAlias' },
    });
    expect(auditLog.nodes).toEqual([{ before: { alias: 'live', modelVersionId: second }, after: null }]);
  });

  it('follow MLflow’s rules', async () => {
    const { modelId, ids } = await modelWith(1);
    for (const alias of [
      '',
      'a b',
      'a/b',
      '../x',
      'ä',
      'a\n',
      'v1',
      'V22',
      'latest',
      'LATEST',
      'x'.repeat(256),
      '%',
      "'; drop table model",
    ]) {
      const error = await tess.fails(SetModelAliasDetailsDocument, {
        input: { modelId, modelVersionId: ids[0], alias },
      });
      expect(error.extensions, JSON.stringify(alias)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.alias' });
    }
    for (const alias of ['v', 'v1x', 'latest2', '-', '_', '0', 'x'.repeat(255)]) await set(modelId, ids[0]!, alias);
  });

  it('stay within their model and tenant, and are deleted with their version', async () => {
    const { modelId, ids } = await modelWith(2);
    const other = await modelWith(1);
    expect(
      (await tess.fails(SetModelAliasDetailsDocument, { input: { modelId, modelVersionId: other.ids[0], alias: 'a' } }))
        .extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.modelVersionId',
    });
    await set(modelId, ids[1]!, 'gone');
    await set(modelId, ids[0]!, 'kept');
    const globex = await service.as({ tenant: 'globex' });
    expect((await globex.fails(ModelVersionByAliasDetailsDocument, { alias: 'gone', modelId })).extensions.code).toBe(
      'NOT_FOUND',
    );
    for (const which of [{}, { modelId, modelName: 'x' }])
      expect((await tess.fails(ModelVersionByAliasDetailsDocument, { alias: 'kept', ...which })).extensions.code).toBe(
        'BAD_USER_INPUT',
      );
    await tess.ok(DeleteModelVersionDetailsDocument, { input: { id: ids[1]! } });
    const { model } = await tess.ok(ModelAliasDocument, {
      id: modelId,
    });
    expect(model).toEqual({ aliases: [{ alias: 'kept' }] });
    await tess.ok(DeleteModelDetailsDocument, { input: { id: modelId } });
  });

  it('set by many callers at the same time are one row', async () => {
    const { modelId, ids } = await modelWith(2);
    const made = await Promise.all(Array.from({ length: 12 }, (_, i) => set(modelId, ids[i % 2]!, 'raced')));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
  });
});
