import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestService, type TestService } from '../support/service.js';
import { TrafficWriter } from '../support/traffic.js';
import { registerDataset, vegaPath } from '../support/training.js';
import { World } from '../support/world.js';
import { CloneJobDocument, WorldCollectGarbageDocument, WorldJobStatusDocument } from '../generated/operations.js';

let service: TestService;
let traffic: TrafficWriter;
let world: World;

beforeAll(async () => {
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  world = await World.create(service, traffic, 'acme');
});
afterAll(async () => {
  await world?.close();
  await traffic?.end();
  await service?.close();
});

const clone = async (jobId: string, more: object = {}) =>
  (await world.caller.ok(CloneJobDocument, { input: { jobId, ...more } })).cloneJob.job;

async function succeeds(id: string): Promise<void> {
  await expect
    .poll(async () => (await world.caller.ok(WorldJobStatusDocument, { id })).job.status, { timeout: 60_000 })
    .toBe('SUCCEEDED');
}

it('a training, a tuning, an evaluation and a batch inference are started again, and succeed', async () => {
  const { jobId, batchJobId, evaluationId, datasetId, versionId, tuningId } = world.things;
  const [study] = await traffic.query<{ job_id: string }>('select job_id from study where id = $1', [tuningId]);
  const training = await clone(jobId);
  expect(training).toMatchObject({ kind: 'TRAINING', dataset: { id: datasetId }, run: { experiment: {} } });
  // An evaluation has the id of its job.
  const evaluation = await clone(evaluationId);
  expect(evaluation).toMatchObject({ kind: 'EVALUATION', modelVersion: { id: versionId }, dataset: { id: datasetId } });
  const batch = await clone(batchJobId);
  expect(batch).toMatchObject({ kind: 'BATCH_INFERENCE', modelVersion: { id: versionId }, dataset: { id: datasetId } });
  for (const { id } of [training, evaluation, batch]) await succeeds(id);

  const tuning = await clone(study!.job_id);
  expect(tuning).toMatchObject({ kind: 'TUNING', dataset: { id: datasetId } });
  const specs = await traffic.query<{ spec: unknown; stop_rule: unknown }>(
    'select spec, stop_rule from study where id in ($1, $2)',
    [tuningId, (tuning.config as { studyId: string }).studyId],
  );
  expect(specs).toHaveLength(2);
  expect(specs[0]).toEqual(specs[1]);
});

it('with the newest dataset and the version in production', async () => {
  const { batchJobId, datasetId, modelId, versionId } = world.things;
  const newest = await registerDataset(world.caller, { name: 'cars', path: vegaPath('cars.json') });
  const promoted = await world.newVersion(modelId);
  await world.promote(promoted, versionId);
  const same = await clone(batchJobId);
  expect(same).toMatchObject({ modelVersion: { id: versionId }, dataset: { id: datasetId } });
  const renewed = await clone(batchJobId, { newestDataset: true, productionVersion: true });
  expect(renewed).toMatchObject({ modelVersion: { id: promoted }, dataset: { id: newest } });
  await succeeds(renewed.id);
});

it('other kinds are refused with those that can be', async () => {
  const { collectGarbage } = await world.caller.ok(WorldCollectGarbageDocument, { input: { olderThanDays: 1 } });
  const refused = await world.caller.fails(CloneJobDocument, { input: { jobId: collectGarbage.job.id } });
  expect(refused).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT', field: 'input.jobId', got: '"GARBAGE_COLLECTION"' },
  });
  expect(refused.message).toContain('TRAINING, TUNING, SCRIPT, EVALUATION, BATCH_INFERENCE');
  const jobId = world.things.jobId;
  expect(await world.caller.fails(CloneJobDocument, { input: { jobId, productionVersion: true } })).toMatchObject({
    extensions: { code: 'BAD_USER_INPUT', field: 'input.productionVersion' },
  });
});
