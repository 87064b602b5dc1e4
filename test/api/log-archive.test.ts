import { afterAll, beforeAll, expect, it } from 'vitest';
import { Role } from '../../src/modules/core/rules/principal.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import {
  DeleteEndpointDetailsDocument,
  DeploymentUnloggedDocument,
  LogArchiveEndDocument,
  PredictDetailsDocument,
  PredictionsDetailsDocument,
  RecordGroundTruthDetailsDocument,
  RequestLogsDocument,
  UpdateEndpointDetailsDocument,
} from '../generated/operations.js';
import { CollectGarbageDocument } from '../../schema/generated/operations.js';
import { linear, placesBelow4 } from '../fixtures/models/build.js';
import { holdPut } from '../support/held-put.js';
import { logFiles, rowsOfFile } from '../support/log-archive.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import { TrafficWriter } from '../support/traffic.js';

let service: TestService;
let traffic: TrafficWriter;
let tess: Caller;

beforeAll(async () => {
  // The tests say when an hour is written.
  service = await startTestService({ MONITORING_INTERVAL_MS: '3600000' });
  traffic = await TrafficWriter.connect(service.database.url);
  tess = await service.as({ subject: 'tess' });
});
afterAll(async () => {
  await traffic?.end();
  await service?.close();
});

const person: Signature = {
  inputs: [
    {
      name: 'x',
      datatype: 'FP32',
      shape: [-1, 2],
      columns: [
        { name: 'age', type: 'NUMBER' },
        { name: 'income', type: 'NUMBER' },
      ],
    },
  ],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};
const PERSON = { bytes: linear([1, 2], 0), signature: person, task: 'REGRESSION' as const };
const HOUR_MS = 3_600_000;

/** The hour so many hours ago, UTC. */
const hourAgo = (hours: number) => new Date(Math.floor(Date.now() / HOUR_MS - hours) * HOUR_MS);

/** Moves what has been logged at an endpoint under this id into the middle of an hour. */
async function logAt(endpointId: string, requestId: string, hour: Date): Promise<void> {
  await service.app.context.services.traffic.flush();
  await traffic.query(`update prediction_log set created_at = $3 where endpoint_id = $1 and request_id = $2`, [
    ...[endpointId, requestId],
    new Date(hour.getTime() + HOUR_MS / 2),
  ]);
}

const archive = () => service.app.context.services.logArchive.archive();
const prune = async () => {
  await service.app.context.services.logArchive.prune();
  await service.app.context.services.monitoring.prune();
};
const change = (input: Record<string, unknown> & { id: string }) => tess.ok(UpdateEndpointDetailsDocument, { input });

it('is a Parquet file for each hour and deployment, with failures, shadows and the ground truths known then', async () => {
  const name = 'archived';
  const settings = { name, logArchiveDays: 90, logRetentionDays: 2 };
  const { endpointId, modelId, deploymentId, versionId } = await serve(service, tess, PERSON, settings);
  const [early, late] = [hourAgo(50), hourAgo(3)];
  const rows = [
    { age: 1, income: 2 },
    { age: 3, income: 4 },
  ];
  await predict(tess, { endpointName: name, rows, requestId: '007' });
  await logAt(endpointId, '007', early);
  const records = [{ requestId: '007', row: 1, value: 12 }];
  await tess.ok(RecordGroundTruthDetailsDocument, { input: { endpointName: name, records } });
  const other = await makeVersion(service, { bytes: placesBelow4(), signature: xToY(1), modelId });
  const shadow = await deploy(tess, { endpointId, modelVersionId: other.versionId, mode: 'SHADOW' });
  await expect
    .poll(async () => {
      await predict(tess, { endpointName: name, rows: rows.slice(0, 1), requestId: 'copied' });
      await service.app.context.services.traffic.flush();
      const shadows = `select count(*)::int n from prediction_log where deployment_id = $1`;
      return (await traffic.query<{ n: number }>(shadows, [shadow]))[0]!.n;
    })
    .toBeGreaterThan(0);
  await traffic.query(
    `delete from prediction_log a using prediction_log b
     where a.deployment_id = b.deployment_id and a.request_id = 'copied' and b.request_id = 'copied' and a.id > b.id`,
  );
  await logAt(endpointId, 'copied', late);
  await predict(tess, { endpointName: name, rows, requestId: 'now' });
  await service.app.context.services.traffic.flush();

  // What is old stays in the log until it is in a file.
  await prune();
  const kept = async () =>
    (await tess.ok(PredictionsDetailsDocument, { endpointName: name })).predictions.nodes.map((one) => one.requestId);
  expect(await kept()).toEqual(['now', 'copied', '007']);
  expect(await archive()).toBe(2);
  expect(await archive()).toBe(0);
  await prune();
  expect(await kept()).toEqual(['now', 'copied']);

  const { nodes, totalCount } = await logFiles(tess, { endpointName: name });
  expect(totalCount).toBe(3);
  expect(nodes.map(({ hour }) => hour)).toEqual([late, late, early].map((hour) => hour.toISOString()));
  const oldest = nodes.at(-1)!;
  expect(oldest).toMatchObject({ endpointId, deploymentId, modelVersionId: versionId, requests: 1, rows: 2 });
  const columns = ['log_request_id', 'log_row', 'log_mode', 'age', 'income', 'log_predicted_value', 'log_true_value'];
  expect(await rowsOfFile(service.url, oldest, columns)).toEqual([
    ['007', 0, 'LIVE', 1, 2, 5, null],
    ['007', 1, 'LIVE', 3, 4, 11, 12],
  ]);
  const ofShadow = nodes.find((file) => file.deploymentId === shadow);
  expect(await rowsOfFile(service.url, ofShadow!, ['log_request_id', 'log_mode', 'log_error_code'])).toEqual([
    ['copied', 'SHADOW', 'INVALID_TENSOR'],
  ]);
  expect((await tess.ok(LogArchiveEndDocument, { id: endpointId })).endpoint).toEqual({
    logArchiveDays: 90,
    logArchiveDelayHours: 0,
    logArchivedUntil: hourAgo(0).toISOString(),
  });
});

