import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_GATE_POLICY } from '../../src/modules/model-quality/rules/gate-policy.js';
import { Role } from '../../src/modules/core/rules/principal.js';
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
import { AuditLogDocument } from '../../schema/generated/operations.js';
import {
  ApproveModelVersionDetailsDocument,
  DemoteModelVersionDetailsDocument,
  EventsSubjectIdPayloadDocument,
  ModelVersionApprovalsDocument,
  ModelVersionDetailsDocument,
  ModelsDetailsDocument,
  PromoteModelVersionDetailsDocument,
  RejectModelVersionDetailsDocument,
  SetGatePolicyDetailsDocument,
  SetGatePolicyForRegistryDepthGatesDocument,
  ModelVersionForRegistryDepthGatesDocument,
  ModelVersionGateIdDocument,
  ModelForRegistryDepthGatesDocument,
  AuditLogActorBeforeAfterDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let bob: Caller;
let admin: Caller;
let runId: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  bob = await service.as({ subject: 'bob' });
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
  ({ runId } = await trainTumours(tess));
});
afterAll(() => service?.close());

const OF_THE_LIST = /^select[^]* from "?\(?(model|model_version|model_alias|approval|gate_result|stage_transition)\b/;

async function setPolicy(modelId: string, policy: Record<string, unknown> | null): Promise<Record<string, unknown>> {
  const { setGatePolicy } = await admin.ok(SetGatePolicyForRegistryDepthGatesDocument, {
    input: { modelId, policy },
  });
  return setGatePolicy.model.gatePolicy;
}

async function newVersion(policy: Record<string, unknown> | null = null): Promise<{ modelId: string; id: string }> {
  const modelId = await createModel(tess);
  if (policy) await setPolicy(modelId, policy);
  return { modelId, id: (await register(tess, { modelId, runId })).id };
}

async function stateOf(id: string): Promise<unknown> {
  return (await tess.ok(ModelVersionForRegistryDepthGatesDocument, { id })).modelVersion.approvalState;
}

const missingOf = async (caller: Caller, input: Record<string, unknown>) => {
  const { extensions } = await caller.fails(PromoteModelVersionDetailsDocument, { input });
  expect(extensions.code).toBe('GATE_NOT_PASSED');
  return extensions['missing'] as { gate: string; problem: string; next: string }[];
};

