import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DeployModelVersionDetailsDocument,
  DeploymentForShadowDocument,
  DeploymentStatusErrorDocument,
  PredictDetailsDocument,
  RegisterModelVersionDetailsDocument,
  SetTrafficWeightsDetailsDocument,
} from '../generated/operations.js';
import { CreateModelDocument } from '../../schema/generated/operations.js';
import { type Caller, startTestService, type TestService } from '../support/service.js';
import { printSla } from './sla.js';
import { type Answer, createEndpoint, deploy, makeVersion, predict, serve, x, xToY } from '../support/serving.js';
import { createModel as newModel, registerUpload } from '../support/registry.js';
import { createExperiment, fixtureBytes, registerDataset, startTraining, trainingEnd } from '../support/training.js';
import { linear } from '../fixtures/models/build.js';
import { engine } from './engines.js';
import { Triton } from './triton-server.js';

let triton: Triton;
let service: TestService;
let tess: Caller;

beforeAll(async () => {
  triton = await Triton.start(engine('MATIH_TRITON_PYTHON'));
  service = await startTestService({
    TRITON_URL: triton.url,
    TRITON_REPOSITORY: triton.repository,
    V2_URL: triton.url,
  });
  tess = await service.as();
});
afterAll(async () => {
  await service?.close();
  await triton?.close();
});

/** A classifier of penguins, trained and registered by the API. */
async function trainedVersion(): Promise<{ modelId: string; modelVersionId: string }> {
  const { uploadId } = await tess.upload('penguins.csv', fixtureBytes('penguins.csv'));
  const { runId, jobId } = await startTraining(tess, {
    experimentId: await createExperiment(tess),
    datasetId: await registerDataset(tess, { name: 'penguins', uploadId }),
    config: {
      algorithm: 'MLP_CLASSIFIER',
      target: { column: 'species' },
      features: [
        { column: 'flipper_length', kind: 'NUMERIC' },
        { column: 'island', kind: 'CATEGORICAL' },
      ],
      split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
      hyperparameters: { epochs: 10, batchSize: 16, learningRate: 0.01, hiddenLayers: [8] },
      seed: 3,
    },
  });
  await trainingEnd(tess, jobId);
  const { createModel } = await tess.ok(CreateModelDocument, {
    input: { name: 'penguins', task: 'CLASSIFICATION', modelType: 'MLP_CLASSIFIER' },
  });
  const modelId = createModel.model.id;
  const { registerModelVersion } = await tess.ok(RegisterModelVersionDetailsDocument, { input: { modelId, runId } });
  return { modelId, modelVersionId: registerModelVersion.modelVersion.id };
}

const ISLANDS = ['Torgersen', 'Biscoe', 'Dream', 'unknown'];
const birds = (seed: number) =>
  [0, 1, 2].map((i) => ({
    flipper_length: i === 2 ? null : 180 + ((seed * 7 + i * 13) % 45),
    island: ISLANDS[(seed + i) % ISLANDS.length],
  }));

function expectSame(one: Answer, other: Answer): void {
  expect(one.predictions.map(({ label }) => label)).toEqual(other.predictions.map(({ label }) => label));
  one.predictions.forEach(({ probabilities }, row) =>
    probabilities!.forEach((value, i) =>
      expect(Math.abs(value - other.predictions[row]!.probabilities![i]!)).toBeLessThan(1e-5),
    ),
  );
}

const failure = async (endpointId: string) =>
  (await tess.fails(PredictDetailsDocument, { input: { endpointId, tensors: [x([1])] } })) ?? null;

