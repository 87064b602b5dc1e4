import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DeployModelVersionDetailsDocument,
  DeploymentScalingDocument,
  PredictDetailsDocument,
} from '../generated/operations.js';
import { RayServeServer } from '../../src/inference/ray-serve/ray-serve-server.js';
import { pythonPackage } from '../../src/training/ray/python-package.js';
import { hangsAbove1000, linear } from '../fixtures/models/build.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, serve, x, xToY } from '../support/serving.js';
import { freePort, RayHead } from './ray/head.js';
import { printSla } from './sla.js';

const START_MS = 240_000;
const AGAIN = { timeout: 120_000, interval: 200 };

let head: RayHead;
let service: TestService;
let tess: Caller;

beforeAll(async () => {
  head = await RayHead.start();
  service = await startTestService({
    ...head.settings(await freePort()),
    RAY_SERVE_URL: head.serveUrl,
    RAY_SERVE_CORES: '0.05',
  });
  tess = await service.as();
}, START_MS);
afterAll(async () => {
  await service?.close();
  await head?.close();
});

async function served(bytes: Uint8Array, scaling?: { minReplicas?: number; maxReplicas?: number; threads?: number }) {
  const made = await makeVersion(service, { bytes, signature: xToY(1) });
  const { id: endpointId } = await createEndpoint(tess, { modelId: made.modelId });
  const id = await deploy(tess, { endpointId, modelVersionId: made.versionId, runtime: 'RAY_SERVE', scaling });
  return { ...made, endpointId, id };
}

const ask = async (endpointId: string, value: number) =>
  (await predict(tess, { endpointId, tensors: [x([value])] })).outputs[0]!.data[0];
const failure = (endpointId: string) =>
  tess.fails(PredictDetailsDocument, { input: { endpointId, tensors: [x([1])] } });
const shown = async (id: string) => (await tess.ok(DeploymentScalingDocument, { id })).deployment;

describe('Ray Serve', () => {
  it('answers, with replicas between the bounds of the deployment, within the latency that it promises', async () => {
    const { endpointId, id } = await served(linear([2], 1), { minReplicas: 2, maxReplicas: 3, threads: 1 });
    for (let i = 0; i < 200; i++) expect(await ask(endpointId, i)).toBe(2 * i + 1);
    await expect.poll(async () => (await shown(id)).replicas?.running, AGAIN).toBe(2);
    expect((await shown(id)).replicas).toMatchObject({ wanted: 2 });
    await printSla(service, tess, 'RAY_SERVE', id);
    // A version with another scaling is an application of its own.
    const many = await Promise.all(Array.from({ length: 64 }, (_, i) => ask(endpointId, i)));
    expect(many).toEqual(Array.from({ length: 64 }, (_, i) => 2 * i + 1));
  });

  it('a version that does not load leaves the old one serving, and says why', async () => {
    const { endpointId, modelId } = await served(linear([2], 0));
    const { versionId } = await makeVersion(service, { bytes: Buffer.from('no model'), signature: xToY(1), modelId });
    const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
      input: { endpointId, modelVersionId: versionId, mode: 'LIVE', runtime: 'RAY_SERVE', waitMs: 60_000 },
    });
    const { id } = deployModelVersion.deployment;
    await expect.poll(async () => (await shown(id)).status, AGAIN).toBe('FAILED');
    const { error } = await shown(id);
    expect(error).toMatch(/^Ray Serve could not load the model: .+/);
    expect(error).not.toMatch(/\/tmp|\/root|Traceback|\n/);
    expect(await ask(endpointId, 21)).toBe(42);
  });

  it('a run that hangs ends at its deadline and leaves the others alone', async () => {
    const loop = await served(hangsAbove1000());
    const other = await served(linear([3], 0));
    const hanging = tess.fails(PredictDetailsDocument, {
      input: { endpointId: loop.endpointId, tensors: [x([5_000])], deadlineMs: 1_500 },
    });
    for (let i = 0; i < 5; i++) expect(await ask(other.endpointId, i)).toBe(3 * i);
    expect((await hanging).extensions.code).toBe('DEADLINE_EXCEEDED');
  });

  it('after kill -9 of its replica it answers again by itself', async () => {
    const { endpointId } = await served(linear([4], 0));
    const replicas = await head.pids('ServeReplica:matih-');
    expect(replicas.length).toBeGreaterThan(0);
    for (const pid of replicas) process.kill(pid, 'SIGKILL');
    await expect.poll(() => ask(endpointId, 2).catch(() => null), AGAIN).toBe(8);
  });

  it('two services at once, and the applications of others, do not undo each other', async () => {
    const files = createServer((_, response) => response.end(linear([6], 0)));
    await once(files.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(files.address() as AddressInfo).port}/`;
    const servers = [0, 1, 2].map(
      () =>
        new RayServeServer({
          dashboardUrl: head.url,
          token: head.token,
          serveUrl: head.serveUrl,
          publicUrl: undefined,
          coresPerThread: 0.05,
          code: pythonPackage,
        }),
    );
    const model = (modelId: string) => ({
      modelId,
      path: '',
      signature: xToY(1),
      sha256: createHash('sha256')
        .update(linear([6], 0))
        .digest('hex'),
      address: () => Promise.resolve({ name: 'six', version: '1' }),
      downloadUrl: () => Promise.resolve(url),
    });
    try {
      const before = await servers[0]!.heldModels();
      expect(before.length).toBeGreaterThan(0);
      const ids = ['one', 'two', 'three'].map((name) => `00000000-test-${name}`);
      await Promise.all(servers.map((server, i) => server.load(model(ids[i]!), AbortSignal.timeout(AGAIN.timeout))));
      const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: Float32Array.of(7) }];
      for (const [i, server] of servers.entries()) {
        const options = { alone: false, signal: AbortSignal.timeout(20_000) };
        expect((await server.infer(model(ids[i]!), inputs, options))[0]!.data).toEqual(Float32Array.of(42));
      }
      expect((await servers[2]!.heldModels()).sort()).toEqual([...before, ...ids].sort());
      await Promise.all(servers.map((server, i) => server.unload(ids[i]!)));
      await expect.poll(async () => (await servers[0]!.heldModels()).sort(), AGAIN).toEqual(before.sort());
    } finally {
      await Promise.all(servers.map((server) => server.close()));
      files.close();
    }
  });

  it('away: UNAVAILABLE, other deployments answer, and what is deployed is there again', async () => {
    const local = await serve(service, tess, { bytes: linear([3], 0), signature: xToY(1) });
    const { endpointId } = await served(linear([5], 0));
    expect(await ask(endpointId, 2)).toBe(10);
    await head.kill();
    for (let i = 0; i < 8; i++) {
      const { message, extensions } = await failure(endpointId);
      expect(extensions.code).toBe('UNAVAILABLE');
      expect(message).toMatch(i < 5 ? /Ray Serve does not answer.*RAY_SERVE_URL/ : /RAY_SERVE/);
      expect(await ask(local.endpointId, 2)).toBe(6);
    }
    const startedMs = performance.now();
    await head.begin();
    await expect.poll(() => ask(endpointId, 2).catch(() => null), AGAIN).toBe(10);
    console.log(`Ray killed: served again ${Math.round(performance.now() - startedMs)} ms after its restart began`);
    expect(await ask(local.endpointId, 2)).toBe(6);
  });
});
