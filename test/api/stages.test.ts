import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { DEFAULT_GATE_POLICY } from '../../src/modules/model-quality/rules/gate-policy.js';
import {
  createModel,
  evaluate,
  forceToProduction,
  promote,
  register,
  trainTumours,
  validate,
} from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { ModelVersionDocument, ProductionVersionAtDocument } from '../../schema/generated/operations.js';
import {
  ArchiveModelVersionStageDocument,
  EventsDetailsDocument,
  ModelForStagesDocument,
  ModelHistoryDetailsDocument,
  type ModelHistoryDetailsQueryVariables,
  ModelVersionForStagesDocument,
  PromoteModelVersionDetailsDocument,
  RollbackModelDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: Caller;
let runId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  ({ runId } = await trainTumours(tess));
});
afterAll(() => service?.close());

async function stageOf(id: string): Promise<string> {
  return (await tess.ok(ModelVersionDocument, { id })).modelVersion.stage;
}

async function newModel(versions: number): Promise<{ modelId: string; ids: string[] }> {
  const modelId = await createModel(tess);
  const ids: string[] = [];
  for (let i = 0; i < versions; i++) ids.push((await register(tess, { modelId, runId })).id);
  return { modelId, ids };
}

/** The evidence that another part of the service would have recorded. */
async function passShadow(modelVersionId: string, comparedWithId: string): Promise<void> {
  const { db, services } = service.app.context;
  const principal = { subject: 'tess', tenant: 'acme', role: Role.ENGINEER, expiresAt: new Date(Date.now() + 60_000) };
  await db.transact({ principal, requestId: 'test' }, async (session) => {
    services.gates.record(session, {
      modelVersionId,
      gate: 'SHADOW',
      passed: true,
      checks: [],
      policy: DEFAULT_GATE_POLICY,
      comparedWithId,
    });
  });
}

