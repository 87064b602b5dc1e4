import { afterAll, beforeAll, expect, it } from 'vitest';
import { float, model, node } from '../fixtures/models/build.js';
import { batchOf, columnsOf } from '../support/batch.js';
import { createModel, evaluate, registerUpload } from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy } from '../support/serving.js';
import { registerDataset } from '../support/training.js';
import {
  ModelVersionForClassNamesDocument,
  PredictForClassNamesDocument,
  UpdateModelVersionForClassNamesDocument,
  WorldRegisterModelVersionDocument,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let datasetId: string;

/**
 * The target is which of three columns is the largest. The model's class order is third, first, second, which no
 * sorting gives.
 */
const ROWS = Array.from({ length: 300 }, (_, i) => ({
  a: Math.sin(i) * 3,
  b: Math.cos(i * 5) * 3,
  c: Math.sin(i * 11 + 1) * 3,
}));
const largestOf = (row: { a: number; b: number; c: number }) =>
  (['a', 'b', 'c'] as const).reduce((best, name) => (row[name] > row[best] ? name : best), 'a');
const NAMES = { a: 'First', b: 'first', c: 'the third\n(a test)' };
const CLASSES = [NAMES.c, NAMES.a, NAMES.b];

/** Scores of c, a and b: softmax of the columns, or the columns themselves. */
function network(last: 'Softmax' | 'Identity'): Uint8Array {
  return model({
    input: [float('X', ['N', 3])],
    output: [float('scores', ['N', 3])],
    initializer: [{ name: 'w', dims: [3, 3], dataType: 1, floatData: [0, 9, 0, 0, 0, 9, 9, 0, 0] }],
    node: [node('MatMul', ['X', 'w'], ['sum']), node(last, ['sum'], ['scores'])],
  });
}

async function serve(modelId: string, modelVersionId: string): Promise<string> {
  const { id } = await createEndpoint(tess, { modelId });
  await deploy(tess, { endpointId: id, modelVersionId });
  return id;
}

async function upload(name: string, header: string, lines: string[]): Promise<string> {
  const { uploadId } = await tess.upload(`${name}.csv`, Buffer.from([header, ...lines].join('\n')));
  return registerDataset(tess, { name, uploadId });
}

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  const lines = ROWS.map((row) => `${row.a},${row.b},${row.c},"${NAMES[largestOf(row)]}"`);
  datasetId = await upload('largest', 'a,b,c,largest', lines);
});
afterAll(() => service?.close());

it(
  'classes that the file does not name are asked for, not guessed, and then stand in evaluation, answers and ' +
    'batch',
  async () => {
    const modelId = await createModel(tess);
    const inputColumns = [{ columns: ['a', 'b', 'c'] }];
    const { id } = await registerUpload(tess, modelId, network('Softmax'), { inputColumns });
    const target = { column: 'largest' };
    const refused = await evaluate(tess, { modelVersionId: id, datasetId, target }, 'FAILED');
    expect(refused).toMatchObject({
      errorCode: 'INVALID_TENSOR',
      errorMessage: expect.stringContaining('updateModelVersion(input: {id: …, classes: ['),
    });

    await tess.ok(UpdateModelVersionForClassNamesDocument, {
      input: { id, classes: CLASSES },
    });
    expect((await evaluate(tess, { modelVersionId: id, datasetId, target })).result).toMatchObject({
      metrics: { accuracy: 1 },
    });
    const { modelVersion } = await tess.ok(ModelVersionForClassNamesDocument, { id });
    expect(modelVersion.evaluations[0]!.confusionMatrix!.classNames.toSorted()).toEqual(CLASSES.toSorted());

    const endpointId = await serve(modelId, id);
    const { predict } = await tess.ok(PredictForClassNamesDocument, { input: { endpointId, rows: ROWS } });
    expect(predict.predictions.map(({ label }) => label)).toEqual(ROWS.map((row) => NAMES[largestOf(row)]));
    for (const { label, probabilityByClass } of predict.predictions) {
      expect(probabilityByClass!.map((entry) => entry.label)).toEqual(CLASSES);
      const top = probabilityByClass!.reduce((best, entry) => (entry.probability > best.probability ? entry : best));
      expect(top.label).toBe(label);
    }

    const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId: id, datasetId }));
    expect(result['prediction_label']).toEqual(ROWS.map((row) => NAMES[largestOf(row)]));
    // Tables do not distinguish upper and lower case in names, and a header has no line feeds.
    const suffixes = ['the third (a test)', 'First', 'first_2'];
    expect(Object.keys(result)).toEqual(
      expect.arrayContaining(suffixes.map((suffix) => `prediction_probability_${suffix}`)),
    );
    expect(result['prediction_probability_First']).toEqual(
      predict.predictions.map(({ probabilities }) => probabilities![1]),
    );
  },
);

