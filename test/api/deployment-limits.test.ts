import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DeployModelVersionDetailsDocument,
  DeploymentLimitsDocument,
  PredictDetailsDocument,
} from '../generated/operations.js';
import { hangsAbove1000, linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, makeVersion, predict, x, xToY } from '../support/serving.js';

let service: TestService;
let tess: Caller;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
});
afterAll(() => service?.close());

async function serveLimited(
  bytes: Uint8Array,
  more: Record<string, unknown>,
): Promise<{ endpointId: string; name: string; id: string; status: string }> {
  const { modelId, versionId: modelVersionId } = await makeVersion(service, { bytes, signature: xToY(1) });
  const endpoint = await createEndpoint(tess, { modelId });
  const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
    input: { endpointId: endpoint.id, modelVersionId, mode: 'LIVE', waitMs: 20_000, ...more },
  });
  const { id, status } = deployModelVersion.deployment;
  return { endpointId: endpoint.id, name: endpoint.name, id, status };
}

const refused = (endpointId: string, value: number, deadlineMs?: number) =>
  tess.fails(PredictDetailsDocument, { input: { endpointId, tensors: [x([value])], deadlineMs } });

describe('limits of a deployment', () => {
  it('refuse a request when its queue is full or too slow, and say when to come again', async () => {
    const limits = { concurrency: 1, queueRows: 1, queueTimeoutMs: 300 };
    const served = await serveLimited(hangsAbove1000(), { limits });
    const { endpointId } = served;
    expect((await tess.ok(DeploymentLimitsDocument, { id: served.id })).deployment.limits).toEqual({
      ...limits,
      deadlineMs: null,
    });
    expect((await predict(tess, { endpointId, tensors: [x([1])] })).rows).toBe(1);
    const running = refused(endpointId, 5_000, 2_000);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const waiting = refused(endpointId, 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const full = await refused(endpointId, 1);
    expect(full.extensions).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      expected: 'at most 1 rows waiting',
      retryAfterMs: expect.any(Number) as number,
    });
    // The same over REST.
    const rest = await fetch(`${service.url}/v1/endpoints/${served.name}/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tess.token}` },
      body: JSON.stringify({ tensors: [x([1])] }),
    });
    expect([rest.status, Number(rest.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(rest.headers.get('retry-after'))).toBeGreaterThan(0);
    const late = await waiting;
    expect(late.message).toContain('waited 300 ms');
    expect(late.extensions).toMatchObject({ code: 'RESOURCE_EXHAUSTED', retryAfterMs: expect.any(Number) as number });
    expect((await running).extensions.code).toBe('DEADLINE_EXCEEDED');
  });

  it('let requests wait for their turn, and end them at the deadline of the deployment', async () => {
    const { endpointId } = await serveLimited(linear([2], 0), { limits: { concurrency: 1, queueRows: 100 } });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => predict(tess, { endpointId, tensors: [x([i])] })),
    );
    expect(answers.map(({ outputs }) => outputs[0]!.data[0])).toEqual(Array.from({ length: 20 }, (_, i) => 2 * i));
    const short = await serveLimited(hangsAbove1000(), { limits: { deadlineMs: 400 } });
    const startedMs = performance.now();
    expect((await refused(short.endpointId, 5_000)).extensions.code).toBe('DEADLINE_EXCEEDED');
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  });

  it('are checked: a queue belongs to a concurrency', async () => {
    const { modelId, versionId: modelVersionId } = await makeVersion(service, {
      bytes: linear([2], 0),
      signature: xToY(1),
    });
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    const input = { endpointId, modelVersionId, mode: 'LIVE', limits: { queueRows: 5 } };
    const error = await tess.fails(DeployModelVersionDetailsDocument, { input });
    expect(error.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.limits.queueRows' });
  });
});

describe('a warm-up', () => {
  it('must be answered before the deployment is ready', async () => {
    const ready = await serveLimited(linear([2], 0), { warmUpRows: [{ x: 1 }] });
    expect(ready.status).toBe('READY');
    const { modelId, versionId: modelVersionId } = await makeVersion(service, {
      bytes: linear([2], 0),
      signature: xToY(1),
    });
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    const input = { endpointId, modelVersionId, mode: 'LIVE', warmUpRows: [{ x: 1 }, { x: 'one' }] };
    const error = await tess.fails(DeployModelVersionDetailsDocument, { input });
    expect(error.extensions).toMatchObject({ code: 'INVALID_TENSOR', field: 'rows[1].x' });
  });
});
