import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createRun, mutate, query, refused } from '../support/tracking.js';
import {
  CARS_CONFIG,
  createExperiment,
  registerDataset,
  startTraining,
  trainingEnd,
  vegaPath,
} from '../support/training.js';
import { CollectGarbageDocument, CreateModelDocument } from '../../schema/generated/operations.js';
import {
  AppendRunLogsDetailsDocument,
  CreateExperimentDetailsDocument,
  DeleteExperimentDetailsDocument,
  DeleteRunDetailsDocument,
  JobDetailsDocument,
  LogArtifactDetailsDocument,
  LogMetricsDetailsDocument,
  LogRunDatasetsDetailsDocument,
  RegisterModelVersionDetailsDocument,
  RestoreExperimentDetailsDocument,
  RestoreRunDetailsDocument,
  RunStateIdDocument,
  RunsIdDocument,
} from '../generated/operations.js';

let service: TestService;
let root: Caller;

beforeAll(async () => {
  service = await startTestService();
  root = await service.as({ role: Role.ADMIN });
});
afterAll(() => service?.close());

interface Collection {
  status: string;
  errorMessage: string | null;
  result: {
    runs: number;
    experiments: number;
    loggedModels: number;
    metricPoints: number;
    logLines: number;
    files: number;
    kept: { type: string; id: string; name: string; reason: string }[];
    keptCount: number;
    storage: {
      objectsWithoutRow: { count: number; keys: string[] };
      rowsWithoutObject: { count: number; keys: string[] };
    } | null;
  };
}

async function ended(jobId: string): Promise<Collection> {
  for (const deadline = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 30))) {
    const { job } = await root.ok(JobDetailsDocument, { id: jobId });
    if (!['QUEUED', 'RUNNING'].includes(job.status)) return { ...job, result: job.result as Collection['result'] };
    if (Date.now() > deadline) throw new Error(`The collection is ${job.status}.`);
  }
}

async function collect(input: object, caller = root): Promise<Collection['result']> {
  const { job } = await mutate(caller, CollectGarbageDocument, input);
  const { status, result, errorMessage } = await ended(job.id);
  expect(status, errorMessage ?? '').toBe('SUCCEEDED');
  return result;
}

/** All remaining rows of a run. */
async function rowsOf(runId: string): Promise<Record<string, number>> {
  const tables = [
    'run_param',
    'run_tag',
    'run_counter',
    'metric_point',
    'metric_latest',
    'run_log',
    'logged_dataset',
    'run_dataset',
    'artifact',
    'job',
  ];
  const counts = tables.map((table) => `(select count(*)::int from ${table} where run_id = $1) as ${table}`);
  const [row] = await query<Record<string, number>>(
    service,
    `select ${counts.join(', ')}, (select count(*)::int from run where id = $1) as run`,
    [runId],
  );
  return Object.fromEntries(Object.entries(row!).filter(([, count]) => count > 0));
}

const isThere = (key: string) =>
  access(join(service.app.context.config.DATA_DIR, 'artifacts', 'objects', key)).then(
    () => true,
    () => false,
  );

async function fullRun(experimentId: string): Promise<{ runId: string; key: string }> {
  const runId = await createRun(root, { experimentId, params: [{ key: 'a', value: 'b' }] });
  await mutate(root, LogMetricsDetailsDocument, {
    runId,
    metrics: [1, 2, 3].map((step) => ({ key: 'loss', value: step, step })),
  });
  await mutate(root, AppendRunLogsDetailsDocument, { runId, lines: [{ line: 'x' }, { line: 'y' }] });
  const dataset = { name: 'd', digest: '1', sourceType: 'local', source: '' };
  await mutate(root, LogRunDatasetsDetailsDocument, { runId, datasets: [dataset] });
  const { uploadId } = await root.upload('plot.txt', 'a plot');
  await mutate(root, LogArtifactDetailsDocument, { runId, path: 'plot.txt', uploadId });
  const [artifact] = await query<{ object_key: string }>(service, 'select object_key from artifact where run_id = $1', [
    runId,
  ]);
  return { runId, key: artifact!.object_key };
}

