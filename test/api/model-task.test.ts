import { afterAll, beforeAll, expect, it } from 'vitest';
import { linear, linearClassifier } from '../fixtures/models/build.js';
import { MlflowCaller } from '../support/mlflow.js';
import {
  createModel,
  evaluate,
  promote,
  register,
  registerUpload,
  trainTumours,
  validate,
} from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { registerDataset } from '../support/training.js';
import {
  DemoteModelVersionDetailsDocument,
  EvaluateModelVersionDetailsDocument,
  ModelsDetailsDocument,
  PromoteModelVersionDetailsDocument,
  UpdateModelDetailsDocument,
  UpdateModelVersionDetailsDocument,
  ModelTaskTaskGuessedDocument,
  ModelVersionNameTypeDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let mlflow: MlflowCaller;
let datasetId: string;

const ROWS = Array.from({ length: 300 }, (_, i) => ({ height: Math.sin(i) * 2, age: Math.cos(i * 3) * 5 }));
const CLASSIFIER = linearClassifier(
  ['tall', 'old'],
  [
    [3, -1],
    [-3, 1],
  ],
  [0, 0],
);

interface Registered {
  modelId: string;
  versionId: string;
}

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  mlflow = new MlflowCaller(tess.url, tess.token);
  const lines = ROWS.map(
    ({ height, age }) => `${age},${3 * height > age ? 'tall' : 'old'},${height},${2 * height + age}`,
  );
  const { uploadId } = await tess.upload('people.csv', Buffer.from(['age,kind,height,sum', ...lines].join('\n')));
  datasetId = await registerDataset(tess, { name: 'people', uploadId });
});
afterAll(() => service?.close());

/** As `mlflow.onnx.log_model` with a signature of columns and `mlflow.register_model` do it. */
async function logAndRegister(
  name: string,
  onnx: Uint8Array,
  output: string,
  tags: object[] = [],
): Promise<Registered> {
  const runId = await mlflow.newRun();
  const put = async (path: string, body: string | Uint8Array<ArrayBuffer>) => {
    const url = `${tess.url}/api/2.0/mlflow-artifacts/artifacts/0/${runId}/artifacts/model/${path}`;
    const response = await fetch(url, { method: 'PUT', headers: { authorization: `Bearer ${tess.token}` }, body });
    expect(response.status).toBe(200);
  };
  const columns = ['height', 'age'].map((column) => ({ type: 'double', name: column, required: true }));
  const signature = { inputs: JSON.stringify(columns), outputs: JSON.stringify([{ type: output, required: true }]) };
  await put('MLmodel', JSON.stringify({ flavors: { onnx: { data: 'model.onnx' } }, signature }));
  await put('model.onnx', Uint8Array.from(onnx));
  await mlflow.post('registered-models/create', { name, tags });
  await mlflow.post('model-versions/create', { name, source: `runs:/${runId}/model`, run_id: runId });
  const { models } = await tess.ok(ModelsDetailsDocument, { filter: { search: name } });
  return { modelId: models.nodes[0]!.id, versionId: models.nodes[0]!.versions.nodes[0]!.id };
}

async function taskOf(id: string): Promise<{ task: string; taskGuessed: boolean }> {
  return (await tess.ok(ModelTaskTaskGuessedDocument, { id })).model;
}

it('a model registered by MLflow has the columns of its signature and a guessed task, and passes the gates', async () => {
  const { modelId, versionId } = await logAndRegister('guessed', CLASSIFIER, 'string');
  expect(await taskOf(modelId)).toEqual({ task: 'CLASSIFICATION', taskGuessed: true });
  const { modelVersion } = await tess.ok(ModelVersionNameTypeDocument, { id: versionId });
  expect(modelVersion.signature!.inputs).toEqual([
    { name: 'X', columns: ['height', 'age'].map((name) => ({ name, type: 'NUMBER' })) },
  ]);
  const classes = ['tall', 'old'];
  await tess.ok(UpdateModelVersionDetailsDocument, {
    input: { id: versionId, classes },
  });
  expect(
    (await evaluate(tess, { modelVersionId: versionId, datasetId, target: { column: 'kind' } })).result,
  ).toMatchObject({
    passed: true,
    metrics: { accuracy: 1 },
  });
  await validate(tess, versionId);
  await promote(tess, versionId, 'STAGING');
  expect((await promote(tess, versionId, 'PRODUCTION')).stage).toBe('PRODUCTION');
});

