import { afterAll, beforeAll, expect, it } from 'vitest';
import { linear, placesBelow4 } from '../fixtures/models/build.js';
import {
  DeployModelVersionDetailsDocument,
  DeploymentSlaDetailsDocument,
  RunMonitoringDetailsDocument,
  SetDeploymentSlaDetailsDocument,
} from '../generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, serve, untilReady, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;
beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '1' });
  tess = await service.as();
});
afterAll(() => service?.close());

const slaOf = async (id: string) => (await tess.ok(DeploymentSlaDetailsDocument, { id })).deployment.sla;

it('comes from the deployment, then its endpoint, then the platform, and can be changed', async () => {
  const made = await makeVersion(service, { bytes: linear([1], 0), signature: xToY(1) });
  const { modelId } = made;
  const plain = await createEndpoint(tess, { modelId });
  const strict = await createEndpoint(tess, { modelId, slaLatencyP95Ms: 30 });
  const first = await deploy(tess, { endpointId: plain.id, modelVersionId: made.versionId });
  expect(await slaOf(first)).toEqual({
    ...{ latencyP95Ms: 50, maxErrorRate: 0.01, windowMinutes: 15, requests: 0 },
    ...{ measuredLatencyP95Ms: null, measuredErrorRate: null, isMet: null },
  });
  const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
    input: { endpointId: strict.id, modelVersionId: made.versionId, mode: 'LIVE', sla: { maxErrorRate: 0.2 } },
  });
  const { id } = deployModelVersion.deployment;
  await untilReady(tess, id);
  expect(await slaOf(id)).toMatchObject({ latencyP95Ms: 30, maxErrorRate: 0.2 });
  const set = async (sla: object | null) =>
    (await tess.ok(SetDeploymentSlaDetailsDocument, { input: { deploymentId: id, sla } })).setDeploymentSla.deployment
      .sla;
  expect(await set({ latencyP95Ms: 7.5 })).toEqual({ latencyP95Ms: 7.5, maxErrorRate: 0.01 });
  expect(await set(null)).toEqual({ latencyP95Ms: 30, maxErrorRate: 0.01 });
  for (const [sla, field] of [
    [{ latencyP95Ms: 0 }, 'latencyP95Ms'],
    [{ maxErrorRate: 1.5 }, 'maxErrorRate'],
  ] as const) {
    const { extensions } = await tess.fails(SetDeploymentSlaDetailsDocument, { input: { deploymentId: id, sla } });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.sla.${field}` });
  }
});

it('is what alerts compare with, and what was measured stands beside it', async () => {
  const { endpointId, deploymentId } = await serve(service, tess, { bytes: placesBelow4(), signature: xToY(1) });
  const ask = async () => {
    // One of three requests has a value that the model cannot take.
    for (let n = 0; n < 60; n++)
      await predict(tess, { endpointId, rows: [{ x: n % 3 === 0 ? 2_000 : 1 }] }).catch(() => undefined);
    await service.app.context.services.traffic.flush();
    return (await tess.ok(RunMonitoringDetailsDocument, { input: { deploymentId } })).runMonitoring.alerts;
  };
  const set = (sla: object) => tess.ok(SetDeploymentSlaDetailsDocument, { input: { deploymentId, sla } });
  await set({ latencyP95Ms: 600_000, maxErrorRate: 0.9 });
  expect(await ask()).toEqual([]);
  expect(await slaOf(deploymentId)).toMatchObject({ requests: 60, isMet: true });
  await set({ latencyP95Ms: 600_000, maxErrorRate: 0.05 });
  expect(await ask()).toMatchObject([{ kind: 'ERROR_RATE' }]);
  const sla = await slaOf(deploymentId);
  expect(sla).toMatchObject({ requests: 120, isMet: false });
  expect(sla.measuredErrorRate).toBeCloseTo(1 / 3, 6);
  expect(sla.measuredLatencyP95Ms).toBeGreaterThan(0);
});