it('is listed by page, time, deployment and order, for its tenant alone', async () => {
  const name = 'listed';
  const { endpointId, deploymentId } = await serve(service, tess, PERSON, { name, logArchiveDays: 1 });
  for (const [i, count] of [3, 1, 2].entries()) {
    const rows = Array.from({ length: count }, () => ({ age: 1, income: 2 }));
    await predict(tess, { endpointName: name, rows, requestId: `r${i}` });
    await logAt(endpointId, `r${i}`, hourAgo(5 - i));
  }
  expect(await archive()).toBe(3);
  const rowsOf = async (variables: object) =>
    (await logFiles(tess, { endpointId, ...variables })).nodes.map(({ rows }) => rows);
  expect(await rowsOf({})).toEqual([2, 1, 3]);
  expect(await rowsOf({ orderBy: { field: 'ROWS', direction: 'ASC' } })).toEqual([1, 2, 3]);
  const [from, to] = [hourAgo(4).toISOString(), hourAgo(3).toISOString()];
  expect(await rowsOf({ filter: { from, to } })).toEqual([1]);
  expect(await rowsOf({ filter: { from, deploymentId } })).toEqual([2, 1]);
  const first = await logFiles(tess, { endpointId, first: 2, orderBy: { field: 'HOUR', direction: 'ASC' } });
  const { endCursor, hasNextPage } = first.pageInfo;
  expect([first.nodes.map(({ rows }) => rows), hasNextPage, first.totalCount]).toEqual([[3, 1], true, 3]);
  expect(await rowsOf({ first: 2, after: endCursor, orderBy: { field: 'HOUR', direction: 'ASC' } })).toEqual([2]);
  const stranger = await service.as({ tenant: 'other' });
  expect((await stranger.fails(RequestLogsDocument, { endpointId })).extensions.code).toBe('NOT_FOUND');
  for (const [input, field] of [
    [{ logArchiveDays: -1 }, 'input.logArchiveDays'],
    [{ logArchiveDays: 3_651 }, 'input.logArchiveDays'],
    [{ logArchiveDelayHours: 8_761 }, 'input.logArchiveDelayHours'],
  ] as const) {
    const refused = await tess.fails(UpdateEndpointDetailsDocument, { input: { id: endpointId, ...input } });
    expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  }
});

it('waits for late ground truths as long as the endpoint says, and leaves out what is redacted by then', async () => {
  const name = 'delayed';
  const settings = { name, logArchiveDays: 30, logArchiveDelayHours: 48 };
  const { endpointId } = await serve(service, tess, PERSON, settings);
  await predict(tess, { endpointName: name, rows: [{ age: 1, income: 2 }], requestId: 'a' });
  await logAt(endpointId, 'a', hourAgo(40));
  expect(await archive()).toBe(0);
  const record = (value: number, observedAt: string) =>
    tess.ok(RecordGroundTruthDetailsDocument, {
      input: { endpointName: name, records: [{ requestId: 'a', value, observedAt }] },
    });
  await record(4, '2026-01-01T00:00:00Z');
  await record(5, '2026-01-02T00:00:00Z');
  await change({ id: endpointId, redactedFields: ['income'], logArchiveDelayHours: 24 });
  expect(await archive()).toBe(1);
  const [file] = (await logFiles(tess, { endpointId })).nodes;
  expect(await rowsOfFile(service.url, file!, ['age', 'log_true_value'])).toEqual([[1, 5]]);
  await expect(rowsOfFile(service.url, file!, ['income'])).rejects.toThrow('income');
});

