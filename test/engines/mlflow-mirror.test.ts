import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { ServiceGroup } from '../support/processes.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { sql } from '../support/embedded.js';
import { mutate } from '../support/tracking.js';
import { RealMlflow } from './mlflow/server.js';
import {
  ModelVersionsDetailsDocument,
  PromoteModelVersionDetailsDocument,
  MirrorStatusForMlflowMirrorDocument,
} from '../generated/operations.js';

interface Status {
  waiting: number;
  failing: number;
  errors: { kind: string; id: string; error: string; failures: number }[];
}

interface Server {
  get<T>(path: string, query: Record<string, string>): Promise<T>;
}

let theirs: RealMlflow;
let service: TestService;
let root: Caller;
let ours: MlflowCaller;
beforeAll(async () => {
  theirs = await RealMlflow.start();
  service = await startTestService({ MLFLOW_TRACKING_URI: theirs.url });
  root = await service.as({ role: Role.ADMIN });
  ours = await MlflowCaller.of(service, { role: Role.ADMIN });
});
afterAll(async () => {
  await service?.close();
  await theirs?.close();
});

async function status(caller: Caller = root): Promise<Status> {
  const answer = await caller.ok(MirrorStatusForMlflowMirrorDocument);
  return answer.mirrorStatus;
}

async function until(holds: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
  for (
    const deadline = Date.now() + withinMs;
    !(await holds());
    await new Promise((resolve) => setTimeout(resolve, 100))
  )
    if (Date.now() > deadline) throw new Error(`not in time: ${JSON.stringify(await status())}`);
}

const settled = (caller: Caller = root) => until(async () => (await status(caller)).waiting === 0);

async function experimentThere(
  name: string,
): Promise<{ experiment_id: string; tags: object[]; lifecycle_stage: string }> {
  return (
    await theirs.get<{ experiment: Awaited<ReturnType<typeof experimentThere>> }>('experiments/get-by-name', {
      experiment_name: name,
    })
  ).experiment;
}

/** The run on the other server that was made from a run here. */
async function twin(id: string): Promise<string> {
  const { experiments } = await theirs.post<{ experiments: { experiment_id: string }[] }>('experiments/search', {
    max_results: 100,
    view_type: 'ALL',
  });
  const { runs } = await theirs.post<{ runs?: MlflowRun[] }>('runs/search', {
    ...{ experiment_ids: experiments.map(({ experiment_id: one }) => one), run_view_type: 'ALL' },
    filter: `tags.\`matih.runId\` = '${id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}'`,
  });
  expect(runs).toHaveLength(1);
  return runs![0]!.info.run_id;
}

const MARKS = ['matih.runId', 'matih.tenant', 'mlflow.parentRunId'];
const byKey = <T extends object>(items: readonly T[] = []) =>
  items.map((item) => JSON.stringify(item, Object.keys(item).sort())).sort();

/** A run as both servers show it, without the names that it has only there. */
async function runOf(server: Server, id: string) {
  const { run } = await server.get<{ run: MlflowRun }>('runs/get', { run_id: id });
  const { status: state, start_time: start, end_time: stop, run_name: name, lifecycle_stage: stage } = run.info;
  const histories: Record<string, unknown> = {};
  for (const { key } of run.data.metrics ?? []) {
    const { metrics } = await server.get<{ metrics: object[] }>('metrics/get-history', { run_id: id, metric_key: key });
    histories[key] = byKey(metrics);
  }
  return {
    ...{ state, start, stop, name, stage, histories },
    params: byKey(run.data.params),
    tags: byKey(run.data.tags?.filter(({ key }) => !MARKS.includes(key))),
    latest: byKey(run.data.metrics?.map(({ key, value, step, timestamp }) => ({ key, value, step, timestamp }))),
  };
}

const points = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    key: 'loss',
    value: 1 / (from + i + 1),
    step: from + i,
    timestamp: 1_700_000_000_000 + i,
  }));

async function newRun(experiment: string, given: object = {}): Promise<string> {
  const { run } = await ours.post<{ run: MlflowRun }>('runs/create', {
    experiment_id: experiment,
    start_time: Date.now(),
    ...given,
  });
  return run.info.run_id;
}

let experiment: string;
let runId: string;

