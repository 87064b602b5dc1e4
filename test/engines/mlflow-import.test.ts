import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { ServiceGroup } from '../support/processes.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { mutate, query, refused } from '../support/tracking.js';
import { sql } from '../support/embedded.js';
import { runPython } from './mlflow/python.js';
import { RealMlflow } from './mlflow/server.js';
import { ImportFromMlflowDocument } from '../../schema/generated/operations.js';
import {
  JobDetailsDocument,
  ModelsForMlflowImportDocument,
  ModelVersionsVersionStageDocument,
} from '../generated/operations.js';

const SETTINGS = { MLFLOW_IMPORT_ALLOW_HTTP: 'true', MLFLOW_IMPORT_ALLOWED_HOSTS: '127.0.0.1' };
const SECRET = 'a-password-that-nobody-may-see';

type Ids = Record<'experiment' | 'parent' | 'child' | 'gone' | 'failed' | 'model', string>;
type Outcome = Record<'added' | 'changed' | 'unchanged', number>;
interface Result {
  experiments: Outcome;
  runs: Outcome;
  loggedModels: Outcome;
  models: Outcome;
  modelVersions: Outcome;
  metricPoints: number;
  artifacts: number;
  aliases: number;
  stages: number;
  problems: object[];
}

let theirs: RealMlflow;
let ids: Ids;
let service: TestService;
let root: Caller;
beforeAll(async () => {
  theirs = await RealMlflow.start();
  ids = await runPython<Ids>('import_script.py', { MLFLOW_TRACKING_URI: theirs.url });
  service = await startTestService(SETTINGS);
  root = await service.as({ role: Role.ADMIN });
});
afterAll(async () => {
  await service?.close();
  await theirs?.close();
});

/** Waits for the end of a job. */
async function end(
  caller: Caller,
  id: string,
): Promise<{ status: string; errorMessage: string | null; config: object; result: Result }> {
  for (const deadline = Date.now() + 100_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const { job } = await caller.ok(JobDetailsDocument, { id });
    if (!['QUEUED', 'RUNNING'].includes(job.status) || Date.now() > deadline)
      return { ...job, config: job.config as object, result: job.result as Result };
  }
}

async function bring(caller: Caller, input: object = {}): Promise<Result> {
  const given = { trackingUri: theirs.url, username: 'tess', password: SECRET, ...input };
  const { job } = await mutate(caller, ImportFromMlflowDocument, given);
  const { status, errorMessage, result } = await end(caller, job.id);
  expect(status, errorMessage ?? '').toBe('SUCCEEDED');
  return result;
}

interface Server {
  get<T>(path: string, query: Record<string, string>): Promise<T>;
}

const byKey = <T extends object>(items: readonly T[] = []) =>
  items.map((item) => JSON.stringify(item, Object.keys(item).sort())).sort();

/** A run as both servers show it, without the fields that only one of them has. */
async function runOf(server: Server, id: string) {
  const { run } = await server.get<{ run: MlflowRun }>('runs/get', { run_id: id });
  const { status, start_time: start, end_time: stop, run_name: name, lifecycle_stage: stage } = run.info;
  const histories: Record<string, unknown> = {};
  for (const { key } of run.data.metrics ?? []) {
    const { metrics } = await server.get<{ metrics: object[] }>('metrics/get-history', { run_id: id, metric_key: key });
    histories[key] = byKey(metrics);
  }
  return {
    ...{ status, start, stop, name, stage, histories },
    ...{ params: byKey(run.data.params), tags: byKey(run.data.tags) },
    latest: byKey(run.data.metrics?.map(({ key, value, step, timestamp }) => ({ key, value, step, timestamp }))),
    inputs: run.inputs.dataset_inputs,
    outputs: run.outputs.model_outputs,
  };
}

async function modelOf(server: Server, id: string) {
  const { model } = await server.get<{ model: { info: Record<string, unknown>; data: Record<string, object[]> } }>(
    `logged-models/${id}`,
    {},
  );
  const { name, status, source_run_id: runId, tags } = model.info;
  return {
    name,
    status,
    runId,
    tags: byKey(tags as object[]),
    params: byKey(model.data['params']),
    metrics: byKey(model.data['metrics']),
  };
}

