import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, makeVersion, predict, serve, xToY } from '../support/serving.js';
import { CreateEndpointDocument, FollowDeploymentsDocument } from '../../schema/generated/operations.js';
import {
  DeleteEndpointDetailsDocument,
  EndpointDetailsDocument,
  EndpointsDetailsDocument,
  EventsDetailsDocument,
  PredictDetailsDocument,
  UpdateEndpointDetailsDocument,
  DeployModelVersionDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
});
afterAll(() => service?.close());

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });
const WEIGHTS =
  'mutation ($input: SetTrafficWeightsInput!) { setTrafficWeights(input: $input) { endpoint { deployments { ' +
  'id weightBps } } } }';

async function weights(endpointId: string): Promise<Record<string, number>> {
  const { endpoint } = await tess.ok(EndpointDetailsDocument, { id: endpointId });
  return Object.fromEntries(endpoint.deployments.map(({ id, weightBps }) => [id, weightBps]));
}

describe('endpoints', () => {
  it('are created, listed, changed and deleted with all their data', async () => {
    const { endpointId, modelId } = await serve(service, tess, times(1), {
      name: 'life-cycle',
      slaLatencyP95Ms: 40,
      logSampleRate: 0.5,
    });
    const found = await tess.ok(EndpointsDetailsDocument, {
      filter: { modelId, search: 'LIFE' },
      orderBy: { field: 'NAME', direction: 'ASC' },
    });
    expect(found.endpoints).toMatchObject({
      totalCount: 1,
      nodes: [{ id: endpointId, model: { id: modelId }, deployments: [{ mode: 'LIVE' }] }],
    });
    expect(
      await tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, slaLatencyP95Ms: 20 } }),
    ).toMatchObject({
      updateEndpoint: { endpoint: { slaLatencyP95Ms: 20, logSampleRate: 0.5, followStage: null } },
    });
    expect(
      (await tess.fails(CreateEndpointDocument, { input: { name: 'life-cycle', modelId } })).extensions,
    ).toMatchObject({ code: 'CONFLICT', field: 'input.name' });
    await predict(tess, { endpointId, rows: [{ x: 1 }] });
    expect(await tess.ok(DeleteEndpointDetailsDocument, { input: { id: endpointId } })).toEqual({
      deleteEndpoint: { deletedId: endpointId },
    });
    expect(
      (await tess.fails(PredictDetailsDocument, { input: { endpointId, rows: [{ x: 1 }] } })).extensions.code,
    ).toBe('NOT_FOUND');
    expect(
      (await tess.fails(PredictDetailsDocument, { input: { endpointName: 'life-cycle', rows: [{ x: 1 }] } })).extensions
        .code,
    ).toBe('NOT_FOUND');
    // Its counters have no endpoint any more, and this stops nothing.
    await service.app.context.services.traffic.flush();
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { modelId } });
    expect(events.nodes.map(({ type }) => type)).toEqual(['MODEL_UNDEPLOYED', 'MODEL_DEPLOYED']);
  });

  it('refuse wrong settings with the field', async () => {
    const { modelId } = await makeVersion(service, times(1));
    for (const [input, field] of [
      [{ name: '../up' }, 'input.name'],
      [{ name: '' }, 'input.name'],
      [{ name: 'e\u200bx' }, 'input.name'],
      [{ slaLatencyP95Ms: 0 }, 'input.slaLatencyP95Ms'],
      [{ slaLatencyP95Ms: -5 }, 'input.slaLatencyP95Ms'],
      [{ logSampleRate: 1.01 }, 'input.logSampleRate'],
      [{ logSampleRate: -0.1 }, 'input.logSampleRate'],
    ] as const) {
      expect(
        (await tess.fails(CreateEndpointDocument, { input: { name: 'fine', modelId, ...input } })).extensions,
      ).toMatchObject({
        code: 'BAD_USER_INPUT',
        field,
      });
    }
    const infinite = await tess.fails(
      `mutation { createEndpoint(input: { name: "inf", modelId: "${modelId}", slaLatencyP95Ms: 1e400 }) { ` +
        'endpoint { id } } }',
    );
    expect(infinite.extensions.code).toBe('BAD_USER_INPUT');
  });

  it('do not exist for another tenant', async () => {
    const { endpointId, deploymentId, modelId, versionId } = await serve(service, tess, times(1));
    const other = await service.as({ tenant: 'other' });
    const own = await makeVersion(service, { ...times(1), tenant: 'other' });
    const theirs = await createEndpoint(other, { modelId: own.modelId });
    const calls: [{ toString(): string }, Record<string, unknown>][] = [
      [`query ($id: ID!) { endpoint(id: $id) { id } }`, { id: endpointId }],
      [`query ($id: ID!) { deployment(id: $id) { id } }`, { id: deploymentId }],
      [`query ($id: ID!) { endpoints(filter: { modelId: $id }) { nodes { id } } }`, { id: modelId }],
      [`query ($id: ID!) { deployments(filter: { endpointId: $id }) { nodes { id } } }`, { id: endpointId }],
      [`query ($id: ID!) { deployments(filter: { modelVersionId: $id }) { nodes { id } } }`, { id: versionId }],
      [
        `mutation ($id: ID!) { createEndpoint(input: { name: "theft", modelId: $id }) { endpoint { id } } }`,
        { id: modelId },
      ],
      [`mutation ($id: ID!) { updateEndpoint(input: { id: $id }) { endpoint { id } } }`, { id: endpointId }],
      [`mutation ($id: ID!) { deleteEndpoint(input: { id: $id }) { deletedId } }`, { id: endpointId }],
      [`mutation ($id: ID!) { undeploy(input: { deploymentId: $id }) { deployment { id } } }`, { id: deploymentId }],
      [
        `mutation ($id: ID!) { decideShadow(input: { deploymentId: $id }) { gateResult { id } } }`,
        { id: deploymentId },
      ],
      [DeployModelVersionDetailsDocument, { input: { endpointId, modelVersionId: own.versionId, mode: 'LIVE' } }],
      [
        DeployModelVersionDetailsDocument,
        { input: { endpointId: theirs.id, modelVersionId: versionId, mode: 'SHADOW' } },
      ],
      [WEIGHTS, { input: { endpointId, weights: [{ deploymentId, weightBps: 10_000 }] } }],
      [WEIGHTS, { input: { endpointId: theirs.id, weights: [{ deploymentId, weightBps: 10_000 }] } }],
      [
        `mutation ($id: ID!) { startBatchInference(input: { modelVersionId: $id, datasetId: $id }) { job { id } } }`,
        { id: versionId },
      ],
    ];
    for (const [query, variables] of calls)
      expect((await other.fails(query, variables)).extensions.code, query.toString()).toBe('NOT_FOUND');
    await expect(
      other.collect(FollowDeploymentsDocument, { endpointId, after: 0 }, () => false, 3_000),
    ).rejects.toThrow('NOT_FOUND');
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
  });
});
