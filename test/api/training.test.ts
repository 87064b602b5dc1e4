import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  fixtureBytes,
  registerDataset,
  START,
  startTraining,
  trainingEnd,
  trainingJob,
  trainingWhen,
  vegaPath,
} from '../support/training.js';

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

  it('learns regression from JSON, and keeps its parameters, files and history with the run', async () => {
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config: CARS_CONFIG });
    const job = await trainingEnd(tess, jobId);
    expect(job.run.metrics.find(({ key }) => key === 'holdout.r2')!.value).toBeGreaterThan(0.6);
    const { run, trainingJobs, events } = await tess.ok<{ run: RunFiles; trainingJobs: { nodes: { id: string }[] }; events: { nodes: { type: string }[] } }>(
      `query ($r: ID!, $d: ID!, $j: ID!) {
        run(id: $r) { params { key value } artifacts { path sizeBytes sha256 downloadUrl } }
        trainingJobs(filter: { runId: $r, datasetId: $d, status: [SUCCEEDED] }) { nodes { id dataset { name } } }
        events(filter: { subjectId: $j }) { nodes { type } } }`,
      { r: runId, d: cars, j: jobId },
    );
    expect(run.params).toContainEqual({ key: 'hyperparameters.learningRate', value: '0.01' });
    expect(run.params).toContainEqual({ key: 'features', value: 'Horsepower, Weight_in_lbs, Origin, Year' });
    expect(run.params).toContainEqual({ key: 'target.column', value: 'Miles_per_Gallon' });
    expect(run.artifacts.map(({ path }) => path)).toEqual(['logs/attempt-1.log', 'metrics/history.json', 'model/model.onnx']);
    expect(run.artifacts[2]).toMatchObject({ sha256: job.result!.sha256, sizeBytes: job.result!.sizeBytes });
    const history = JSON.parse(await download(run.artifacts[1]!.downloadUrl)) as { epochs: { step: number }[]; final: object };
    expect(history.epochs.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(history.final).toEqual(job.result!.metrics);
    expect(await download(run.artifacts[0]!.downloadUrl)).toMatch(/epoch 12 of 12: train\.loss=/);
    expect(trainingJobs.nodes).toEqual([{ id: jobId, dataset: { name: 'cars' } }]);
    expect(events.nodes.map(({ type }) => type).toSorted()).toEqual(['MODEL_TRAINING_COMPLETED', 'MODEL_TRAINING_STARTED']);
    // What a training keeps is its own.
    const { uploadId } = await tess.upload('x', 'mine');
    const log = `mutation ($input: LogArtifactInput!) { logArtifact(input: $input) { artifact { id } } }`;
    expect((await tess.fails(log, { input: { runId, path: 'model/model.onnx', uploadId } })).extensions.code).toBe('CONFLICT');
    await tess.ok(log, { input: { runId, path: 'plots/mine.txt', uploadId } });
  });

  it('splits by time, so that the holdout lies after all it learns from', async () => {
    const datasetId = await registerDataset(tess, { name: 'seattle-weather', path: vegaPath('seattle-weather.csv') });
    const { jobId } = await startTraining(tess, {
      experimentId,
      datasetId,
      config: {
        modelType: 'LOGISTIC_REGRESSION',
        target: { column: 'precipitation', greaterThan: 0 },
        features: ['temp_max', 'temp_min', 'wind'].map((column) => ({ column, kind: 'NUMERIC' })),
        split: { by: 'TIME', column: 'date', validation: 0.2, holdout: 0.2 },
        window: { column: 'date', from: '2012-03-01T00:00:00Z', to: '2015-06-01T00:00:00.000Z' },
        hyperparameters: { epochs: 10, learningRate: 0.05 },
      },
    });
    const { result } = await trainingEnd(tess, jobId);
    expect(result).toMatchObject({ rows: { train: 713, validation: 237, holdout: 237 } });
    expect(result!.metrics['holdout.roc_auc']).toBeGreaterThan(0.7);
  });

  it('gives equal models for equal seeds', async () => {
    const runs = [7, 7, 8].map((seed) => startTraining(tess, { experimentId, datasetId: cars, config: { ...CARS_CONFIG, seed } }));
    const jobs = [];
    for (const { jobId } of await Promise.all(runs)) jobs.push(await trainingEnd(tess, jobId));
    const [first, second, other] = jobs.map(({ result }) => result!.sha256);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });
});

interface RunFiles {
  params: { key: string; value: string }[];
  artifacts: { path: string; sizeBytes: number; sha256: string; downloadUrl: string }[];
}

