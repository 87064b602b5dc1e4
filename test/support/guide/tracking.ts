import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { FollowRunMetricsSubscription, TrainingConfigInput } from '../../../schema/generated/operations.js';
import type { Guide } from './recorder.js';

export const PENGUINS = 'test/fixtures/training/penguins.csv';

/** Species of penguins by a softmax; small enough to train in a moment, good enough to pass the gates. */
export const PENGUIN_TRAINING = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'species' },
  features: [
    { column: 'beak_length', kind: 'NUMERIC' },
    { column: 'beak_depth', kind: 'NUMERIC' },
    { column: 'body_mass', kind: 'NUMERIC' },
    { column: 'island', kind: 'CATEGORICAL' },
  ],
  split: { by: 'RATIO', validation: 0.15, holdout: 0.35 },
  hyperparameters: { epochs: 8 },
  seed: 7,
} satisfies TrainingConfigInput;

/** Experiments, manually logged runs and their files. */
export async function trackingChapter(guide: Guide): Promise<{ experimentId: string }> {
  guide.chapter(
    'Experiments and runs',
    'An experiment is a folder of runs; a run keeps parameters, metrics, tags and files of one attempt.',
  );
  guide.task('Create an experiment');
  const { createExperiment } = await guide.run('createExperiment', {
    name: 'penguins',
    description: 'Which species is it?',
  });
  const experimentId = createExperiment.experiment.id;

  guide.task(
    'Log a run of your own',
    'For training that happens elsewhere. Metrics go in bulk; the same point again adds nothing, so a retry is safe.',
  );
  const { createRun } = await guide.run('createRun', {
    input: { experimentId, name: 'by-hand', params: [{ key: 'learning_rate', value: '0.01' }] },
  });
  const runId = createRun.run.id;
  const metrics = [0.9, 0.6, 0.45, 0.4, 0.38, 0.37, 0.365, 0.364].map((value, i) => ({
    key: 'loss',
    value,
    step: i + 1,
  }));
  await guide.run('logMetrics', { input: { runId, metrics } });
  await guide.run('setRunTags', { input: { runId, tags: [{ key: 'reviewed', value: 'yes' }] } });

  guide.task(
    'Keep a file with a run',
    'First the bytes, streamed and hashed; then the mutation that says what they are.',
  );
  const upload = await guide.http('/uploads?fileName=penguins.csv', { method: 'POST', file: PENGUINS });
  const { uploadId } = (await upload.json()) as { uploadId: string };
  guide.json({ uploadId });
  const { logArtifact } = await guide.run('logArtifact', {
    input: { runId, uploadId, path: 'inputs/penguins.csv' },
  });
  guide.say('Its download is plain HTTP with the same token, and takes ranges:');
  const { pathname } = new URL(logArtifact.artifact.downloadUrl, guide.service.url);
  const part = await guide.http(pathname, { headers: { range: 'bytes=0-63' } });
  expect([part.status, (await part.text()).length]).toEqual([206, 64]);
  await guide.run('runFiles', { runId });
  await guide.run('finishRun', { input: { runId, status: 'FINISHED' } });

  guide.task(
    'Find runs',
    'Filters hold together. Pages go on with `after: pageInfo.endCursor`; `totalCount` is counted only when asked for.',
  );
  await guide.run('searchRuns', {
    filter: {
      experimentIds: [experimentId],
      tags: [{ key: 'reviewed', value: 'yes' }],
      metrics: [{ key: 'loss', max: 0.4 }],
    },
    first: 20,
  });
  guide.task(
    'Draw a curve',
    'Long histories are thinned in the database: at most `maxPoints`, the first and the last among them.',
  );
  await guide.run('runHistory', { runId, key: 'loss' });
  return { experimentId };
}

