import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { Client } from 'minio';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { linear } from '../fixtures/models/build.js';
import { DeploymentServerStatisticsDocument } from '../generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy, makeVersion, predict, x, xToY } from '../support/serving.js';
import { createModel, registerUpload } from '../support/registry.js';
import { UndeployDocument } from '../../schema/generated/operations.js';
import { engine } from './engines.js';
import { Triton } from './triton-server.js';

/** A model repository in a bucket. */

const S3 = {
  S3_ENDPOINT: engine('S3_ENDPOINT'),
  S3_ACCESS_KEY: engine('S3_ACCESS_KEY'),
  S3_SECRET_KEY: engine('S3_SECRET_KEY'),
};
const BUCKET = `triton-${Date.now()}`;

let triton: Triton;
let gate: Server;
let service: TestService;
let tess: Caller;
const { hostname, port } = new URL(S3.S3_ENDPOINT);
const client = new Client({
  ...{ endPoint: hostname, port: Number(port), useSSL: false, pathStyle: true },
  ...{ accessKey: S3.S3_ACCESS_KEY, secretKey: S3.S3_SECRET_KEY },
});

async function bucketTree(prefix: string): Promise<Map<string, Buffer>> {
  const tree = new Map<string, Buffer>();
  for await (const { name } of client.listObjectsV2(BUCKET, prefix, true) as AsyncIterable<{ name: string }>)
    tree.set(name.slice(prefix.length), await buffer(await client.getObject(BUCKET, name)));
  return tree;
}

async function folderTree(folder: string): Promise<Map<string, Buffer>> {
  const tree = new Map<string, Buffer>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.pyc')) continue;
    const path = join(entry.parentPath, entry.name);
    tree.set(path.slice(folder.length + 1), await readFile(path));
  }
  return tree;
}

/**
 * Stands before the real server and does what a Triton that was built with S3 does itself: it takes a model from the
 * bucket when it is told to load it. The one of PyPI was built without.
 */
async function startGate(): Promise<Server> {
  const server = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const loaded = /^\/v2\/repository\/models\/(matih-[^/]+)\/load$/.exec(request.url!)?.[1];
      if (loaded !== undefined) {
        const folder = join(triton.repository, loaded);
        await rm(folder, { recursive: true, force: true });
        for (const [path, content] of await bucketTree(`models/${loaded}/`)) {
          await mkdir(dirname(join(folder, path)), { recursive: true });
          await writeFile(join(folder, path), content);
        }
      }
      const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
      const answer = await fetch(`${triton.url}${request.url!}`, {
        method: request.method!,
        headers: headers as Record<string, string>,
        ...(body.length > 0 && { body }),
      });
      const answered = Buffer.from(await answer.arrayBuffer());
      const length = answer.headers.get('inference-header-content-length');
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/json',
        ...(length !== null && { 'inference-header-content-length': length }),
      });
      response.end(answered);
    })().catch((error: unknown) => response.destroy(error as Error));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

beforeAll(async () => {
  triton = await Triton.start(engine('MATIH_TRITON_PYTHON'));
  gate = await startGate();
  service = await startTestService({
    ...S3,
    S3_BUCKET: `${BUCKET}-files`,
    TRITON_URL: `http://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    TRITON_REPOSITORY: `s3://${BUCKET}/models/`,
  });
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  gate?.closeAllConnections();
  gate?.close();
  await triton?.close();
});

it('in a bucket it is the same tree as in a folder, a real Triton serves it, and it goes with the model', async () => {
  const made = await makeVersion(service, { bytes: linear([5], 0), signature: xToY(1) });
  const { id: endpointId } = await createEndpoint(tess, { modelId: made.modelId });
  const deploymentId = await deploy(tess, { endpointId, modelVersionId: made.versionId, runtime: 'TRITON' });
  expect((await predict(tess, { endpointId, tensors: [x([2])] })).outputs[0]!.data).toEqual([10]);

  const name = `matih-${made.versionId}`;
  const inBucket = await bucketTree(`models/${name}/`);
  expect([...inBucket.keys()].sort()).toEqual(['1/model.onnx', '1/model.py', 'config.pbtxt']);
  expect(inBucket.get('config.pbtxt')!.toString()).toContain(`name: "${name}"`);
  expect(inBucket.get('1/model.onnx')).toEqual(Buffer.from(linear([5], 0)));

  // The same version by a service that writes a folder.
  const other = await startTestService(
    { ...S3, S3_BUCKET: `${BUCKET}-files`, TRITON_URL: triton.url, TRITON_REPOSITORY: triton.repository },
    service.database,
  );
  try {
    await rm(join(triton.repository, name), { recursive: true });
    await fetch(`${triton.url}/v2/repository/models/${name}/unload`, { method: 'POST' });
    await expect
      .poll(() => folderTree(join(triton.repository, name)).catch(() => null), { timeout: 30_000 })
      .toEqual(inBucket);
  } finally {
    await other.close();
  }
  await tess.ok(UndeployDocument, { deploymentId });
  await expect.poll(async () => (await bucketTree('models/')).size, { timeout: 60_000, interval: 500 }).toBe(0);
}, 120_000);

it.each([
  ['s3://', S3],
  ['s3:models', S3],
  ['s3://UPPER/x', S3],
  ['s3://bucket/a//b', S3],
  ['s3://bucket/models', {}],
])('a setting that cannot be is refused at the start: %s', async (TRITON_REPOSITORY, store) => {
  const start = startTestService({ ...store, TRITON_URL: triton.url, TRITON_REPOSITORY }, service.database);
  await expect(start).rejects.toThrow(/TRITON_REPOSITORY/);
});

it('the server’s own counts are shown beside ours, and in /metrics', async () => {
  // Registered as people do, so that its rows are proven independent and the server counts them.
  const modelId = await createModel(tess, { name: 'counted' });
  const { id: modelVersionId } = await registerUpload(tess, modelId, linear([3], 0));
  const { id: endpointId } = await createEndpoint(tess, { modelId });
  const id = await deploy(tess, { endpointId, modelVersionId, runtime: 'TRITON' });
  const read = async () => (await tess.ok(DeploymentServerStatisticsDocument, { id })).deployment;
  await expect.poll(async () => (await read()).serverStatistics).not.toBeNull();
  const before = (await read()).serverStatistics!;
  for (let i = 0; i < 12; i++) await predict(tess, { endpointId, tensors: [x([1, 2, 3])] });
  await service.app.context.services.traffic.flush();
  await expect.poll(async () => (await read()).serverStatistics!.succeeded).toBe(before.succeeded + 12);
  const { traffic, serverStatistics: now } = await read();
  expect(traffic.requests).toBe(12);
  expect(now).toMatchObject({ failed: 0, rows: before.rows + 36 });
  expect(now!.batches).toBeGreaterThan(before.batches);
  expect(now!.computeMs).toBeGreaterThan(before.computeMs);
  expect(now!.queueMs).toBeGreaterThan(before.queueMs);
  const ofThree = now!.batchSizes.find(({ rows }) => rows === 3)!;
  expect(ofThree.batches).toBe(12);
  const scraped = async () => (await fetch(`${service.url}/metrics`)).text();
  const line = `matih_server_requests{runtime="triton",deployment="${id}",outcome="success"} ${now!.succeeded}`;
  await expect.poll(scraped, { timeout: 10_000 }).toContain(line);
  expect(await scraped()).toContain(`matih_server_batches{runtime="triton",deployment="${id}",rows="3"} 12`);
  await triton.kill();
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  expect((await read()).serverStatistics).toBeNull();
  expect((await read()).traffic.requests).toBe(12);
});
