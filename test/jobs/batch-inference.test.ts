import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NumberColumn } from '../../src/modules/model-contract/rules/dataset-column.js';
import { readColumns } from '../../src/adapters/dataset-files/dataset-reader.js';
import { float, hangsAbove1000, model, node } from '../fixtures/models/build.js';
import { ServiceGroup } from '../support/processes.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { floats, makeVersion, xToY } from '../support/serving.js';
import { parquetTable } from '../support/tables.js';
import { registerDataset, vegaPath } from '../support/training.js';
import { type StartBatchInferenceInput, StartBatchInferenceDocument } from '../../schema/generated/operations.js';
import {
  BatchInferenceJobDetailsDocument,
  BatchInferenceJobsDetailsDocument,
  CancelJobDetailsDocument,
  EventsDetailsDocument,
  JobProgressDetailsDocument,
} from '../generated/operations.js';

let group: ServiceGroup;
let service: TestService;
let tess: Caller;
let flights: string;
let version: string;

interface JobView {
  id: string;
  status: string;
  attempt: number;
  progress: number;
  errorCode: string | null;
  errorMessage: string | null;
  result: {
    rows: number;
    sha256: string;
    sizeBytes: number;
    parts: number;
    downloadUrl: string;
    objectKey: string;
  } | null;
}

async function start(input: StartBatchInferenceInput): Promise<string> {
  return (await tess.ok(StartBatchInferenceDocument, { input })).startBatchInference.job.id;
}

async function job(id: string): Promise<JobView> {
  const { batchInferenceJob: found } = await tess.ok(BatchInferenceJobDetailsDocument, { id });
  return { ...found, result: found.result as JobView['result'] };
}

async function ended(id: string): Promise<JobView> {
  await expect
    .poll(async () => (await job(id)).status, { timeout: 60_000, interval: 100 })
    .toMatch(/SUCCEEDED|FAILED|CANCELLED/);
  return job(id);
}

const parts = (id: string) =>
  service.app.context.db.asSystem((em) =>
    em.execute<{ object_key: string; end_row: number }[]>(
      `select object_key, end_row from batch_inference_part where job_id = '${id}' order by end_row`,
    ),
  );

/** sum = delay + distance, so its size differs from both. */
const sum = {
  bytes: model({
    input: [float('delay', ['N', 1]), float('distance', ['N', 1])],
    output: [float('sum', ['N', 1])],
    node: [node('Add', ['delay', 'distance'], ['sum'])],
  }),
  signature: { inputs: [floats('delay', 1), floats('distance', 1)], outputs: [floats('sum', 1)] },
};

beforeAll(async () => {
  group = await ServiceGroup.create();
  service = await startTestService({ ROLE: 'api', DATA_DIR: group.dataDir }, group.database);
  tess = await service.as();
  flights = await registerDataset(tess, { name: 'flights', path: vegaPath('flights-200k.json') });
  version = (await makeVersion(service, sum)).versionId;
});
afterAll(async () => {
  await service?.close();
  await group?.close();
});

async function resultOf({ result }: JobView): Promise<Record<string, Float64Array>> {
  const response = await fetch(`${service.url}${result!.downloadUrl}`, {
    headers: { authorization: `Bearer ${tess.token}` },
  });
  expect(response.status).toBe(200);
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(result!.sha256);
  expect(bytes.length).toBe(result!.sizeBytes);
  const path = join(group.dataDir, 'downloaded.parquet');
  await writeFile(path, bytes);
  const { columns } = await readColumns(await parquetTable(path), {
    columns: ['row_number', 'delay', 'distance', 'prediction_value'],
  });
  await rm(path);
  return Object.fromEntries((columns as NumberColumn[]).map(({ name, values }) => [name, values]));
}