it('imports everything as it was, once, and then only what has changed', async () => {
  const first = await bring(root, { withDeleted: true });
  expect(first.problems).toEqual([]);
  expect(first).toMatchObject({
    experiments: { added: 2, changed: 0, unchanged: 0 },
    runs: { added: 4, changed: 0, unchanged: 0 },
    loggedModels: { added: 1, changed: 0, unchanged: 0 },
    models: { added: 1, changed: 0, unchanged: 0 },
    modelVersions: { added: 2, changed: 0, unchanged: 0 },
    aliases: 1,
    stages: 0,
  });
  const ours = await MlflowCaller.of(service, { role: Role.ADMIN });
  for (const id of [ids.parent, ids.child, ids.gone, ids.failed])
    expect(await runOf(ours, id)).toEqual(await runOf(theirs, id));
  const { experiment } = await ours.get<{ experiment: { name: string; tags: object[] } }>('experiments/get-by-name', {
    experiment_name: 'flights (größe)',
  });
  expect(experiment.tags).toContainEqual({ key: 'team', value: 'air' });
  const listed = await ours.get<{ files: object[] }>('artifacts/list', {
    run_id: ids.parent,
    path: 'files/deep/ünder',
  });
  expect(listed.files).toEqual([{ path: 'files/deep/ünder/a b.txt', is_dir: false, file_size: 5 }]);
  expect(await modelOf(ours, ids.model)).toEqual(await modelOf(theirs, ids.model));
  const { models } = await root.ok(ModelsForMlflowImportDocument);
  expect(models.nodes).toEqual([
    {
      ...{ name: 'delays', description: 'how late', tags: [{ key: 'owner', value: 'tess' }] },
      versions: {
        nodes: [
          {
            ...{
              version: 2,
              stage: 'DEVELOPMENT',
              status: 'READY',
              framework: 'sklearn',
              description: 'second',
              aliases: ['champion'],
            },
            tags: [
              { key: 'quality', value: 'good' },
              { key: 'matih.importedStage', value: 'Production' },
            ],
          },
          expect.objectContaining({
            version: 3,
            stage: 'DEVELOPMENT',
            tags: [{ key: 'matih.importedStage', value: 'Staging' }],
          }),
        ],
      },
    },
  ]);

  const again = await bring(root, { withDeleted: true });
  expect(again).toMatchObject({
    runs: { added: 0, changed: 0, unchanged: 4 },
    loggedModels: { added: 0, changed: 0, unchanged: 1 },
    modelVersions: { added: 0, changed: 0, unchanged: 2 },
    ...{ metricPoints: 0, artifacts: 0, aliases: 0 },
  });

  await theirs.post('runs/log-metric', { run_id: ids.failed, key: 'late', value: 7, step: 1, timestamp: 5 });
  await theirs.post('runs/set-tag', { run_id: ids.failed, key: 'why', value: 'out of memory' });
  const third = await bring(root, { keepStages: true });
  expect(third).toMatchObject({
    runs: { added: 0, changed: 1, unchanged: 2 },
    metricPoints: 1,
    artifacts: 0,
    stages: 2,
  });
  expect(await runOf(ours, ids.failed)).toEqual(await runOf(theirs, ids.failed));
  const { nodes } = (await root.ok(ModelVersionsVersionStageDocument)).modelVersions;
  expect(nodes).toEqual(
    expect.arrayContaining([
      { version: 2, stage: 'PRODUCTION' },
      { version: 3, stage: 'STAGING' },
    ]),
  );
  const overrides = await query<{ override: boolean; reason: string }>(
    service,
    'select override, reason from stage_transition',
  );
  expect(overrides).toContainEqual({ override: true, reason: expect.stringContaining('where it is in Production') });
});

