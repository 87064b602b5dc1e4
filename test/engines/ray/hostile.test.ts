import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  SearchRunLogsDocument,
  StartTrainingDocument,
  StartTuningDocument,
} from '../../../schema/generated/operations.js';
import { pythonPackage } from '../../../src/training/ray/python-package.js';
import { Role } from '../../../src/modules/core/rules/principal.js';
import {
  CancelJobDetailsDocument,
  ClusterDetailsDocument,
  ExplainQueueDocument,
  SetTenantShareDocument,
} from '../../generated/operations.js';
import { startTestService, type Caller, type TestService } from '../../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingJob,
  trainingWhen,
  vegaPath,
} from '../../support/training.js';
import { carsOnRay } from './config.js';
import { freePort, RayHead } from './head.js';

/** A cluster that refuses, or has no room: a clear error or a clean failure, and nothing else is disturbed. */

const PENDING_MS = 12_000;

let head: RayHead;
const services: TestService[] = [];
beforeAll(async () => {
  head = await RayHead.start();
}, 330_000);
afterAll(async () => {
  for (const service of services) await service.close();
  await head?.close();
});

async function opened(
  change: Record<string, string>,
): Promise<{ service: TestService; tess: Caller; ids: { experimentId: string; datasetId: string } }> {
  const service = await startTestService({ ...head.settings(await freePort()), ...change });
  services.push(service);
  const tess = await service.as();
  const experimentId = await createExperiment(tess);
  return {
    service,
    tess,
    ids: { experimentId, datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }) },
  };
}

const cpus = (amount: number) => ({ name: 'CPU', amount });

/** What waits on the cluster, and what would have to be added for it. */
async function needOf(tess: Caller) {
  const { waiting, missing } = (await tess.ok(ClusterDetailsDocument)).cluster!;
  return { waiting, missing };
}

const small = { backend: 'RAY' as const, config: carsOnRay({ algorithm: 'XGBOOST_CLASSIFIER', epochs: 5 }) };

it('a wrong token is told at once, without showing it, and local trainings go on', async () => {
  const token = 'a-token-of-another-cluster';
  const { tess, ids } = await opened({ RAY_AUTH_TOKEN: token });
  const { cluster } = await tess.ok(ClusterDetailsDocument);
  expect(cluster).toMatchObject({ backend: 'ray', version: null, nodes: [], jobs: [] });
  const refused = [
    await tess.fails(StartTrainingDocument, { input: { ...ids, ...small } }),
    await tess.fails(StartTuningDocument, { input: { ...ids, ...small, name: 'wrong', stop: { maxTrials: 2 } } }),
  ];
  for (const { message, extensions } of [...refused, { message: cluster!.problem!, extensions: null }]) {
    expect(message).toMatch(/refuses the token: set RAY_AUTH_TOKEN to the token of the cluster\.$/);
    expect(message).not.toContain(token);
    if (extensions) expect(extensions).toMatchObject({ code: 'UNAVAILABLE', field: 'input.backend' });
  }
  const { jobId } = await startTraining(tess, { ...ids, config: CARS_CONFIG });
  await trainingEnd(tess, jobId);
}, 200_000);