async function download(path: string): Promise<string> {
  const response = await fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${tess.token}` } });
  expect(response.status).toBe(200);
  return response.text();
}

const storedPath = (key: string) => join(service.app.context.config.DATA_DIR, 'artifacts/objects', key);

/** Long enough to be interrupted. */
const ENDLESS = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 10_000 } };

describe('a configuration that is wrong', () => {
  type Change = (config: typeof CARS_CONFIG) => object;
  const hyper = (change: object): Change => (config) => ({ ...config, hyperparameters: { ...config.hyperparameters, ...change } });
  const feature = (change: object): Change => (config) => ({ ...config, features: config.features.map((one, i) => (i === 2 ? { ...one, ...change } : one)) });
  const with_ = (change: object): Change => (config) => ({ ...config, ...change });
  const cases: [string, Change, string, RegExp, RegExp][] = [
    ['no epoch', hyper({ epochs: 0 }), 'hyperparameters.epochs', /at least 1/, /^0$/],
    ['too many epochs', hyper({ epochs: 10_001 }), 'hyperparameters.epochs', /at most 10000/, /^10001$/],
    ['an empty batch', hyper({ batchSize: 0 }), 'hyperparameters.batchSize', /at least 1/, /^0$/],
    ['no learning rate', hyper({ learningRate: 0 }), 'hyperparameters.learningRate', /above 0/, /^0$/],
    ['a negative penalty', hyper({ l2: -1 }), 'hyperparameters.l2', /at least 0/, /^-1$/],
    ['an empty layer', hyper({ hiddenLayers: [16, 0] }), 'hyperparameters.hiddenLayers[1]', /at least 1/, /^0$/],
    ['too many layers', hyper({ hiddenLayers: Array(9).fill(1) }), 'hyperparameters.hiddenLayers', /length of at most 8/, /^\[1,/],
    ['no categories', hyper({ maxCategories: 0 }), 'hyperparameters.maxCategories', /at least 1/, /^0$/],
    ['one cluster', hyper({ clusters: 1 }), 'hyperparameters.clusters', /at least 2/, /^1$/],
    ['no features', with_({ features: [] }), 'features', /length of at least 1/, /^\[\]$/],
    ['an unknown column', feature({ column: 'Orign' }), 'features[2].column', /Origin/, /Orign/],
    ['a column twice', feature({ column: 'Horsepower', kind: 'NUMERIC' }), 'features[2].column', /each column once/, /Horsepower/],
    ['the target as feature', feature({ column: 'Miles_per_Gallon', kind: 'NUMERIC' }), 'features[2].column', /other than the target/, /Miles_per_Gallon/],
    ['text as numbers', feature({ kind: 'NUMERIC' }), 'features[2].kind', /CATEGORICAL/, /NUMERIC/],
    ['text as time', feature({ kind: 'TIMESTAMP' }), 'features[2].kind', /CATEGORICAL/, /TIMESTAMP/],
    ['no target', with_({ target: null }), 'target', /a target column/, /nothing/],
    ['an unknown target', with_({ target: { column: 'mpg' } }), 'target.column', /Miles_per_Gallon/, /mpg/],
    ['text as regression target', with_({ target: { column: 'Name' } }), 'target.column', /NUMBER/, /Name \(STRING\)/],
    ['a threshold for regression', with_({ target: { column: 'Miles_per_Gallon', greaterThan: 20 } }), 'target.greaterThan', /nothing for regression/, /20/],
    ['a threshold out of range', with_({ modelType: 'MLP_CLASSIFIER', target: { column: 'Miles_per_Gallon', greaterThan: 999 } }), 'target.greaterThan', /threshold from 9/, /999/],
    ['fractions as classes', with_({ modelType: 'MLP_CLASSIFIER', target: { column: 'Acceleration' } }), 'target.column', /whole numbers/, /Acceleration/],
    ['a target for clustering', with_({ modelType: 'KMEANS' }), 'target', /nothing for KMEANS/, /Miles/],
    ['no validation rows', with_({ split: { by: 'RATIO', validation: 0, holdout: 0.2 } }), 'split.validation', /above 0/, /^0$/],
    ['all rows held out', with_({ split: { by: 'RATIO', validation: 0.2, holdout: 1 } }), 'split.holdout', /below 1/, /^1$/],
    ['nothing left to learn', with_({ split: { by: 'RATIO', validation: 0.5, holdout: 0.5 } }), 'split', /below 1/, /1/],
    ['a time split without column', with_({ split: { by: 'TIME', validation: 0.2, holdout: 0.2 } }), 'split.column', /string/, /undefined/],
    ['a time split by a number', with_({ split: { by: 'TIME', column: 'Horsepower', validation: 0.2, holdout: 0.2 } }), 'split.column', /TIMESTAMP/, /NUMBER/],
    ['a column for a ratio', with_({ split: { by: 'RATIO', column: 'Year', validation: 0.2, holdout: 0.2 } }), 'split.column', /nothing/, /Year/],
    ['a window on text', with_({ window: { column: 'Name' } }), 'window.column', /TIMESTAMP/, /STRING/],
    ['a window that ends first', with_({ window: { column: 'Year', from: '1980-01-01T00:00:00Z', to: '1970-01-01T00:00:00Z' } }), 'window.to', /after/, /1970/],
    ['too small a sample', with_({ sampleRows: 5 }), 'split', /at least 10 training/, /3, 1 and 1/],
    ['a negative sample', with_({ sampleRows: -1 }), 'sampleRows', /at least 0/, /^-1$/],
    ['no patience', with_({ earlyStopping: { patience: 0 } }), 'earlyStopping.patience', /at least 1/, /^0$/],
    ['no checkpoints', with_({ checkpointEveryEpochs: 0 }), 'checkpointEveryEpochs', /at least 1/, /^0$/],
    ['a negative seed', with_({ seed: -1 }), 'seed', /at least 0/, /^-1$/],
  ];
  it.each(cases)('%s', async (_what, change, field, expected, got) => {
    const { message, extensions } = await tess.fails(START, { input: { experimentId, datasetId: cars, config: change(CARS_CONFIG) } });
    expect(extensions, message).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.config.${field}` });
    expect(extensions.expected).toMatch(expected);
    expect(extensions.got).toMatch(got);
    expect(message).toContain(`input.config.${field}`);
  });

  it('and ids of nobody or of another tenant start nothing', async () => {
    const other = await service.as({ tenant: 'other' });
    const theirs = { experimentId: await createExperiment(other), datasetId: await registerDataset(other, { name: 'cars', path: vegaPath('cars.json') }) };
    const before = await countTrainings();
    for (const ids of [{ experimentId: theirs.experimentId }, { datasetId: theirs.datasetId }, { registerModelId: theirs.datasetId }]) {
      const error = await tess.fails(START, { input: { experimentId, datasetId: cars, config: CARS_CONFIG, ...ids } });
      expect(error.extensions.code).toBe('NOT_FOUND');
    }
    const { jobId } = await startTraining(other, { ...theirs, config: CARS_CONFIG });
    for (const query of [`query ($id: ID!) { trainingJob(id: $id) { id } }`, `mutation ($id: ID!) { resumeTraining(input: { jobId: $id }) { job { id } } }`]) {
      expect((await tess.fails(query, { id: jobId })).extensions.code).toBe('NOT_FOUND');
    }
    expect(await countTrainings()).toBe(before);
    await trainingEnd(other, jobId);
  });
});

