import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import {
  EndpointForLookUpDocument,
  PredictDetailsDocument,
  RoutePreviewDetailsDocument,
  SetTrafficPolicyDocument,
  UndeployDetailsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });

async function twoDeployments() {
  const first = await serve(service, tess, times(1));
  const { endpointId } = first;
  const { versionId: modelVersionId } = await makeVersion(service, { ...times(2), modelId: first.modelId });
  return { endpointId, stable: first.deploymentId, beta: await deploy(tess, { endpointId, modelVersionId }) };
}

const rows = [{ x: 1 }];

describe('traffic policy', () => {
  it('rules by attribute, header and caller go before the weights at every door, as the preview says', async () => {
    const { endpointId, stable, beta } = await twoDeployments();
    const weights = [
      { deploymentId: stable, weightBps: 10_000 },
      { deploymentId: beta, weightBps: 0 },
    ];
    const rules = [
      { attribute: 'country', values: ['DE', 'AT'], deploymentId: beta },
      { attribute: 'header.x-beta', values: ['yes'], deploymentId: beta },
      { attribute: 'caller.subject', values: ['bob'], deploymentId: beta },
    ];
    const { setTrafficWeights } = await tess.ok(SetTrafficPolicyDocument, { input: { endpointId, weights, rules } });
    expect(setTrafficWeights.endpoint.trafficRules).toEqual(rules);

    const country = (value: string) => [{ name: 'country', value }];
    expect((await predict(tess, { endpointId, rows })).deployment.id).toBe(stable);
    expect((await predict(tess, { endpointId, rows, attributes: country('DE') })).deployment.id).toBe(beta);
    expect((await predict(tess, { endpointId, rows, attributes: country('FR') })).deployment.id).toBe(stable);
    const bob = await service.as({ subject: 'bob' });
    expect((await predict(bob, { endpointId, rows })).deployment.id).toBe(beta);

    const { endpoint } = await tess.ok(EndpointForLookUpDocument, { id: endpointId });
    const overRest = async (headers: Record<string, string>, body: object) => {
      const answer = await fetch(`${service.url}/v1/endpoints/${endpoint.name}/predict`, {
        method: 'POST',
        headers: { authorization: `Bearer ${tess.token}`, ...headers },
        body: JSON.stringify({ rows, ...body }),
      });
      return (await answer.json()) as { deployment?: { id: string }; code?: string; field?: string };
    };
    expect((await overRest({ 'X-Beta': 'yes' }, {})).deployment?.id).toBe(beta);
    expect((await overRest({}, { attributes: country('AT') })).deployment?.id).toBe(beta);
    expect((await overRest({}, {})).deployment?.id).toBe(stable);
    const claimed = await overRest({}, { attributes: [{ name: 'header.x-beta', value: 'yes' }] });
    expect(claimed).toMatchObject({ code: 'BAD_USER_INPUT', field: 'attributes[0].name' });

    const preview = async (attributes?: { name: string; value: string }[]) =>
      (await tess.ok(RoutePreviewDetailsDocument, { endpointId, routingKey: 'k', attributes })).routePreview;
    expect(await preview(country('DE'))).toEqual({
      deployment: { id: beta },
      rule: 0,
      reason: 'Rule 0 matches: country is "DE".',
    });
    expect(await preview([{ name: 'header.x-beta', value: 'yes' }])).toMatchObject({ rule: 1 });
    expect(await preview([{ name: 'caller.subject', value: 'bob' }])).toMatchObject({ rule: 2 });
    expect(await preview()).toMatchObject({ deployment: { id: stable }, rule: null });

    // Weights alone keep the rules; a stopped deployment takes its rules with it.
    const kept = await tess.ok(SetTrafficPolicyDocument, { input: { endpointId, weights } });
    expect(kept.setTrafficWeights.endpoint.trafficRules).toEqual(rules);
    await tess.ok(UndeployDetailsDocument, { input: { deploymentId: beta } });
    expect((await predict(tess, { endpointId, rows, attributes: country('DE') })).deployment.id).toBe(stable);
    const rest = await tess.ok(SetTrafficPolicyDocument, { input: { endpointId, weights: weights.slice(0, 1) } });
    expect(rest.setTrafficWeights.endpoint.trafficRules).toEqual([]);
  });

  it('answers each wrong rule and attribute with one clear error', async () => {
    const { endpointId, stable, beta } = await twoDeployments();
    const elsewhere = await serve(service, tess, times(3));
    const weights = [
      { deploymentId: stable, weightBps: 10_000 },
      { deploymentId: beta, weightBps: 0 },
    ];
    const set = async (rule: { attribute?: string; deploymentId?: string }) => {
      const rules = [{ attribute: 'a', values: ['1'], deploymentId: beta, ...rule }];
      return (await tess.fails(SetTrafficPolicyDocument, { input: { endpointId, weights, rules } })).extensions;
    };
    expect(await set({ deploymentId: elsewhere.deploymentId })).toMatchObject({
      code: 'CONFLICT',
      field: 'input.rules[0].deploymentId',
    });
    expect(await set({ attribute: 'header.Cookie' })).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.rules[0].attribute',
    });
    const claimed = { endpointId, rows, attributes: [{ name: 'caller.role', value: 'ADMIN' }] };
    expect((await tess.fails(PredictDetailsDocument, { input: claimed })).extensions).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.attributes[0].name',
    });
  });
});
