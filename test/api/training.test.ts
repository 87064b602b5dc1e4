import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sql } from '../support/sql.js';
import { startTestService, type Caller, type TestService } from '../support/service.js';
import {
  CARS_CONFIG,
  createExperiment,
  fixtureBytes,
  registerDataset,
  startTraining,
  trainingEnd,
  trainingJob,
  trainingWhen,
  vegaPath,
} from '../support/training.js';
import { FollowJobDocument, FollowRunMetricsDocument, LogArtifactDocument } from '../../schema/generated/operations.js';
import {
  DeleteModelDetailsDocument,
  EventsDetailsDocument,
  ResumeTrainingDetailsDocument,
  RunForMetricHistoryDocument,
  RunForTrainingDocument,
  StartTrainingDetailsDocument,
  CreateModelIdDocument,
  ModelVersionsVersionSha256IdDocument,
  CancelJobStatusDocument,
  ResumeTrainingStatusAttemptDocument,
} from '../generated/operations.js';

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

describe('a training', () => {
  it('runs from the mutation to the stored model, and its epochs are sent live', async () => {
    const upload = await tess.upload('penguins.csv', fixtureBytes('penguins.csv'));
    const datasetId = await registerDataset(tess, { name: 'penguins', uploadId: upload.uploadId });
    const epochs = 15;
    const { jobId, runId } = await startTraining(tess, {
      experimentId,
      datasetId,
      runName: 'penguin species',
      config: {
        algorithm: 'MLP_CLASSIFIER',
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
    const points = await tess.collect(
      FollowRunMetricsDocument,
      { runId, after: 0 },
      (items) => items.at(-1)?.key === 'validation.loss' && items.at(-1)?.step === epochs,
    );
    for (const { key, step } of points) {
      expect(seen.has(`${key} ${step}`), `${key} of epoch ${step} twice`).toBe(false);
      seen.add(`${key} ${step}`);
    }
    expect(points.filter(({ key }) => key === 'validation.loss').map(({ step }) => step)).toEqual(
      Array.from({ length: epochs }, (_, i) => i + 1),
    );
    const job = await trainingEnd(tess, jobId);
    expect(job.result).toMatchObject({ epochsRun: epochs, modelKey: `acme/runs/${runId}/model/model.onnx` });
    expect(job.result!.agreementMaxAbsDiff).toBeLessThan(1e-4);
    expect(job.run.status).toBe('FINISHED');
    const accuracy = job.run.metrics.find(({ key }) => key === 'holdout.accuracy');
    expect(accuracy?.value).toBeGreaterThan(0.9);
    expect(job.checkpoints.map(({ epoch }) => epoch)).toEqual([15, 14, 12]);
    console.log(`penguins: ${epochs} epochs, holdout accuracy ${Number(accuracy?.value).toFixed(3)}`);
  });

  it('learns a regression from JSON, and stores its parameters, files and history with the run', async () => {
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config: CARS_CONFIG });
    const job = await trainingEnd(tess, jobId);
    expect(job.run.metrics.find(({ key }) => key === 'holdout.r2')!.value).toBeGreaterThan(0.6);
    const { run, trainingJobs, events } = await tess.ok(RunForTrainingDocument, { runId, datasetId: cars, jobId });
    expect(run.params).toContainEqual({ key: 'hyperparameters.learningRate', value: '0.01' });
    expect(run.params).toContainEqual({ key: 'features', value: 'Horsepower, Weight_in_lbs, Origin, Year' });
    expect(run.params).toContainEqual({ key: 'target.column', value: 'Miles_per_Gallon' });
    expect(run.artifacts.map(({ path }) => path)).toEqual([
      'logs/attempt-1.log',
      'metrics/history.json',
      'model/model.onnx',
    ]);
    expect(run.artifacts[2]).toMatchObject({ sha256: job.result!.sha256, sizeBytes: job.result!.sizeBytes });
    const history = JSON.parse(await download(run.artifacts[1]!.downloadUrl)) as {
      epochs: { step: number }[];
      final: object;
    };
    expect(history.epochs.map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(history.final).toEqual(job.result!.metrics);
    expect(await download(run.artifacts[0]!.downloadUrl)).toMatch(/epoch 12 of 12: train\.loss=/);
    expect(trainingJobs.nodes).toEqual([{ id: jobId, dataset: { name: 'cars' } }]);
    expect(events.nodes.map(({ type }) => type).toSorted()).toEqual([
      'MODEL_TRAINING_COMPLETED',
      'MODEL_TRAINING_STARTED',
    ]);
    // The folders that a training fills are only its own.
    const { uploadId } = await tess.upload('x', 'mine');
    expect(
      (await tess.fails(LogArtifactDocument, { input: { runId, path: 'model/model.onnx', uploadId } })).extensions.code,
    ).toBe('CONFLICT');
    await tess.ok(LogArtifactDocument, { input: { runId, path: 'plots/mine.txt', uploadId } });
  });

  it('splits by time, so that the holdout is later than all training rows', async () => {
    const datasetId = await registerDataset(tess, { name: 'seattle-weather', path: vegaPath('seattle-weather.csv') });
    const { jobId } = await startTraining(tess, {
      experimentId,
      datasetId,
      config: {
        algorithm: 'LOGISTIC_REGRESSION',
        target: { column: 'precipitation', greaterThan: 0 },
        features: ['temp_max', 'temp_min', 'wind'].map((column) => ({ column, kind: 'NUMERIC' })),
        split: { by: 'TIME', column: 'date', validation: 0.2, holdout: 0.2 },
        window: { column: 'date', from: '2012-03-01T00:00:00Z', to: '2015-06-01T00:00:00.000Z' },
        hyperparameters: { epochs: 10 },
      },
    });
    const { result } = await trainingEnd(tess, jobId);
    expect(result).toMatchObject({ rows: { train: 713, validation: 237, holdout: 237 } });
    expect(result!.metrics['holdout.roc_auc']).toBeGreaterThan(0.7);
  });

  it('registers a version when requested, and still succeeds when its model was deleted meanwhile', async () => {
    const [kept, deleted] = await Promise.all(
      ['kept', 'deleted'].map((name) =>
        tess.ok(CreateModelIdDocument, { input: { name, task: 'REGRESSION', modelType: 'MLP_REGRESSOR' } }),
      ),
    );
    const register = (model: typeof kept) =>
      startTraining(tess, {
        experimentId,
        datasetId: cars,
        config: CARS_CONFIG,
        registerModelId: model!.createModel.model.id,
      });
    const first = await register(kept);
    const second = await register(deleted);
    await tess.ok(DeleteModelDetailsDocument, { input: { id: deleted!.createModel.model.id } });
    const job = await trainingEnd(tess, first.jobId);
    await trainingEnd(tess, second.jobId);
    const { modelVersions } = await tess.ok(ModelVersionsVersionSha256IdDocument, {
      filter: { modelId: kept!.createModel.model.id },
    });
    expect(modelVersions.nodes).toEqual([{ version: 1, sha256: job.result!.sha256, run: { id: first.runId } }]);
    const clustering = { ...CARS_CONFIG, algorithm: 'KMEANS', target: null, hyperparameters: {} };
    const wrong = await tess.fails(StartTrainingDetailsDocument, {
      input: { experimentId, datasetId: cars, config: clustering, registerModelId: kept!.createModel.model.id },
    });
    expect(wrong.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.registerModelId' });
  });

  it('gives equal models for equal seeds', async () => {
    const runs = [7, 7, 8].map((seed) =>
      startTraining(tess, { experimentId, datasetId: cars, config: { ...CARS_CONFIG, seed } }),
    );
    const jobs = [];
    for (const { jobId } of await Promise.all(runs)) jobs.push(await trainingEnd(tess, jobId));
    const [first, second, other] = jobs.map(({ result }) => result!.sha256);
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });
});

async function download(path: string): Promise<string> {
  const response = await fetch(`${service.url}${path}`, { headers: { authorization: `Bearer ${tess.token}` } });
  expect(response.status).toBe(200);
  return response.text();
}

const stored = async (key: string) => buffer(await service.app.context.objects.get(key));

/** Long enough to be interrupted. */
const ENDLESS = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 10_000 } };

describe('a training that is interrupted', () => {
  const cancel = (jobId: string) => tess.ok(CancelJobStatusDocument, { input: { jobId } });

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
    const points = async () =>
      (await tess.ok(RunForMetricHistoryDocument, { id: runId, key: 'train.loss', n: 10_000 })).run.metricHistory
        .length;
    const logged = await points();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await points()).toBe(logged);
    expect(freeMs).toBeLessThan(2_000);
    console.log(`cancelled after ${logged} epochs; the worker took the next training after ${Math.round(freeMs)} ms`);
  });

  it('continues after a cancellation from the last intact checkpoint, to the same model', async () => {
    const config = { ...CARS_CONFIG, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs: 120 } };
    const whole = await startTraining(tess, { experimentId, datasetId: cars, config });
    const { result } = await trainingEnd(tess, whole.jobId);
    const { jobId, runId } = await startTraining(tess, { experimentId, datasetId: cars, config });
    await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length === 3);
    await cancel(jobId);
    const { checkpoints, status } = await trainingJob(tess, jobId);
    expect(status).toBe('CANCELLED');
    // The newest checkpoint is cut, the one before is changed: the third is used.
    const { objects } = service.app.context;
    const key = (epoch: number) => `acme/runs/${runId}/checkpoints/epoch-${epoch}-attempt-1.ckpt`;
    const [newest, second, third] = checkpoints.map(({ epoch }) => epoch) as [number, number, number];
    await objects.put(key(newest), (await stored(key(newest))).subarray(0, 100));
    const altered = await stored(key(second));
    altered[altered.length - 50]! ^= 1;
    await objects.put(key(second), altered);
    expect(await tess.ok(ResumeTrainingStatusAttemptDocument, { input: { jobId } })).toEqual({
      resumeTraining: { job: { status: 'QUEUED', attempt: 2 }, run: { status: 'QUEUED' } },
    });
    const steps = await tess.collect(
      FollowJobDocument,
      { jobId, after: 0 },
      (items) => items.at(-1)?.status === 'SUCCEEDED',
    );
    // The cancellation is in the middle of the log, not at its end.
    expect(steps.some((step) => step.status === 'CANCELLED')).toBe(true);
    expect(steps.map(({ seq }) => seq)).toEqual(steps.map((_, i) => i + 1));
    const job = await trainingEnd(tess, jobId);
    expect(job.result!.sha256).toBe(result!.sha256);
    expect(job.run.status).toBe('FINISHED');
    expect(String(await stored(`acme/runs/${runId}/logs/attempt-2.log`))).toContain(
      `continued from the checkpoint of epoch ${third},`,
    );
    for (const wrong of [jobId, whole.jobId])
      expect((await tess.fails(ResumeTrainingDetailsDocument, { input: { jobId: wrong } })).extensions.code).toBe(
        'CONFLICT',
      );
    console.log(`checkpoints of epochs ${newest} and ${second} damaged: continued from ${third}, same model`);
  });

  it('begins anew when an upgrade of the service has changed what its checkpoints mean', async () => {
    const trained = (epochs: number, seed: number) =>
      startTraining(tess, {
        ...{ experimentId, datasetId: cars },
        config: { ...CARS_CONFIG, seed, hyperparameters: { ...CARS_CONFIG.hyperparameters, epochs } },
      });
    const other = await trained(3, 7);
    await trainingEnd(tess, other.jobId);
    const { jobId, runId } = await trained(60, 1);
    await trainingWhen(tess, jobId, ({ checkpoints }) => checkpoints.length > 0);
    await cancel(jobId);
    // An intact file of another training stands for one of another version.
    await service.app.context.db.asSystem((em) =>
      sql(
        em,
        `update checkpoint as mine set object_key = other.object_key, size_bytes = other.size_bytes, sha256 = other.sha256
         from (select * from checkpoint where job_id = ? order by epoch desc limit 1) as other where mine.job_id = ?`,
        [other.jobId, jobId],
      ),
    );
    await tess.ok(ResumeTrainingStatusAttemptDocument, { input: { jobId } });
    await trainingEnd(tess, jobId);
    const log = String(await stored(`acme/runs/${runId}/logs/attempt-2.log`));
    expect(log).toContain('of another version of the service: the training begins anew');
  });

  it('by repeated crashes fails after three attempts with a readable reason, while others continue', async () => {
    const datasetId = await registerDataset(tess, { name: 'poison', path: vegaPath('cars.json') });
    await service.app.context.objects.delete('acme/datasets/poison/1/data.json');
    const poison = await startTraining(tess, { experimentId, datasetId, config: CARS_CONFIG });
    const fine = await startTraining(tess, { experimentId, datasetId: cars, config: CARS_CONFIG });
    await trainingEnd(tess, fine.jobId);
    const job = await trainingEnd(tess, poison.jobId, 'FAILED');
    expect(job).toMatchObject({
      attempt: 3,
      errorCode: 'UNAVAILABLE',
      errorMessage: 'The stored file of dataset poison, version 1, is gone.',
      run: { status: 'FAILED' },
    });
    const { events } = await tess.ok(EventsDetailsDocument, { filter: { subjectId: poison.jobId } });
    expect(events.nodes.filter(({ type }) => type === 'MODEL_TRAINING_FAILED')).toMatchObject([
      { payload: { runId: poison.runId, errorCode: 'UNAVAILABLE' } },
    ]);
    console.log(`poison job: FAILED after ${job.attempt} attempts, another training done meanwhile`);
    // After a repair, it can be resumed.
    await service.app.context.objects.put('acme/datasets/poison/1/data.json', await readFile(vegaPath('cars.json')));
    await tess.ok(ResumeTrainingDetailsDocument, { input: { jobId: poison.jobId } });
    const mended = await trainingEnd(tess, poison.jobId);
    expect(mended).toMatchObject({ attempt: 4, errorCode: null, errorMessage: null });
  });

  it('by its own configuration is not retried', async () => {
    const config = {
      ...CARS_CONFIG,
      hyperparameters: { epochs: 50, learningRate: 10, hiddenLayers: Array<number>(8).fill(256) },
    };
    const { jobId } = await startTraining(tess, { experimentId, datasetId: cars, config });
    const job = await trainingEnd(tess, jobId, 'FAILED');
    expect(job).toMatchObject({
      attempt: 1,
      errorCode: 'BAD_USER_INPUT',
      errorMessage: expect.stringContaining('learningRate'),
    });
  });

  it('leaves no work folder behind', async () => {
    const { trainings } = service.app.context.services;
    const workRoot = join(service.app.context.config.DATA_DIR, 'work');
    await mkdir(join(workRoot, '00000000-0000-7000-8000-000000000000-1'), { recursive: true });
    await trainings.sweep();
    expect(await readdir(workRoot)).toEqual([]);
  });
});
