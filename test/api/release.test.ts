import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { createModel, forceToProduction, jobEnd, register, registerUpload, trainTumours } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate } from '../support/tracking.js';
import { registerDataset } from '../support/training.js';
import { CreateEndpointDocument } from '../../schema/generated/operations.js';
import {
  ApproveModelVersionDetailsDocument,
  CancelJobDetailsDocument,
  DeployModelVersionDetailsDocument,
  JobsDetailsDocument,
  ReleaseModelVersionDetailsDocument,
  SetGatePolicyDetailsDocument,
  type ReleaseModelVersionInput,
  JobsIdDocument,
  ModelVersionForReleaseDocument,
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

interface Missing {
  gate: string;
  problem: string;
  next: string;
}
interface Release {
  id: string;
  status: string;
  errorCode: string | null;
  result: { stage: string; reached: boolean; firstMissing: Missing | null } | null;
}

async function release(
  input: Omit<ReleaseModelVersionInput, 'targetStage'> & Partial<ReleaseModelVersionInput>,
): Promise<Release> {
  const answer = await tess.ok(ReleaseModelVersionDetailsDocument, {
    input: { targetStage: 'PRODUCTION', waitMs: 60_000, ...input },
  });
  return answer.releaseModelVersion.job as Release;
}

/** How often each kind of work was done for a version. */
async function workOf(modelVersionId: string): Promise<Record<string, number>> {
  const { jobs } = await tess.ok(JobsDetailsDocument, { first: 100, filter: { modelVersionId } });
  return Object.fromEntries([...Map.groupBy(jobs.nodes, ({ kind }) => kind)].map(([kind, all]) => [kind, all.length]));
}

async function newVersion(policy?: object): Promise<{ modelId: string; id: string }> {
  const modelId = await createModel(tess);
  if (policy) await mutate(admin, SetGatePolicyDetailsDocument, { modelId, policy });
  return { modelId, id: (await register(tess, { modelId, runId })).id };
}

describe('a release', () => {
  it('moves a first version to production, and does nothing twice', async () => {
    const { id } = await newVersion();
    const first = await release({ modelVersionId: id, datasetId });
    expect(first).toMatchObject({
      status: 'SUCCEEDED',
      result: { stage: 'PRODUCTION', reached: true, firstMissing: null },
    });
    expect(await workOf(id)).toEqual({ RELEASE: 1, EVALUATION: 1, VALIDATION: 1 });
    const second = await release({ modelVersionId: id, datasetId });
    expect(second.result).toMatchObject({ stage: 'PRODUCTION', reached: true, firstMissing: null });
    expect(await workOf(id)).toEqual({ RELEASE: 2, EVALUATION: 1, VALIDATION: 1 });
    const { modelVersion } = await tess.ok(ModelVersionForReleaseDocument, { id });
    expect(modelVersion.stageHistory).toEqual(
      ['PRODUCTION', 'STAGING'].map((toStage) => ({
        toStage,
        override: false,
        reason: `Release ${first.id}`,
        createdBy: 'tess',
      })),
    );
  });

  it('stops at the requested stage, and continues from there without a second validation; other rows are evaluated again', async () => {
    const { id } = await newVersion();
    expect((await release({ modelVersionId: id, targetStage: 'STAGING' })).result).toMatchObject({
      stage: 'STAGING',
      reached: true,
    });
    expect(await workOf(id)).toEqual({ RELEASE: 1, VALIDATION: 1 });
    const { datasetId: other } = await trainTumours(tess);
    expect((await release({ modelVersionId: id, datasetId: other })).result).toMatchObject({
      stage: 'PRODUCTION',
      reached: true,
    });
    expect(await workOf(id)).toEqual({ RELEASE: 2, VALIDATION: 1, EVALUATION: 1 });
  });

  it('stops before a gate that it cannot pass, and says what to do', async () => {
    const { modelId, id: first } = await newVersion();
    await release({ modelVersionId: first });
    const second = (await register(tess, { modelId, runId })).id;
    const input = { modelVersionId: second, datasetId, expectedProductionVersionId: first };
    const stopped = await release(input);
    expect(stopped.result).toMatchObject({
      stage: 'STAGING',
      reached: false,
      firstMissing: { gate: 'SHADOW', problem: 'has no result yet' },
    });
    expect(stopped.result!.firstMissing!.next).toBe(
      'createEndpoint(input: {…, followStage: PRODUCTION}), then deployModelVersion(input: {endpointId: …, ' +
        `modelVersionId: "${second}", mode: SHADOW}), then decideShadow(input: {deploymentId: …}) once it has ` +
        'had 200 requests of the endpoint',
    );
    expect(await workOf(second)).toEqual({ RELEASE: 1, EVALUATION: 1, VALIDATION: 1 });
    // The named step is done, and the next one is named.
    const endpoint = { name: `e-${Math.random().toString(36).slice(2)}`, modelId, followStage: 'PRODUCTION' } as const;
    const { endpoint: made } = await mutate(tess, CreateEndpointDocument, endpoint);
    const again = await release(input);
    expect(again.result!.firstMissing!.next).toContain(
      `deployModelVersion(input: {endpointId: "${made.id}", modelVersionId: "${second}", mode: SHADOW})`,
    );
    const shadow = { endpointId: made.id, modelVersionId: second, mode: 'SHADOW' } as const;
    const { deployment } = await mutate(tess, DeployModelVersionDetailsDocument, shadow);
    expect((await release(input)).result!.firstMissing!.next).toBe(
      `decideShadow(input: {deploymentId: "${deployment.id}"}) once it has had 200 requests of the endpoint`,
    );
    expect(await workOf(second)).toEqual({ RELEASE: 3, EVALUATION: 1, VALIDATION: 1 });
  });

  it('requires the expected version in production, at its start and at its promotion', async () => {
    const { modelId, id: first } = await newVersion({ production: { gates: ['EVALUATION'], approvals: 1 } });
    const second = (await register(tess, { modelId, runId })).id;
    const third = (await register(tess, { modelId, runId })).id;
    await forceToProduction(admin, first, null);
    for (const expectedProductionVersionId of [null, undefined, third]) {
      const input = { modelVersionId: second, targetStage: 'PRODUCTION', expectedProductionVersionId };
      expect((await tess.fails(ReleaseModelVersionDetailsDocument, { input })).extensions).toMatchObject({
        code: 'CONFLICT',
        field: 'input.expectedProductionVersionId',
        got: first,
      });
    }
    // Another version enters production while the release runs.
    const begun = await release({ modelVersionId: second, expectedProductionVersionId: first, waitMs: 0 });
    await forceToProduction(admin, third, first);
    expect(await jobEnd(tess, begun.id, 'FAILED')).toMatchObject({ errorCode: 'CONFLICT' });
    expect(await release({ modelVersionId: first, targetStage: 'STAGING' }).catch(String)).toContain('ARCHIVED');
  });

  it('does not wait for an approval, and continues when it was given', async () => {
    const { id } = await newVersion({ staging: { approvals: 1 } });
    const kept = await release({ modelVersionId: id });
    expect(kept.result).toMatchObject({
      stage: 'DEVELOPMENT',
      reached: false,
      firstMissing: {
        gate: 'APPROVALS',
        problem: 'has 0 of 1 approvals, 1 missing',
        next: `approveModelVersion(input: {modelVersionId: "${id}", toStage: STAGING}) by somebody other than tess`,
      },
    });
    await mutate(admin, ApproveModelVersionDetailsDocument, { modelVersionId: id, toStage: 'STAGING' });
    expect((await release({ modelVersionId: id })).result).toMatchObject({ stage: 'PRODUCTION', reached: true });
    expect(await workOf(id)).toEqual({ RELEASE: 2, VALIDATION: 1, EVALUATION: 1 });
  });

  it('does not pass a version that is not good enough', async () => {
    const { id } = await newVersion({ evaluation: { minImprovement: 50 } });
    const stopped = await release({ modelVersionId: id });
    expect(stopped.result).toMatchObject({ stage: 'STAGING', reached: false, firstMissing: { gate: 'EVALUATION' } });
    expect(stopped.result!.firstMissing!.problem).toMatch(/^failed: log_loss_below_baseline/);
    expect(stopped.result!.firstMissing!.next).toMatch(/^register a better version/);
  });

  it('evaluates an uploaded version with the given dataset and target', async () => {
    const modelId = await createModel(tess, { task: 'REGRESSION' });
    const { uploadId } = await tess.upload(
      'points.csv',
      `x,y\n${Array.from({ length: 300 }, (_, i) => `${i / 10},${i / 5 + 3 + Math.sin(i)}`).join('\n')}\n`,
    );
    const points = await registerDataset(tess, { name: 'release-points', uploadId });
    const { id } = await registerUpload(tess, modelId, linear([2], 3));
    const bare = { modelVersionId: id, targetStage: 'STAGING' };
    expect(
      (await tess.fails(ReleaseModelVersionDetailsDocument, { input: { ...bare, target: { column: 'y' } } })).extensions
        .field,
    ).toBe('input.datasetId');
    expect(
      (await tess.fails(ReleaseModelVersionDetailsDocument, { input: { ...bare, datasetId: points } })).extensions
        .field,
    ).toBe('input.target');
    const done = await release({ modelVersionId: id, datasetId: points, target: { column: 'y' } });
    expect(done.result).toMatchObject({ stage: 'PRODUCTION', reached: true });
    expect(await workOf(id)).toEqual({ RELEASE: 1, VALIDATION: 1, EVALUATION: 1 });
  });

  it('of several requests at the same time is one, and a different request is refused', async () => {
    const { id } = await newVersion();
    const all = await Promise.all(Array.from({ length: 5 }, () => release({ modelVersionId: id, waitMs: 0 })));
    expect(new Set(all.map(({ id: jobId }) => jobId)).size).toBe(1);
    const other = await tess.fails(ReleaseModelVersionDetailsDocument, {
      input: { modelVersionId: id, targetStage: 'STAGING' },
    });
    expect(other).toMatchObject({
      message: expect.stringContaining(`(job ${all[0]!.id})`),
      extensions: { code: 'CONFLICT' },
    });
    await jobEnd(tess, all[0]!.id);
    expect(await workOf(id)).toEqual({ RELEASE: 1, VALIDATION: 1, EVALUATION: 1 });
  });

  it('reports work that failed or was cancelled', async () => {
    const { id } = await newVersion();
    const begun = await release({ modelVersionId: id, waitMs: 0 });
    const { jobs } = await expect
      .poll(
        () =>
          tess.ok(JobsIdDocument, {
            filter: { modelVersionId: id, kind: 'VALIDATION', status: ['QUEUED', 'RUNNING'] },
          }),
        { timeout: 20_000, interval: 5 },
      )
      .toMatchObject({ jobs: { nodes: [{}] } })
      .then(() => tess.ok(JobsIdDocument, { filter: { modelVersionId: id, kind: 'VALIDATION' } }));
    const validation = jobs.nodes[0]!.id;
    const { errors } = await tess.send(CancelJobDetailsDocument, { input: { jobId: validation } });
    const { result } = await jobEnd(tess, begun.id);
    if (!errors)
      expect(result).toMatchObject({
        stage: 'DEVELOPMENT',
        reached: false,
        firstMissing: { gate: 'VALIDATION', problem: `was cancelled (job ${validation})` },
      });
  });
});
