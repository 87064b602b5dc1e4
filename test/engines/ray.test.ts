import { afterAll, beforeAll, expect, it } from 'vitest';
import { FollowRunMetricsDocument } from '../../schema/generated/operations.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import {
  CancelJobDetailsDocument,
  ClusterDetailsDocument,
  ExternalOfJobDocument,
  RunLogsSeqLineDocument,
} from '../generated/operations.js';
import { carsOnRay } from './ray/config.js';
import { freePort, RayHead } from './ray/head.js';

/** The shortest real path on Ray; test/engines/ray has the others. */

let head: RayHead;
let service: TestService;
let tess: Caller;
let ids: { experimentId: string; datasetId: string };
beforeAll(async () => {
  head = await RayHead.start();
  service = await startTestService(head.settings(await freePort()));
  tess = await service.as();
  ids = {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') }),
  };
}, 330_000);
afterAll(async () => {
  await service?.close();
  await head?.close();
});

it('trains on Ray: the same run, live metrics, checked model and log as a local training', async () => {
  const { jobId, runId } = await startTraining(tess, { ...ids, config: carsOnRay({ epochs: 40 }), backend: 'RAY' });
  const points = tess.collect(
    FollowRunMetricsDocument,
    { runId, after: 0 },
    (seen) => seen.filter(({ key }) => key === 'validation.loss').length === 20,
    200_000,
  );
  const job = await trainingEnd(tess, jobId, 'SUCCEEDED', 240_000);
  expect((await points).findLast(({ key }) => key === 'validation.loss')).toMatchObject({ step: 40 });
  expect(job.result!.agreementMaxAbsDiff).toBeLessThanOrEqual(1e-4);
  expect(job.result!.epochsRun).toBe(40);
  expect(job.result!.metrics['holdout.accuracy']).toBeGreaterThan(0.7);
  expect(job.run.status).toBe('FINISHED');
  const { external } = (await tess.ok(ExternalOfJobDocument, { id: jobId })).job;
  expect(external).toEqual({ backend: 'ray', id: `matih-${jobId}-1`, state: 'SUCCEEDED' });
  const lines = await tess.collect(RunLogsSeqLineDocument, { runId, after: 0 }, (seen) =>
    seen.some(({ line }) => line.includes('stored in')),
  );
  expect(lines.map(({ line }) => line).join('\n')).toContain('epoch 40 of 40');
  expect(JSON.stringify([job, lines])).not.toContain(head.token);
  const { cluster } = await tess.ok(ClusterDetailsDocument);
  expect(cluster).toMatchObject({ backend: 'ray', problem: null, version: '2.60.0' });
  expect(cluster!.nodes).toMatchObject([{ isHead: true, isAlive: true }]);
  expect(cluster!.resources).toContainEqual(expect.objectContaining({ name: 'CPU', total: 2 }));
  expect(cluster!.jobs).toMatchObject([{ id: `matih-${jobId}-1`, status: 'SUCCEEDED', job: { id: jobId } }]);
  const other = await service.as({ tenant: 'globex' });
  expect((await other.ok(ClusterDetailsDocument)).cluster!.jobs).toEqual([]);
}, 300_000);

it('stops the work of a cancelled training on the cluster', async () => {
  const { jobId } = await startTraining(tess, { ...ids, config: carsOnRay({ epochs: 10_000 }), backend: 'RAY' });
  await trainingWhen(tess, jobId, ({ run }) => run.metrics.some(({ key }) => key === 'validation.loss'), 200_000);
  await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
  await expect
    .poll(async () => (await head.client.job(`matih-${jobId}-1`))?.status, { timeout: 60_000, interval: 500 })
    .toMatch(/STOPPED|FAILED/);
  const job = await trainingEnd(tess, jobId, 'CANCELLED');
  expect(job.run.status).toBe('KILLED');
}, 300_000);