it('what is logged here appears on the other server', async () => {
  experiment = (
    await ours.post<{ experiment_id: string }>('experiments/create', {
      name: 'mirrored (größe)',
      tags: [{ key: 'team', value: 'air' }],
    })
  ).experiment_id;
  runId = await newRun(experiment, { run_name: 'first', tags: [{ key: 'owner', value: 'tess' }] });
  await ours.post('runs/log-batch', {
    run_id: runId,
    params: Array.from({ length: 100 }, (_, i) => ({ key: `p${i}`, value: String(i) })),
    tags: [{ key: 'passing', value: 'x' }],
  });
  await ours.post('runs/log-batch', {
    run_id: runId,
    params: Array.from({ length: 50 }, (_, i) => ({ key: `q${i}`, value: String(i) })),
  });
  for (let from = 0; from < 3_000; from += 1_000)
    await ours.post('runs/log-batch', { run_id: runId, metrics: points(1_000, from) });
  await ours.post('runs/log-batch', {
    run_id: runId,
    metrics: [
      { key: 'odd', value: 'NaN', step: 0, timestamp: 5 },
      { key: 'odd', value: 2, step: -3, timestamp: 6 },
      { key: 'odd', value: 'NaN', step: 7, timestamp: 7 },
    ],
  });
  const child = await newRun(experiment, { run_name: 'child', tags: [{ key: 'mlflow.parentRunId', value: runId }] });
  await ours.post('runs/update', { run_id: child, status: 'FAILED', end_time: Date.now() });
  await settled();
  await ours.post('runs/delete-tag', { run_id: runId, key: 'passing' });
  await ours.post('runs/set-tag', { run_id: runId, key: 'owner', value: 'ada' });
  await ours.post('runs/update', { run_id: runId, status: 'FINISHED', end_time: Date.now() });
  await settled();
  expect(await status()).toEqual({ waiting: 0, failing: 0, errors: [] });

  expect(await runOf(theirs, await twin(runId))).toEqual(await runOf(ours, runId));
  expect(await runOf(theirs, await twin(child))).toEqual(await runOf(ours, child));
  const { run } = await theirs.get<{ run: MlflowRun }>('runs/get', { run_id: await twin(child) });
  expect(run.data.tags).toContainEqual({ key: 'mlflow.parentRunId', value: await twin(runId) });
  expect((await experimentThere('mirrored (größe)')).tags).toContainEqual({ key: 'team', value: 'air' });

  await ours.post('runs/delete', { run_id: child });
  await settled();
  expect(await runOf(theirs, await twin(child))).toMatchObject({ stage: 'deleted' });
  await ours.post('runs/restore', { run_id: child });
  await settled();
  expect(await runOf(theirs, await twin(child))).toEqual(await runOf(ours, child));
});

it('models, versions, stages and aliases too', async () => {
  await ours.post('registered-models/create', {
    name: 'delays',
    tags: [{ key: 'owner', value: 'tess' }],
    description: 'how late',
  });
  const source = 's3://bucket/model';
  await ours.post('model-versions/create', {
    name: 'delays',
    source,
    run_id: runId,
    tags: [{ key: 'quality', value: 'good' }],
  });
  await ours.post('model-versions/create', { name: 'delays', source, description: 'second' });
  await ours.post('registered-models/alias', { name: 'delays', alias: 'champion', version: '1' });
  await settled();
  const { modelVersions } = await root.ok(ModelVersionsDetailsDocument);
  const second = modelVersions.nodes.find(({ version }) => version === 2)!.id;
  for (const toStage of ['STAGING', 'PRODUCTION'] as const)
    await mutate(root, PromoteModelVersionDetailsDocument, {
      modelVersionId: second,
      toStage,
      override: true,
      reason: 'needed by a test',
    });
  await ours.post('registered-models/alias', { name: 'delays', alias: 'champion', version: '2' });
  await ours.post('registered-models/alias', { name: 'delays', alias: 'old', version: '1' });
  await settled();
  const there = async () =>
    (
      await theirs.get<{ registered_model: { description: string; tags: object[]; aliases?: object[] } }>(
        'registered-models/get',
        {
          name: 'delays',
        },
      )
    ).registered_model;
  expect(await there()).toMatchObject({
    description: 'how late',
    tags: expect.arrayContaining([{ key: 'owner', value: 'tess' }]) as object[],
    aliases: expect.arrayContaining([
      { alias: 'champion', version: '2' },
      { alias: 'old', version: '1' },
    ]) as object[],
  });
  const version = (number: string) =>
    theirs.get<{ model_version: Record<string, unknown> }>('model-versions/get', { name: 'delays', version: number });
  expect((await version('1')).model_version).toMatchObject({
    current_stage: 'None',
    run_id: await twin(runId),
    tags: expect.arrayContaining([
      { key: 'quality', value: 'good' },
      { key: 'matih.source', value: source },
    ]) as object[],
  });
  expect((await version('2')).model_version).toMatchObject({ current_stage: 'Production', description: 'second' });

  await ours.ok('DELETE', 'registered-models/alias', { name: 'delays', alias: 'old' });
  await ours.ok('DELETE', 'model-versions/delete', { name: 'delays', version: '1' });
  await settled();
  expect((await there()).aliases).toEqual([{ alias: 'champion', version: '2' }]);
});