describe('batch inference', () => {
  it('continues after kill -9 of its worker and SIGTERM of the next, with the result of an uninterrupted run', async () => {
    const id = await start({ modelVersionId: version, datasetId: flights, keyColumns: ['delay', 'distance'] });
    const steps = tess.collect(
      JobProgressDetailsDocument,
      { jobId: id },
      (items) => items.at(-1)?.status === 'SUCCEEDED',
      60_000,
    );
    const first = await group.start('worker');
    await expect.poll(async () => (await parts(id)).length, { timeout: 30_000, interval: 5 }).toBeGreaterThanOrEqual(3);
    await first.end('SIGKILL');
    const stored = (await parts(id)).length;
    expect((await job(id)).status).toBe('RUNNING');
    const second = await group.start('worker');
    await expect
      .poll(async () => (await parts(id)).length, { timeout: 30_000, interval: 5 })
      .toBeGreaterThanOrEqual(stored + 2);
    expect(await second.end('SIGTERM')).toBe(0);
    const handedOn = (await parts(id)).length;
    const handedOnAt = Date.now();
    await group.start('worker');
    const broken = await ended(id);
    const resumedMs = Date.now() - handedOnAt;
    expect(broken).toMatchObject({ status: 'SUCCEEDED', attempt: 3, progress: 1 });
    const kept = new Set((await steps).map(({ progress }) => progress));
    const whole = await ended(
      await start({ modelVersionId: version, datasetId: flights, keyColumns: ['delay', 'distance'] }),
    );
    expect(whole).toMatchObject({ status: 'SUCCEEDED', attempt: 1 });
    const [a, b] = [await resultOf(broken), await resultOf(whole)];
    expect(a).toEqual(b);
    expect(a['row_number']).toEqual(Float64Array.from({ length: broken.result!.rows }, (_, i) => i));
    a['prediction_value']!.forEach((value, i) => {
      if (value !== a['delay']![i]! + a['distance']![i]!) expect.fail(`row ${i}: ${value}`);
    });
    expect(await parts(id)).toEqual([]);
    console.log(
      `batch inference of ${broken.result!.rows} rows: killed after ${stored} of ${broken.result!.parts} ` +
        `parts, handed on after ${handedOn}, done ${(resumedMs / 1000).toFixed(1)} s later, same content as ` +
        `unbroken; equal bytes: ${broken.result!.sha256 === whole.result!.sha256}; ${kept.size} steps of ` +
        'progress seen',
    );
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { subjectId: id } });
    expect(events.nodes).toMatchObject([{ type: 'BATCH_INFERENCE_COMPLETED', payload: { rows: broken.result!.rows } }]);
    const listed = await tess.ok(BatchInferenceJobsDetailsDocument, {
      filter: { datasetId: flights, kind: 'TRAINING', status: ['SUCCEEDED'] },
    });
    expect(listed.batchInferenceJobs).toEqual({
      totalCount: 2,
      nodes: [{ kind: 'BATCH_INFERENCE' }, { kind: 'BATCH_INFERENCE' }],
    });
    const stranger = await service.as({ tenant: 'other' });
    expect((await stranger.fails(BatchInferenceJobDetailsDocument, { id })).extensions.code).toBe('NOT_FOUND');
    const response = await fetch(`${service.url}${broken.result!.downloadUrl}`, {
      headers: { authorization: `Bearer ${stranger.token}` },
    });
    expect(response.status).toBe(404);
  });

  it('ends at once when cancelled, even in a run that never ends, and its parts are swept', async () => {
    const hanging = (
      await makeVersion(service, { bytes: hangsAbove1000(), signature: { ...xToY(1), inputs: [floats('x', 1)] } })
    ).versionId;
    const csv = `x\n${Array.from({ length: 40_000 }, (_, i) => (i < 20_000 ? 1 : 5_000)).join('\n')}\n`;
    const { uploadId } = await tess.upload('x.csv', csv);
    const datasetId = await registerDataset(tess, { name: 'x', uploadId });
    const id = await start({ modelVersionId: hanging, datasetId });
    await expect.poll(async () => (await parts(id)).length, { timeout: 30_000 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const [part] = await parts(id);
    await tess.ok(CancelJobDetailsDocument, { input: { jobId: id } });
    expect((await job(id)).status).toBe('CANCELLED');
    const { services, objects } = service.app.context;
    expect(await objects.sizeBytes(part!.object_key)).toBeGreaterThan(0);
    expect(await services.batchInference.sweep()).toBe(1);
    expect(await parts(id)).toEqual([]);
    await expect.poll(() => objects.sizeBytes(part!.object_key).catch(() => 'gone')).toBe('gone');
  });

  it('refuses datasets that do not fit the model, naming what is missing', async () => {
    const birds = await registerDataset(tess, { name: 'birds', path: vegaPath('birdstrikes.csv') });
    const cases: [Record<string, unknown>, Record<string, unknown>][] = [
      [
        { modelVersionId: version, datasetId: birds },
        { field: 'input.datasetId', got: '"none named delay"' },
      ],
      [{ modelVersionId: version, datasetId: flights, keyColumns: ['nothing'] }, { field: 'input.keyColumns[0]' }],
      [
        { modelVersionId: version, datasetId: flights, keyColumns: ['delay', 'delay'] },
        { field: 'input.keyColumns[1]' },
      ],
      [
        { modelVersionId: (await makeVersion(service, { ...sum, signature: xToY(2) })).versionId, datasetId: flights },
        { field: 'input.datasetId' },
      ],
    ];
    for (const [input, expected] of cases)
      expect((await tess.fails(StartBatchInferenceDocument, { input })).extensions).toMatchObject({
        code: 'BAD_USER_INPUT',
        ...expected,
      });
  });

  it('refuses a place that is not there, or that cannot do what is asked', async () => {
    const common = { modelVersionId: version, datasetId: flights };
    const cases: [Partial<StartBatchInferenceInput>, Record<string, unknown>, string][] = [
      [{ backend: 'RAY' }, { code: 'UNAVAILABLE', field: 'input.backend' }, 'RAY_ADDRESS'],
      [{ backend: 'SPARK' }, { code: 'UNAVAILABLE', field: 'input.backend' }, 'SPARK_SUBMIT'],
      [{ workers: 2 }, { code: 'BAD_USER_INPUT', field: 'input.workers' }, 'only the backend RAY'],
      [{ backend: 'SPARK', workers: 2 }, { code: 'BAD_USER_INPUT', field: 'input.workers' }, 'only the backend RAY'],
      [{ backend: 'RAY', workers: 0 }, { code: 'BAD_USER_INPUT', field: 'input.workers' }, '1 to 64'],
    ];
    for (const [input, extensions, says] of cases) {
      const error = await tess.fails(StartBatchInferenceDocument, { input: { ...common, ...input } });
      expect(error.extensions).toMatchObject(extensions);
      expect(error.message).toContain(says);
    }
    const away = await startTestService({
      ...{ SPARK_SUBMIT: join(group.dataDir, 'spark-submit'), RAY_ADDRESS: 'http://127.0.0.1:9' },
      ...{ PUBLIC_URL: 'http://127.0.0.1:9', ROLE: 'api' },
    });
    try {
      const caller = await away.as();
      for (const [backend, says] of [
        ['RAY', 'does not answer'],
        ['SPARK', 'SPARK_SUBMIT names no program'],
      ] as const) {
        const error = await caller.fails(StartBatchInferenceDocument, { input: { ...common, backend } });
        expect(error.extensions).toMatchObject({ code: 'UNAVAILABLE', field: 'input.backend' });
        expect(error.message).toContain(says);
      }
    } finally {
      await away.close();
    }
  });
});