it('has each hour once when two processes write it, one of which is frozen meanwhile', async () => {
  const name = 'raced';
  const { endpointId } = await serve(service, tess, PERSON, { name, logArchiveDays: 30 });
  for (let i = 0; i < 6; i++) {
    await predict(tess, { endpointName: name, rows: [{ age: i, income: 0 }], requestId: `r${i}` });
    await logAt(endpointId, `r${i}`, hourAgo(9 - i));
  }
  const held = holdPut(service, new RegExp(`request-logs/${endpointId}/`));
  const frozen = archive();
  const key = await held.key;
  expect(await archive()).toBe(6);
  await held.release();
  expect(await frozen).toBe(0);
  const { nodes } = await logFiles(tess, { endpointId });
  expect(nodes.map(({ rows }) => rows)).toEqual([1, 1, 1, 1, 1, 1]);
  const ages = await Promise.all(nodes.map((file) => rowsOfFile(service.url, file, ['age'])));
  expect(ages.flat(2)).toEqual([5, 4, 3, 2, 1, 0]);
  await expect(service.app.context.objects.sizeBytes(key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

it('goes when it is old, when the archive ends, and with its endpoint; the garbage collector knows its files', async () => {
  const served = await serve(service, tess, PERSON, { name: 'old', logArchiveDays: 2, logRetentionDays: 1 });
  const ended = await serve(service, tess, PERSON, { name: 'ended', logArchiveDays: 30 });
  const deleted = await serve(service, tess, PERSON, { name: 'deleted', logArchiveDays: 30 });
  for (const { endpointId } of [served, ended, deleted])
    for (const [requestId, hours] of [
      ['old', 60],
      ['new', 5],
    ] as const) {
      await predict(tess, { endpointId, rows: [{ age: 1, income: 2 }], requestId });
      await logAt(endpointId, requestId, hourAgo(hours));
    }
  expect(await archive()).toBe(6);
  await change({ id: ended.endpointId, logArchiveDays: 0 });
  await tess.ok(DeleteEndpointDetailsDocument, { input: { id: deleted.endpointId } });
  await prune();
  const count = async (endpointId: string) => (await logFiles(tess, { endpointId })).nodes.length;
  expect([await count(served.endpointId), await count(ended.endpointId)]).toEqual([1, 0]);
  const { objects } = service.app.context;
  const left = async (endpointId: string) => {
    const keys = [];
    for await (const key of objects.list(`acme/request-logs/${endpointId}/`)) keys.push(key);
    return keys.length;
  };
  const all = async () => Promise.all([served, ended, deleted].map((one) => left(one.endpointId)));
  await expect.poll(all).toEqual([1, 0, 0]);
  const root = await service.as({ role: Role.ADMIN });
  const { collectGarbage } = await root.ok(CollectGarbageDocument, { input: { checkStorage: true } });
  const report = async () => {
    const job = await service.app.context.db.asSystem((em) =>
      em.execute<{ status: string; result: { storage: object } }[]>('select status, result from job where id = ?', [
        collectGarbage.job.id,
      ]),
    );
    return job[0]!.status === 'SUCCEEDED' ? job[0]!.result.storage : job[0]!.status;
  };
  await expect
    .poll(report, { timeout: 20_000 })
    .toMatchObject({ objectsWithoutRow: { keys: [] }, rowsWithoutObject: { keys: [] } });
});

it('counts what the log loses, for each deployment', async () => {
  const { endpointId, deploymentId } = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) });
  await service.app.context.services.traffic.flush();
  // Nothing is written until the lock is free; the log takes a million values.
  const rows = Array.from({ length: 10_000 }, (_, i) => i);
  await traffic.query('begin');
  try {
    await traffic.query('lock table prediction_log in access exclusive mode');
    for (let i = 0; i < 60; i++)
      await tess.ok(PredictDetailsDocument, {
        input: { endpointId, tensors: [{ name: 'x', datatype: 'FP32', shape: [10_000, 1], data: rows }] },
      });
  } finally {
    await traffic.query('rollback');
  }
  await service.app.context.services.traffic.flush();
  const counted = async () => (await tess.ok(DeploymentUnloggedDocument, { id: deploymentId })).deployment.traffic;
  await expect.poll(counted, { timeout: 20_000 }).toEqual({ requests: 60, unlogged: 10 });
}, 60_000);
