// One file because all its tests read the archive that the first test makes.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract, pack, type Header } from 'tar-stream';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import { smallArchive, writeArchive } from '../support/archive.js';
import { holdPut } from '../support/held-put.js';
import { MlflowCaller, type MlflowRun } from '../support/mlflow.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import type { TypedDocument } from '../../schema/typed-document.js';
import { mutate, query, refused } from '../support/tracking.js';
import {
  ExportExperimentDocument,
  ImportExperimentDocument,
  CollectGarbageDocument,
} from '../../schema/generated/operations.js';
import {
  AppendRunLogsDetailsDocument,
  CancelJobDetailsDocument,
  DeleteExperimentDetailsDocument,
  JobDetailsDocument,
  RestoreExperimentDetailsDocument,
  RunIdLineStreamDocument,
  UpdateExperimentDetailsDocument,
  RestoreRunDetailsDocument,
} from '../generated/operations.js';

interface Ended {
  status: string;
  errorCode: string | null;
  errorMessage: string | null;
  result: Record<string, unknown>;
}

type Entry = [Header, Buffer];

let service: TestService;
let root: Caller;
let mlflow: MlflowCaller;
beforeAll(async () => {
  service = await startTestService();
  root = await service.as({ role: Role.ADMIN });
  mlflow = await MlflowCaller.of(service, { role: Role.ADMIN });
});
afterAll(() => service?.close());

/** Sends a mutation that starts a job. */
type Start<Input> = TypedDocument<Record<string, { job: { id: string } }>, { input: Input }>;

const begin = async <Input>(caller: Caller, document: Start<Input>, input: Input): Promise<string> =>
  (await mutate(caller, document, input)).job.id;

