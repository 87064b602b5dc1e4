import * as ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller, TestService } from '../support/service.js';
import { startTestService } from '../support/service.js';
import { createEndpoint, deploy, predict } from '../support/serving.js';
import { createExperiment, fixtureBytes, registerDataset, startTraining, trainingEnd } from '../support/training.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import {
  PredictDetailsDocument,
  RegisterModelVersionDetailsDocument,
  type ModelTask,
  type TrainingConfigInput,
  type FeatureInput,
} from '../generated/operations.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let datasetId: string;

beforeAll(async () => {
  service = await startTestService({ INFERENCE_HOSTS: '2' });
  tess = await service.as();
  experimentId = await createExperiment(tess);
  const { uploadId } = await tess.upload('penguins.csv', fixtureBytes('penguins.csv'));
  datasetId = await registerDataset(tess, { name: 'penguins', uploadId });
});
afterAll(() => service?.close());

interface Served {
  endpointId: string;
  session: ort.InferenceSession;
}

/** Trains, registers and serves through the API; also runs the same file in a separate session. */
async function serveTrained(task: ModelTask, config: Omit<TrainingConfigInput, 'split'>): Promise<Served> {
  const { runId, jobId } = await startTraining(tess, {
    experimentId,
    datasetId,
    config: { split: { by: 'RATIO', validation: 0.2, holdout: 0.2 }, seed: 3, ...config },
  });
  await trainingEnd(tess, jobId);
  const { createModel } = await tess.ok(CreateModelDocument, {
    input: { name: `penguins-${task.toLowerCase()}`, task, modelType: config.algorithm },
  });
  const modelId = createModel.model.id;
  const { registerModelVersion } = await tess.ok(RegisterModelVersionDetailsDocument, { input: { modelId, runId } });
  const version = registerModelVersion.modelVersion;
  expect(version.status).toBe('READY');
  const { id: endpointId } = await createEndpoint(tess, { modelId });
  await deploy(tess, { endpointId, modelVersionId: version.id });
  const { objectKey } = await service.app.context.db.asSystem((em) =>
    em
      .execute<{ objectKey: string }[]>(
        `select object_key as "objectKey" from model_version where id = '${version.id}'`,
      )
      .then((rows) => rows[0]!),
  );
  using file = await service.app.context.objects.localFile(objectKey);
  return { endpointId, session: await ort.InferenceSession.create(file.path) };
}

const BIRDS: { flipper_length: number | null; body_mass: number | null; island: string | null; sex: string | null }[] =
  [
    { flipper_length: 181, body_mass: 3750, island: 'Torgersen', sex: 'MALE' },
    { flipper_length: 217, body_mass: 5200, island: 'Biscoe', sex: 'FEMALE' },
    { flipper_length: 195, body_mass: null, island: null, sex: 'FEMALE' },
    { flipper_length: null, body_mass: 3600, island: 'an island that nobody saw', sex: null },
  ];
const features: FeatureInput[] = [
  { column: 'flipper_length', kind: 'NUMERIC' },
  { column: 'body_mass', kind: 'NUMERIC' },
  { column: 'island', kind: 'CATEGORICAL' },
  { column: 'sex', kind: 'CATEGORICAL' },
];

/** The birds in the form that the runtime takes. */
function feeds(columns = Object.keys(BIRDS[0]!) as (keyof (typeof BIRDS)[number])[]): Record<string, ort.Tensor> {
  return Object.fromEntries(
    columns.map((name) => {
      const values = BIRDS.map((bird) => bird[name]);
      const isNumeric = name === 'flipper_length' || name === 'body_mass';
      const data = isNumeric
        ? Float32Array.from(values, (value) => Number(value ?? NaN))
        : values.map((value) => String(value ?? ''));
      return [
        name,
        isNumeric
          ? new ort.Tensor('float32', data as Float32Array, [4, 1])
          : new ort.Tensor('string', data as string[], [4, 1]),
      ];
    }),
  );
}

