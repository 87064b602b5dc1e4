import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { linear } from '../fixtures/models/build.js';
import { promote } from '../support/registry.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { deploy, makeVersion, predict, serve, x, xToY } from '../support/serving.js';
import {
  PromoteModelVersionDetailsDocument,
  SetGatePolicyDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  DecideShadowForRegistryDepthShadowDocument,
  DeploymentRequestsDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let admin: Caller;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  admin = await service.as({ role: Role.ADMIN, subject: 'ada' });
});
afterAll(() => service?.close());

interface Gate {
  passed: boolean;
  comparedWith: { id: string } | null;
  checks: { name: string; passed: boolean; got: string }[];
}

async function decide(id: string): Promise<Gate> {
  return (await tess.ok(DecideShadowForRegistryDepthShadowDocument, { input: { deploymentId: id } })).decideShadow
    .gateResult;
}

const failing = ({ checks }: Gate) => checks.filter(({ passed }) => !passed).map(({ name, got }) => [name, got]);

async function mirror(endpointId: string, shadow: string, requests: number, all: number): Promise<void> {
  for (let i = 0; i < requests; i++) await predict(tess, { endpointId, tensors: [x([i])] });
  const counted = async () => {
    await service.app.context.services.traffic.flush();
    const { deployment } = await tess.ok(DeploymentRequestsDocument, { id: shadow });
    return deployment.traffic.requests;
  };
  await expect.poll(counted, { timeout: 20_000 }).toBe(all);
}

it('a shadow is compared only with the version in production, and only since that version is there', async () => {
  const version = { bytes: linear([1], 0), signature: xToY(1) };
  const live = await serve(service, tess, { ...version, stage: 'PRODUCTION' }, { slaLatencyP95Ms: 5_000 });
  const { modelId, endpointId } = live;
  await admin.ok(SetGatePolicyDetailsDocument, {
    input: { modelId, policy: { shadow: { minRequests: 20, requireEvaluation: false } } },
  });
  const candidate = await makeVersion(service, { ...version, stage: 'STAGING', modelId });
  const other = await makeVersion(service, { ...version, stage: 'STAGING', modelId });
  const shadow = await deploy(tess, { endpointId, modelVersionId: candidate.versionId, mode: 'SHADOW' });
  await mirror(endpointId, shadow, 25, 25);
  const first = await decide(shadow);
  expect(failing(first)).toEqual([]);
  expect(first).toMatchObject({ passed: true, comparedWith: { id: live.versionId } });

  // Another version enters production meanwhile: the result was about the version before it.
  await promote(admin, other.versionId, 'PRODUCTION', {
    expectedProductionVersionId: live.versionId,
    override: true,
    reason: 'a fixture of the tests',
  });
  const input = {
    modelVersionId: candidate.versionId,
    toStage: 'PRODUCTION',
    expectedProductionVersionId: other.versionId,
  };
  const refused = await tess.fails(PromoteModelVersionDetailsDocument, { input });
  expect(refused.extensions).toMatchObject({ code: 'GATE_NOT_PASSED', missing: [{ gate: 'SHADOW' }] });
  expect(refused.message).toMatch(/was measured against version \d+, and version \d+ is in PRODUCTION now/);

  // Requests from before that do not count either, nor those that another version answers.
  await service.app.context.db.asSystem((em) =>
    em.execute(`update deployment_minute set minute = minute - interval '1 hour'`),
  );
  const again = await decide(shadow);
  expect(failing(again).slice(0, 2)).toEqual([
    ['beside_production', 'not live'],
    ['requests', '0'],
  ]);
  expect(again.comparedWith).toEqual({ id: other.versionId });

  const taking = await deploy(tess, { endpointId, modelVersionId: other.versionId, mode: 'LIVE' });
  await tess.ok(SetTrafficWeightsDetailsDocument, {
    input: {
      endpointId,
      weights: [
        { deploymentId: taking, weightBps: 10_000 },
        { deploymentId: live.deploymentId, weightBps: 0 },
      ],
    },
  });
  await mirror(endpointId, shadow, 20, 45);
  expect(await decide(shadow)).toMatchObject({ passed: true, comparedWith: { id: other.versionId } });
  expect(
    await promote(tess, candidate.versionId, 'PRODUCTION', { expectedProductionVersionId: other.versionId }),
  ).toMatchObject({
    stage: 'PRODUCTION',
  });
});