async function countTrainings(): Promise<number> {
  return (await tess.ok<{ trainingJobs: { totalCount: number } }>(`{ trainingJobs { totalCount } }`)).trainingJobs.totalCount;
}

describe('a training that is interrupted', () => {
  const cancel = (jobId: string) => tess.ok(`mutation ($id: ID!) { cancelJob(input: { jobId: $id }) { job { status } } }`, { id: jobId });
  const RESUME = `mutation ($id: ID!) { resumeTraining(input: { jobId: $id }) { job { status attempt } run { status } } }`;

  it('by a person ends at once, and its worker is free', async () => {
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config: ENDLESS });
    await trainingWhen(tess, jobId, ({ run }) => run.metrics.length > 0);
    const cancelledAt = performance.now();
    await cancel(jobId);
    const next = await startTraining(tess, { experimentId, datasetId: cars, config: CARS_CONFIG });
    await trainingWhen(tess, next.jobId, ({ status }) => status !== 'QUEUED');
    const freeMs = performance.now() - cancelledAt;
    await trainingEnd(tess, next.jobId);
    const job = await trainingJob(tess, jobId);
    expect(job).toMatchObject({ status: 'CANCELLED', run: { status: 'KILLED' }, result: null });
    const points = async () => (await tess.ok<{ run: { metricHistory: object[] } }>(`query ($id: ID!) { run(id: $id) { metricHistory(key: "train.loss") { step } } }`, { id: runId })).run.metricHistory.length;
    const logged = await points();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await points()).toBe(logged);
    expect(freeMs).toBeLessThan(2_000);
    console.log(`cancelled after ${logged} epochs; the worker took the next training after ${Math.round(freeMs)} ms`);
  });

  it('continues after a cancellation from the last sound checkpoint, to the same model', async () => {
    const config = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 120 } };
    const whole = await startTraining(tess, { experimentId, datasetId: cars, config });
    const { result } = await trainingEnd(tess, whole.jobId);
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config });
    await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length === 3);
    await cancel(jobId);
    const { checkpoints, status } = await trainingJob(tess, jobId);
    expect(status).toBe('CANCELLED');
    // The newest is cut short, the one before it altered: the third serves.
    const path = (epoch: number) => storedPath(`acme/runs/${runId}/checkpoints/epoch-${epoch}-attempt-1.ckpt`);
    const [newest, second, third] = checkpoints.map(({ epoch }) => epoch) as [number, number, number];
    await truncate(path(newest), 100);
    const altered = await readFile(path(second));
    altered[altered.length - 50]! ^= 1;
    await writeFile(path(second), altered);
    expect(await tess.ok(RESUME, { id: jobId })).toEqual({ resumeTraining: { job: { status: 'QUEUED', attempt: 2 }, run: { status: 'QUEUED' } } });
    const steps = await tess.collect<{ seq: number; status: string }>(`subscription ($id: ID!) { jobProgress(jobId: $id, after: 0) { seq status } }`, { id: jobId }, (items) => items.at(-1)?.status === 'SUCCEEDED');
    // The cancellation is in the middle of the log, not its end.
    expect(steps.some((step) => step.status === 'CANCELLED')).toBe(true);
    expect(steps.map(({ seq }) => seq)).toEqual(steps.map((_, i) => i + 1));
    const job = await trainingEnd(tess, jobId);
    expect(job.result!.sha256).toBe(result!.sha256);
    expect(job.run.status).toBe('FINISHED');
    expect(await readFile(storedPath(`acme/runs/${runId}/logs/attempt-2.log`), 'utf8')).toContain(`continued from the checkpoint of epoch ${third},`);
    for (const wrong of [jobId, whole.jobId]) expect((await tess.fails(RESUME, { id: wrong })).extensions.code).toBe('CONFLICT');
    console.log(`checkpoints of epochs ${newest} and ${second} damaged: continued from ${third}, same model`);
  });

  it('by poison gives up after three attempts with a readable reason, while others go on', async () => {
    const datasetId = await registerDataset(tess, { name: 'poison', path: vegaPath('cars.json') });
    await rm(storedPath('acme/datasets/poison/1/data.json'));
    const poison = await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG });
    const fine = await startTraining(tess, { experimentId, datasetId: cars, config: CARS_CONFIG });
    await trainingEnd(tess, fine.jobId);
    const job = await trainingEnd(tess, poison.jobId, 'FAILED');
    expect(job).toMatchObject({ attempt: 3, errorCode: 'UNAVAILABLE', errorMessage: 'The stored file of dataset poison, version 1, is gone.', run: { status: 'FAILED' } });
    const { events } = await tess.ok<{ events: { nodes: { type: string; payload: object }[] } }>(`query ($id: ID!) { events(filter: { subjectId: $id }) { nodes { type payload } } }`, { id: poison.jobId });
    expect(events.nodes.filter(({ type }) => type === 'MODEL_TRAINING_FAILED')).toMatchObject([{ payload: { runId: poison.runId, errorCode: 'UNAVAILABLE' } }]);
    console.log(`poison job: FAILED after ${job.attempt} attempts, another training done meanwhile`);
    // Mended, it can be resumed.
    await writeFile(storedPath('acme/datasets/poison/1/data.json'), await readFile(vegaPath('cars.json')));
    await tess.ok(RESUME, { id: poison.jobId });
    const mended = await trainingEnd(tess, poison.jobId);
    expect(mended).toMatchObject({ attempt: 4, errorCode: null, errorMessage: null });
  });

  it('by its own configuration is not tried again', async () => {
    const config = { ...CARS_CONFIG, hyperparameters: { epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) } };
    const { jobId } = await startTraining(tess, { experimentId, datasetId: cars, config });
    const job = await trainingEnd(tess, jobId, 'FAILED');
    expect(job).toMatchObject({ attempt: 1, errorCode: 'BAD_USER_INPUT', errorMessage: expect.stringContaining('learningRate') });
  });

  it('leaves no work folder behind', async () => {
    const { trainings } = service.app.context.services;
    const workRoot = join(service.app.context.config.DATA_DIR, 'work');
    await mkdir(join(workRoot, '00000000-0000-7000-8000-000000000000-1'), { recursive: true });
    await trainings.sweep();
    expect(await readdir(workRoot)).toEqual([]);
  });
});