it('a cluster without room: the job says what it waits for, and fails after RAY_PENDING_TIMEOUT_MS', async () => {
  const { tess, ids } = await opened({ RAY_PENDING_TIMEOUT_MS: String(PENDING_MS) });
  const code = await pythonPackage();
  await head.client.putPackage(code.name, code.zip);
  const other = { id: 'other', entrypoint: 'sleep 600', packageName: code.name, env: {}, cpus: 2, metadata: {} };
  await head.client.submit(other);
  const stateOf = async (id: string) => (await head.client.job(id))?.status;
  await expect.poll(() => stateOf('other'), { timeout: 90_000, interval: 500 }).toBe('RUNNING');
  const { jobId, runId } = await startTraining(tess, { ...ids, ...small });
  await expect
    .poll(() => needOf(tess), { timeout: PENDING_MS + 30_000, interval: 200 })
    .toEqual({ waiting: [{ count: 1, resources: [cpus(1)] }], missing: [cpus(1)] });
  const job = await trainingEnd(tess, jobId, 'FAILED', 120_000);
  expect(job).toMatchObject({ attempt: 1, errorCode: 'RESOURCE_EXHAUSTED', run: { status: 'FAILED' } });
  expect(job.errorMessage).toMatch(/^The Ray cluster has not begun the work within 12 s\. It says: .+ nodes/);
  const { run } = await tess.ok(SearchRunLogsDocument, { runId, last: 10 });
  expect(run.logs.nodes.at(-1)!.line).toContain(job.errorMessage);
  expect(await stateOf('other')).toBe('RUNNING');
  // Ray stops it when it has room for it.
  await head.client.stop('other');
  await expect.poll(() => stateOf(`matih-${jobId}-1`), { timeout: 90_000, interval: 500 }).toMatch(/STOPPED|FAILED/);
}, 300_000);

it('more workers than the cluster has room for: the training fails and says so, and holds nothing', async () => {
  const { tess, ids } = await opened({ RAY_PENDING_TIMEOUT_MS: String(PENDING_MS) });
  const { jobId } = await startTraining(tess, { ...ids, ...small, workers: 3 });
  await expect
    .poll(() => needOf(tess), { timeout: 90_000, interval: 200 })
    .toEqual({ waiting: [{ count: 3, resources: [cpus(1)] }], missing: [cpus(1)] });
  const job = await trainingEnd(tess, jobId, 'FAILED', 200_000);
  expect(job).toMatchObject({ attempt: 1, errorCode: 'CONFLICT', run: { status: 'FAILED' } });
  expect(job.errorMessage).toMatch(/no room for 3 workers at once: ask for fewer, or add nodes/);
  const { jobId: next } = await startTraining(tess, { ...ids, ...small, workers: 2 });
  await trainingEnd(tess, next, 'SUCCEEDED', 200_000);
}, 600_000);

it('the quota of a tenant holds on the cluster: its trainings there wait for each other, those of others do not', async () => {
  const { service, tess, ids } = await opened({});
  const admin = await service.as({ role: Role.ADMIN });
  const cores = (amount: number) => ({ cores: amount });
  await admin.ok(SetTenantShareDocument, { input: { weight: 1, quota: cores(1), borrowingLimit: cores(0) } });
  const two = await tess.fails(StartTrainingDocument, { input: { ...ids, ...small, workers: 2 } });
  expect(two.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.workers', got: '2' });
  const long = { ...small, config: carsOnRay({ algorithm: 'XGBOOST_CLASSIFIER', epochs: 10_000 }) };
  const { jobId } = await startTraining(tess, { ...ids, ...long });
  const { jobId: second } = await startTraining(tess, { ...ids, ...small });
  await trainingWhen(tess, jobId, ({ run }) => run.metrics.some(({ key }) => key === 'validation.loss'), 200_000);
  const { explainQueue } = await tess.ok(ExplainQueueDocument, { jobId: second });
  expect(explainQueue).toMatchObject({ position: 1, reason: 'LIMIT', share: { quota: { cores: 1 } } });
  // One core, of those of this machine and of the cluster.
  expect(explainQueue.share.used).toBeGreaterThan(0);
  expect(explainQueue.share.used).toBeLessThan(1);
  const globex = await service.as({ tenant: 'globex' });
  const others = {
    experimentId: await createExperiment(globex),
    datasetId: await registerDataset(globex, { name: 'cars', path: vegaPath('cars.json') }),
  };
  const { jobId: ofOthers } = await startTraining(globex, { ...others, ...small });
  await trainingEnd(globex, ofOthers, 'SUCCEEDED', 200_000);
  expect((await trainingJob(tess, second)).status).toBe('QUEUED');
  await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
  await trainingEnd(tess, second, 'SUCCEEDED', 200_000);
}, 600_000);