it('a tag of MLflow on the model or a version sets the task, and a wrong one is refused', async () => {
  const tagged = await logAndRegister('tagged', linear([2, 1], 0), 'double', [
    { key: 'matih.task', value: 'regression' },
  ]);
  expect(await taskOf(tagged.modelId)).toEqual({ task: 'REGRESSION', taskGuessed: false });
  expect(
    (await evaluate(tess, { modelVersionId: tagged.versionId, datasetId, target: { column: 'sum' } })).result,
  ).toMatchObject({
    passed: true,
  });

  const later = await logAndRegister('later', linear([2, 1], 0), 'double');
  expect(await taskOf(later.modelId)).toEqual({ task: 'OTHER', taskGuessed: true });
  const evaluateIt = { input: { modelVersionId: later.versionId, datasetId, target: { column: 'sum' } } };
  const refused = await tess.fails(EvaluateModelVersionDetailsDocument, evaluateIt);
  expect(refused.message).toContain(`updateModel(input: {id: "${later.modelId}", task: CLASSIFICATION})`);
  await mlflow.post('model-versions/set-tag', { name: 'later', version: '1', key: 'matih.task', value: 'REGRESSION' });
  expect(await taskOf(later.modelId)).toEqual({ task: 'REGRESSION', taskGuessed: false });
  await tess.ok(EvaluateModelVersionDetailsDocument, evaluateIt);
  const odd = await mlflow.send<{ message: string }>('POST', 'registered-models/set-tag', {
    body: { name: 'later', key: 'matih.task', value: 'ranking' },
  });
  expect(odd.status).toBe(400);
  expect(odd.body.message).toContain('CLASSIFICATION, REGRESSION, CLUSTERING, TEXT_GENERATION, OTHER');
});

it('another task makes earlier gate results invalid, and is refused when a training or a stage depends on the first one', async () => {
  const modelId = await createModel(tess, { task: 'CLASSIFICATION' });
  const { id } = await registerUpload(tess, modelId, CLASSIFIER, {
    inputColumns: [{ columns: ['height', 'age'] }],
    classes: ['tall', 'old'],
  });
  await evaluate(tess, { modelVersionId: id, datasetId, target: { column: 'kind' } });
  await validate(tess, id);
  await promote(tess, id, 'STAGING');
  const inTheWay = await tess.fails(UpdateModelDetailsDocument, { input: { id: modelId, task: 'REGRESSION' } });
  expect(inTheWay.extensions).toMatchObject({ code: 'CONFLICT', field: 'input.task' });
  await tess.ok(DemoteModelVersionDetailsDocument, {
    input: { modelVersionId: id },
  });
  const { updateModel } = await tess.ok(UpdateModelDetailsDocument, {
    input: { id: modelId, task: 'REGRESSION' },
  });
  expect(updateModel).toMatchObject({ model: { task: 'REGRESSION', taskGuessed: false } });
  const stale = await tess.fails(PromoteModelVersionDetailsDocument, {
    input: { modelVersionId: id, toStage: 'STAGING' },
  });
  expect(stale.message).toContain('before the model’s task became REGRESSION');

  const { runId } = await trainTumours(tess);
  const trained = await createModel(tess, { task: 'CLASSIFICATION' });
  await register(tess, { modelId: trained, runId });
  expect(
    (await tess.fails(UpdateModelDetailsDocument, { input: { id: trained, task: 'REGRESSION' } })).message,
  ).toContain('was trained for CLASSIFICATION');
});
