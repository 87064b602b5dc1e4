import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, DEPLOY, makeVersion, PREDICT, predict, untilReady, xToY } from '../support/serving.js';

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
const WEIGHTS =
  'mutation ($input: SetTrafficWeightsInput!) { setTrafficWeights(input: $input) { endpoint { deployments { ' +
  'id weightBps } } } }';
const UNDEPLOY = `mutation ($id: ID!) { undeploy(input: { deploymentId: $id }) { deployment { status weightBps endedAt } } }`;
const UPDATE =
  'mutation ($input: UpdateEndpointInput!) { updateEndpoint(input: $input) { endpoint { name followStage ' +
  'slaLatencyP95Ms logSampleRate } } }';

async function weights(endpointId: string): Promise<Record<string, number>> {
  const { endpoint } = await tess.ok<{ endpoint: { deployments: { id: string; weightBps: number }[] } }>(
    `query ($id: ID!) { endpoint(id: $id) { deployments { id weightBps } } }`,
    { id: endpointId },
  );
  return Object.fromEntries(endpoint.deployments.map(({ id, weightBps }) => [id, weightBps]));
}

describe('an endpoint that follows a stage', () => {
  /** Past the gates, which are not the matter here. */
  const promote = (modelVersionId: string, toStage: string, expectedProductionVersionId?: string) =>
    ada.ok(
      `mutation ($input: PromoteModelVersionInput!) { promoteModelVersion(input: $input) { modelVersion { stage } } }`,
      {
        input: {
          modelVersionId,
          toStage,
          expectedProductionVersionId,
          override: true,
          reason: 'a test of following endpoints',
        },
      },
    );
  const rollback = (modelId: string) =>
    ada.ok(`mutation ($id: ID!) { rollbackModel(input: { modelId: $id }) { restored { stage } } }`, { id: modelId });

  it('moves its traffic on promotion and back on rollback, with no request failing, for viewers too', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'PRODUCTION' });
    const second = await makeVersion(service, { ...times(2), stage: 'STAGING', modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followStage: 'PRODUCTION' });
    const current = async () =>
      (
        await tess.ok<{
          endpoint: { deployments: { id: string; mode: string; status: string; modelVersion: { id: string } }[] };
        }>(`query ($id: ID!) { endpoint(id: $id) { deployments { id mode status modelVersion { id } } } }`, {
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
        const { data, errors } = await vera.send<{ predict: { outputs: { data: number[] }[] } }>(PREDICT, {
          input: { endpointId, rows: [{ x: 1 }] },
        });
        if (errors) failures++;
        else seen.push(data!.predict.outputs[0]!.data[0]!);
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
        await tess.ok<{ deployment: { status: string } }>(`query ($id: ID!) { deployment(id: $id) { status } }`, {
          id: shadow,
        })
      ).deployment.status,
    ).toBe('STOPPED');
    console.log(`promotion, rollback and promotion under traffic: ${seen.length} answers, ${failures} failures`);
  });

  it('takes no live deployment by hand, catches up when it begins to follow, and stops with its stage', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'STAGING' });
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId });
    const manual = await deploy(tess, { endpointId, modelVersionId: second.versionId });
    await tess.ok(UPDATE, { input: { id: endpointId, followStage: 'STAGING' } });
    await expect
      .poll(async () => (await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id, { timeout: 10_000 })
      .toBe(first.versionId);
    expect(
      (await tess.fails(DEPLOY, { input: { endpointId, modelVersionId: second.versionId, mode: 'LIVE' } })).extensions
        .code,
    ).toBe('CONFLICT');
    expect((await tess.fails(UNDEPLOY, { id: manual })).extensions.code).toBe('CONFLICT');
    const [live] = Object.keys(await weights(endpointId));
    expect((await tess.fails(UNDEPLOY, { id: live })).extensions.code).toBe('CONFLICT');
    expect(
      (await tess.fails(WEIGHTS, { input: { endpointId, weights: [{ deploymentId: live, weightBps: 10_000 }] } }))
        .extensions.code,
    ).toBe('CONFLICT');
    await ada.ok(
      'mutation ($id: ID!) { demoteModelVersion(input: { modelVersionId: $id, reason: "a test" }) { ' +
        'modelVersion { stage } } }',
      { id: first.versionId },
    );
    expect(await weights(endpointId)).toEqual({});
    await tess.ok(UPDATE, { input: { id: endpointId, followStage: null } });
    await deploy(tess, { endpointId, modelVersionId: second.versionId });
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(second.versionId);
  });
});