it('another tenant of the same service gets its own ids', async () => {
  const other = await service.as({ tenant: 'other', role: Role.ENGINEER });
  const result = await bring(other, { experimentNames: ['flights (größe)'], modelNames: [] });
  expect(result).toMatchObject({ experiments: { added: 1 }, runs: { added: 3 }, models: { added: 0 }, problems: [] });
  const rows = await query<{ n: number }>(
    service,
    `select count(*)::int as n from run where tenant = 'other' and parent_run_id is not null`,
  );
  expect(rows).toEqual([{ n: 1 }]);
});

it('refuses addresses and stages, and shows no credentials', async () => {
  const engineer = await service.as();
  const input = { trackingUri: theirs.url };
  expect((await refused(engineer, ImportFromMlflowDocument, { ...input, keepStages: true })).extensions.code).toBe(
    'FORBIDDEN',
  );
  for (const trackingUri of [
    'http://169.254.169.254/',
    'http://localhost:5000',
    'file:///etc/passwd',
    'http://u:p@example.com',
  ])
    expect((await refused(engineer, ImportFromMlflowDocument, { trackingUri })).extensions.code).toBe(
      'URL_NOT_ALLOWED',
    );
  for (const bad of [{ token: 'a\nb' }, { token: 'a', username: 'b', password: 'c' }, { username: 'b' }]) {
    const error = await refused(engineer, ImportFromMlflowDocument, { ...input, ...bad });
    expect(error.extensions.code).toBe('BAD_USER_INPUT');
  }
  const none = await mutate(engineer, ImportFromMlflowDocument, { ...input, experimentNames: ['none'] });
  expect(await end(engineer, none.job.id)).toMatchObject({
    status: 'FAILED',
    errorMessage: expect.stringContaining('no experiment named "none"'),
  });
  expect(await query(service, 'select * from job_secret')).toEqual([]);
  for (const table of ['job', 'job_event', 'audit_log', 'event', 'external_ref'])
    expect(await query(service, `select 1 from ${table} t where t::text like $1`, [`%${SECRET}%`]), table).toEqual([]);
});

it('continues after kill -9 without duplicating anything', async () => {
  const group = await ServiceGroup.create();
  try {
    const api = await group.start('api', SETTINGS);
    const caller = await group.as(api, { role: Role.ADMIN });
    const { job } = await mutate(caller, ImportFromMlflowDocument, { trackingUri: theirs.url, withDeleted: true });
    const counts = async () =>
      (await sql(
        group.database.url,
        `select (select count(*) from run)::int as runs, (select count(*) from metric_point)::int as points,
           (select count(*) from artifact)::int as artifacts, (select count(*) from model_version)::int as versions`,
      )) as Record<string, number>[];
    let kills = 0;
    const steps: ((now: Record<string, number>) => boolean)[] = [
      // Two workers may be lost before a run is complete; after that the failures no longer count.
      ({ points }) => points! >= 1,
      ({ artifacts }) => artifacts! >= 1,
      ({ versions }) => versions! >= 1,
    ];
    for (const reached of steps) {
      const worker = await group.start('worker', SETTINGS);
      for (
        const deadline = Date.now() + 60_000;
        Date.now() < deadline;
        await new Promise((resolve) => setTimeout(resolve, 5))
      )
        if (reached((await counts())[0]!)) break;
      await worker.end('SIGKILL');
      kills += 1;
    }
    await group.start('worker', SETTINGS);
    const { status, errorMessage, result } = await end(caller, job.id);
    expect(status, errorMessage ?? '').toBe('SUCCEEDED');
    const [after] = await counts();
    const whole = await query<Record<string, number>>(
      service,
      `select (select count(*) from metric_point where tenant = 'acme')::int as points,
         (select count(*) from artifact where tenant = 'acme' and model_version_id is null)::int as artifacts`,
    );
    expect(after).toEqual({ runs: 4, versions: 2, ...whole[0] });
    expect(result.problems).toEqual([]);
    console.log(`mlflow-import: ${kills} kills, ${JSON.stringify(after)}`);
  } finally {
    await group.close();
  }
}, 240_000);