it(
  'a model of one probability per row is judged and answers as two classes; scores that are no probabilities ' +
    'are named',
  async () => {
    const points = await upload(
      'points',
      'x,y',
      ROWS.map(({ a }) => `${a},${a > 0 ? 'up' : 'down'}`),
    );
    const sigmoid = model({
      input: [float('x', ['N', 1])],
      output: [float('p', ['N', 1])],
      node: [node('Sigmoid', ['x'], ['p'])],
    });
    const modelId = await createModel(tess);
    const { id } = await registerUpload(tess, modelId, sigmoid, { classes: ['down', 'up'] });
    const found = await evaluate(tess, { modelVersionId: id, datasetId: points, target: { column: 'y' } });
    expect(found.result).toMatchObject({ metrics: { accuracy: 1 } });
    const endpointId = await serve(modelId, id);
    const { predict } = await tess.ok(PredictForClassNamesDocument, {
      input: { endpointId, rows: [{ x: 2 }, { x: -2 }] },
    });
    expect(predict.predictions.map(({ label }) => label)).toEqual(['up', 'down']);
    expect(predict.predictions[0]!.probabilityByClass!.map(({ label }) => label)).toEqual(['down', 'up']);

    // A threshold: 0.88 is no longer enough.
    const careful = { classes: ['down', 'up'], decisionThreshold: 0.9 };
    const strict = await registerUpload(tess, modelId, sigmoid, careful);
    const ofStrict = await evaluate(tess, { modelVersionId: strict.id, datasetId: points, target: { column: 'y' } });
    const isUp = (x: number): boolean => 1 / (1 + Math.exp(-Math.fround(x))) >= 0.9;
    const right = ROWS.filter(({ a }) => isUp(a) === a > 0).length;
    expect(ofStrict.result).toMatchObject({ metrics: { accuracy: right / ROWS.length } });
    const strictEndpoint = await serve(modelId, strict.id);
    const rows = [{ x: 2 }, { x: 3 }];
    const answer = await tess.ok(PredictForClassNamesDocument, { input: { endpointId: strictEndpoint, rows } });
    expect(answer.predict.predictions.map(({ label }) => label)).toEqual(['down', 'up']);

    const scores = await registerUpload(tess, await createModel(tess), network('Identity'), {
      inputColumns: [{ columns: ['a', 'b', 'c'] }],
      classes: CLASSES,
    });
    const refused = await evaluate(
      tess,
      { modelVersionId: scores.id, datasetId, target: { column: 'largest' } },
      'FAILED',
    );
    expect(refused).toMatchObject({
      errorCode: 'INVALID_TENSOR',
      errorMessage: expect.stringMatching(/add up to 1 in output scores.*softmax/),
    });
  },
);

it.each([
  [['yes'], 'input.classes'],
  [['yes', 'no', 'maybe', 'never'], 'input.classes'],
  [['yes', 'no', 'yes'], 'input.classes[2]'],
  [['yes', '', 'no'], 'input.classes[1]'],
])('impossible classes are refused: %j', async (classes, field) => {
  const { uploadId } = await tess.upload('model.onnx', Buffer.from(network('Softmax')));
  const refused = await tess.fails(WorldRegisterModelVersionDocument, {
    input: { modelId: await createModel(tess), uploadId, classes },
  });
  expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
});

it('a threshold is refused where there are not two classes with names', async () => {
  const { uploadId } = await tess.upload('model.onnx', Buffer.from(network('Softmax')));
  const refused = await tess.fails(WorldRegisterModelVersionDocument, {
    input: { modelId: await createModel(tess), uploadId, classes: CLASSES, decisionThreshold: 0.9 },
  });
  expect(refused.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.decisionThreshold' });
});

it('an answer that is not finite is null as a value and correct among the outputs', async () => {
  const logarithm = model({
    input: [float('x', ['N', 1])],
    output: [float('y', ['N', 1])],
    node: [node('Log', ['x'], ['y'])],
  });
  const modelId = await createModel(tess, { task: 'REGRESSION' });
  const { id } = await registerUpload(tess, modelId, logarithm);
  const endpointId = await serve(modelId, id);
  const { predict } = await tess.ok(PredictForClassNamesDocument, {
    input: { endpointId, rows: [{ x: 1 }, { x: -1 }, { x: 0 }] },
  });
  expect(predict.predictions.map(({ value }) => value)).toEqual([0, null, null]);
  expect(predict.outputs[0]!.data).toEqual([0, 'NaN', '-Infinity']);

  const numbers = await upload('numbers', 'x,y', ['1,0', '-1,0', '0,0']);
  const result = await columnsOf(service, tess, await batchOf(tess, { modelVersionId: id, datasetId: numbers }));
  expect(result['prediction_value']).toEqual([0, null, null]);
  const evaluated = await evaluate(tess, { modelVersionId: id, datasetId: numbers, target: { column: 'y' } }, 'FAILED');
  expect(evaluated.errorMessage).toMatch(/finite number for every row, got NaN for row/);
});