describe('collecting garbage', () => {
  it('removes a deleted run with all its data, and nothing else', async () => {
    const experimentId = await createExperiment(root);
    const { runId, key } = await fullRun(experimentId);
    const kept = await fullRun(experimentId);
    const child = await createRun(root, { experimentId, parentRunId: runId });
    expect(await isThere(key)).toBe(true);
    await mutate(root, DeleteRunDetailsDocument, { runId });
    expect(await collect({ olderThanDays: 1 })).toMatchObject({ runs: 0 });
    const result = await collect({ olderThanDays: 0, runIds: [runId] });
    expect(result).toMatchObject({
      runs: 1,
      experiments: 0,
      metricPoints: 3,
      logLines: 2,
      files: 1,
      kept: [],
      storage: null,
    });
    expect(await rowsOf(runId)).toEqual({});
    expect(await isThere(key)).toBe(false);
    expect(await query(service, 'select object_key from staged_object')).toEqual([]);
    expect((await refused(root, RestoreRunDetailsDocument, { runId })).extensions.code).toBe('NOT_FOUND');
    expect(await isThere(kept.key)).toBe(true);
    expect(await rowsOf(kept.runId)).toMatchObject({ run: 1, metric_point: 3, run_log: 2, artifact: 1 });
    const { run } = await root.ok(RunStateIdDocument, {
      id: child,
    });
    expect(run).toEqual({ state: 'ACTIVE', parent: null });
  });

  it('removes a deleted experiment, whose name is then free', async () => {
    const input = { name: 'to be collected' };
    const { experiment } = await mutate(root, CreateExperimentDetailsDocument, input);
    await fullRun(experiment.id);
    await mutate(root, DeleteExperimentDetailsDocument, { id: experiment.id });
    expect((await refused(root, CreateExperimentDetailsDocument, input)).extensions.code).toBe('CONFLICT');
    expect(await collect({ olderThanDays: 0, experimentIds: [experiment.id] })).toMatchObject({
      runs: 1,
      experiments: 1,
      kept: [],
    });
    await mutate(root, CreateExperimentDetailsDocument, input);
    expect((await refused(root, RestoreExperimentDetailsDocument, { id: experiment.id })).extensions.code).toBe(
      'NOT_FOUND',
    );
  });

  it('removes a training with its checkpoints, but not one that is the source of a registered version', async () => {
    const experimentId = await createExperiment(root);
    const datasetId = await registerDataset(root, { name: 'cars', path: vegaPath('cars.json') });
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { epochs: 4, batchSize: 64, learningRate: 0.01, hiddenLayers: [4] },
      checkpointEveryEpochs: 1,
    };
    const used = await startTraining(root, { experimentId, datasetId, config });
    const unused = await startTraining(root, { experimentId, datasetId, config });
    for (const { jobId } of [used, unused]) await trainingEnd(root, jobId);
    const { model } = await mutate(root, CreateModelDocument, {
      name: 'kept-model',
      task: 'REGRESSION',
      modelType: 'MLP_REGRESSOR',
    });
    await mutate(root, RegisterModelVersionDetailsDocument, { modelId: model.id, runId: used.runId });
    const keys = await query<{ key: string }>(service, 'select object_key as key from checkpoint where job_id = $1', [
      unused.jobId,
    ]);
    expect(keys.length).toBeGreaterThan(0);
    await mutate(root, DeleteExperimentDetailsDocument, { id: experimentId });
    const result = await collect({ olderThanDays: 0, experimentIds: [experimentId] });
    expect(result).toMatchObject({ runs: 1, experiments: 0, keptCount: 2 });
    expect(result.kept).toMatchObject([
      { type: 'run', id: used.runId, reason: 'model versions came from it: kept-model 1' },
      { type: 'experiment', id: experimentId, reason: '1 runs of it stay' },
    ]);
    expect(await rowsOf(unused.runId)).toEqual({});
    for (const { key } of keys) expect(await isThere(key)).toBe(false);
    await mutate(root, RestoreExperimentDetailsDocument, { id: experimentId });
    expect(await rowsOf(used.runId)).toMatchObject({ run: 1 });
  });

  it('continues after a cancellation, and a run that is half removed is not restored', async () => {
    const experimentId = await createExperiment(root);
    const { runId } = await fullRun(experimentId);
    const other = await createRun(root, { experimentId });
    await mutate(root, DeleteExperimentDetailsDocument, { id: experimentId });
    // The state that a collection leaves when it is killed between points.
    await query(service, 'update run set collection_began_at = now() where id = $1', [runId]);
    await query(service, 'delete from metric_point where run_id = $1 and step = 1', [runId]);
    await mutate(root, RestoreExperimentDetailsDocument, { id: experimentId });
    const { runs } = await root.ok(RunsIdDocument, { filter: { experimentIds: [experimentId] } });
    expect(runs.nodes).toEqual([{ id: other }]);
    expect((await refused(root, RestoreRunDetailsDocument, { runId })).message).toContain('being collected');
    expect(await collect({ olderThanDays: 0, runIds: [runId] })).toMatchObject({ runs: 1, metricPoints: 2 });
    expect(await rowsOf(runId)).toEqual({});
  });

  it('reports orphans in both directions, and none in a complete store', async () => {
    const tenant = await service.as({ tenant: 'orphans', role: Role.ADMIN });
    const experimentId = await createExperiment(tenant);
    const runId = await createRun(tenant, { experimentId });
    const { uploadId } = await tenant.upload('plot.txt', 'a plot');
    await mutate(tenant, LogArtifactDetailsDocument, { runId, path: 'plot.txt', uploadId });
    const check = async () => {
      const { job } = await mutate(tenant, CollectGarbageDocument, { checkStorage: true });
      for (;;) {
        const { job: now } = await tenant.ok(JobDetailsDocument, { id: job.id });
        if (now.status === 'SUCCEEDED') return (now.result as Collection['result']).storage!;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    };
    const none = { count: 0, keys: [] };
    const { objects } = service.app.context;
    const sizeBytes = objects.sizeBytes.bind(objects);
    let looks = 0;
    objects.sizeBytes = (key) => {
      looks += 1;
      return sizeBytes(key);
    };
    onTestFinished(() => {
      objects.sizeBytes = sizeBytes;
    });
    expect(await check()).toMatchObject({ objects: 2, rows: 2, objectsWithoutRow: none, rowsWithoutObject: none });
    expect(looks, 'a sound store needs no look at each file').toBe(0);
    await objects.put('orphans/stray.bin', Buffer.from('x'));
    const [artifact] = await query<{ object_key: string }>(
      service,
      'select object_key from artifact where run_id = $1',
      [runId],
    );
    await objects.delete(artifact!.object_key);
    expect(await check()).toMatchObject({
      objectsWithoutRow: { count: 1, keys: ['orphans/stray.bin'] },
      rowsWithoutObject: { count: 1, keys: [artifact!.object_key] },
    });
    expect(looks).toBe(1);
  });

  it('reports its progress by what it may remove', async () => {
    const experimentId = await createExperiment(root);
    const runIds = await Promise.all([1, 2, 3].map(() => createRun(root, { experimentId })));
    for (const runId of runIds) await mutate(root, DeleteRunDetailsDocument, { runId });
    const jobId = (await mutate(root, CollectGarbageDocument, { olderThanDays: 0, runIds: runIds.slice(0, 1) })).job.id;
    expect((await ended(jobId)).status).toBe('SUCCEEDED');
    const told = `select progress from job_event where job_id = $1 and message like '1 runs%'`;
    expect(await query(service, told, [jobId])).toEqual([{ progress: 1 }]);
  });

  it('is for ADMIN, and refuses invalid requests', async () => {
    const engineer = await service.as({ role: Role.ENGINEER });
    expect((await refused(engineer, CollectGarbageDocument, {})).extensions.code).toBe('FORBIDDEN');
    for (const [input, field] of [
      [{ olderThanDays: -1 }, 'input.olderThanDays'],
      [{ olderThanDays: 1e9 }, 'input.olderThanDays'],
      [{ runIds: [] }, 'input.runIds'],
    ] as const) {
      expect((await refused(root, CollectGarbageDocument, input)).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        field,
      });
    }
    const other = await service.as({ tenant: 'other', role: Role.ADMIN });
    const foreign = await createRun(other);
    expect((await refused(root, CollectGarbageDocument, { runIds: [foreign] })).extensions.code).toBe('NOT_FOUND');
  });

  it('lets other requests run while it removes many points', async () => {
    const points = Number(process.env['MATIH_FAULT_POINTS'] ?? 100_000);
    const experimentId = await createExperiment(root);
    const [runId, busy] = [await createRun(root, { experimentId }), await createRun(root, { experimentId })];
    await query(
      service,
      `insert into metric_point (tenant, run_id, key, step, logged_at, value, seq)
       select 'acme', $1, 'loss', n, timestamptz '2026-01-01', n, n from generate_series(1, $2::int) n`,
      [runId, points],
    );
    await mutate(root, DeleteRunDetailsDocument, { runId });
    const startedMs = performance.now();
    let over = false;
    const collection = collect({ olderThanDays: 0, runIds: [runId] }).finally(() => {
      over = true;
    });
    let slowestMs = 0;
    for (let step = 0; !over; step++) {
      const beganMs = performance.now();
      await mutate(root, LogMetricsDetailsDocument, { runId: busy, metrics: [{ key: 'loss', value: 1, step }] });
      slowestMs = Math.max(slowestMs, performance.now() - beganMs);
    }
    expect(await collection).toMatchObject({ runs: 1, metricPoints: points });
    console.log(
      `${points} points collected in ${(performance.now() - startedMs).toFixed(0)} ms; slowest write beside ` +
        `it ${slowestMs.toFixed(0)} ms`,
    );
    expect(slowestMs).toBeLessThan(2_000);
  });
});
