import { afterAll, beforeAll, expect, it } from 'vitest';
import { FollowRunMetricsDocument } from '../../../schema/generated/operations.js';
import { CancelJobDetailsDocument, ScriptJobDocument, StartScriptDetailsDocument } from '../../generated/operations.js';
import { linesOf, scriptEnd, startScript, zipOf } from '../../support/scripts.js';
import { startTestService, type Caller, type TestService } from '../../support/service.js';
import { createExperiment } from '../../support/training.js';
import { freePort, RayHead } from './head.js';

/** Scripts as Ray jobs. They speak MLflow's protocol without its client, which the nodes of this test do not have. */

let head: RayHead;
let service: TestService;
let tess: Caller;
let experimentId: string;
beforeAll(async () => {
  head = await RayHead.start();
  service = await startTestService(head.settings(await freePort()));
  tess = await service.as();
  experimentId = await createExperiment(tess);
}, 330_000);
afterAll(async () => {
  await service?.close();
  await head?.close();
});

const CLIENT = `
import json, os, time, urllib.request

def log(key, value, step):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "step": step,
                       "timestamp": int(time.time() * 1000)}).encode()
    request = urllib.request.Request(
        os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric", data=body,
        headers={"authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "content-type": "application/json"})
    urllib.request.urlopen(request).read()
`;

const begin = (command: string, script: string) =>
  startScript(tess, {
    ...{ experimentId, command, backend: 'RAY' },
    files: { 'client.py': CLIENT, 'train.py': `from client import *\n${script}` },
  });

const jobOf = async (id: string) => (await tess.ok(ScriptJobDocument, { id })).job;

it('runs as a Ray job: live metrics, its log, its end', async () => {
  const { jobId, runId } = await begin(
    'python train.py',
    `
print("token", os.environ["MLFLOW_TRACKING_TOKEN"])
for step in range(20):
    log("loss", 1 / (step + 1), step)
    print("step", step)
    time.sleep(0.5)
`,
  );
  const live = tess.collect(FollowRunMetricsDocument, { runId, after: 0 }, (points) => points.length >= 2, 200_000);
  expect((await live)[1]).toMatchObject({ key: 'loss', step: 1, value: 0.5 });
  expect((await jobOf(jobId)).status).toBe('RUNNING');
  await expect.poll(() => linesOf(tess, runId), { timeout: 30_000 }).toContain('step 0');
  const job = await scriptEnd(tess, jobId, 'SUCCEEDED');
  expect(job).toMatchObject({
    external: { backend: 'ray', id: `matih-${jobId}-1`, state: 'SUCCEEDED' },
    run: { status: 'FINISHED', metrics: [{ key: 'loss', value: 0.05 }] },
  });
  const lines = await linesOf(tess, runId);
  expect(lines.filter((line) => /^step \d+$/.test(line))).toEqual(Array.from({ length: 20 }, (_, i) => `step ${i}`));
  expect(lines).toContain('token (hidden)');
}, 300_000);

it('fails with its exit code and its last line, once', async () => {
  const { jobId } = await begin('python train.py', 'raise SystemExit("no rows")');
  const job = await scriptEnd(tess, jobId, 'FAILED', 60_000);
  expect(job).toMatchObject({ errorCode: 'CONFLICT', attempt: 1, run: { status: 'FAILED' } });
  expect(job.errorMessage).toBe('The script ended with exit code 1: no rows');
}, 200_000);

it('is stopped on the cluster when it is cancelled', async () => {
  const { jobId } = await begin('python train.py', 'log("begun", 1, 0)\ntime.sleep(600)');
  await expect.poll(async () => (await jobOf(jobId)).run!.metrics.length, { timeout: 120_000 }).toBe(1);
  await tess.ok(CancelJobDetailsDocument, { input: { jobId } });
  await expect
    .poll(async () => (await head.client.job(`matih-${jobId}-1`))?.status, { timeout: 60_000, interval: 500 })
    .toMatch(/STOPPED|FAILED/);
  expect((await scriptEnd(tess, jobId, 'CANCELLED')).run!.status).toBe('KILLED');
}, 200_000);

it('takes no resources of this machine, and no dataset of the service', async () => {
  const { uploadId } = await tess.upload('code.zip', zipOf({ 'a.py': '' }));
  const input = { experimentId, uploadId, command: 'python a.py', backend: 'RAY' };
  expect(await tess.fails(StartScriptDetailsDocument, { input: { ...input, job: { cores: 2 } } })).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT', field: 'input.job.cores' },
  });
  expect(
    await tess.fails(StartScriptDetailsDocument, { input: { ...input, datasetId: crypto.randomUUID() } }),
  ).toMatchObject({ extensions: { code: 'BAD_USER_INPUT', field: 'input.datasetId' } });
});
