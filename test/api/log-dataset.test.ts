import { afterAll, beforeAll, expect, it } from 'vitest';
import { identifier, literal, withDuckDb } from '../../src/adapters/dataset-files/duckdb.js';
import { Dataset } from '../../src/db/entities/datasets/dataset.entity.js';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { linear, linearClassifier } from '../fixtures/models/build.js';
import {
  LogDatasetDocument,
  LogDatasetJobDocument,
  RecordGroundTruthDetailsDocument,
  RegisterPredictionLogDocument,
  UpdateEndpointDetailsDocument,
  type RegisterPredictionLogInput,
} from '../generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { deploy, makeVersion, predict, serve, xToY } from '../support/serving.js';
import { CARS_CONFIG, createExperiment, startTraining, trainingEnd } from '../support/training.js';

let service: TestService;
let tess: Caller;
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as({ subject: 'tess' });
});
afterAll(() => service?.close());

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

async function ended(input: RegisterPredictionLogInput) {
  const { id } = (await tess.ok(RegisterPredictionLogDocument, { input })).registerPredictionLog.job;
  const read = async () => (await tess.ok(LogDatasetJobDocument, { id })).job;
  await expect.poll(async () => (await read()).status, { timeout: 60_000 }).toMatch(/SUCCEEDED|FAILED/);
  return read();
}

async function registered(input: RegisterPredictionLogInput) {
  const { status, errorMessage, outcome } = await ended(input);
  expect(status, errorMessage ?? '').toBe('SUCCEEDED');
  if (!outcome || !('datasetId' in outcome)) throw new Error('not a dataset');
  const { datasetId, rows, labelledRows } = outcome;
  return { rows, labelledRows, ...(await tess.ok(LogDatasetDocument, { id: datasetId })) };
}

/** The rows as DuckDB reads them from the object store. */
async function stored(datasetId: string, columns: string[]): Promise<unknown[][]> {
  const { db, objects } = service.app.context;
  const { objectKey } = await db.asSystem((em) => em.findOneOrFail(Dataset, { id: datasetId }));
  using file = await objects.localFile(objectKey);
  return withDuckDb({ paths: [file.path] }, async (connection) => {
    const selected = columns.map(identifier).join(', ');
    const read = await connection.runAndReadAll(
      `select ${selected} from read_parquet(${literal(file.path)}) order by log_request_id, log_row`,
    );
    return read.getRowsJS();
  });
}

const record = (endpointName: string, records: object[]) =>
  tess.ok(RecordGroundTruthDetailsDocument, { input: { endpointName, records: records as never } });

it('has what was asked, answered and found to be true, as DuckDB reads it', async () => {
  const name = 'told';
  const { endpointId, modelId, deploymentId } = await serve(service, tess, PERSON, { name });
  await predict(tess, {
    endpointName: name,
    rows: [
      { age: 1, income: 2 },
      { age: 3, income: 4 },
    ],
    requestId: '007',
  });
  await predict(tess, { endpointName: name, rows: [{ age: 5, income: 6 }], requestId: 'b' });
  await record(name, [{ requestId: '007', row: 1, value: 10 }]);
  await record(name, [{ requestId: '007', row: 1, value: 12, observedAt: '2026-01-05T00:00:00Z' }]);
  const all = await registered({ endpointName: name, name: 'told-log' });
  expect(all).toMatchObject({
    ...{ rows: 3, labelledRows: 1 },
    dataset: { version: 1, format: 'PARQUET', rowCount: 3, source: 'log of endpoint told' },
  });
  const columns = ['log_request_id', 'log_row', 'age', 'income', 'log_predicted_value', 'log_true_value'];
  expect(await stored(all.dataset.id, columns)).toEqual([
    ['007', 0, 1, 2, 5, null],
    ['007', 1, 3, 4, 11, 12],
    ['b', 0, 5, 6, 17, null],
  ]);
  expect(all.dataset.columns.find((column) => column.name === 'log_time')).toMatchObject({ type: 'TIMESTAMP' });
  expect(await stored(all.dataset.id, ['log_deployment_id'])).toEqual(Array.from({ length: 3 }, () => [deploymentId]));

  // The next version has only labelled rows, and nothing of a field that is redacted by now.
  await tess.ok(UpdateEndpointDetailsDocument, { input: { id: endpointId, redactedFields: ['income'] } });
  const labelled = await registered({ endpointName: name, name: 'told-log', labelledOnly: true });
  expect(labelled).toMatchObject({ rows: 1, labelledRows: 1, dataset: { version: 2 } });
  expect(labelled.dataset.columns.map((column) => column.name)).not.toContain('income');
  expect(await stored(labelled.dataset.id, ['age', 'log_true_value'])).toEqual([[3, 12]]);

  // A deployment of another endpoint, and one that has answered nothing.
  const other = await makeVersion(service, { ...PERSON, modelId });
  const idle = await deploy(tess, { endpointId, modelVersionId: other.versionId, weightBps: 0 });
  expect(await ended({ endpointName: name, name: 'idle', deploymentId: idle })).toMatchObject({
    status: 'FAILED',
    errorMessage: expect.stringContaining('has no answered request in this time') as unknown,
  });
});