describe('the gate policy of a model', () => {
  it('is the default until an ADMIN sets another, is shown with its effective values, and audited', async () => {
    const modelId = await createModel(tess);
    const { model } = await tess.ok(ModelForRegistryDepthGatesDocument, { id: modelId });
    const { staging, production, shadow, evaluation } = DEFAULT_GATE_POLICY;
    expect(model.gatePolicy).toMatchObject({
      isDefault: true,
      authorMayApprove: false,
      staging,
      production,
      shadow,
      evaluation,
    });
    const set = await setPolicy(modelId, {
      production: { approvals: 2 },
      validation: { maxLatencyP95Ms: 5, metrics: [{ name: 'log_loss', max: 0.4 }] },
      evaluation: null,
    });
    expect(set).toMatchObject({
      isDefault: false,
      production: { gates: ['SHADOW'], firstGates: ['EVALUATION'], approvals: 2 },
      validation: { maxLatencyP95Ms: 5, maxDisagreement: 1e-4, metrics: [{ name: 'log_loss', min: null, max: 0.4 }] },
      evaluation,
    });
    // The next policy replaces it.
    expect(await setPolicy(modelId, { shadow: { minRequests: 7 } })).toMatchObject({
      production: { approvals: 0 },
      shadow: { minRequests: 7 },
    });
    expect(await setPolicy(modelId, null)).toEqual(model.gatePolicy);
    const { auditLog } = await admin.ok(AuditLogActorBeforeAfterDocument, {
      filter: { subjectId: modelId, action: 'setGatePolicy' },
    });
    expect(auditLog.nodes[0]).toEqual({
      actor: 'ada',
      before: { gatePolicy: { shadow: { minRequests: 7 } } },
      after: { gatePolicy: null },
    });
    expect((await tess.fails(SetGatePolicyDetailsDocument, { input: { modelId } })).extensions.code).toBe('FORBIDDEN');
  });

  it('refuses invalid values, naming the field', async () => {
    const modelId = await createModel(tess);
    const wrong: [Record<string, unknown>, string][] = [
      [{ production: { approvals: 21 } }, 'input.policy.production.approvals'],
      [{ staging: { approvals: -1 } }, 'input.policy.staging.approvals'],
      [{ staging: { gates: ['VALIDATION', 'VALIDATION'] } }, 'input.policy.staging.gates'],
      [{ evaluation: { minImprovement: -0.1 } }, 'input.policy.evaluation.minImprovement'],
      [{ shadow: { maxDisagreementShare: 1.5 } }, 'input.policy.shadow.maxDisagreementShare'],
      [{ validation: { maxLatencyP95Ms: 0 } }, 'input.policy.validation.maxLatencyP95Ms'],
      [{ validation: { metrics: [{ name: 'r2' }] } }, 'input.policy.validation.metrics.r2'],
      [{ validation: { metrics: [{ name: 'r2', min: 1, max: 0 }] } }, 'input.policy.validation.metrics.r2'],
      [
        {
          validation: {
            metrics: [
              { name: 'r2', min: 0 },
              { name: 'r2', max: 1 },
            ],
          },
        },
        'input.policy.validation.metrics[1].name',
      ],
      [{ validation: { metrics: [{ name: '__proto__', min: 0 }] } }, 'input.policy.validation.metrics[0].name'],
      [{ validation: { metrics: [{ name: ' ', min: 0 }] } }, 'input.policy.validation.metrics[0].name'],
    ];
    for (const [policy, field] of wrong) {
      const error = await admin.fails(SetGatePolicyDetailsDocument, { input: { modelId, policy } });
      expect(error.extensions, JSON.stringify(policy)).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
    // A version without another one in production cannot run beside one.
    expect(
      (
        await admin.fails(SetGatePolicyDetailsDocument, {
          input: { modelId, policy: { staging: { gates: ['SHADOW'] } } },
        })
      ).extensions.code,
    ).toBe('BAD_USER_INPUT');
  });

  it('decides the gates, and results by other numbers stop counting', async () => {
    const { modelId, id } = await newVersion({ validation: { metrics: [{ name: 'roc_auc', min: 0.9999 }] } });
    expect((await validate(tess, id)).result).toMatchObject({ passed: false, failedChecks: ['holdout_roc_auc_min'] });
    expect(await missingOf(tess, { modelVersionId: id, toStage: 'STAGING' })).toMatchObject([
      { gate: 'VALIDATION', problem: expect.stringContaining('holdout_roc_auc_min (expected ≥ 0.9999') as string },
    ]);
    await setPolicy(modelId, { validation: { metrics: [{ name: 'roc_auc', min: 0.6 }] } });
    expect(await missingOf(tess, { modelVersionId: id, toStage: 'STAGING' })).toMatchObject([
      {
        gate: 'VALIDATION',
        problem: 'was decided before the model’s gate policy was changed',
        next: expect.stringContaining('validateModelVersion') as string,
      },
    ]);
    await validate(tess, id);
    expect(await promote(tess, id, 'STAGING')).toMatchObject({ stage: 'STAGING' });

    // A change of another section does not change it.
    await setPolicy(modelId, {
      validation: { metrics: [{ name: 'roc_auc', min: 0.6 }] },
      evaluation: { minImprovement: 50 },
    });
    expect((await evaluate(tess, { modelVersionId: id })).result).toMatchObject({ passed: false });
    await setPolicy(modelId, { production: { firstGates: [] } });
    expect(await promote(tess, id, 'PRODUCTION')).toMatchObject({ stage: 'PRODUCTION' });
  });

  it('says which gates a stage requires; results count against the version in production now', async () => {
    const { modelId, id: first } = await newVersion({ staging: { gates: [] }, production: { gates: ['EVALUATION'] } });
    const second = (await register(tess, { modelId, runId })).id;
    const third = (await register(tess, { modelId, runId })).id;
    await promote(tess, second, 'STAGING');
    // Against the base rate, because nothing is in production.
    await evaluate(tess, { modelVersionId: second });
    await forceToProduction(admin, first, null);
    const input = { modelVersionId: second, toStage: 'PRODUCTION', expectedProductionVersionId: first };
    expect(await missingOf(tess, input)).toMatchObject([
      { gate: 'EVALUATION', problem: 'was measured against no version, and version 1 is in PRODUCTION now' },
    ]);
    await evaluate(tess, { modelVersionId: second });
    // The same model is not better than itself.
    expect((await missingOf(tess, input))[0]!.problem).toContain('log_loss_below_baseline');
    const { modelVersion } = await tess.ok(ModelVersionGateIdDocument, { id: second });
    expect(modelVersion).toEqual({ gates: [{ gate: 'EVALUATION', comparedWith: { id: first } }] });
    await forceToProduction(admin, third, first);
    expect((await missingOf(tess, { ...input, expectedProductionVersionId: third }))[0]!.problem).toBe(
      'was measured against version 1, and version 3 is in PRODUCTION now',
    );
  });
});

describe('the gates in a list', () => {
  it('need the same number of statements however many models there are', async () => {
    const counts: number[] = [];
    for (const models of [2, 4]) {
      for (let i = 0; i < models; i++) {
        const modelId = await createModel(tess, { framework: `counted${models}` });
        const { id } = await register(tess, { modelId, runId });
        await bob.ok(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'STAGING' } });
      }
      service.statements.length = 0;
      const { models: found } = await tess.ok(ModelsDetailsDocument, { filter: { framework: `counted${models}` } });
      expect(found.nodes).toHaveLength(models);
      counts.push(service.statements.filter((statement) => OF_THE_LIST.test(statement)).length);
    }
    console.log(`models with gate policies, aliases, approvals: ${counts[0]} statements however many models`);
    expect(counts[1]).toBe(counts[0]);
  });
});

