import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DeployModelVersionDetailsDocument, DeploymentScalingDocument } from '../generated/operations.js';
import { linear, multilayer } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, makeVersion, predict, untilReady, x, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
});
afterAll(() => service?.close());

type Scaling = Record<string, unknown>;

async function endpointOf(bytes: Uint8Array, inputs = 1): Promise<{ endpointId: string; modelVersionId: string }> {
  const { modelId, versionId } = await makeVersion(service, { bytes, signature: xToY(inputs) });
  return { endpointId: (await createEndpoint(tess, { modelId })).id, modelVersionId: versionId };
}

async function deployed(bytes: Uint8Array, scaling: Scaling, inputs = 1): Promise<{ endpointId: string; id: string }> {
  const ids = await endpointOf(bytes, inputs);
  const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
    input: { ...ids, mode: 'LIVE', scaling },
  });
  const { id } = deployModelVersion.deployment;
  await untilReady(tess, id);
  return { endpointId: ids.endpointId, id };
}

const shown = async (id: string) => (await tess.ok(DeploymentScalingDocument, { id })).deployment;
const running = async (id: string) => (await shown(id)).replicas?.running;

describe('the scaling of a deployment', () => {
  it('gives the model processes of its own, which are shown', async () => {
    const { endpointId, id } = await deployed(linear([2], 1), { minReplicas: 2, maxReplicas: 2, threads: 2 });
    await expect.poll(() => running(id), { timeout: 10_000 }).toBe(2);
    expect(await shown(id)).toMatchObject({
      scaling: { minReplicas: 2, maxReplicas: 2, threads: 2, scaleToZeroAfterMs: null, device: null },
      replicas: { wanted: 2 },
    });
    expect((await predict(tess, { endpointId, tensors: [x([3])] })).outputs[0]!.data).toEqual([7]);
    const shared = await deployed(linear([2], 1), {});
    expect(await shown(shared.id)).toMatchObject({ scaling: null, replicas: null });
  });

  it('to zero: its last process ends when nobody asks, and the next requests lose nothing', async () => {
    const { endpointId, id } = await deployed(linear([2], 1), { minReplicas: 0, scaleToZeroAfterMs: 1_000 });
    for (let round = 0; round < 3; round++) {
      await expect.poll(() => running(id), { timeout: 15_000, interval: 100 }).toBe(0);
      expect((await shown(id)).replicas).toMatchObject({ wanted: 0, why: expect.stringContaining('No request came') });
      const startedMs = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => predict(tess, { endpointId, tensors: [x([i])] })),
      );
      if (round === 0) console.info(`20 requests after zero: ${Math.round(performance.now() - startedMs)} ms`);
      expect(answers.map(({ outputs }) => outputs[0]!.data[0])).toEqual(
        Array.from({ length: 20 }, (_, i) => 2 * i + 1),
      );
      expect(await running(id)).toBe(1);
    }
    // Traffic that never pauses for long keeps it alive.
    for (let i = 0; i < 8; i++) {
      await sleep(400);
      await predict(tess, { endpointId, tensors: [x([i])] });
      expect(await running(id)).toBe(1);
    }
  });

  it('follows the traffic up to its bound, and says why', async () => {
    const { endpointId, id } = await deployed(multilayer([8, 2_048, 2_048, 2_048, 1]), { maxReplicas: 2 }, 8);
    expect(await running(id)).toBe(1);
    let asks = true;
    const rows = x(new Array<number>(64 * 8).fill(1), 8);
    const callers = Array.from({ length: 8 }, async () => {
      while (asks) await predict(tess, { endpointId, tensors: [rows], deadlineMs: 5_000 });
    });
    await expect.poll(() => running(id), { timeout: 30_000, interval: 200 }).toBe(2);
    asks = false;
    await Promise.all(callers);
    expect((await shown(id)).replicas!.why).toMatch(/^\d+\.\d requests at the same time/);
  });

  it('refuses bounds that contradict each other, and what the runtime does not honour', async () => {
    const ids = await endpointOf(linear([2], 1));
    const refused = async (scaling: Scaling, more: object = {}) => {
      const input = { ...ids, mode: 'LIVE', scaling, ...more };
      return (await tess.fails(DeployModelVersionDetailsDocument, { input })).extensions;
    };
    const bad = (field: string) => ({ code: 'BAD_USER_INPUT', field: `input.scaling.${field}` });
    expect(await refused({ minReplicas: 3, maxReplicas: 2 })).toMatchObject(bad('minReplicas'));
    expect(await refused({ minReplicas: 1, scaleToZeroAfterMs: 5_000 })).toMatchObject(bad('scaleToZeroAfterMs'));
    expect(await refused({ threads: 0 })).toMatchObject(bad('threads'));
    expect(await refused({ maxReplicas: 65 })).toMatchObject(bad('maxReplicas'));
  });

  it('CUDA on a machine without it: the deployment fails and says what to do', async () => {
    const ids = await endpointOf(linear([2], 1));
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { ...ids, mode: 'LIVE', scaling: { device: 'CUDA' }, waitMs: 20_000 },
    });
    const { status, error } = await shown(deployModelVersion.deployment.id);
    expect(status).toBe('FAILED');
    expect(error).toMatch(/^The deployment asks for the device CUDA.*deploy it with the device CPU/);
    expect(error).not.toMatch(/\/\w+\/|\.so/);
  });
});
