import { afterAll, beforeAll, expect, it } from 'vitest';
import { CancelJobDetailsDocument } from '../../generated/operations.js';
import { freePort, RayHead } from '../ray/head.js';
import { BatchWorld } from './backend.js';
import { itDoesAsLocal } from './same-as-local.js';

/** Batch inference on Ray gives what a local one gives, whatever dies meanwhile. */

let head: RayHead;
let world: BatchWorld;
beforeAll(async () => {
  head = await RayHead.start();
  world = await BatchWorld.create('RAY', { ...head.settings(await freePort()), RAY_LOST_AFTER_MS: '5000' });
}, 400_000);
afterAll(async () => {
  await world?.close();
  await head?.close();
});

async function kill(part: string): Promise<void> {
  const pids = await head.pids(part);
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

const worksOf = async (id: string) =>
  (await head.client.jobs()).filter(({ metadata }) => metadata?.['job'] === id).length;

itDoesAsLocal(() => world);

it('continues in the same attempt when a process that predicts is killed', async () => {
  const id = await world.begun();
  await kill('PartPredictor');
  const job = await world.ended(id);
  expect([job.attempt, job.result!.rows]).toEqual([1, 200_000]);
}, 600_000);

it('continues after kill -9 of our worker, and nothing is submitted again', async () => {
  const id = await world.begun();
  await world.replaceWorker();
  const job = await world.ended(id);
  expect(job.attempt).toBe(2);
  expect(job.external).toEqual({ backend: 'ray', id: `matih-${id}-1`, state: 'SUCCEEDED' });
  expect(await worksOf(id)).toBe(1);
  expect(await world.parts(id)).toEqual([]);
}, 600_000);

it('continues from the stored parts after kill -9 of the head', async () => {
  const id = await world.begun();
  await head.killHead();
  const kept = (await world.parts(id)).length;
  await head.begin();
  const job = await world.ended(id);
  expect(job.attempt).toBeGreaterThan(1);
  expect(job.external!.id).not.toBe(`matih-${id}-1`);
  expect(job.result).toMatchObject({ rows: 200_000 });
  console.log(`Ray: head killed after ${kept} of ${job.result!.parts} parts, done in attempt ${job.attempt}`);
}, 600_000);

it('stops the work of a cancelled batch inference', async () => {
  const id = await world.begun();
  const { external } = await world.job(id);
  await world.tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
  await world.ended(id, 'CANCELLED');
  await expect
    .poll(async () => (await head.client.job(external!.id))?.status, { timeout: 60_000, interval: 500 })
    .toMatch(/STOPPED|FAILED/);
}, 400_000);
