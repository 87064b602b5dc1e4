import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Signature } from '../../src/modules/model-contract/rules/tensor.js';
import { linear, linearClassifier } from '../fixtures/models/build.js';
import {
  GroundTruthImportDocument,
  ImportGroundTruthDocument,
  PredictionDetailsDocument,
} from '../generated/operations.js';
import type { ImportGroundTruthInput } from '../generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { predict, serve, xToY } from '../support/serving.js';
import { registerDataset } from '../support/training.js';

let service: TestService;
let tess: Caller;
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as({ subject: 'tess' });
});
afterAll(() => service?.close());

const CLASSES = ['no', 'yes'];
const SIGNATURE: Signature = {
  inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
  ],
  classes: CLASSES,
};

async function dataset(text: string): Promise<string> {
  const { uploadId } = await tess.upload('truths.csv', text);
  return registerDataset(tess, { name: 'truths', uploadId });
}

async function imported(input: ImportGroundTruthInput) {
  const { id } = (await tess.ok(ImportGroundTruthDocument, { input })).importGroundTruth.job;
  const read = async () => (await tess.ok(GroundTruthImportDocument, { id })).job;
  await expect.poll(async () => (await read()).status, { timeout: 60_000 }).toMatch(/SUCCEEDED|FAILED/);
  const { status, errorMessage, outcome } = await read();
  expect(status, errorMessage ?? '').toBe('SUCCEEDED');
  return outcome;
}

const truthOf = async (endpointName: string, requestId: string, row = 0) =>
  (await tess.ok(PredictionDetailsDocument, { endpointName, requestId })).prediction.answers[row]!.truth;

it('records what a file tells, late, missing, revised and wrong values among it', async () => {
  const bytes = linearClassifier(CLASSES, [[-1], [1]], [0, 0]);
  await serve(service, tess, { bytes, signature: SIGNATURE, task: 'CLASSIFICATION' }, { name: 'late' });
  await predict(tess, { endpointName: 'late', rows: [{ X: 2 }, { X: -1 }], requestId: '007' });
  await predict(tess, { endpointName: 'late', rows: [{ X: 3 }], requestId: 'b' });
  const columns = {
    ...{ endpointName: 'late', requestIdColumn: 'id', rowColumn: 'row', labelColumn: 'truth' },
    observedAtColumn: 'seen',
  };
  const datasetId = await dataset(
    [
      'id,row,truth,seen',
      '007,0,no,2026-01-01T00:00:00Z',
      '007,1,no,2026-01-01T00:00:00Z',
      'b,0,,2026-01-02T00:00:00Z',
      // The same row again: a revision, and then an older value that comes late.
      '007,0,yes,2026-01-05T00:00:00Z',
      '007,0,no,2026-01-03T00:00:00Z',
      'b,0,yes,2026-01-06T00:00:00Z',
      'nobody,0,yes,2026-01-06T00:00:00Z',
      'b,0,maybe,2026-01-07T00:00:00Z',
      'b,4,yes,2026-01-07T00:00:00Z',
      ',0,yes,2026-01-07T00:00:00Z',
    ].join('\n'),
  );
  const outcome = await imported({ ...columns, datasetId });
  expect(outcome).toMatchObject({
    ...{ rows: 10, added: 3, replaced: 1, unchangedRows: 1, missing: 1, rejected: 4 },
    rejections: [
      { row: 7, requestId: 'nobody', code: 'NOT_FOUND' },
      {
        row: 8,
        requestId: 'b',
        code: 'BAD_USER_INPUT',
        message: expect.stringMatching(/^label: expected one of the classes/),
      },
      { row: 9, requestId: 'b', code: 'BAD_USER_INPUT' },
      { row: 10, requestId: '', code: 'BAD_USER_INPUT' },
    ],
  });
  expect(await truthOf('late', '007')).toMatchObject({
    ...{ label: 'yes', observedAt: '2026-01-05T00:00:00.000Z', createdBy: 'tess' },
    history: [{ label: 'no' }],
  });
  expect(await truthOf('late', '007', 1)).toMatchObject({ label: 'no', history: [] });
  // The same file again changes nothing.
  expect(await imported({ ...columns, datasetId })).toMatchObject({
    added: 0,
    replaced: 0,
    unchangedRows: 5,
    rejected: 4,
  });
  expect((await truthOf('late', '007'))!.history).toHaveLength(1);
});

it('records values of a regression', async () => {
  await serve(service, tess, { bytes: linear([2], 1), signature: xToY(1), task: 'REGRESSION' }, { name: 'line' });
  for (const requestId of ['r1', 'r2']) await predict(tess, { endpointName: 'line', rows: [{ x: 1 }], requestId });
  const datasetId = await dataset('id,y\nr1,2.5\nr2,\n');
  const outcome = await imported({ endpointName: 'line', datasetId, requestIdColumn: 'id', valueColumn: 'y' });
  expect(outcome).toMatchObject({ rows: 2, added: 1, missing: 1, rejected: 0 });
  expect(await truthOf('line', 'r1')).toMatchObject({ value: 2.5, observedAt: null });
});

it('refuses columns that are not there or have another type, and says which to give', async () => {
  const datasetId = await dataset('id,truth,seen\na,yes,soon\n');
  const common = { endpointName: 'late', datasetId, requestIdColumn: 'id', labelColumn: 'truth' };
  const cases: [Partial<ImportGroundTruthInput>, string][] = [
    [{ requestIdColumn: 'nothing' }, 'input.requestIdColumn'],
    [{ rowColumn: 'truth' }, 'input.rowColumn'],
    [{ observedAtColumn: 'seen' }, 'input.observedAtColumn'],
    [{ labelColumn: null, valueColumn: 'truth' }, 'input.valueColumn'],
    [{ valueColumn: 'truth' }, 'input'],
    [{ labelColumn: null }, 'input'],
  ];
  for (const [input, field] of cases) {
    const { extensions } = await tess.fails(ImportGroundTruthDocument, { input: { ...common, ...input } });
    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  }
});
