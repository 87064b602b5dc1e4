import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelVersion } from '../../src/db/entities/registry/model-version.entity.js';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import { FollowDeploymentsDocument } from '../../schema/generated/operations.js';
import {
  DeployModelVersionDetailsDocument,
  DeploymentDetailsDocument,
  DeploymentsDetailsDocument,
  EndpointDetailsDocument,
  EndpointsDetailsDocument,
  PredictDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  UndeployDetailsDocument,
  DeploymentStatusErrorDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
});
afterAll(() => service?.close());

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });

async function weights(endpointId: string): Promise<Record<string, number>> {
  const { endpoint } = await tess.ok(EndpointDetailsDocument, { id: endpointId });
  return Object.fromEntries(endpoint.deployments.map(({ id, weightBps }) => [id, weightBps]));
}

describe('traffic', () => {
  it('follows the weights, keeps each key at its deployment, and moves keys only to a larger weight', async () => {
    const first = await serve(service, tess, times(1));
    const { endpointId, modelId } = first;
    const second = await makeVersion(service, { ...times(2), modelId });
    const third = await makeVersion(service, { ...times(3), modelId });
    const b = await deploy(tess, { endpointId, modelVersionId: second.versionId, weightBps: 2_500 });
    expect(await weights(endpointId)).toEqual({ [first.deploymentId]: 7_500, [b]: 2_500 });
    const c = await deploy(tess, { endpointId, modelVersionId: third.versionId });
    expect(await weights(endpointId)).toEqual({ [first.deploymentId]: 7_500, [b]: 2_500, [c]: 0 });
    const route = async () => {
      const keys = Array.from({ length: 2_000 }, (_, i) => `customer-${i}`);
      const { predictions } = service.app.context.services;
      const principal = { subject: 'tess', tenant: 'acme', role: 'ENGINEER', expiresAt: new Date() } as never;
      return Promise.all(
        keys.map(
          async (routingKey) =>
            (await predictions.predict(principal, { endpointId, rows: [{ x: 1 }], routingKey }, 'r')).target.id,
        ),
      );
    };
    const before = await route();
    expect(await route()).toEqual(before);
    const share = before.filter((id) => id === b).length / before.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
    expect(before).not.toContain(c);
    const split = { [first.deploymentId]: 4_875, [b]: 1_625, [c]: 3_500 };
    await tess.ok(SetTrafficWeightsDetailsDocument, {
      input: {
        endpointId,
        weights: Object.entries(split).map(([deploymentId, weightBps]) => ({ deploymentId, weightBps })),
      },
    });
    const after = await route();
    const moved = after.filter((id, i) => id !== before[i]);
    expect(new Set(moved)).toEqual(new Set([c]));
    expect(after.filter((id) => id === c).length / after.length).toBeCloseTo(0.35, 1);
    console.log(
      `weights 75/25: ${(share * 100).toFixed(1)} % to the second; 35 % for a third moved ${moved.length} of ` +
        '2000 keys, all to it',
    );
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: first.deploymentId } });
    const rest = await weights(endpointId);
    expect(rest).toEqual({ [b]: 3_171, [c]: 6_829 });
    expect(new Set(await route())).toEqual(new Set([b, c]));
  });

  it('needs weights for all deployments, as whole numbers, and only for ready live ones', async () => {
    const { endpointId, deploymentId, modelId, versionId } = await serve(service, tess, times(1));
    const second = await makeVersion(service, { ...times(2), modelId });
    const b = await deploy(tess, { endpointId, modelVersionId: second.versionId, weightBps: 5_000 });
    const third = await makeVersion(service, { ...times(3), modelId });
    const shadow = await deploy(tess, { endpointId, modelVersionId: third.versionId, mode: 'SHADOW' });
    const set = (...list: [string, number][]) =>
      tess.fails(SetTrafficWeightsDetailsDocument, {
        input: { endpointId, weights: list.map(([id, weightBps]) => ({ deploymentId: id, weightBps })) },
      });
    expect((await set([deploymentId, 5_000], [b, 4_999])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weights',
      got: '9999',
    });
    expect((await set([deploymentId, 10_001], [b, -1])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weights[0].weightBps',
    });
    expect((await set([deploymentId, 10_000])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weights',
    });
    expect((await set([deploymentId, 5_000], [deploymentId, 5_000])).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weights',
    });
    expect((await set([deploymentId, 5_000], [b, 4_000], [shadow, 1_000])).extensions.code).toBe('CONFLICT');
    const deployed = (input: object) =>
      tess.fails(DeployModelVersionDetailsDocument, { input: { endpointId, ...input } });
    expect((await deployed({ modelVersionId: versionId, mode: 'SHADOW' })).extensions).toMatchObject({
      code: 'CONFLICT',
      field: 'input.modelVersionId',
    });
    const alien = await makeVersion(service, times(4));
    expect((await deployed({ modelVersionId: alien.versionId, mode: 'LIVE' })).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.modelVersionId',
    });
    const fourth = await makeVersion(service, { ...times(4), modelId });
    expect(
      (await deployed({ modelVersionId: fourth.versionId, mode: 'LIVE', weightBps: 10_001 })).extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weightBps',
    });
    expect(
      (await deployed({ modelVersionId: fourth.versionId, mode: 'SHADOW', weightBps: 1 })).extensions,
    ).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.weightBps',
    });
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 5_000, [b]: 5_000, [shadow]: 0 });
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: shadow } });
    expect((await tess.fails(UndeployDetailsDocument, { input: { deploymentId: shadow } })).extensions).toMatchObject({
      code: 'CONFLICT',
      got: 'STOPPED',
    });
  });

  it('never goes to a version that cannot be loaded, which says why', async () => {
    const { endpointId, deploymentId, modelId } = await serve(service, tess, times(1));
    const broken = await makeVersion(service, { bytes: Buffer.from('no model'), signature: xToY(1), modelId });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: broken.versionId, mode: 'LIVE', weightBps: 10_000 },
    });
    const events = await tess.collect(FollowDeploymentsDocument, { endpointId, after: 0 }, (items) =>
      items.some(({ type }) => type === 'MODEL_DEPLOYMENT_FAILED'),
    );
    expect(events.map(({ type }) => type)).toEqual(['MODEL_DEPLOYED', 'MODEL_DEPLOYMENT_FAILED']);
    expect(events[1]!.payload).toMatchObject({ deploymentId: deployModelVersion.deployment.id });
    const { deployment } = await tess.ok(DeploymentDetailsDocument, { id: deployModelVersion.deployment.id });
    expect(deployment.status).toBe('FAILED');
    expect(deployment.error!.length).toBeGreaterThan(10);
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
    expect((await predict(tess, { endpointId, rows: [{ x: 3 }] })).deployment.id).toBe(deploymentId);
    const listed = await tess.ok(DeploymentsDetailsDocument, {
      filter: { endpointId, status: ['FAILED'], mode: 'LIVE' },
    });
    expect(listed.deployments.nodes).toEqual([{ status: 'FAILED' }]);
  });

  it('never goes to a file that is not the registered one', async () => {
    const { endpointId, deploymentId, modelId } = await serve(service, tess, times(1));
    const { versionId } = await makeVersion(service, { ...times(2), modelId });
    const { db, objects } = service.app.context;
    const version = await db.asSystem((em) => em.findOneOrFail(ModelVersion, { id: versionId }));
    // A model with the same shapes, which the runtime would accept.
    await objects.put(version.objectKey!, Buffer.from(linear([3], 0)));
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: versionId, mode: 'LIVE', weightBps: 10_000 },
    });
    const ended = async () => (await tess.ok(DeploymentStatusErrorDocument, deployModelVersion.deployment)).deployment;
    await expect.poll(ended, { timeout: 20_000 }).toEqual({
      status: 'FAILED',
      error:
        'The stored file of this model version is not what was registered: its SHA-256 differs. Register the ' +
        'model again.',
    });
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
  });

  it('holds the files of loaded models only as long as the process serves', async () => {
    const own = await startTestService();
    const { objects } = own.app.context;
    const localFile = objects.localFile.bind(objects);
    const held = new Set<string>();
    objects.localFile = async (key) => {
      const file = await localFile(key);
      held.add(key);
      return { path: file.path, [Symbol.dispose]: () => void held.delete(key) };
    };
    try {
      const caller = await own.as();
      const { endpointId } = await serve(own, caller, times(2));
      expect((await predict(caller, { endpointId, rows: [{ x: 3 }] })).rows).toBe(1);
      expect(held.size).toBe(1);
    } finally {
      await own.close();
    }
    expect(held.size).toBe(0);
  });

  it('without a live deployment is UNAVAILABLE, not an error of the service', async () => {
    const { modelId, versionId } = await makeVersion(service, times(1));
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    expect(
      (await tess.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 3 }] } })).extensions.code,
    ).toBe('UNAVAILABLE');
    const deployment = await deploy(tess, { endpointId, modelVersionId: versionId });
    expect((await predict(tess, { endpointId, rows: [{ x: 3 }] })).deployment.id).toBe(deployment);
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: deployment } });
    expect(
      (await tess.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 3 }] } })).extensions.code,
    ).toBe('UNAVAILABLE');
  });

  it('needs the same few statements for one endpoint as for many', async () => {
    for (let i = 0; i < 4; i++) await serve(service, tess, times(i + 1));
    const count = async (n: number) => {
      service.statements.length = 0;
      await tess.ok(EndpointsDetailsDocument, { first: n });
      return service.statements.filter(
        (sql) =>
          /^(select|with)/i.test(sql) && /\b(endpoint|deployment|model|model_version|deployment_minute)\b/.test(sql),
      ).length;
    };
    const one = await count(1);
    expect(one).toBeLessThanOrEqual(8);
    expect(await count(50)).toBe(one);
  });
});