describe('promotion', () => {
  it('is refused without evidence, naming each gate and the next call, and succeeds with it', async () => {
    const { modelId, ids } = await newModel(2);
    const [first, second] = ids as [string, string];
    const refused = await tess.fails(PromoteModelVersionDetailsDocument, {
      input: { modelVersionId: first, toStage: 'STAGING' },
    });
    expect(refused.extensions).toMatchObject({
      code: 'GATE_NOT_PASSED',
      missing: [{ gate: 'VALIDATION', problem: 'has no result yet' }],
    });
    expect(refused.message).toContain(`validateModelVersion(input: {modelVersionId: "${first}"})`);

    const validated = await validate(tess, first);
    expect(validated.result).toMatchObject({ passed: true, failedChecks: [] });
    expect(await promote(tess, first, 'STAGING')).toMatchObject({ stage: 'STAGING' });

    const early = await tess.fails(PromoteModelVersionDetailsDocument, {
      input: { modelVersionId: first, toStage: 'PRODUCTION' },
    });
    expect(early.extensions).toMatchObject({ code: 'GATE_NOT_PASSED', missing: [{ gate: 'EVALUATION' }] });
    expect(early.message).toContain('evaluateModelVersion');
    expect((await evaluate(tess, { modelVersionId: first })).result).toMatchObject({ passed: true });
    expect(await promote(tess, first, 'PRODUCTION')).toMatchObject({ stage: 'PRODUCTION' });

    await validate(tess, second);
    await promote(tess, second, 'STAGING');
    await evaluate(tess, { modelVersionId: second });
    const unshadowed = await tess.fails(PromoteModelVersionDetailsDocument, {
      input: { modelVersionId: second, toStage: 'PRODUCTION', expectedProductionVersionId: first },
    });
    expect(unshadowed.extensions).toMatchObject({ code: 'GATE_NOT_PASSED', missing: [{ gate: 'SHADOW' }] });
    await passShadow(second, first);
    expect(
      await promote(tess, second, 'PRODUCTION', { expectedProductionVersionId: first, reason: 'better' }),
    ).toMatchObject({
      stage: 'PRODUCTION',
    });
    expect(await stageOf(first)).toBe('ARCHIVED');
    const { modelHistory, model } = await tess.ok(ModelForStagesDocument, { id: modelId });
    expect(model).toEqual({ productionVersion: { id: second } });
    const step = (version: number, fromStage: string, toStage: string, reason = '') => ({
      fromStage,
      toStage,
      reason,
      override: false,
      createdBy: 'tess',
      modelVersion: { version },
    });
    expect(modelHistory.nodes).toEqual([
      step(2, 'STAGING', 'PRODUCTION', 'better'),
      step(1, 'PRODUCTION', 'ARCHIVED', 'better'),
      step(2, 'DEVELOPMENT', 'STAGING'),
    ]);
  });

  it('moves one stage at a time, and nowhere from PRODUCTION', async () => {
    const { ids } = await newModel(1);
    const [id] = ids as [string];
    expect(
      (await tess.fails(PromoteModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'PRODUCTION' } }))
        .extensions,
    ).toMatchObject({
      code: 'CONFLICT',
      field: 'input.toStage',
      got: 'PRODUCTION',
    });
    await forceToProduction(admin, id, null);
    expect(
      (
        await tess.fails(PromoteModelVersionDetailsDocument, {
          input: { modelVersionId: id, toStage: 'PRODUCTION', expectedProductionVersionId: id },
        })
      ).extensions.code,
    ).toBe('CONFLICT');
    expect(
      (await tess.fails(PromoteModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'STAGING' } }))
        .extensions.code,
    ).toBe('CONFLICT');
  });

  it('of something that changed meanwhile is CONFLICT', async () => {
    const { ids } = await newModel(3);
    const [first, second, third] = ids as [string, string, string];
    await forceToProduction(admin, first, null);
    const rest = { override: true, reason: 'a fixture of the tests' };
    await promote(admin, second, 'STAGING', rest);
    for (const expectedProductionVersionId of [null, undefined, third]) {
      const error = await admin.fails(PromoteModelVersionDetailsDocument, {
        input: { modelVersionId: second, toStage: 'PRODUCTION', expectedProductionVersionId, ...rest },
      });
      expect(error.extensions).toMatchObject({
        code: 'CONFLICT',
        field: 'input.expectedProductionVersionId',
        got: first,
      });
    }
    expect(await stageOf(second)).toBe('STAGING');
    expect(await stageOf(first)).toBe('PRODUCTION');
  });

  it('without the gates is only for ADMIN, with a reason, and audited', async () => {
    const { ids } = await newModel(1);
    const [id] = ids as [string];
    const input = { modelVersionId: id, toStage: 'STAGING', override: true };
    expect(
      (await tess.fails(PromoteModelVersionDetailsDocument, { input: { ...input, reason: 'because I can, really' } }))
        .extensions.code,
    ).toBe('FORBIDDEN');
    for (const reason of [undefined, null, '', 'soon', '          x']) {
      expect(
        (await admin.fails(PromoteModelVersionDetailsDocument, { input: { ...input, reason } })).extensions,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field: 'input.reason',
      });
    }
    await promote(admin, id, 'STAGING', { override: true, reason: 'The validator is down.' });
    const { modelVersion, auditLog } = await admin.ok(ModelVersionForStagesDocument, { id });
    expect(modelVersion).toEqual({
      stageHistory: [{ override: true, reason: 'The validator is down.', createdBy: 'ada' }],
    });
    expect(auditLog.nodes).toEqual([
      {
        actor: 'ada',
        before: { stage: 'DEVELOPMENT' },
        after: { stage: 'STAGING', reason: 'The validator is down.', override: true, gatesNotPassed: ['VALIDATION'] },
      },
    ]);
  });

  it('writes a history that can be filtered and ordered', async () => {
    const { modelId, ids } = await newModel(1);
    const [id] = ids as [string];
    await forceToProduction(admin, id, null);
    const steps = async (choice: Omit<ModelHistoryDetailsQueryVariables, 'modelId'>) => {
      const { modelHistory } = await tess.ok(ModelHistoryDetailsDocument, { modelId, ...choice });
      expect(modelHistory.totalCount).toBe(modelHistory.nodes.length);
      return modelHistory.nodes.map(({ toStage }) => toStage);
    };
    expect(await steps({ first: 5 })).toEqual(['PRODUCTION', 'STAGING']);
    expect(await steps({ orderBy: { field: 'CREATED_AT', direction: 'ASC' } })).toEqual(['STAGING', 'PRODUCTION']);
    expect(await steps({ filter: { toStage: ['STAGING'] } })).toEqual(['STAGING']);
    expect(await steps({ filter: { override: true, createdBy: 'ada' } })).toEqual(['PRODUCTION', 'STAGING']);
    expect(await steps({ filter: { override: false } })).toEqual([]);
    expect(await steps({ filter: { createdBy: 'tess' } })).toEqual([]);
    expect(await steps({ filter: { from: '2000-01-01T00:00:00Z', to: '2001-01-01T00:00:00Z' } })).toEqual([]);
    const backwards = await tess.fails(ModelHistoryDetailsDocument, {
      modelId,
      filter: { from: '2001-01-01T00:00:00Z', to: '2000-01-01T00:00:00Z' },
    });
    expect(backwards.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'filter.to' });
  });

  it('is refused to viewers and to other tenants', async () => {
    const { ids } = await newModel(1);
    const input = { modelVersionId: ids[0]!, toStage: 'STAGING' };
    expect(
      (await (await service.as({ role: Role.VIEWER })).fails(PromoteModelVersionDetailsDocument, { input })).extensions
        .code,
    ).toBe('FORBIDDEN');
    const globex = await service.as({ tenant: 'globex', role: Role.ADMIN });
    expect(
      (
        await globex.fails(PromoteModelVersionDetailsDocument, {
          input: { ...input, override: true, reason: 'a good reason' },
        })
      ).extensions.code,
    ).toBe('NOT_FOUND');
  });
});