async function ended<Input>(caller: Caller, document: Start<Input>, input: Input): Promise<Ended> {
  const id = await begin(caller, document, input);
  for (;;) {
    const answer = await caller.ok(JobDetailsDocument, { id });
    if (!['QUEUED', 'RUNNING'].includes(answer.job.status))
      return { ...answer.job, result: answer.job.result as Ended['result'] };
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function succeeded<Input>(
  caller: Caller,
  document: Start<Input>,
  input: Input,
): Promise<Record<string, unknown>> {
  const { status, errorMessage, result } = await ended(caller, document, input);
  expect(status, errorMessage ?? '').toBe('SUCCEEDED');
  return result;
}

async function download(caller: Caller, artifactId: string): Promise<Buffer> {
  const response = await fetch(`${caller.url}/artifacts/${artifactId}`, {
    headers: { authorization: `Bearer ${caller.token}` },
  });
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

const put = (path: string, body: string | Buffer) =>
  fetch(`${service.url}/api/2.0/mlflow-artifacts/artifacts/${path}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${mlflow.token}` },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });

const hexOf = (id: string) => id.replaceAll('-', '');
const uuidOf = (hex: string) => hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');

/** All data of a run, as its clients see it. */
async function runOf(client: MlflowCaller, id: string) {
  const { run } = await client.get<{ run: MlflowRun }>('runs/get', { run_id: id });
  const histories: Record<string, unknown> = {};
  for (const { key } of run.data.metrics ?? [])
    histories[key] = (
      await client.get<{ metrics: unknown }>('metrics/get-history', { run_id: id, metric_key: key })
    ).metrics;
  return { run, histories };
}

let archive: Buffer;
let experimentId: string;
let parentId: string;
let childId: string;
let modelId: string;
let before: unknown[];

it('writes an experiment with all its data to one archive', async () => {
  experimentId = (
    await mlflow.post<{ experiment_id: string }>('experiments/create', {
      name: 'archived',
      tags: [{ key: 'team', value: 'air' }],
    })
  ).experiment_id;
  const own = { experiment_id: experimentId };
  parentId = await mlflow.newRun({ ...own, run_name: 'parent' });
  childId = await mlflow.newRun({ ...own, run_name: 'child', tags: [{ key: 'mlflow.parentRunId', value: parentId }] });
  const gone = await mlflow.newRun({ ...own, run_name: 'gone' });
  const points = Array.from({ length: 12_000 }, (_, step) => ({
    key: 'loss',
    value: 1 / (step + 1),
    step,
    timestamp: 1_700_000_000_000 + step,
  }));
  for (let from = 0; from < points.length; from += 1_000)
    await mlflow.post('runs/log-batch', { run_id: parentId, metrics: points.slice(from, from + 1_000) });
  await mlflow.post('runs/log-batch', {
    run_id: childId,
    params: [
      { key: 'größe', value: '`"\\ \u2028' },
      { key: '__proto__', value: 'a name like any other' },
    ],
    tags: [{ key: '__proto__', value: 'kept' }],
    metrics: ['NaN', 'Infinity', '-Infinity', -0.1].map((value, i) => ({
      key: 'odd',
      value,
      step: i - 2,
      timestamp: 7,
    })),
  });
  await mlflow.post('runs/log-inputs', {
    run_id: childId,
    datasets: [
      {
        dataset: { name: 'd', digest: 'x1', source_type: 'local', source: '{}' },
        tags: [{ key: 'mlflow.data.context', value: 'training' }],
      },
    ],
  });
  await mutate(root, AppendRunLogsDetailsDocument, {
    runId: uuidOf(childId),
    lines: [{ line: 'hello' }, { line: 'öops', stream: 'STDERR' }],
  });
  expect(
    (await put(`${experimentId}/${parentId}/artifacts/deep/a%20b.bin`, Buffer.alloc(3_000_000, 'abc'))).status,
  ).toBe(200);
  expect((await put(`${experimentId}/${parentId}/artifacts/empty`, '')).status).toBe(200);
  const { model } = await mlflow.post<{ model: { info: { model_id: string } } }>('logged-models', {
    ...own,
    name: 'net',
    source_run_id: childId,
  });
  modelId = model.info.model_id;
  expect((await put(`${experimentId}/models/${modelId}/artifacts/MLmodel`, 'flavors:\n  sklearn: {}\n')).status).toBe(
    200,
  );
  await mlflow.post('runs/update', { run_id: childId, status: 'FAILED', end_time: 1_800_000_000_000 });
  await mlflow.post('runs/delete', { run_id: gone });
  before = [await runOf(mlflow, parentId), await runOf(mlflow, childId), await runOf(mlflow, gone)];

  const result = await succeeded(root, ExportExperimentDocument, { experimentId: uuidOf(experimentId) });
  expect(result).toMatchObject({ runs: 3, datasets: 1, logs: 1, models: 1, sizeBytes: expect.any(Number) });
  archive = await download(root, result['artifactId'] as string);
  expect(archive.length).toBe(result['sizeBytes']);
});

it('restores it completely after it was collected as garbage, once', async () => {
  await mlflow.post('experiments/delete', { experiment_id: experimentId });
  await succeeded(root, CollectGarbageDocument, { olderThanDays: 0 });
  expect(await query(service, 'select 1 from run where id = $1', [uuidOf(parentId)])).toEqual([]);

  const { uploadId } = await root.upload('experiment.tar', archive);
  const result = await succeeded(root, ImportExperimentDocument, { uploadId });
  expect(result).toMatchObject({ experimentId: uuidOf(experimentId), keptIds: true, unchanged: false, runs: 3 });
  const gone = (before[2] as { run: MlflowRun }).run.info.run_id;
  expect([await runOf(mlflow, parentId), await runOf(mlflow, childId), await runOf(mlflow, gone)]).toEqual(before);
  const { experiment } = await mlflow.get<{ experiment: object }>('experiments/get', { experiment_id: experimentId });
  expect(experiment).toMatchObject({
    name: 'archived',
    lifecycle_stage: 'active',
    tags: [{ key: 'team', value: 'air' }],
  });
  const { run } = await root.ok(RunIdLineStreamDocument, { id: uuidOf(childId) });
  expect(run).toEqual({
    parent: { id: uuidOf(parentId) },
    logs: {
      nodes: [
        { line: 'hello', stream: 'STDOUT' },
        { line: 'öops', stream: 'STDERR' },
      ],
    },
  });
  const file = await fetch(
    `${service.url}/api/2.0/mlflow-artifacts/artifacts/${experimentId}/${parentId}/artifacts/deep/a%20b.bin`,
    {
      headers: { authorization: `Bearer ${mlflow.token}` },
    },
  );
  expect(Buffer.from(await file.arrayBuffer()).equals(Buffer.alloc(3_000_000, 'abc'))).toBe(true);
  const { model } = await mlflow.get<{ model: { info: object } }>(`logged-models/${modelId}`);
  expect(model.info).toMatchObject({ name: 'net', source_run_id: childId });

  const again = await root.upload('experiment.tar', archive);
  expect(await succeeded(root, ImportExperimentDocument, { uploadId: again.uploadId })).toMatchObject({
    unchanged: true,
  });
  expect(await query(service, `select 1 from experiment where name like 'archived%'`)).toHaveLength(1);
});

it('gives everything new ids in another tenant', async () => {
  const other = await service.as({ tenant: 'other', role: Role.ENGINEER });
  const { uploadId } = await other.upload('experiment.tar', archive);
  const result = await succeeded(other, ImportExperimentDocument, { uploadId, name: 'a copy' });
  expect(result).toMatchObject({ keptIds: false, runs: 3 });
  expect(result['experimentId']).not.toBe(uuidOf(experimentId));
  const there = await MlflowCaller.of(service, { tenant: 'other' });
  const { runs } = await there.post<{ runs: MlflowRun[] }>('runs/search', {
    experiment_ids: [hexOf(String(result['experimentId']))],
  });
  const [child, parent] = ['child', 'parent'].map((name) => runs.find(({ info }) => info['run_name'] === name)!);
  expect(child!.data.tags).toContainEqual({ key: 'mlflow.parentRunId', value: parent!.info.run_id });
  const [, told] = before as { histories: object }[];
  expect((await runOf(there, child!.info.run_id)).histories).toEqual(told!.histories);
});

async function entries(): Promise<Entry[]> {
  const all: Entry[] = [];
  const tar = extract();
  Readable.from([archive]).pipe(tar);
  for await (const entry of tar) all.push([entry.header, await buffer(entry)]);
  return all;
}

function tarOf(all: Entry[]): Promise<Buffer> {
  const tar = pack();
  for (const [{ name, type, linkname }, body] of all) {
    if (type === 'file') tar.entry({ name }, body);
    else tar.entry({ name, type, linkname }, '');
  }
  tar.finalize();
  return buffer(tar);
}

it('refuses everything that is not such an archive, and writes nothing of it', async () => {
  const all = await entries();
  const changed = (name: string | RegExp, change: (body: string) => string): Entry[] =>
    all.map(([header, body]) => [
      header,
      (typeof name === 'string' ? header.name === name : name.test(header.name))
        ? Buffer.from(change(body.toString()))
        : body,
    ]);
  const file = (name: string, more: Partial<Header> = {}): Entry => [
    { name, type: 'file', ...more } as Header,
    Buffer.from('x'),
  ];
  const last = all.length - 1;
  const cases: [string, Buffer | Promise<Buffer>][] = [
    ['no whole tar archive|begin with|end is missing', Buffer.from('PK\u0003\u0004 a zip, not a tar'.repeat(100))],
    ['end is missing', Buffer.alloc(0)],
    ['no whole tar|end is missing|has changed|missing', archive.subarray(0, archive.length / 2)],
    ['newer one', tarOf(changed('manifest.json', (text) => text.replace('"version":1', '"version":2')))],
    ['manifest.json', tarOf(changed('manifest.json', (text) => text.replace('matih-experiment', 'other')))],
    ['no file of such', tarOf([all[0]!, file('../../etc/passwd'), ...all.slice(1)])],
    [
      'a symlink',
      tarOf([all[0]!, file('runs/00009.ndjson', { type: 'symlink', linkname: '/etc/passwd' }), ...all.slice(1)]),
    ],
    ['has changed', tarOf(changed('content/1', (text) => `${text}x`))],
    ['stays in its folder', tarOf(changed(/^files/, (text) => text.replace('"path":"', '"path":"../')))],
    ['twice', tarOf([...all.slice(0, 2), [{ ...all[1]![0], name: 'runs/00002.ndjson' }, all[1]![1]], ...all.slice(2)])],
    ['should have', tarOf([...all.slice(0, 1), ...all.slice(1).filter(([{ name }]) => !name.startsWith('logs'))])],
    [
      'not there',
      tarOf(
        changed(/^datasets/, (text) => text.replace(/"run":"[^"]*"/, '"run":"00000000-0000-4000-8000-000000000000"')),
      ),
    ],
    ['no JSON', tarOf(changed(/^runs/, (text) => text.slice(0, -2) + '\n'))],
    ['NUL', tarOf(changed(/^runs/, (text) => text.replace('"name":"parent"', '"name":"par\\u0000ent"')))],
    ['after its end', tarOf([...all, file('runs/00009.ndjson')])],
    ['end is missing', tarOf(all.slice(0, last))],
  ];
  const stranger = await service.as({ tenant: 'stranger' });
  for (const [reason, body] of cases) {
    const { uploadId } = await stranger.upload('experiment.tar', await body);
    const { status, errorCode, errorMessage } = await ended(stranger, ImportExperimentDocument, { uploadId });
    expect({ status, errorCode, errorMessage }, reason).toEqual({
      ...{ status: 'FAILED', errorCode: 'BAD_USER_INPUT' },
      errorMessage: expect.stringMatching(new RegExp(`^The archive cannot be imported: .*(${reason})`)),
    });
  }
  for (const table of ['experiment', 'run', 'artifact', 'metric_point', 'external_ref'])
    expect(await query(service, `select 1 from ${table} where tenant = 'stranger'`), table).toEqual([]);
  expect(
    (await refused(stranger, ExportExperimentDocument, { experimentId: uuidOf(experimentId) })).extensions.code,
  ).toBe('NOT_FOUND');
  const { uploadId } = await root.upload('experiment.tar', archive);
  expect((await refused(stranger, ImportExperimentDocument, { uploadId })).extensions.code).toBe('NOT_FOUND');
});

it('an experiment that is imported only in part is not restored, exported or collected while its import runs', async () => {
  const half = await service.as({ tenant: 'half', role: Role.ADMIN });
  const client = await MlflowCaller.of(service, { tenant: 'half', role: Role.ADMIN });
  const { uploadId } = await half.upload('experiment.tar', archive);
  const held = holdPut(service, /half\/runs\/.*\/artifacts\//);
  const jobId = await begin(half, ImportExperimentDocument, { uploadId });
  await held.key;
  const [experiment] = await query<{ id: string }>(service, `select id from experiment where tenant = 'half'`);
  const [run] = await query<{ id: string }>(service, `select id from run where tenant = 'half' and name = 'parent'`);
  const refuse = async () => {
    for (const [document, input] of [
      [RestoreExperimentDetailsDocument, { id: experiment!.id }],
      [UpdateExperimentDetailsDocument, { id: experiment!.id, state: 'ACTIVE' }],
      [RestoreRunDetailsDocument, { runId: run!.id }],
      [ExportExperimentDocument, { experimentId: experiment!.id }],
    ] as const)
      expect(await refused(half, document, input), document.toString()).toMatchObject({
        message: expect.stringContaining('is not complete: its import has not finished'),
        extensions: { code: 'CONFLICT' },
      });
    const { error_code: code } = await client.fails('POST', 'experiments/restore', {
      experiment_id: hexOf(experiment!.id),
    });
    expect(code).toBe('INVALID_PARAMETER_VALUE');
  };
  onTestFinished(() => held.release());
  await refuse();
  const rows = () => query(service, `select id from run where tenant = 'half'`);
  const runsBefore = await rows();
  expect(await succeeded(half, CollectGarbageDocument, { olderThanDays: 0 })).toMatchObject({
    ...{ runs: 0, loggedModels: 0, experiments: 0 },
    kept: [{ type: 'experiment', id: experiment!.id, reason: 'an import is writing it' }],
  });
  expect(await rows()).toEqual(runsBefore);
  // Another import of the same archive would write what this one is writing.
  const worker = await startTestService(
    { ROLE: 'worker', DATA_DIR: service.app.context.config.DATA_DIR },
    service.database,
  );
  try {
    const second = await ended(half, ImportExperimentDocument, { uploadId });
    expect(second).toMatchObject({
      status: 'FAILED',
      errorCode: 'CONFLICT',
      errorMessage: expect.stringContaining(jobId),
    });
  } finally {
    await worker.close();
  }
  await half.ok(CancelJobDetailsDocument, { input: { jobId } });
  await held.release();
  await refuse();
  expect(await succeeded(half, ImportExperimentDocument, { uploadId })).toMatchObject({
    experimentId: experiment!.id,
    unchanged: false,
  });
  expect(await query(service, `select 1 from run where tenant = 'half' and state = 'ACTIVE'`)).toHaveLength(2);
  await mutate(half, DeleteExperimentDetailsDocument, { id: experiment!.id });
  await mutate(half, RestoreExperimentDetailsDocument, { id: experiment!.id });
});

it('an archive stays while an import waits for it, however long', async () => {
  // No worker runs.
  const idle = await startTestService({ ROLE: 'api' });
  try {
    const caller = await idle.as();
    const [waiting, unused] = [
      await caller.upload('experiment.tar', archive),
      await caller.upload('experiment.tar', archive),
    ];
    const jobId = await begin(caller, ImportExperimentDocument, { uploadId: waiting.uploadId });
    await query(idle, `update upload set created_at = now() - interval '2 days'`);
    const { uploads } = idle.app.context.services;
    const left = () => query<{ id: string }>(idle, 'select id from upload');
    expect(await uploads.sweep()).toBe(1);
    expect(await left()).toEqual([{ id: waiting.uploadId }]);
    await caller.ok(CancelJobDetailsDocument, { input: { jobId } });
    expect(await uploads.sweep()).toBe(1);
    expect(await left()).toEqual([]);
    for await (const key of idle.app.context.objects.list('acme')) expect.fail(`${key} is left of ${unused.uploadId}`);
    expect(await query(idle, 'select object_key from staged_object')).toEqual([]);
  } finally {
    await idle.close();
  }
});

it('ids of another tenant and ids that do not exist give the same answer', async () => {
  const curious = await service.as({ tenant: 'curious' });
  const [taken, free] = [smallArchive(), smallArchive()];
  // A run of another tenant.
  taken.runs[1]!['id'] = uuidOf(childId);
  const outcomes = [];
  for (const parts of [taken, free]) {
    const { uploadId } = await curious.upload('experiment.tar', await writeArchive(parts));
    const { experimentId: id, ...result } = await succeeded(curious, ImportExperimentDocument, { uploadId });
    expect(id).not.toBe(parts.experiment['id']);
    outcomes.push(result);
  }
  expect(outcomes[0]).toEqual(outcomes[1]);
  expect(outcomes[0]).toMatchObject({ keptIds: false, runs: 2 });
});