describe('Triton', () => {
  it('answers as ONNX does: as its shadow, and as a part of its traffic', async () => {
    const version = await trainedVersion();
    const { id: endpointId } = await createEndpoint(tess, { modelId: version.modelId });
    const { modelVersionId } = version;
    const here = await deploy(tess, { endpointId, modelVersionId });
    const shadow = await deploy(tess, { endpointId, modelVersionId, mode: 'SHADOW', runtime: 'TRITON' });
    const onnx: Answer[] = [];
    for (let i = 0; i < 20; i++) onnx.push(await predict(tess, { endpointId, rows: birds(i), routingKey: `key ${i}` }));
    const compared = async () => {
      await service.app.context.services.traffic.flush();
      return (await tess.ok(DeploymentForShadowDocument, { id: shadow })).deployment.traffic;
    };
    await expect.poll(async () => (await compared()).requests, { timeout: 20_000 }).toBe(20);
    expect(await compared()).toMatchObject({ errors: 0, comparedRows: 60, disagreements: 0 });

    // A second endpoint of the same model, half on each runtime.
    const { id: both } = await createEndpoint(tess, { modelId: version.modelId });
    const first = await deploy(tess, { endpointId: both, modelVersionId });
    const second = await deploy(tess, { endpointId: both, modelVersionId, runtime: 'TRITON' });
    await tess.ok(SetTrafficWeightsDetailsDocument, {
      input: {
        endpointId: both,
        weights: [
          { deploymentId: first, weightBps: 5_000 },
          { deploymentId: second, weightBps: 5_000 },
        ],
      },
    });
    const seen = new Map<string, number>();
    await expect
      .poll(
        async () =>
          (await predict(tess, { endpointId: both, rows: birds(0), routingKey: `${Math.random()}` })).deployment.id,
      )
      .toBe(second);
    for (const [i, expected] of onnx.entries()) {
      const answer = await predict(tess, { endpointId: both, rows: birds(i), routingKey: `key ${i}` });
      seen.set(answer.deployment.id, (seen.get(answer.deployment.id) ?? 0) + 1);
      expectSame(answer, expected);
    }
    expect([...seen.keys()].sort()).toEqual([first, second].sort());
    await printSla(service, tess, 'ONNX', first);
    await printSla(service, tess, 'TRITON', second);
    expect(here).not.toBe(first);
  });

  it('a version that does not load leaves the old one serving, and says why', async () => {
    const { endpointId, modelId } = await serve(service, tess, { bytes: linear([2], 0), signature: xToY(1) });
    // The second one was registered with another signature than its file has.
    for (const wrong of [
      { bytes: Buffer.from('no model at all'), signature: xToY(1) },
      { bytes: linear([1, 1], 0), signature: xToY(1) },
    ]) {
      const { versionId } = await makeVersion(service, { ...wrong, modelId });
      const { deployModelVersion } = await tess.ok(DeployModelVersionDetailsDocument, {
        input: { endpointId, modelVersionId: versionId, mode: 'LIVE', runtime: 'TRITON', waitMs: 60_000 },
      });
      const { id, status } = deployModelVersion.deployment;
      expect(status).toBe('FAILED');
      const { error } = (await tess.ok(DeploymentStatusErrorDocument, { id })).deployment;
      expect(error).toMatch(/^Triton could not load the model: .+/);
      expect(error).not.toMatch(/\/tmp|Traceback/);
    }
    expect((await predict(tess, { endpointId, tensors: [x([21])] })).outputs[0]!.data).toEqual([42]);
  });

  it('as any server of its protocol: a model that somebody else has put there is served under its name', async () => {
    const modelId = await newModel(tess, { name: 'theirs' });
    const { id: modelVersionId } = await registerUpload(tess, modelId, linear([7], 0));
    const { id: endpointId } = await createEndpoint(tess, { modelId });
    const input = { endpointId, modelVersionId, mode: 'LIVE' as const, runtime: 'V2' as const, waitMs: 60_000 };
    const missing = await tess.ok(DeployModelVersionDetailsDocument, { input });
    const { id, status } = missing.deployModelVersion.deployment;
    expect(status).toBe('FAILED');
    expect((await tess.ok(DeploymentStatusErrorDocument, { id })).deployment.error).toContain('"theirs" in version 1');

    // Somebody else puts it there: here from the folder that a deployment to TRITON has made.
    await deploy(tess, { endpointId, modelVersionId, runtime: 'TRITON' });
    const [from, to] = [`matih-${modelVersionId}`, 'theirs'].map((name) => join(triton.repository, name));
    await cp(from!, to!, { recursive: true });
    const config = await readFile(join(to!, 'config.pbtxt'), 'utf8');
    await writeFile(join(to!, 'config.pbtxt'), config.replace(`matih-${modelVersionId}`, 'theirs'));
    expect((await fetch(`${triton.url}/v2/repository/models/theirs/load`, { method: 'POST' })).status).toBe(200);
    const { id: other } = await createEndpoint(tess, { modelId });
    await deploy(tess, { endpointId: other, modelVersionId, runtime: 'V2' });
    expect((await predict(tess, { endpointId: other, tensors: [x([3])] })).outputs[0]!.data).toEqual([21]);
  });

  it('is UNAVAILABLE after kill -9, other deployments answer, and what is deployed is there again', async () => {
    const local = await serve(service, tess, { bytes: linear([3], 0), signature: xToY(1) });
    const made = await makeVersion(service, { bytes: linear([5], 0), signature: xToY(1) });
    const { id: endpointId } = await createEndpoint(tess, { modelId: made.modelId });
    await deploy(tess, { endpointId, modelVersionId: made.versionId, runtime: 'TRITON' });
    const ask = async (id: string) =>
      (await predict(tess, { endpointId: id, tensors: [x([2])] })).outputs[0]!.data as number[];
    expect(await ask(endpointId)).toEqual([10]);
    await triton.kill();
    for (let i = 0; i < 8; i++) {
      const { message, extensions } = await failure(endpointId);
      expect(extensions.code).toBe('UNAVAILABLE');
      expect(message).toMatch(i < 5 ? /Triton does not answer.*TRITON_URL/ : /TRITON/);
      expect(await ask(local.endpointId)).toEqual([6]);
    }
    const startedMs = performance.now();
    await triton.up();
    await expect.poll(() => ask(endpointId).catch(() => null), { timeout: 60_000, interval: 200 }).toEqual([10]);
    console.log(`Triton killed: served again ${Math.round(performance.now() - startedMs)} ms after its restart began`);
    expect(await ask(local.endpointId)).toEqual([6]);
  });
});
