import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, DEPLOY, makeVersion, PREDICT, predict, serve, untilReady, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
});
afterAll(() => service?.close());

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });
const WEIGHTS = `mutation ($input: SetTrafficWeightsInput!) { setTrafficWeights(input: $input) { endpoint { deployments { id weightBps } } } }`;
const UNDEPLOY = `mutation ($id: ID!) { undeploy(input: { deploymentId: $id }) { deployment { status weightBps endedAt } } }`;
const UPDATE = `mutation ($input: UpdateEndpointInput!) { updateEndpoint(input: $input) { endpoint { name followStage slaLatencyP95Ms logSampleRate } } }`;

async function weights(endpointId: string): Promise<Record<string, number>> {
  const { endpoint } = await tess.ok<{ endpoint: { deployments: { id: string; weightBps: number }[] } }>(`query ($id: ID!) { endpoint(id: $id) { deployments { id weightBps } } }`, { id: endpointId });
  return Object.fromEntries(endpoint.deployments.map(({ id, weightBps }) => [id, weightBps]));
}

describe('endpoints', () => {
  it('are created, listed, changed and deleted with all they served', async () => {
    const { endpointId, modelId } = await serve(service, tess, times(1), { name: 'life-cycle', slaLatencyP95Ms: 40, logSampleRate: 0.5 });
    const found = await tess.ok<{ endpoints: { totalCount: number; nodes: { id: string; model: { id: string }; deployments: { mode: string; modelVersion: { version: number } }[] }[] } }>(
      `query ($m: ID!) { endpoints(filter: { modelId: $m, search: "LIFE" }, orderBy: { field: NAME, direction: ASC }) { totalCount nodes { id model { id } deployments { mode modelVersion { version } } } } }`,
      { m: modelId },
    );
    expect(found.endpoints).toMatchObject({ totalCount: 1, nodes: [{ id: endpointId, model: { id: modelId }, deployments: [{ mode: 'LIVE' }] }] });
    expect(await tess.ok(UPDATE, { input: { id: endpointId, slaLatencyP95Ms: 20 } })).toMatchObject({ updateEndpoint: { endpoint: { slaLatencyP95Ms: 20, logSampleRate: 0.5, followStage: null } } });
    expect((await tess.fails(`mutation ($m: ID!) { createEndpoint(input: { name: "life-cycle", modelId: $m }) { endpoint { id } } }`, { m: modelId })).extensions).toMatchObject({ code: 'CONFLICT', field: 'input.name' });
    await predict(tess, { endpointId, rows: [{ x: 1 }] });
    expect(await tess.ok(`mutation ($id: ID!) { deleteEndpoint(input: { id: $id }) { deletedId } }`, { id: endpointId })).toEqual({ deleteEndpoint: { deletedId: endpointId } });
    expect((await tess.fails(PREDICT, { input: { endpointId, rows: [{ x: 1 }] } })).extensions.code).toBe('NOT_FOUND');
    expect((await tess.fails(PREDICT, { input: { endpointName: 'life-cycle', rows: [{ x: 1 }] } })).extensions.code).toBe('NOT_FOUND');
    // What was counted of it has nowhere to go and stops nobody.
    await service.app.context.services.traffic.flush();
    const { events } = await tess.ok<{ events: { nodes: { type: string }[] } }>(`query ($id: ID!) { events(filter: { modelId: $id }) { nodes { type } } }`, { id: modelId });
    expect(events.nodes.map(({ type }) => type)).toEqual(['MODEL_UNDEPLOYED', 'MODEL_DEPLOYED']);
  });

  it('refuse wrong settings with the field', async () => {
    const { modelId } = await makeVersion(service, times(1));
    const CREATE = `mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) { endpoint { id } } }`;
    for (const [input, field] of [
      [{ name: '../up' }, 'input.name'],
      [{ name: '' }, 'input.name'],
      [{ name: 'e\u200bx' }, 'input.name'],
      [{ slaLatencyP95Ms: 0 }, 'input.slaLatencyP95Ms'],
      [{ slaLatencyP95Ms: -5 }, 'input.slaLatencyP95Ms'],
      [{ logSampleRate: 1.01 }, 'input.logSampleRate'],
      [{ logSampleRate: -0.1 }, 'input.logSampleRate'],
    ] as const) {
      expect((await tess.fails(CREATE, { input: { name: 'fine', modelId, ...input } })).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    }
    const infinite = await tess.fails(`mutation { createEndpoint(input: { name: "inf", modelId: "${modelId}", slaLatencyP95Ms: 1e400 }) { endpoint { id } } }`);
    expect(infinite.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('and everything about them are not there for another tenant', async () => {
    const { endpointId, deploymentId, modelId, versionId } = await serve(service, tess, times(1));
    const other = await service.as({ tenant: 'other' });
    const own = await makeVersion(service, { ...times(1), tenant: 'other' });
    const theirs = await createEndpoint(other, { modelId: own.modelId });
    const calls: [string, Record<string, unknown>][] = [
      [`query ($id: ID!) { endpoint(id: $id) { id } }`, { id: endpointId }],
      [`query ($id: ID!) { deployment(id: $id) { id } }`, { id: deploymentId }],
      [`query ($id: ID!) { endpoints(filter: { modelId: $id }) { nodes { id } } }`, { id: modelId }],
      [`query ($id: ID!) { deployments(filter: { endpointId: $id }) { nodes { id } } }`, { id: endpointId }],
      [`query ($id: ID!) { deployments(filter: { modelVersionId: $id }) { nodes { id } } }`, { id: versionId }],
      [`mutation ($id: ID!) { createEndpoint(input: { name: "theft", modelId: $id }) { endpoint { id } } }`, { id: modelId }],
      [`mutation ($id: ID!) { updateEndpoint(input: { id: $id }) { endpoint { id } } }`, { id: endpointId }],
      [`mutation ($id: ID!) { deleteEndpoint(input: { id: $id }) { deletedId } }`, { id: endpointId }],
      [`mutation ($id: ID!) { undeploy(input: { deploymentId: $id }) { deployment { id } } }`, { id: deploymentId }],
      [`mutation ($id: ID!) { decideShadow(input: { deploymentId: $id }) { gateResult { id } } }`, { id: deploymentId }],
      [DEPLOY, { input: { endpointId, modelVersionId: own.versionId, mode: 'LIVE' } }],
      [DEPLOY, { input: { endpointId: theirs.id, modelVersionId: versionId, mode: 'SHADOW' } }],
      [WEIGHTS, { input: { endpointId, weights: [] } }],
      [WEIGHTS, { input: { endpointId: theirs.id, weights: [{ deploymentId, weightBps: 10_000 }] } }],
      [`mutation ($id: ID!) { startBatchInference(input: { modelVersionId: $id, datasetId: $id }) { job { id } } }`, { id: versionId }],
    ];
    for (const [query, variables] of calls) expect((await other.fails(query, variables)).extensions.code, query).toBe('NOT_FOUND');
    await expect(other.collect(`subscription ($id: ID!) { deploymentEvents(endpointId: $id, after: 0) { seq } }`, { id: endpointId }, () => false, 3_000)).rejects.toThrow('NOT_FOUND');
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
  });
});

describe('traffic', () => {
  it('follows the weights, keeps keys where they are, and moves them only towards what grew', async () => {
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
      return Promise.all(keys.map(async (routingKey) => (await predictions.predict(principal, { endpointId, rows: [{ x: 1 }], routingKey }, 'r')).target.id));
    };
    const before = await route();
    expect(await route()).toEqual(before);
    const share = before.filter((id) => id === b).length / before.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
    expect(before).not.toContain(c);
    const split = { [first.deploymentId]: 4_875, [b]: 1_625, [c]: 3_500 };
    await tess.ok(WEIGHTS, { input: { endpointId, weights: Object.entries(split).map(([deploymentId, weightBps]) => ({ deploymentId, weightBps })) } });
    const after = await route();
    const moved = after.filter((id, i) => id !== before[i]);
    expect(new Set(moved)).toEqual(new Set([c]));
    expect(after.filter((id) => id === c).length / after.length).toBeCloseTo(0.35, 1);
    console.log(`weights 75/25: ${(share * 100).toFixed(1)} % to the second; 35 % for a third moved ${moved.length} of 2000 keys, all to it`);
    await tess.ok(UNDEPLOY, { id: first.deploymentId });
    const rest = await weights(endpointId);
    expect(rest).toEqual({ [b]: 3_171, [c]: 6_829 });
    expect(new Set(await route())).toEqual(new Set([b, c]));
  });

  it('weights must be all, whole and of ready live deployments', async () => {
    const { endpointId, deploymentId, modelId, versionId } = await serve(service, tess, times(1));
    const second = await makeVersion(service, { ...times(2), modelId });
    const b = await deploy(tess, { endpointId, modelVersionId: second.versionId, weightBps: 5_000 });
    const third = await makeVersion(service, { ...times(3), modelId });
    const shadow = await deploy(tess, { endpointId, modelVersionId: third.versionId, mode: 'SHADOW' });
    const set = (...list: [string, number][]) => tess.fails(WEIGHTS, { input: { endpointId, weights: list.map(([id, weightBps]) => ({ deploymentId: id, weightBps })) } });
    expect((await set([deploymentId, 5_000], [b, 4_999])).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weights', got: '9999' });
    expect((await set([deploymentId, 10_001], [b, -1])).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weights[0].weightBps' });
    expect((await set([deploymentId, 10_000])).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weights' });
    expect((await set([deploymentId, 5_000], [deploymentId, 5_000])).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weights' });
    expect((await set([deploymentId, 5_000], [b, 4_000], [shadow, 1_000])).extensions.code).toBe('CONFLICT');
    const deployed = (input: object) => tess.fails(DEPLOY, { input: { endpointId, ...input } });
    expect((await deployed({ modelVersionId: versionId, mode: 'SHADOW' })).extensions).toMatchObject({ code: 'CONFLICT', field: 'input.modelVersionId' });
    const alien = await makeVersion(service, times(4));
    expect((await deployed({ modelVersionId: alien.versionId, mode: 'LIVE' })).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.modelVersionId' });
    const fourth = await makeVersion(service, { ...times(4), modelId });
    expect((await deployed({ modelVersionId: fourth.versionId, mode: 'LIVE', weightBps: 10_001 })).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weightBps' });
    expect((await deployed({ modelVersionId: fourth.versionId, mode: 'SHADOW', weightBps: 1 })).extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.weightBps' });
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 5_000, [b]: 5_000, [shadow]: 0 });
    await tess.ok(UNDEPLOY, { id: shadow });
    expect((await tess.fails(UNDEPLOY, { id: shadow })).extensions).toMatchObject({ code: 'CONFLICT', got: 'STOPPED' });
  });

  it('never goes to a version that cannot be loaded, which says why', async () => {
    const { endpointId, deploymentId, modelId } = await serve(service, tess, times(1));
    const broken = await makeVersion(service, { bytes: Buffer.from('no model'), signature: xToY(1), modelId });
    const { deployModelVersion } = await tess.ok<{ deployModelVersion: { deployment: { id: string } } }>(DEPLOY, { input: { endpointId, modelVersionId: broken.versionId, mode: 'LIVE', weightBps: 10_000 } });
    const events = await tess.collect<{ type: string; payload: { deploymentId: string; error?: string } }>(
      `subscription ($id: ID!) { deploymentEvents(endpointId: $id, after: 0) { seq type payload } }`,
      { id: endpointId },
      (items) => items.some(({ type }) => type === 'MODEL_DEPLOYMENT_FAILED'),
    );
    expect(events.map(({ type }) => type)).toEqual(['MODEL_DEPLOYED', 'MODEL_DEPLOYMENT_FAILED']);
    expect(events[1]!.payload.deploymentId).toBe(deployModelVersion.deployment.id);
    const { deployment } = await tess.ok<{ deployment: { status: string; error: string } }>(`query ($id: ID!) { deployment(id: $id) { status error endedAt } }`, { id: deployModelVersion.deployment.id });
    expect(deployment.status).toBe('FAILED');
    expect(deployment.error.length).toBeGreaterThan(10);
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
    expect((await predict(tess, { endpointId, rows: [{ x: 3 }] })).deployment.id).toBe(deploymentId);
    const listed = await tess.ok<{ deployments: { nodes: { status: string }[] } }>(`query ($id: ID!) { deployments(filter: { endpointId: $id, status: [FAILED], mode: LIVE }) { nodes { status } } }`, { id: endpointId });
    expect(listed.deployments.nodes).toEqual([{ status: 'FAILED' }]);
  });

  it('without a live deployment is UNAVAILABLE, not an error of the service', async () => {
    const { modelId, versionId } = await makeVersion(service, times(1));
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    expect((await tess.fails(PREDICT, { input: { endpointId, rows: [{ x: 3 }] } })).extensions.code).toBe('UNAVAILABLE');
    const deployment = await deploy(tess, { endpointId, modelVersionId: versionId });
    expect((await predict(tess, { endpointId, rows: [{ x: 3 }] })).deployment.id).toBe(deployment);
    await tess.ok(UNDEPLOY, { id: deployment });
    expect((await tess.fails(PREDICT, { input: { endpointId, rows: [{ x: 3 }] } })).extensions.code).toBe('UNAVAILABLE');
  });

  it('needs the same few statements for one endpoint as for many', async () => {
    for (let i = 0; i < 4; i++) await serve(service, tess, times(i + 1));
    const query = `query ($n: Int!) { endpoints(first: $n) { nodes { model { name } deployments { status modelVersion { version } endpoint { id } traffic { requests } lastMinute: traffic(from: "2026-01-01T00:00:00Z") { rows } } } } }`;
    const count = async (n: number) => {
      service.statements.length = 0;
      await tess.ok(query, { n });
      return service.statements.filter((sql) => /^(select|with)/i.test(sql) && /\b(endpoint|deployment|model|model_version|deployment_minute)\b/.test(sql)).length;
    };
    const one = await count(1);
    expect(one).toBeLessThanOrEqual(8);
    expect(await count(50)).toBe(one);
  });
});

describe('an endpoint that follows a stage', () => {
  const setStage = (versionId: string, stage: string) =>
    service.app.context.db.transact({ principal: { subject: 'tess', tenant: 'acme', role: 'ENGINEER' as never, expiresAt: new Date() }, requestId: 'test' }, async (session) => {
      const { modelId } = await session.em.execute<{ modelId: string }[]>(`select model_id as "modelId" from model_version where id = ?`, [versionId]).then((rows) => rows[0]!);
      if (stage === 'PRODUCTION') await session.em.execute(`update model_version set stage = 'ARCHIVED' where model_id = ? and stage = 'PRODUCTION'`, [modelId]);
      await session.em.execute(`update model_version set stage = ? where id = ?`, [stage, versionId]);
      await service.app.context.services.deployments.stageChanged(session, modelId);
    });

  it('moves its traffic on promotion and back on rollback, with no request failing, for viewers too', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'PRODUCTION' });
    const second = await makeVersion(service, { ...times(2), stage: 'STAGING', modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId, followStage: 'PRODUCTION' });
    const current = async () => (await tess.ok<{ endpoint: { deployments: { id: string; mode: string; status: string; modelVersion: { id: string } }[] } }>(`query ($id: ID!) { endpoint(id: $id) { deployments { id mode status modelVersion { id } } } }`, { id: endpointId })).endpoint.deployments;
    await untilReady(tess, (await current())[0]!.id);
    const shadow = await deploy(tess, { endpointId, modelVersionId: second.versionId, mode: 'SHADOW' });
    const vera = await service.as({ role: 'VIEWER' as never });
    const seen: number[] = [];
    let failures = 0;
    let done = false;
    const callers = Array.from({ length: 4 }, async () => {
      while (!done) {
        const { data, errors } = await vera.send<{ predict: { outputs: { data: number[] }[] } }>(PREDICT, { input: { endpointId, rows: [{ x: 1 }] } });
        if (errors) failures++;
        else seen.push(data!.predict.outputs[0]!.data[0]!);
      }
    });
    const until = (value: number) => expect.poll(() => seen.slice(-20).every((answer) => answer === value) && seen.length > 20, { timeout: 10_000, interval: 20 }).toBe(true);
    await until(1);
    await setStage(second.versionId, 'PRODUCTION');
    await until(2);
    expect(await current()).toMatchObject([{ mode: 'LIVE', status: 'READY', modelVersion: { id: second.versionId } }]);
    await setStage(first.versionId, 'PRODUCTION');
    await until(1);
    await setStage(second.versionId, 'PRODUCTION');
    await until(2);
    done = true;
    await Promise.all(callers);
    expect(failures).toBe(0);
    expect((await tess.ok<{ deployment: { status: string } }>(`query ($id: ID!) { deployment(id: $id) { status } }`, { id: shadow })).deployment.status).toBe('STOPPED');
    console.log(`promotion, rollback and promotion under traffic: ${seen.length} answers, ${failures} failures`);
  });

  it('takes no live deployment by hand, catches up when it begins to follow, and stops with its stage', async () => {
    const first = await makeVersion(service, { ...times(1), stage: 'STAGING' });
    const second = await makeVersion(service, { ...times(2), modelId: first.modelId });
    const { id: endpointId } = await createEndpoint(tess, { modelId: first.modelId });
    const manual = await deploy(tess, { endpointId, modelVersionId: second.versionId });
    await tess.ok(UPDATE, { input: { id: endpointId, followStage: 'STAGING' } });
    await expect.poll(async () => (await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id, { timeout: 10_000 }).toBe(first.versionId);
    expect((await tess.fails(DEPLOY, { input: { endpointId, modelVersionId: second.versionId, mode: 'LIVE' } })).extensions.code).toBe('CONFLICT');
    expect((await tess.fails(UNDEPLOY, { id: manual })).extensions.code).toBe('CONFLICT');
    const [live] = Object.keys(await weights(endpointId));
    expect((await tess.fails(UNDEPLOY, { id: live })).extensions.code).toBe('CONFLICT');
    expect((await tess.fails(WEIGHTS, { input: { endpointId, weights: [{ deploymentId: live, weightBps: 10_000 }] } })).extensions.code).toBe('CONFLICT');
    await setStage(first.versionId, 'DEVELOPMENT');
    expect(await weights(endpointId)).toEqual({});
    await tess.ok(UPDATE, { input: { id: endpointId, followStage: null } });
    await deploy(tess, { endpointId, modelVersionId: second.versionId });
    expect((await predict(tess, { endpointId, rows: [{ x: 1 }] })).modelVersion.id).toBe(second.versionId);
  });
});
