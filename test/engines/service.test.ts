import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { json } from 'node:stream/consumers';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServiceProcess } from '../support/processes.js';
import { newRun } from '../support/runs.js';
import { Caller, SECRET, tokenFor } from '../support/service.js';
import { createEndpoint, deploy, predict } from '../support/serving.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { createExperiment, fixtureBytes, registerDataset, startTraining, trainingEnd } from '../support/training.js';
import { engine } from './engines.js';
import {
  CreateModelDocument,
  FollowJobDocument,
  FollowRunMetricsDocument,
  LogMetricsDocument,
} from '../../schema/generated/operations.js';
import { RegisterModelVersionDetailsDocument } from '../generated/operations.js';

// As in production: processes that share no disk, on PostgreSQL, Redis and S3; the database user is not a superuser.
const processes: ServiceProcess[] = [];
const folders: string[] = [];
const name = `shared_${randomBytes(4).toString('hex')}`;
let store: TcpProxy;
let [first, second]: Caller[] = [];

async function admin(statement: string): Promise<void> {
  const client = new Client({ connectionString: engine('MATIH_POSTGRES_ADMIN_URL') });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

async function start(role: 'api' | 'worker'): Promise<ServiceProcess> {
  const dataDir = await mkdtemp(join(tmpdir(), 'matih-engines-'));
  folders.push(dataDir);
  const started = await ServiceProcess.start({
    ROLE: role,
    PORT: '0',
    DATA_DIR: dataDir,
    DATABASE_URL: Object.assign(new URL(engine('MATIH_POSTGRES_ADMIN_URL')), { username: name, pathname: `/${name}` })
      .href,
    DATABASE_POOL_SIZE: '5',
    REDIS_URL: `${engine('REDIS_URL')}/9999`,
    S3_ENDPOINT: `http://127.0.0.1:${store.port}`,
    S3_ACCESS_KEY: engine('S3_ACCESS_KEY'),
    S3_SECRET_KEY: engine('S3_SECRET_KEY'),
    S3_BUCKET: name.replace('_', '-'),
    AUTH_JWT_SECRET: SECRET,
    INFERENCE_HOSTS: '1',
  });
  processes.push(started);
  return started;
}

beforeAll(async () => {
  const { hostname, port } = new URL(engine('S3_ENDPOINT'));
  store = await startTcpProxy({ host: hostname, port: Number(port) });
  await admin(`create role ${name} login createrole`);
  await admin(`create database ${name} owner ${name}`);
  const [one, other] = await Promise.all([start('api'), start('api'), start('worker')]);
  const token = await tokenFor();
  [first, second] = [new Caller(one.url, token), new Caller(other.url, token)];
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.end()));
  await store?.close();
  await admin(`drop database if exists ${name} with (force)`);
  for (const role of [name, 'matih_app', 'matih_system']) await admin(`drop role if exists ${role}`);
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

it('metrics logged at one API process reach a subscriber of the other', async () => {
  const runId = await newRun(first!);
  const COUNT = 60;
  const sentAt = new Map<number, number>();
  const delays: number[] = [];
  const following = second!.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => {
    const { step } = points.at(-1)!;
    delays.push(performance.now() - (sentAt.get(step) ?? 0));
    return points.length === COUNT;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  for (let step = 1; step <= COUNT; step++) {
    sentAt.set(step, performance.now());
    await first!.ok(LogMetricsDocument, { input: { runId, metrics: [{ key: 'loss', value: 1 / step, step }] } });
  }
  expect((await following).map(({ step }) => step)).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
  const sorted = delays.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]!.toFixed(1);
  console.log(
    `metrics from one api to a subscriber of the other over Redis: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms ` +
      `from the request's begin`,
  );
});

it('a file uploaded at one API process trains on a worker and is served by the other, all through S3', async () => {
  const { uploadId } = await first!.upload('penguins.csv', fixtureBytes('penguins.csv'));
  const datasetId = await registerDataset(first!, { name: 'penguins', uploadId });
  const { jobId, runId } = await startTraining(second!, {
    experimentId: await createExperiment(first!),
    datasetId,
    config: {
      algorithm: 'MLP_CLASSIFIER',
      target: { column: 'species' },
      features: [
        { column: 'flipper_length', kind: 'NUMERIC' },
        { column: 'body_mass', kind: 'NUMERIC' },
      ],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
      hyperparameters: { epochs: 20, batchSize: 16, learningRate: 0.01, hiddenLayers: [8] },
      seed: 3,
    },
  });
  const steps = first!.collect(FollowJobDocument, { jobId, after: 0 }, (items) => items.at(-1)?.status === 'SUCCEEDED');
  await trainingEnd(first!, jobId);
  expect((await steps).length).toBeGreaterThan(2);
  const { createModel } = await first!.ok(CreateModelDocument, {
    input: { name: 'penguins', task: 'CLASSIFICATION', modelType: 'MLP_CLASSIFIER' },
  });
  const { registerModelVersion } = await first!.ok(RegisterModelVersionDetailsDocument, {
    input: { modelId: createModel.model.id, runId },
  });
  const { id: endpointId } = await createEndpoint(first!, { modelId: createModel.model.id });
  await deploy(first!, { endpointId, modelVersionId: registerModelVersion.modelVersion.id });
  for (const caller of [first!, second!]) {
    const { predictions } = await predict(caller, { endpointId, rows: [{ flipper_length: 217, body_mass: 5200 }] });
    expect(predictions.map(({ label }) => label)).toEqual(['Gentoo']);
  }
});

it('a store that stops during an upload: UNAVAILABLE, no upload; and the retry succeeds', async () => {
  const uploads = async () => {
    const client = new Client({
      connectionString: Object.assign(new URL(engine('MATIH_POSTGRES_ADMIN_URL')), { pathname: `/${name}` }).href,
    });
    await client.connect();
    const { rows } = await client
      .query<{ n: number }>('select count(*)::int as n from upload')
      .finally(() => client.end());
    return rows[0]!.n;
  };
  const before = await uploads();
  const send = (body: AsyncIterable<Buffer>) =>
    new Promise<{ status: number | undefined; answer: Record<string, unknown> }>((resolve, reject) => {
      const headers = { 'content-type': 'application/octet-stream', authorization: `Bearer ${first!.token}` };
      const upload = request(`${first!.url}/uploads?fileName=large.csv`, { method: 'POST', headers }, (response) => {
        json(response).then(
          (answer) => resolve({ status: response.statusCode, answer: answer as Record<string, unknown> }),
          reject,
        );
      });
      upload.on('error', reject);
      Readable.from(body, { objectMode: false }).pipe(upload);
    });
  async function* content(then: (i: number) => unknown): AsyncGenerator<Buffer> {
    for (let i = 0; i < 40; i++) {
      then(i);
      yield randomBytes(1024 ** 2);
    }
  }
  expect(await send(content((i) => i === 20 && store.cut()))).toMatchObject({
    status: 503,
    answer: { error: { code: 'UNAVAILABLE' } },
  });
  expect(await uploads()).toBe(before);
  expect((await fetch(`${first!.url}/healthz`)).status).toBe(200);
  store.restore();
  expect(await send(content(() => undefined))).toMatchObject({ status: 200, answer: { sizeBytes: 40 * 1024 ** 2 } });
  expect(await uploads()).toBe(before + 1);
});

it('every process ends normally', async () => {
  expect(await Promise.all(processes.map((process) => process.end('SIGTERM')))).toEqual([0, 0, 0]);
});