describe('rollback', () => {
  it('returns to the previous version and back again, with the earlier gate results', async () => {
    const { modelId, ids } = await newModel(2);
    const [first, second] = ids as [string, string];
    expect((await tess.fails(RollbackModelDetailsDocument, { input: { modelId } })).extensions.code).toBe('CONFLICT');
    await forceToProduction(admin, first, null);
    expect((await tess.fails(RollbackModelDetailsDocument, { input: { modelId } })).message).toContain(
      'No other version',
    );
    for (const id of ids) await validate(tess, id);
    await promote(tess, second, 'STAGING');
    await passShadow(second, first);
    await promote(tess, second, 'PRODUCTION', { expectedProductionVersionId: first });

    expect(
      (await tess.fails(RollbackModelDetailsDocument, { input: { modelId, expectedProductionVersionId: first } }))
        .extensions,
    ).toMatchObject({
      code: 'CONFLICT',
      got: second,
    });
    expect(
      await tess.ok(RollbackModelDetailsDocument, {
        input: { modelId, expectedProductionVersionId: second, reason: 'too slow' },
      }),
    ).toEqual({
      rollbackModel: { restored: { id: first, stage: 'PRODUCTION' }, replaced: { id: second, stage: 'DEVELOPMENT' } },
    });
    // A normal promotion again: its gates still count.
    await promote(tess, second, 'STAGING');
    await promote(tess, second, 'PRODUCTION', { expectedProductionVersionId: first });
    expect(await stageOf(first)).toBe('ARCHIVED');
    // Also after two rollbacks.
    for (const [restored, replaced] of [
      [first, second],
      [second, first],
    ]) {
      expect(await tess.ok(RollbackModelDetailsDocument, { input: { modelId } })).toEqual({
        rollbackModel: {
          restored: { id: restored, stage: 'PRODUCTION' },
          replaced: { id: replaced, stage: 'DEVELOPMENT' },
        },
      });
    }
  });
});

describe('history', () => {
  it('shows which version was in production at any time', async () => {
    const { modelId, ids } = await newModel(2);
    const [first, second] = ids as [string, string];
    const before = new Date();
    await forceToProduction(admin, first, null);
    await forceToProduction(admin, second, first);
    await tess.ok(RollbackModelDetailsDocument, { input: { modelId } });
    const archived = await tess.ok(ArchiveModelVersionStageDocument, {
      input: { modelVersionId: first, reason: 'retired' },
    });
    expect(archived.archiveModelVersion).toEqual({ modelVersion: { stage: 'ARCHIVED' } });
    const { modelHistory } = await tess.ok(ModelHistoryDetailsDocument, { modelId });
    const changes = modelHistory.nodes.filter(({ toStage }) => toStage === 'PRODUCTION').reverse();
    expect(changes.map(({ modelVersion }) => modelVersion.id)).toEqual([first, second, first]);
    const at = async (instant: Date) =>
      (await tess.ok(ProductionVersionAtDocument, { modelId, at: instant.toISOString() })).productionVersionAt?.id ??
      null;
    expect(await at(before)).toBeNull();
    for (const { createdAt, modelVersion } of changes) {
      expect(await at(new Date(createdAt))).toBe(modelVersion.id);
      const earlier = await at(new Date(Date.parse(createdAt) - 1));
      expect(earlier).not.toBe(modelVersion.id);
    }
    expect(await at(new Date(Date.now() + 1000))).toBeNull();
  });

  it('writes the change as an event, and an index of the database keeps one PRODUCTION version', async () => {
    const { modelId, ids } = await newModel(2);
    const [first, second] = ids as [string, string];
    await forceToProduction(admin, first, null);
    await forceToProduction(admin, second, first);
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { types: ['MODEL_STAGE_CHANGED'], modelId } });
    expect(events.nodes.map(({ payload }) => (payload as { toStage: string }).toStage).sort()).toEqual([
      'ARCHIVED',
      'PRODUCTION',
      'PRODUCTION',
      'STAGING',
      'STAGING',
    ]);
    const raw = service.app.context.db.asSystem((em) =>
      em.execute(`update model_version set stage = 'PRODUCTION' where id = ?`, [first]),
    );
    await expect(raw).rejects.toThrow(/model_version_one_production/);
  });
});
