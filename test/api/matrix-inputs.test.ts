import { afterAll, beforeAll, expect, it } from 'vitest';
import { linearClassifier } from '../fixtures/models/build.js';
import { createModel, evaluate, promote, register, registerUpload, validate } from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy } from '../support/serving.js';
import { registerDataset } from '../support/training.js';
import { batchOf, columnsOf } from '../support/batch.js';
import { StartBatchInferenceDocument } from '../../schema/generated/operations.js';
import {
  EvaluateModelVersionDetailsDocument,
  ModelVersionDetailsDocument,
  PredictDetailsDocument,
  PromoteModelVersionDetailsDocument,
  RegisterModelVersionDetailsDocument,
  RunMonitoringDetailsDocument,
  UpdateModelVersionDetailsDocument,
  type PredictInput,
  PredictLabelProbabilitiesDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let datasetId: string;

/** Length, width and weight in a file whose column order differs from that of the model. */
const ROWS = Array.from({ length: 400 }, (_, i) => {
  const [length, width, weight] = [Math.sin(i) * 2, Math.cos(i * 3), Math.sin(i * 7) * 3];
  const score = 2 * length - 3 * width + weight;
  return { length, width, weight, kind: score > 0 ? 'big' : 'small' };
});
/** The probability of "big", computed by hand. */
const bigOf = ({ length, width, weight }: { length: number; width: number; weight: number }) =>
  1 / (1 + Math.exp(-2 * (2 * length - 3 * width + weight)));

const MODEL = linearClassifier(
  ['big', 'small'],
  [
    [2, -3, 1],
    [-2, 3, -1],
  ],
  [0, 0],
);
const COLUMNS = ['length', 'width', 'weight'];

beforeAll(async () => {
  service = await startTestService({ MONITORING_MIN_ROWS: '100' });
  tess = await service.as();
  const lines = ROWS.map(({ weight, kind, width, length }) => [weight, kind, width, length].join(','));
  const { uploadId } = await tess.upload('things.csv', Buffer.from(['weight,kind,width,length', ...lines].join('\n')));
  datasetId = await registerDataset(tess, { name: 'things', uploadId });
});
afterAll(() => service?.close());

it('a matrix of numbers is filled by named columns from registration to production', async () => {
  const modelId = await createModel(tess);
  const { id } = await registerUpload(tess, modelId, MODEL, { inputColumns: [{ input: 'X', columns: COLUMNS }] });
  const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id });
  expect(modelVersion).toMatchObject({
    signature: {
      classes: ['big', 'small'],
      inputs: [{ name: 'X', shape: [-1, 3], columns: COLUMNS.map((name) => ({ name, type: 'NUMBER' })) }],
    },
  });

  const evaluated = await evaluate(tess, { modelVersionId: id, datasetId, target: { column: 'kind' } });
  expect(evaluated.result).toMatchObject({ passed: true, rows: 400, metrics: { accuracy: 1 } });
  await validate(tess, id);
  await promote(tess, id, 'STAGING');
  await promote(tess, id, 'PRODUCTION');

  const endpoint = await createEndpoint(tess, { modelId });
  const deploymentId = await deploy(tess, { endpointId: endpoint.id, modelVersionId: id });
  const rows = ROWS.slice(0, 120).map(({ weight, width, length }) => ({ weight, width, length }));
  const predict = async (asked: object[]) =>
    (await tess.ok(PredictLabelProbabilitiesDocument, { input: { endpointId: endpoint.id, rows: asked } })).predict
      .predictions;
  const named = await predict(rows);
  for (const [i, { label, probabilities }] of named.entries()) {
    expect(label).toBe(ROWS[i]!.kind);
    expect(probabilities![0]).toBeCloseTo(bigOf(ROWS[i]!), 5);
  }
  // The flat array still works, in the order of the model.
  expect(await predict(rows.map(({ length, width, weight }) => ({ X: [length, width, weight] })))).toEqual(named);

  const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId: id, datasetId }));
  expect(result['prediction_label']!.slice(0, 120)).toEqual(named.map(({ label }) => label));

  await service.app.context.services.traffic.flush();
  const logged = await service.app.context.db.asSystem((em) =>
    em.execute<{ inputs: Record<string, number[]> }[]>(
      `select inputs from prediction_log where deployment_id = '${deploymentId}' limit 1`,
    ),
  );
  expect(Object.keys(logged[0]!.inputs).sort()).toEqual([...COLUMNS].sort());
  expect(logged[0]!.inputs['width']![1]).toBeCloseTo(ROWS[1]!.width, 5);

  // Its traffic is compared with the rows of its evaluation: first the same rows, then rows that differ in one column.
  const driftedColumns = async () => {
    await service.app.context.services.traffic.flush();
    const { runMonitoring } = await tess.ok(RunMonitoringDetailsDocument, { input: { deploymentId } });
    const { features } = runMonitoring.window!.drift!;
    expect(features.map(({ feature }) => feature).toSorted()).toEqual(COLUMNS.toSorted());
    return features.filter(({ drifted }) => drifted).map(({ feature }) => feature);
  };
  expect(await driftedColumns()).toEqual([]);
  await predict(rows.map((row) => ({ ...row, width: row.width + 3 })));
  expect(await driftedColumns()).toEqual(['width']);
});
it('without column names every use is refused, and the call in the error solves it', async () => {
  const modelId = await createModel(tess);
  const { id } = await registerUpload(tess, modelId, MODEL);
  const target = { column: 'kind' };
  const refused = await tess.fails(EvaluateModelVersionDetailsDocument, {
    input: { modelVersionId: id, datasetId, target },
  });
  expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.datasetId' });
  expect(refused.message).toContain(
    `updateModelVersion(input: {id: "${id}", inputColumns: [{input: "X", columns: ["weight", "width", "length"]}]})`,
  );
  const batch = await tess.fails(StartBatchInferenceDocument, {
    input: { modelVersionId: id, datasetId },
  });
  expect(batch.message).toContain('updateModelVersion');

  await tess.ok(UpdateModelVersionDetailsDocument, { input: { id, inputColumns: [{ columns: COLUMNS }] } });
  expect((await evaluate(tess, { modelVersionId: id, datasetId, target })).result).toMatchObject({
    metrics: { accuracy: 1 },
  });
  await validate(tess, id);
  await promote(tess, id, 'STAGING');

  // With other column names it is another model: earlier results no longer count.
  await tess.ok(UpdateModelVersionDetailsDocument, {
    input: { id, inputColumns: [{ columns: ['weight', 'width', 'length'] }] },
  });
  const stale = await tess.fails(PromoteModelVersionDetailsDocument, {
    input: { modelVersionId: id, toStage: 'PRODUCTION' },
  });
  expect(stale.extensions).toMatchObject({ code: 'GATE_NOT_PASSED' });
  expect(stale.message).toContain('before its columns or classes were changed');
  const worse = await evaluate(tess, { modelVersionId: id, datasetId, target });
  expect((worse.result as { metrics: { accuracy: number } }).metrics.accuracy).toBeLessThan(0.95);
});