describe('approvals', () => {
  it('are counted by person, without the author’s own, and a promotion says how many are missing', async () => {
    const { id } = await newVersion({ staging: { gates: [], approvals: 2 } });
    const input = { modelVersionId: id, toStage: 'STAGING' } as const;
    expect((await tess.fails(ApproveModelVersionDetailsDocument, { input })).extensions).toMatchObject({
      code: 'FORBIDDEN',
      got: 'tess',
    });
    expect(await stateOf(id)).toEqual({ toStage: 'STAGING', needed: 2, approvedBy: [], rejectedBy: [], missing: 2 });
    await bob.ok(ApproveModelVersionDetailsDocument, { input: { ...input, reason: 'looks good' } });
    await bob.ok(ApproveModelVersionDetailsDocument, { input });
    expect(await missingOf(tess, input)).toEqual([
      {
        gate: 'APPROVALS',
        problem: 'has 1 of 2 approvals, 1 missing',
        next: `approveModelVersion(input: {modelVersionId: "${id}", toStage: STAGING}) by somebody other than tess`,
      },
    ]);
    await admin.ok(ApproveModelVersionDetailsDocument, { input });
    await bob.ok(RejectModelVersionDetailsDocument, { input: { ...input, reason: 'found a leak' } });
    expect(await stateOf(id)).toEqual({
      toStage: 'STAGING',
      needed: 2,
      approvedBy: ['ada'],
      rejectedBy: ['bob'],
      missing: 1,
    });
    const refused = await tess.fails(PromoteModelVersionDetailsDocument, { input });
    expect(refused.message).toContain('it has 1 of 2 approvals, 1 missing and is rejected by bob');
    await bob.ok(ApproveModelVersionDetailsDocument, { input: { ...input, reason: 'was none' } });
    expect(await promote(tess, id, 'STAGING')).toMatchObject({ stage: 'STAGING' });
    const { modelVersion } = await tess.ok(ModelVersionApprovalsDocument, { id });
    const { events } = await tess.ok(EventsSubjectIdPayloadDocument, {
      filter: { types: ['MODEL_REJECTED'], subjectId: id },
    });
    const word = (createdBy: string, decision: string, reason = '') => ({
      toStage: 'STAGING',
      decision,
      reason,
      createdBy,
    });
    expect(modelVersion.approvals).toEqual([
      word('bob', 'APPROVED', 'was none'),
      word('bob', 'REJECTED', 'found a leak'),
      word('ada', 'APPROVED'),
      word('bob', 'APPROVED'),
      word('bob', 'APPROVED', 'looks good'),
    ]);
    expect(events.nodes).toMatchObject([
      {
        payload: { by: 'bob', reason: 'found a leak', toStage: 'STAGING', needed: 2, missing: 1, rejectedBy: ['bob'] },
      },
    ]);
  });

  it('end when the version leaves the stage, and are only for its next stage', async () => {
    const { id } = await newVersion({ staging: { gates: [] }, production: { firstGates: [], approvals: 1 } });
    const early = await bob.fails(ApproveModelVersionDetailsDocument, {
      input: { modelVersionId: id, toStage: 'PRODUCTION' },
    });
    expect(early.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.toStage' });
    await promote(tess, id, 'STAGING');
    await bob.ok(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'PRODUCTION' } });
    expect(await stateOf(id)).toMatchObject({ toStage: 'PRODUCTION', approvedBy: ['bob'], missing: 0 });
    await tess.ok(DemoteModelVersionDetailsDocument, { input: { modelVersionId: id } });
    await promote(tess, id, 'STAGING');
    expect(await stateOf(id)).toMatchObject({ toStage: 'PRODUCTION', approvedBy: [], missing: 1 });
    expect(await missingOf(tess, { modelVersionId: id, toStage: 'PRODUCTION' })).toMatchObject([{ gate: 'APPROVALS' }]);
    await bob.ok(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'PRODUCTION' } });
    expect(await promote(tess, id, 'PRODUCTION')).toMatchObject({ stage: 'PRODUCTION' });
    expect(await stateOf(id)).toBeNull();
    expect(
      (await bob.fails(ApproveModelVersionDetailsDocument, { input: { modelVersionId: id, toStage: 'PRODUCTION' } }))
        .extensions.code,
    ).toBe('CONFLICT');
  });

  it(
    'may be the author’s own where the policy says so; a rejection stands even where none is needed; ADMIN ' +
      'overrides',
    async () => {
      const { modelId, id } = await newVersion({ authorMayApprove: true, staging: { gates: [], approvals: 1 } });
      const input = { modelVersionId: id, toStage: 'STAGING' } as const;
      await tess.ok(ApproveModelVersionDetailsDocument, { input });
      expect(await stateOf(id)).toMatchObject({ approvedBy: ['tess'], missing: 0 });
      // A result that counted no longer counts after the policy has changed.
      await setPolicy(modelId, { staging: { gates: [], approvals: 1 } });
      expect(await stateOf(id)).toMatchObject({ approvedBy: [], missing: 1 });
      await setPolicy(modelId, { staging: { gates: [] } });
      await tess.ok(RejectModelVersionDetailsDocument, { input: { ...input, reason: 'my mistake' } });
      expect(await missingOf(bob, input)).toMatchObject([{ gate: 'APPROVALS', problem: 'is rejected by tess' }]);
      await promote(admin, id, 'STAGING', { override: true, reason: 'tess is on holiday' });
      const { auditLog } = await admin.ok(AuditLogDocument, {
        filter: { subjectId: id, action: 'promoteModelVersion' },
      });
      expect(auditLog.nodes[0]!.after).toMatchObject({ override: true, gatesNotPassed: ['APPROVALS'] });
    },
  );

  it('are refused to viewers and other tenants, and a rejection needs a reason', async () => {
    const { id } = await newVersion();
    const input = { modelVersionId: id, toStage: 'STAGING' } as const;
    expect(
      (await (await service.as({ role: Role.VIEWER })).fails(ApproveModelVersionDetailsDocument, { input })).extensions
        .code,
    ).toBe('FORBIDDEN');
    const globex = await service.as({ tenant: 'globex', role: Role.ADMIN });
    expect((await globex.fails(ApproveModelVersionDetailsDocument, { input })).extensions.code).toBe('NOT_FOUND');
    for (const reason of ['', '  ', 'x'.repeat(2_001)])
      expect(
        (await bob.fails(RejectModelVersionDetailsDocument, { input: { ...input, reason } })).extensions.field,
      ).toBe('input.reason');
  });

  it('of many people at the same time as a promotion give one consistent state', async () => {
    const { id } = await newVersion({ staging: { gates: [], approvals: 3 } });
    const input = { modelVersionId: id, toStage: 'STAGING' } as const;
    const people = await Promise.all(['p1', 'p2', 'p3', 'p4'].map((subject) => service.as({ subject })));
    await Promise.allSettled([
      ...people.map((person) => person.send(ApproveModelVersionDetailsDocument, { input })),
      tess.send(PromoteModelVersionDetailsDocument, { input }),
    ]);
    const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id });
    if (modelVersion.stage === 'DEVELOPMENT') await promote(tess, id, 'STAGING');
    expect(new Set(modelVersion.approvals.map(({ createdBy }) => createdBy)).size).toBeGreaterThanOrEqual(3);
  });
});