/** A dataset from an upload, and what the service knows about it. */
export async function datasetChapter(guide: Guide): Promise<{ datasetId: string }> {
  guide.chapter(
    'Datasets',
    'A dataset is a CSV, JSON or Parquet file that the service keeps. The same name again makes the next version.',
  );
  guide.task('Register a file', 'From an upload, or with `path` from a folder that the setting `DATASET_DIRS` allows.');
  const upload = await guide.http('/uploads?fileName=penguins.csv', { method: 'POST', file: PENGUINS });
  const { uploadId } = (await upload.json()) as { uploadId: string };
  guide.json({ uploadId });
  const { registerDataset } = await guide.run('registerDataset', {
    name: 'penguins',
    uploadId,
  });
  guide.task(
    'Send a large file',
    'Straight to where it is stored, in parts that can be sent again: PUT the bytes of each part to its ' +
      'address, which needs no token. `completeUpload` then gives the `uploadId` its file.',
  );
  const bytes = readFileSync(PENGUINS);
  const { createUpload } = await guide.run('createUpload', {
    input: { fileName: 'penguins.csv', sizeBytes: bytes.length },
  });
  const sent = await fetch(new URL(createUpload.parts[0]!.url, guide.service.url), {
    method: 'PUT',
    body: new Uint8Array(bytes),
  });
  expect(sent.status).toBe(200);
  await guide.run('completeUpload', { input: { uploadId: createUpload.uploadId } });
  guide.task('Find datasets');
  await guide.run('searchDatasets', { filter: { search: 'peng', latestOnly: true } });
  return { datasetId: registerDataset.dataset.id };
}

type Point = FollowRunMetricsSubscription['runMetrics'];

const LAST_EPOCH = PENGUIN_TRAINING.hyperparameters.epochs;
const isLast = ({ key, step }: Point) => key === 'validation.loss' && step === LAST_EPOCH;

/** A training that is watched live, a wrong one, and one that is cancelled and resumed. */
export async function trainingChapter(
  guide: Guide,
  { experimentId, datasetId }: { experimentId: string; datasetId: string },
): Promise<{ runId: string }> {
  guide.chapter(
    'Training',
    'Training runs in a process of its own. It ends in a model file that has been compared with the ' +
      'trainer’s own outputs.',
  );
  guide.task('Start a training');
  const input = { experimentId, datasetId, runName: 'softmax', config: PENGUIN_TRAINING };
  const { startTraining } = await guide.run('startTraining', { input });
  const { run, job } = startTraining;

  guide.task(
    'Watch it learn',
    'A subscription over the WebSocket at `/graphql` (protocol `graphql-transport-ws`, token in ' +
      '`connectionParams`). `after: 0` sends what has been first; after a lost connection, give the last `seq` ' +
      'that came, and nothing comes twice or is missed.',
  );
  await guide.follow(
    'followRunMetrics',
    { runId: run.id, after: 0 },
    (items) => items.some(isLast),
    (items) => [...items.slice(0, 2), ...items.filter(isLast)],
  );
  await guide.follow(
    'followJob',
    { jobId: job.id, after: 0 },
    (items) => items.at(-1)?.status === 'SUCCEEDED',
    (items) => items.slice(-1),
  );

  guide.task('Ask where it stands');
  await guide.until('trainingJob', { id: job.id }, ({ trainingJob }) => trainingJob.status === 'SUCCEEDED');
  await guide.run('datasetLineage', { datasetId });

  guide.task('Compare runs');
  await guide.run('runsOfExperiment', { experimentId });

  guide.task(
    'When the configuration is wrong',
    'Nothing is queued; the error names the field, what was expected and what came.',
  );
  const features = [{ column: 'beak_lenght', kind: 'NUMERIC' }];
  await guide.refused('startTraining', {
    input: { experimentId, datasetId, config: { ...PENGUIN_TRAINING, features } },
  });

  guide.task(
    'Cancel and resume',
    'Cancelling ends the process at once. Resuming goes on from the last checkpoint to the result of an ' +
      'unbroken training.',
  );
  const long = {
    ...PENGUIN_TRAINING,
    hyperparameters: { ...PENGUIN_TRAINING.hyperparameters, epochs: 5_000 },
    checkpointEveryEpochs: 50,
  };
  const second = await guide.run(
    'startTraining',
    { input: { experimentId, datasetId, runName: 'long', config: long } },
    { show: false },
  );
  const jobId = second.startTraining.job.id;
  await guide.until('job', { id: jobId }, (data) => data.job.status === 'RUNNING', { show: false });
  await guide.run('cancelJob', { jobId });
  await guide.run('resumeTraining', { jobId });
  await guide.run('cancelJob', { jobId }, { show: false });

  return { runId: run.id };
}
