import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import { CARS_CONFIG, createExperiment, fixtureBytes, registerDataset, START, startTraining, trainingEnd, vegaPath } from '../support/training.js';

let service: TestService;
let tess: Caller;
let experimentId: string;
let cars: string;

beforeAll(async () => {
  service = await startTestService();
  tess = await service.as();
  experimentId = await createExperiment(tess);
  cars = await registerDataset(tess, { name: 'cars', path: vegaPath('cars.json') });
});
afterAll(() => service?.close());

interface Point {
  key: string;
  step: number;
  value: number;
}

const FOLLOW_METRICS = `subscription ($runId: ID!) { runMetrics(runId: $runId, after: 0) { key step value } }`;

describe('a training', () => {
  it('runs from the mutation to the stored model, its epochs streaming live', async () => {
    const upload = await tess.upload('penguins.csv', fixtureBytes('penguins.csv'));
    const datasetId = await registerDataset(tess, { name: 'penguins', uploadId: upload.uploadId });
    const epochs = 15;
    const { jobId, runId } = await startTraining(tess, {
      experimentId,
      datasetId,
      runName: 'penguin species',
      config: {
        modelType: 'MLP_CLASSIFIER',
        target: { column: 'species' },
        features: [
          { column: 'beak_length', kind: 'NUMERIC' },
          { column: 'beak_depth', kind: 'NUMERIC' },
          { column: 'body_mass', kind: 'NUMERIC' },
          { column: 'island', kind: 'CATEGORICAL' },
        ],
        split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
        hyperparameters: { epochs, batchSize: 16, learningRate: 0.01, hiddenLayers: [16] },
        checkpointEveryEpochs: 2,
        earlyStopping: null,
      },
    });
    const seen = new Set<string>();
    const points = await tess.collect<Point>(FOLLOW_METRICS, { runId }, (items) => items.at(-1)?.key === 'validation.loss' && items.at(-1)?.step === epochs);
    for (const { key, step } of points) {
      expect(seen.has(`${key} ${step}`), `${key} of epoch ${step} twice`).toBe(false);
      seen.add(`${key} ${step}`);
    }
    expect(points.filter(({ key }) => key === 'validation.loss').map(({ step }) => step)).toEqual(Array.from({ length: epochs }, (_, i) => i + 1));
    const job = await trainingEnd(tess, jobId);
    expect(job.result).toMatchObject({ epochsRun: epochs, modelKey: `acme/runs/${runId}/model/model.onnx` });
    expect(job.result!.agreementMaxAbsDiff).toBeLessThan(1e-4);
    expect(job.run.status).toBe('FINISHED');
    const accuracy = job.run.metrics.find(({ key }) => key === 'holdout.accuracy');
    expect(accuracy?.value).toBeGreaterThan(0.9);
    expect(job.checkpoints.map(({ epoch }) => epoch)).toEqual([15, 14, 12]);
    console.log(`penguins: ${epochs} epochs, holdout accuracy ${accuracy?.value.toFixed(3)}`);
  });
});
