import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, untilReady, xToY } from '../support/serving.js';
import {
  DemoteModelVersionDetailsDocument,
  DeployModelVersionDetailsDocument,
  DeploymentDetailsDocument,
  EndpointDetailsDocument,
  PredictDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  UndeployDetailsDocument,
  UpdateEndpointDetailsDocument,
  type PromotionStage,
  EndpointIdModeStatusDocument,
  PromoteModelVersionStageDocument,
  RollbackModelStageDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let ada: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
  ada = await service.as({ role: Role.ADMIN, subject: 'ada' });
});
afterAll(() => service?.close());

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });

async function weights(endpointId: string): Promise<Record<string, number>> {
  const { endpoint } = await tess.ok(EndpointDetailsDocument, { id: endpointId });
  return Object.fromEntries(endpoint.deployments.map(({ id, weightBps }) => [id, weightBps]));
}

describe('an endpoint that follows a stage', () => {
  /** Without the gates, which are not tested here. */
  const promote = (modelVersionId: string, toStage: PromotionStage, expectedProductionVersionId?: string) =>
    ada.ok(PromoteModelVersionStageDocument, {
      input: {
        modelVersionId,
        toStage,
        expectedProductionVersionId,
        override: true,
        reason: 'a test of following endpoints',
      },
    });
  const rollback = (modelId: string) => ada.ok(RollbackModelStageDocument, { input: { modelId } });

  it('moves its traffic on promotion and back on rollback, and no request fails, for viewers too', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'PRODUCTION' });
    const second = await makeVersion(service, { ...times(2), stage: 'STAGING', modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followStage: 'PRODUCTION' });
    const current = async () =>
      (
        await tess.ok(EndpointIdModeStatusDocument, {
          id: endpointId,
        })
      ).endpoint.deployments;
    await untilReady(tess, (await current())[0]!.id);
    const shadow = await deploy(tess, { endpointId, modelVersionId: second.versionId, mode: 'SHADOW' });
    const vera = await service.as({ role: Role.VIEWER });
    const seen: number[] = [];
    let failures = 0;
    let done = false;
    const callers = Array.from({ length: 4 }, async () => {
      while (!done) {
        const { data, errors } = await vera.send(PredictDetailsDocument, {
          input: { endpointId, rows: [{ x: 1 }] },
        });
        if (errors) failures++;
        else seen.push(data!.predict.outputs[0]!.data[0] as number);
      }
    });
    const until = async (value: number) => {
      await expect
        .poll(() => seen.slice(-20).every((answer) => answer === value) && seen.length > 20, {
          timeout: 10_000,
          interval: 20,
        })
        .toBe(true);
    };
    await until(1);
    await promote(second.versionId, 'PRODUCTION', first.versionId);
    await until(2);
    expect(await current()).toMatchObject([{ mode: 'LIVE', status: 'READY', modelVersion: { id: second.versionId } }]);
    await rollback(first.modelId);
    await until(1);
    await rollback(first.modelId);
    await until(2);
    done = true;
    await Promise.all(callers);
    expect(failures).toBe(0);
    expect(
      (
        await tess.ok(DeploymentDetailsDocument, {
          id: shadow,
        })
      ).deployment.status,
    ).toBe('STOPPED');
    console.log(`promotion, rollback and promotion under traffic: ${seen.length} answers, ${failures} failures`);
  });

  it('accepts no live deployment by hand, updates when it begins to follow, and stops when its stage becomes empty', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'STAGING' });
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId });
    const manual = await deploy(tess, { endpointId, modelVersionId: second.versionId });
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, followStage: 'STAGING' } });
    await expect
      .poll(async () => (await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id, { timeout: 10_000 })
      .toBe(first.versionId);
    expect(
      (
        await tess.fails(DeployModelVersionDetailsDocument, {
          input: { endpointId, modelVersionId: second.versionId, mode: 'LIVE' },
        })
      ).extensions.code,
    ).toBe('CONFLICT');
    expect((await tess.fails(UndeployDetailsDocument, { input: { deploymentId: manual } })).extensions.code).toBe(
      'CONFLICT',
    );
    const [live] = Object.keys(await weights(endpointId));
    expect((await tess.fails(UndeployDetailsDocument, { input: { deploymentId: live } })).extensions.code).toBe(
      'CONFLICT',
    );
    expect(
      (
        await tess.fails(SetTrafficWeightsDetailsDocument, {
          input: { endpointId, weights: [{ deploymentId: live, weightBps: 10_000 }] },
        })
      ).extensions.code,
    ).toBe('CONFLICT');
    await ada.ok(DemoteModelVersionDetailsDocument, { input: { modelVersionId: first.versionId, reason: 'a test' } });
    expect(await weights(endpointId)).toEqual({});
    await tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, followStage: null } });
    await deploy(tess, { endpointId, modelVersionId: second.versionId });
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(second.versionId);
  });
});
