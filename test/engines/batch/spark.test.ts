import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StartBatchInferenceInput } from '../../../schema/generated/operations.js';
import { CancelJobDetailsDocument } from '../../generated/operations.js';
import { registerDataset } from '../../support/training.js';
import { engine } from '../engines.js';
import { freePort } from '../ray/head.js';
import { BatchWorld } from './backend.js';
import { itDoesAsLocal } from './same-as-local.js';
import { placesBelow4 } from '../../fixtures/models/build.js';
import { floats, makeVersion } from '../../support/serving.js';

/** Batch inference on a real local Spark gives what a local one gives, whatever dies meanwhile. */

let confDir: string;
let world: BatchWorld;
beforeAll(async () => {
  const submit = engine('MATIH_SPARK_SUBMIT');
  confDir = await mkdtemp(join(tmpdir(), 'spark-conf-'));
  await writeFile(join(confDir, 'spark-defaults.conf'), 'spark.ui.enabled false\n');
  const port = await freePort();
  world = await BatchWorld.create('SPARK', {
    SPARK_SUBMIT: submit,
    // Two tasks at once; a task is run four times before it is given up.
    SPARK_MASTER: 'local[2,4]',
    ...{ PYSPARK_PYTHON: join(dirname(submit), 'python'), SPARK_LOCAL_IP: '127.0.0.1', SPARK_CONF_DIR: confDir },
    ...(process.env['JAVA_HOME'] && { JAVA_HOME: process.env['JAVA_HOME'] }),
    ...{ PORT: String(port), PUBLIC_URL: `http://127.0.0.1:${port}` },
  });
}, 200_000);
afterAll(async () => {
  await world?.close();
  await rm(confDir, { recursive: true, force: true });
});

/** The processes of this job's Spark program, by a part of their command line. */
async function pidsOf(jobId: string, part = ''): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!(await readFile(`/proc/${pid}/environ`, 'utf8')).includes(`MATIH_JOB_ID=${jobId}`)) continue;
      if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').includes(part)) found.push(pid);
    } catch {
      // It has ended meanwhile, or belongs to another user.
    }
  }
  return found;
}

async function expectNoneOf(jobId: string): Promise<void> {
  await expect.poll(() => pidsOf(jobId), { timeout: 60_000, interval: 500 }).toEqual([]);
}

let places: StartBatchInferenceInput | undefined;
/** Three rows; the model cannot predict the last one. */
async function threePlaces(): Promise<StartBatchInferenceInput> {
  if (places) return places;
  const { uploadId } = await world.tess.upload('places.csv', Buffer.from('x\n0\n1\n7\n'));
  const datasetId = await registerDataset(world.tess, { name: 'places', uploadId });
  const columns = [{ name: 'x', type: 'NUMBER' as const }];
  const signature = { inputs: [{ ...floats('x', 1), columns }], outputs: [floats('y', 1)] };
  const { versionId: modelVersionId } = await makeVersion(world.service, { bytes: placesBelow4(), signature });
  return (places = { modelVersionId, datasetId, backend: 'SPARK' });
}

itDoesAsLocal(() => world);

it('continues in the same attempt when the processes that predict are killed', async () => {
  const id = await world.begun();
  const pids = await pidsOf(id, 'pyspark.daemon');
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const job = await world.ended(id);
  expect([job.attempt, job.result!.rows]).toEqual([1, 200_000]);
  expect(job.external).toEqual({ backend: 'spark', id: `matih-${id}-1`, state: 'SUCCEEDED' });
}, 600_000);

it('continues from the stored parts after kill -9 of our worker, and the old program ends itself', async () => {
  const id = await world.begun();
  await world.replaceWorker();
  const kept = (await world.parts(id)).length;
  const job = await world.ended(id);
  expect([job.attempt, job.result!.rows]).toEqual([2, 200_000]);
  expect(job.external).toEqual({ backend: 'spark', id: `matih-${id}-2`, state: 'SUCCEEDED' });
  console.log(`Spark: our worker killed after ${kept} of ${job.result!.parts} parts, done in attempt 2`);
  await expectNoneOf(id);
}, 600_000);

it('begins again from the stored parts after kill -9 of the driver', async () => {
  const id = await world.begun();
  const pids = await pidsOf(id, 'org.apache.spark.deploy.SparkSubmit');
  expect(pids.length).toBe(1);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const kept = (await world.parts(id)).length;
  const job = await world.ended(id);
  expect([job.attempt, job.result!.rows]).toEqual([2, 200_000]);
  expect(job.external).toEqual({ backend: 'spark', id: `matih-${id}-2`, state: 'SUCCEEDED' });
  console.log(`Spark: driver killed after ${kept} of ${job.result!.parts} parts, done in attempt 2`);
  await expectNoneOf(id);
}, 600_000);

it('tells the error of a model that cannot predict a row, once', async () => {
  const job = await world.ended(await world.start(await threePlaces()), 'FAILED');
  expect([job.errorCode, job.attempt]).toEqual(['CONFLICT', 1]);
  expect(job.errorMessage).toMatch(/^The model cannot predict these rows: rows 1 to 3: .*out of data bounds/);
  expect(job.errorMessage).not.toMatch(/\/(tmp|root|home|onnxruntime_src)\//);
}, 400_000);

it('ends the program of a cancelled batch inference', async () => {
  const id = await world.begun();
  await world.tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
  await world.ended(id, 'CANCELLED');
  await expectNoneOf(id);
}, 400_000);

it.each([
  [{ SPARK_MASTER: 'nowhere' }, 'does not know the value of SPARK_MASTER'],
  [{ JAVA_HOME: '/nowhere' }, 'finds no Java'],
  [{ SPARK_HOME: '/nowhere' }, 'SPARK_HOME names no Spark'],
  [{ SPARK_MASTER: 'spark://127.0.0.1:9' }, 'does not answer at SPARK_MASTER'],
])(
  'says what is wrong with %o after its last attempt',
  async (settings, says) => {
    await world.replaceWorker(settings);
    const job = await world.ended(await world.start(await threePlaces()), 'FAILED');
    expect([job.errorCode, job.attempt]).toEqual(['UNAVAILABLE', 3]);
    expect(job.errorMessage).toContain(says);
  },
  600_000,
);
