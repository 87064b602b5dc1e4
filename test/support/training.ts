import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Caller } from './service.js';

/** A training as the tests see it. */
export interface TrainingView {
  id: string;
  status: string;
  attempt: number;
  progress: number;
  message: string;
  errorCode: string | null;
  errorMessage: string | null;
  result: {
    modelKey: string;
    sha256: string;
    sizeBytes: number;
    epochsRun: number;
    metrics: Record<string, number>;
    agreementMaxAbsDiff: number;
    config: { features: { column: string; kind: string }[] };
  } | null;
  checkpoints: { epoch: number; attempt: number; sizeBytes: number; sha256: string }[];
  run: { id: string; status: string; metrics: { key: string; value: number; step: number }[] };
}

export const JOB_FIELDS = `id status attempt progress message errorCode errorMessage result checkpoints { epoch attempt sizeBytes sha256 }
  run { id status metrics { key value step } }`;

const root = fileURLToPath(new URL('../..', import.meta.url));

export const fixtureBytes = (name: string): Buffer => readFileSync(`${root}/test/fixtures/training/${name}`);
export const vegaPath = (name: string): string => `${root}/node_modules/vega-datasets/data/${name}`;

export async function createExperiment(caller: Caller): Promise<string> {
  const { createExperiment: created } = await caller.ok<{ createExperiment: { experiment: { id: string } } }>(
    `mutation ($name: String!) { createExperiment(input: { name: $name }) { experiment { id } } }`,
    { name: `trainings ${Math.random()}` },
  );
  return created.experiment.id;
}

export async function registerDataset(
  caller: Caller,
  input: { name: string; path?: string; uploadId?: string; format?: string },
): Promise<string> {
  const { path, uploadId, ...rest } = input;
  const { registerDataset: registered } = await caller.ok<{ registerDataset: { dataset: { id: string } } }>(
    `mutation ($input: RegisterDatasetInput!) { registerDataset(input: $input) { dataset { id } } }`,
    { input: { ...rest, source: { path, uploadId } } },
  );
  return registered.dataset.id;
}

/** Miles per gallon of cars, by a small network. */
export const CARS_CONFIG = {
  modelType: 'MLP_REGRESSOR',
  target: { column: 'Miles_per_Gallon' },
  features: [
    { column: 'Horsepower', kind: 'NUMERIC' },
    { column: 'Weight_in_lbs', kind: 'NUMERIC' },
    { column: 'Origin', kind: 'CATEGORICAL' },
    { column: 'Year', kind: 'TIMESTAMP' },
  ],
  split: { by: 'RATIO', validation: 0.2, holdout: 0.2 },
  hyperparameters: { epochs: 12, batchSize: 16, learningRate: 0.01, hiddenLayers: [16, 8] },
  seed: 7,
};

export const START =
  'mutation ($input: StartTrainingInput!) { startTraining(input: $input) { job { id status } run { id status ' +
  '} } }';

export async function startTraining(
  caller: Caller,
  input: Record<string, unknown>,
): Promise<{ jobId: string; runId: string }> {
  const { startTraining: started } = await caller.ok<{ startTraining: { job: { id: string }; run: { id: string } } }>(
    START,
    { input },
  );
  return { jobId: started.job.id, runId: started.run.id };
}

export async function trainingJob(caller: Caller, id: string): Promise<TrainingView> {
  const { trainingJob: job } = await caller.ok<{ trainingJob: TrainingView }>(
    `query ($id: ID!) { trainingJob(id: $id) { ${JOB_FIELDS} } }`,
    { id },
  );
  return job;
}

/** Asks until the training is as wanted. */
export async function trainingWhen(
  caller: Caller,
  id: string,
  wanted: (job: TrainingView) => boolean,
  timeoutMs = 60_000,
): Promise<TrainingView> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const job = await trainingJob(caller, id);
    if (wanted(job)) return job;
    if (Date.now() > deadline)
      throw new Error(
        `The training did not come there in ${timeoutMs} ms; it is ` +
          `${JSON.stringify({ ...job, result: null, run: null })}.`,
      );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function trainingEnd(
  caller: Caller,
  id: string,
  status = 'SUCCEEDED',
  timeoutMs = 60_000,
): Promise<TrainingView> {
  const job = await trainingWhen(
    caller,
    id,
    ({ status: now }) => ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(now),
    timeoutMs,
  );
  expect(job.status, `${job.errorCode}: ${job.errorMessage}`).toBe(status);
  return job;
}
