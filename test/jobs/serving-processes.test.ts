import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { ServiceGroup } from '../support/processes.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import {
  DeleteEndpointDetailsDocument,
  PredictDetailsDocument,
  SetTrafficWeightsDetailsDocument,
  UndeployDetailsDocument,
  DeploymentRequestsDocument,
} from '../generated/operations.js';

let group: ServiceGroup;
let service: TestService;
let here: Caller;
let there: Caller;

beforeAll(async () => {
  group = await ServiceGroup.create();
  service = await startTestService({ ROLE: 'api', DATA_DIR: group.dataDir }, group.database);
  here = await service.as();
  there = await group.as(await group.start('api'));
});
afterAll(async () => {
  await service?.close();
  await group?.close();
});

const times = (weight: number) => ({ bytes: linear([weight], 0), signature: xToY(1) });

async function answer(caller: Caller, endpointId: string): Promise<unknown> {
  const { data, errors } = await caller.send(PredictDetailsDocument, {
    input: { endpointId, rows: [{ x: 1 }] },
  });
  return errors?.[0]?.extensions.code ?? data!.predict.outputs[0]!.data[0];
}

describe('two API processes', () => {
  it('both serve what one of them deployed, and learn of changes within a second', async () => {
    const { endpointId, deploymentId, modelId } = await serve(service, here, times(1));
    expect(await answer(there, endpointId)).toBe(1);
    const second = await makeVersion(service, { ...times(2), modelId });
    const newer = await deploy(there, { endpointId, modelVersionId: second.versionId });
    await there.ok(SetTrafficWeightsDetailsDocument, {
      input: {
        endpointId,
        weights: [
          { deploymentId, weightBps: 0 },
          { deploymentId: newer, weightBps: 10_000 },
        ],
      },
    });
    const startedAt = performance.now();
    await expect.poll(() => answer(here, endpointId), { timeout: 5_000, interval: 5 }).toBe(2);
    const heardMs = performance.now() - startedAt;
    expect(await answer(there, endpointId)).toBe(2);
    console.log(`weights set in one process were heard in the other after ${heardMs.toFixed(0)} ms`);
    expect(heardMs).toBeLessThan(2_000);
    await here.ok(DeleteEndpointDetailsDocument, { input: { id: endpointId } });
    await expect.poll(() => answer(there, endpointId), { timeout: 5_000, interval: 5 }).toBe('NOT_FOUND');
  });

  it('fail no request while an endpoint moves to another version', async () => {
    const first = await serve(service, here, times(1));
    let failures = 0;
    let answers = 0;
    let done = false;
    const callers = [here, there, here, there].map(async (caller) => {
      for (; !done; answers++) if (typeof (await answer(caller, first.endpointId)) !== 'number') failures++;
    });
    let live = first.deploymentId;
    for (let round = 2; round <= 5; round++) {
      const version = await makeVersion(service, { ...times(round), modelId: first.modelId });
      const next = await deploy(round % 2 ? here : there, {
        endpointId: first.endpointId,
        modelVersionId: version.versionId,
        weightBps: 10_000,
      });
      await here.ok(UndeployDetailsDocument, { input: { deploymentId: live } });
      live = next;
      for (const caller of [here, there])
        await expect.poll(() => answer(caller, first.endpointId), { timeout: 10_000, interval: 10 }).toBe(round);
    }
    done = true;
    await Promise.all(callers);
    console.log(`four moves of an endpoint under traffic on two processes: ${answers} answers, ${failures} failures`);
    expect(failures).toBe(0);
  });

  it('count together', async () => {
    const { endpointId, deploymentId } = await serve(service, here, times(1));
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => predict(i % 2 ? here : there, { endpointId, rows: [{ x: i }] })),
    );
    const requests = async () =>
      (await there.ok(DeploymentRequestsDocument, { id: deploymentId })).deployment.traffic.requests;
    await expect.poll(requests, { timeout: 5_000 }).toBe(60);
    const other = await makeVersion(service, { ...times(3), tenant: 'other' });
    const stranger = await service.as({ tenant: 'other' });
    const { id } = await createEndpoint(stranger, { modelId: other.modelId });
    expect(await answer(there, id)).toBe('NOT_FOUND');
  });
});
