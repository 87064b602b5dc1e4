import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/inference/onnx/format/graph-builder.js';
import { linear } from '../fixtures/models/build.js';
import { createModel, registerUpload } from '../support/registry.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { createEndpoint, deploy } from '../support/serving.js';
import {
  ModelVersionForBatchingDocument,
  PredictForBatchingDocument,
  UpdateEndpointForBatchingDocument,
  type TensorInput,
} from '../generated/operations.js';

const CALLERS = 16;

let service: TestService;
let tess: Caller;
beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
});
afterAll(() => service?.close());

const ask = async (endpointId: string, tensor: TensorInput) =>
  (await tess.ok(PredictForBatchingDocument, { input: { endpointId, tensors: [tensor] } })).predict;

async function register(bytes: Uint8Array): Promise<{ modelId: string; id: string }> {
  const modelId = await createModel(tess);
  return { modelId, id: (await registerUpload(tess, modelId, bytes)).id };
}

const proofOf = async (id: string) => (await tess.ok(ModelVersionForBatchingDocument, { id })).modelVersion.signature!;

it('requests run in one batch when this is proven safe, until the endpoint or the deployment forbids it', async () => {
  const { modelId, id } = await register(linear([1, 10], 0));
  expect((await proofOf(id)).rowIndependence).toEqual({ proven: true, reason: null });
  const auto = await createEndpoint(tess, { modelId });
  await deploy(tess, { endpointId: auto.id, modelVersionId: id });
  const never = await createEndpoint(tess, { modelId });
  await deploy(tess, { endpointId: never.id, modelVersionId: id, batching: 'NEVER' });
  const row = (caller: number): TensorInput => ({ name: 'x', datatype: 'FP32', shape: [1, 2], data: [caller, 1] });
  const widest = async (endpointId: string): Promise<number> => {
    const answers = await Promise.all(Array.from({ length: CALLERS }, (_, caller) => ask(endpointId, row(caller))));
    expect(answers.map(({ outputs }) => outputs[0]!.data[0])).toEqual(
      Array.from({ length: CALLERS }, (_, caller) => caller + 10),
    );
    return Math.max(...answers.map(({ batchRows }) => batchRows));
  };
  await widest(auto.id);
  expect(await widest(auto.id)).toBeGreaterThan(1);
  expect(await widest(never.id)).toBe(1);

  const { updateEndpoint } = await tess.ok(UpdateEndpointForBatchingDocument, {
    input: { id: auto.id, batching: 'NEVER' },
  });
  expect(updateEndpoint.endpoint).toEqual({ batching: 'NEVER', deployments: [{ batching: 'AUTO' }] });
  // Every process learns of it within a second.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect(await widest(auto.id)).toBe(1);
});

it('requests at the same time to a model whose rows interact get the same answers as alone', async () => {
  const b = new GraphBuilder('t');
  const x = b.input('x', 'int64', ['N', 2]);
  b.output('y', b.node('Sub', [x, b.node('ReduceMax', [x, b.ints(0)])]), 'int64');
  const { modelId, id } = await register(b.model('m'));
  const { rowIndependence } = await proofOf(id);
  expect(rowIndependence).toEqual({ proven: false, reason: 'The operator ReduceMax takes one value out of all rows.' });
  const endpoint = await createEndpoint(tess, { modelId });
  await deploy(tess, { endpointId: endpoint.id, modelVersionId: id });
  const answers = await Promise.all(
    Array.from({ length: CALLERS }, (_, caller) =>
      ask(endpoint.id, { name: 'x', datatype: 'INT64', shape: [1, 2], data: [caller, -caller] }),
    ),
  );
  expect(answers.map(({ outputs }) => outputs[0]!.data.map(String))).toEqual(
    Array.from({ length: CALLERS }, () => ['0', '0']),
  );
});

it('an SVM without probabilities and a KMeans answer with scores and clusters', async () => {
  const fixture = (name: string) => readFileSync(new URL(`../fixtures/models/${name}`, import.meta.url));
  const { rows, svc, kmeans } = JSON.parse(fixture('exported.json').toString()) as {
    rows: number[][];
    svc: { label: string[]; scores: number[][] };
    kmeans: { label: string[]; distances: number[][] };
  };
  const tensor: TensorInput = { name: 'X', datatype: 'FP32', shape: [rows.length, 4], data: rows.flat() };
  for (const [file, meaning] of [
    ['svc.onnx', ['LABEL', 'SCORES']],
    ['kmeans.onnx', ['CLUSTER', 'DISTANCES']],
  ] as const) {
    const { modelId, id } = await register(fixture(file));
    expect((await proofOf(id)).outputs.map((output) => output.meaning)).toEqual(meaning);
    const endpoint = await createEndpoint(tess, { modelId });
    await deploy(tess, { endpointId: endpoint.id, modelVersionId: id });
    const { predictions } = await ask(endpoint.id, tensor);
    const wanted = file === 'svc.onnx' ? svc : kmeans;
    expect(predictions.map(({ label }) => label)).toEqual(wanted.label);
    predictions.forEach(({ probabilities, scores, value }, row) => {
      expect(probabilities).toBeNull();
      if (file === 'svc.onnx')
        expect(scores).toEqual(svc.scores[row]!.map((score) => expect.closeTo(score, 3) as number));
      else expect(value).toBeCloseTo(kmeans.distances[row]![Number(kmeans.label[row])]!, 3);
    });
  }
});