it.each([
  [[{ input: 'Y', columns: COLUMNS }], 'input.inputColumns[0].input'],
  [[{ columns: ['length', 'width'] }], 'input.inputColumns[0].columns'],
  [[{ columns: ['length', 'width', 'width'] }], 'input.inputColumns[0].columns[2]'],
  [[{ columns: COLUMNS }, { input: 'X', acceptsMissing: true }], 'input.inputColumns[1].input'],
])('column names that do not fit are refused: %j', async (inputColumns, field) => {
  const modelId = await createModel(tess);
  const { uploadId } = await tess.upload('model.onnx', Buffer.from(MODEL));
  const refused = await tess.fails(RegisterModelVersionDetailsDocument, {
    input: { modelId, uploadId, inputColumns },
  });
  expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  expect(await register(tess, { modelId, uploadId })).toMatchObject({ version: 1 });
});

it(
  'missing values go to a model that imputes them and to no other, online as tensors and rows, in batch and ' +
    'evaluation alike',
  async () => {
    const weights = [
      [2, -3, 1],
      [-2, 3, -1],
    ];
    const lines = ROWS.map(({ kind, length, weight, width }, i) =>
      [length, i % 5 === 0 ? '' : width, weight, kind].join(','),
    );
    const { uploadId } = await tess.upload('holes.csv', Buffer.from(['length,width,weight,kind', ...lines].join('\n')));
    const holes = await registerDataset(tess, { name: 'holes', uploadId });
    const asked = (endpointId: string, width: number | null): PredictInput[] => [
      { endpointId, rows: [{ length: 1, weight: 1, width }] },
      { endpointId, rows: [{ X: [1, width, 1] }] },
      { endpointId, tensors: [{ name: 'X', datatype: 'FP32', shape: [1, 3], data: [1, width, 1] }] },
    ];
    const served = async (bytes: Uint8Array) => {
      const modelId = await createModel(tess);
      const { id } = await registerUpload(tess, modelId, bytes, { inputColumns: [{ columns: COLUMNS }] });
      const endpoint = await createEndpoint(tess, { modelId });
      await deploy(tess, { endpointId: endpoint.id, modelVersionId: id });
      const { modelVersion } = await tess.ok(ModelVersionDetailsDocument, { id });
      return { id, endpointId: endpoint.id, acceptsMissing: modelVersion.signature!.inputs[0]!.acceptsMissing };
    };

    const imputing = await served(linearClassifier(['big', 'small'], weights, [0, 0], [0, 0.25, 0]));
    expect(imputing.acceptsMissing).toBe(true);
    for (const [i, input] of asked(imputing.endpointId, null).entries()) {
      const filled = await tess.ok(PredictLabelProbabilitiesDocument, { input: asked(imputing.endpointId, 0.25)[i]! });
      expect(await tess.ok(PredictLabelProbabilitiesDocument, { input })).toEqual(filled);
    }
    const target = { column: 'kind' };
    expect((await evaluate(tess, { modelVersionId: imputing.id, datasetId: holes, target })).result).toMatchObject({
      rows: 400,
    });
    const result = await columnsOf(
      service,
      tess,
      await batchOf(tess, { modelVersionId: imputing.id, datasetId: holes }),
    );
    const byHand = ROWS.map((row, i) =>
      bigOf({ ...row, width: i % 5 === 0 ? 0.25 : row.width }) > 0.5 ? 'big' : 'small',
    );
    expect(result['prediction_label']).toEqual(byHand);

    const strict = await served(linearClassifier(['big', 'small'], weights, [0, 0]));
    expect(strict.acceptsMissing).toBe(false);
    for (const input of asked(strict.endpointId, null)) {
      const refused = await tess.fails(PredictDetailsDocument, { input });
      expect(refused.extensions.code).toBe('INVALID_TENSOR');
    }
    const evaluated = await evaluate(tess, { modelVersionId: strict.id, datasetId: holes, target }, 'FAILED');
    expect(evaluated).toMatchObject({
      errorCode: 'INVALID_TENSOR',
      errorMessage: expect.stringMatching(/^Column width, row 1: .*no missing values there.*got null/),
    });
    const batch = await batchOf(tess, { modelVersionId: strict.id, datasetId: holes }, 'FAILED');
    expect(batch).toMatchObject({
      errorCode: 'INVALID_TENSOR',
      errorMessage: expect.stringMatching(/^Column width, row 1: .*no missing values there.*got null/),
    });
  },
);