describe('a model trained here', () => {
  it('classifies named rows like the runtime, including missing and unknown values', async () => {
    const { endpointId, session } = await serveTrained('CLASSIFICATION', {
      algorithm: 'MLP_CLASSIFIER',
      target: { column: 'species' },
      features,
      hyperparameters: { epochs: 30, batchSize: 16, learningRate: 0.01, hiddenLayers: [8] },
    });
    const direct = await session.run(feeds());
    const answer = await predict(tess, { endpointId, rows: BIRDS });
    const labels = direct['label']!.data as string[];
    const probabilities = direct['probabilities']!.data as Float32Array;
    expect(answer.predictions.map(({ label }) => label)).toEqual(labels);
    expect(labels.slice(0, 2)).toEqual(['Adelie', 'Gentoo']);
    answer.predictions.forEach((row, i) => {
      expect(row.probabilities).toEqual(Array.from(probabilities.subarray(i * 3, i * 3 + 3)));
      expect(row.value).toBeNull();
    });
    const tensors = [
      { name: 'flipper_length', datatype: 'FP32', shape: [4, 1], data: BIRDS.map((bird) => bird.flipper_length) },
      { name: 'body_mass', datatype: 'FP32', shape: [4, 1], data: BIRDS.map((bird) => bird.body_mass) },
      { name: 'island', datatype: 'BYTES', shape: [4, 1], data: BIRDS.map((bird) => bird.island ?? '') },
      { name: 'sex', datatype: 'BYTES', shape: [4, 1], data: BIRDS.map((bird) => bird.sex ?? '') },
    ];
    expect((await predict(tess, { endpointId, tensors })).outputs).toEqual(answer.outputs);
    const odd = { ...tensors[2]!, data: ['Dream', 'Dream', 'Dream', 'nul\0'] };
    const refused = await tess.fails(PredictDetailsDocument, {
      input: { endpointId, tensors: [tensors[0], tensors[1], odd, tensors[3]] },
    });
    expect(refused.extensions).toMatchObject({ code: 'INVALID_TENSOR', field: 'inputs[2].data[3]' });
    const wrong = await tess.fails(PredictDetailsDocument, {
      input: { endpointId, rows: [{ ...BIRDS[0], body_mass: 'heavy' }] },
    });
    expect(wrong.extensions).toMatchObject({ code: 'INVALID_TENSOR', field: 'rows[0].body_mass', got: '"heavy"' });
    const [logged] = await service.app.context.db.asSystem(async (em) => {
      await service.app.context.services.traffic.flush();
      return em.execute<{ inputs: Record<string, unknown[]>; scores: number[] }[]>(
        `select inputs, scores from prediction_log where endpoint_id = '${endpointId}' order by id limit 1`,
      );
    });
    expect(logged!.inputs).toEqual({
      flipper_length: [181, 217, 195, null],
      body_mass: [3750, 5200, null, 3600],
      island: BIRDS.map((bird) => bird.island ?? ''),
      sex: BIRDS.map((bird) => bird.sex ?? ''),
    });
    expect(logged!.scores[1]).toBeCloseTo(Math.max(...probabilities.subarray(3, 6)), 6);
  });

  it('predicts values, and finds clusters with distances', async () => {
    const regression = await serveTrained('REGRESSION', {
      algorithm: 'LINEAR_REGRESSION',
      target: { column: 'body_mass' },
      features: features.filter(({ column }) => column !== 'body_mass'),
      hyperparameters: { epochs: 40 },
    });
    const rows = BIRDS.map(({ body_mass: _mass, ...bird }) => bird);
    const answer = await predict(tess, { endpointId: regression.endpointId, rows });
    const direct = await regression.session.run(feeds(['flipper_length', 'island', 'sex']));
    expect(answer.predictions.map(({ value }) => value)).toEqual(
      Array.from(direct['prediction']!.data as Float32Array),
    );
    expect(answer.predictions[1]!.value).toBeGreaterThan(4_500);
    const clustering = await serveTrained('CLUSTERING', {
      algorithm: 'KMEANS',
      features: features.slice(0, 2),
      hyperparameters: { epochs: 10, clusters: 3 },
    });
    const clusters = await predict(tess, {
      endpointId: clustering.endpointId,
      rows: BIRDS.map(({ flipper_length, body_mass }) => ({ flipper_length, body_mass })),
    });
    const own = await clustering.session.run(feeds(['flipper_length', 'body_mass']));
    expect(clusters.predictions.map(({ label }) => label)).toEqual(
      Array.from(own['cluster']!.data as BigInt64Array, String),
    );
    const distances = own['distances']!.data as Float32Array;
    clusters.predictions.forEach(({ label, value }, row) => expect(value).toBe(distances[row * 3 + Number(label)]));
  });
});