it('a server that does not answer delays nobody and misses nothing', async () => {
  await theirs.kill();
  const began = performance.now();
  const late = await newRun(experiment, { run_name: 'late' });
  for (let from = 0; from < 5_000; from += 1_000)
    await ours.post('runs/log-batch', { run_id: late, metrics: points(1_000, from) });
  await ours.post('runs/log-batch', { run_id: runId, metrics: points(500, 3_000) });
  const loggedMs = performance.now() - began;
  await until(async () => (await status()).errors.length > 0);
  expect(await status()).toMatchObject({
    failing: 0,
    errors: [{ failures: 0, error: expect.stringContaining('no usable answer') }],
  });
  await theirs.begin();
  await settled();
  expect(await runOf(theirs, await twin(late))).toEqual(await runOf(ours, late));
  expect(await runOf(theirs, await twin(runId))).toEqual(await runOf(ours, runId));
  console.log(`mlflow-mirror: 5,500 points logged in ${loggedMs.toFixed(0)} ms while the other server was away`);
});

it('what the server refuses is shown and does not stop the rest', async () => {
  const poison = await newRun(experiment, { run_name: 'poison' });
  await settled();
  await theirs.post('runs/delete', { run_id: await twin(poison) });
  await ours.post('runs/log-batch', { run_id: poison, metrics: points(1) });
  await until(async () => (await status()).failing === 1);
  const sound = await newRun(experiment, { run_name: 'sound' });
  await until(async () => (await status()).waiting === 1);
  expect(await runOf(theirs, await twin(sound))).toMatchObject({ name: 'sound' });
  const { errors } = await status();
  expect(errors).toMatchObject([{ kind: 'RUN', failures: 1, error: expect.stringContaining('active') }]);
});

it('continues after kill -9 without duplicating a run or a point', async () => {
  const group = await ServiceGroup.create();
  try {
    const settings = { MLFLOW_TRACKING_URI: theirs.url };
    const api = await group.start('api', settings);
    const caller = await group.as(api, { role: Role.ADMIN, tenant: 'killed' });
    const here = new MlflowCaller(caller.url, caller.token);
    const runIds: string[] = [];
    for (let i = 0; i < 8; i++) {
      const { run } = await here.post<{ run: MlflowRun }>('runs/create', {
        experiment_id: '0',
        start_time: Date.now(),
      });
      runIds.push(run.info.run_id);
      for (let from = 0; from < 3_000; from += 1_000)
        await here.post('runs/log-batch', { run_id: run.info.run_id, metrics: points(1_000, from) });
    }
    for (let kills = 0; kills < 6; kills++) {
      const worker = await group.start('worker', settings);
      await new Promise((resolve) => setTimeout(resolve, 300 + 250 * kills));
      await worker.end('SIGKILL');
      // Its leases would end too.
      await sql(group.database.url, 'update mirror_task set not_before = now()');
    }
    await group.start('worker', settings);
    await settled(caller);
    for (const id of runIds) expect(await runOf(theirs, await twin(id))).toEqual(await runOf(here, id));
  } finally {
    await group.close();
  }
});
