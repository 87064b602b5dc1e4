import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, makeVersion, predict, serve, xToY } from '../support/serving.js';
import {
  CreateEndpointDocument,
  FollowDeploymentsDocument,
  StartBatchInferenceDocument,
} from '../../schema/generated/operations.js';
import {
  DecideShadowDetailsDocument,
  DeleteEndpointDetailsDocument,
  DeploymentDetailsDocument,
  DeploymentsDetailsDocument,
  EndpointDetailsDocument,
  EndpointsDetailsDocument,
  EventsDetailsDocument,
  PredictDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  UndeployDetailsDocument,
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
      [EndpointDetailsDocument, { id: endpointId }],
      [DeploymentDetailsDocument, { id: deploymentId }],
      [EndpointsDetailsDocument, { filter: { modelId } }],
      [DeploymentsDetailsDocument, { filter: { endpointId } }],
      [DeploymentsDetailsDocument, { filter: { modelVersionId: versionId } }],
      [CreateEndpointDocument, { input: { name: 'theft', modelId } }],
      [UpdateEndpointDetailsDocument, { input: { id: endpointId } }],
      [DeleteEndpointDetailsDocument, { input: { id: endpointId } }],
      [UndeployDetailsDocument, { input: { deploymentId } }],
      [DecideShadowDetailsDocument, { input: { deploymentId } }],
      [DeployModelVersionDetailsDocument, { input: { endpointId, modelVersionId: own.versionId, mode: 'LIVE' } }],
      [
        DeployModelVersionDetailsDocument,
        { input: { endpointId: theirs.id, modelVersionId: versionId, mode: 'SHADOW' } },
      ],
      [SetTrafficWeightsDetailsDocument, { input: { endpointId, weights: [{ deploymentId, weightBps: 10_000 }] } }],
      [
        SetTrafficWeightsDetailsDocument,
        { input: { endpointId: theirs.id, weights: [{ deploymentId, weightBps: 10_000 }] } },
      ],
      [StartBatchInferenceDocument, { input: { modelVersionId: versionId, datasetId: versionId } }],
    ];
    for (const [query, variables] of calls)
      expect((await other.fails(query, variables)).extensions.code, query.toString()).toBe('NOT_FOUND');
    await expect(
      other.collect(FollowDeploymentsDocument, { endpointId, after: 0 }, () => false, 3_000),
    ).rejects.toThrow('NOT_FOUND');
    expect(await weights(endpointId)).toEqual({ [deploymentId]: 10_000 });
  });
});