it('has classes, and elements of inputs without named columns', async () => {
  const signature: Signature = {
    inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [
      { name: 'label', datatype: 'BYTES', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ],
    classes: ['no', 'yes'],
  };
  const bytes = linearClassifier(
    ['no', 'yes'],
    [
      [-1, 0],
      [1, 0],
    ],
    [0, 0],
  );
  await serve(service, tess, { bytes, signature, task: 'CLASSIFICATION' }, { name: 'classes' });
  await predict(tess, {
    endpointName: 'classes',
    requestId: 'one',
    tensors: [{ name: 'X', datatype: 'FP32', shape: [2, 2], data: [4, 0.5, -4, null].map((one) => one ?? 0.25) }],
  });
  await record('classes', [{ requestId: 'one', row: 1, label: 'yes' }]);
  const { dataset } = await registered({ endpointName: 'classes', name: 'classes-log' });
  expect(await stored(dataset.id, ['X_0', 'X_1', 'log_predicted_label', 'log_true_label'])).toEqual([
    [4, 0.5, 'yes', null],
    [-4, 0.25, 'no', 'yes'],
  ]);
});

it('has every row of more requests than one part takes, once, and is trained on', async () => {
  const name = 'many';
  await serve(service, tess, PERSON, { name });
  const requests = 20;
  const rowsOf = (i: number) => Array.from({ length: 1_000 }, (_, row) => ({ age: i, income: row }));
  for (let i = 0; i < requests; i++)
    await predict(tess, { endpointName: name, rows: rowsOf(i), requestId: `r-${String(i).padStart(2, '0')}` });
  const truths = Array.from({ length: 5_000 }, (_, i) => {
    const [request, row] = [Math.floor(i / 1_000), i % 1_000];
    return { requestId: `r-${String(request).padStart(2, '0')}`, row, value: request * 3 - row };
  });
  await record(name, truths);
  const { dataset, ...counts } = await registered({ endpointName: name, name: 'many-log' });
  expect(counts).toMatchObject({ rows: 20_000, labelledRows: 5_000 });
  const seen = await stored(dataset.id, ['log_request_id', 'log_row', 'age', 'income']);
  expect(new Set(seen.map(([id, row]) => `${String(id)} ${String(row)}`)).size).toBe(20_000);
  for (const [id, row, age, income] of seen) expect([Number(String(id).slice(2)), row]).toEqual([age, income]);
  const labelled = await registered({ endpointName: name, name: 'many-labelled', labelledOnly: true });
  const { jobId } = await startTraining(tess, {
    experimentId: await createExperiment(tess),
    datasetId: labelled.dataset.id,
    config: {
      ...CARS_CONFIG,
      target: { column: 'log_true_value' },
      features: ['age', 'income'].map((column) => ({ column, kind: 'NUMERIC' as const })),
    },
  });
  await trainingEnd(tess, jobId);
});

it('refuses what cannot be a dataset, and names the field', async () => {
  const elsewhere = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) }, { name: 'elsewhere' });
  for (const [input, code, field] of [
    [{ name: '../up' }, 'BAD_USER_INPUT', 'input.name'],
    [{ from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 'BAD_USER_INPUT', 'input.from'],
    [{ deploymentId: elsewhere.deploymentId }, 'BAD_USER_INPUT', 'input.deploymentId'],
    [{ endpointName: 'nowhere' }, 'NOT_FOUND', undefined],
  ] as const) {
    const { extensions } = await tess.fails(RegisterPredictionLogDocument, {
      input: { endpointName: 'told', name: 'refused', ...input },
    });
    expect(extensions).toMatchObject({ code, ...(field && { field }) });
  }
});
