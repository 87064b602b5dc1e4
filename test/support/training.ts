import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Caller } from './service.js';
import {
  CreateExperimentDetailsDocument,
  RegisterDatasetDetailsDocument,
  StartTrainingDetailsDocument,
  TrainingJobDetailsDocument,
  type RegisterDatasetInput,
  type StartTrainingInput,
  type TrainingConfigInput,
  type TrainingJobDetailsQuery,
} from '../generated/operations.js';

/** A training as the tests see it. */
export interface TrainingView extends Omit<TrainingJobDetailsQuery['trainingJob'], 'result' | 'run'> {
  result: {
    modelKey: string;
    sha256: string;
    sizeBytes: number;
    epochsRun: number;
    metrics: Record<string, number>;
    agreementMaxAbsDiff: number;
    config: { features: { column: string; kind: string }[] };
  } | null;
  run: NonNullable<TrainingJobDetailsQuery['trainingJob']['run']>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

export const fixtureBytes = (name: string): Buffer => readFileSync(`${root}/test/fixtures/training/${name}`);
export const vegaPath = (name: string): string => `${root}/node_modules/vega-datasets/data/${name}`;

export async function createExperiment(caller: Caller): Promise<string> {
  const { createExperiment: created } = await caller.ok(CreateExperimentDetailsDocument, {
    input: { name: `trainings ${Math.random()}` },
  });
  return created.experiment.id;
}

export async function registerDataset(
  caller: Caller,
  input: Pick<RegisterDatasetInput, 'name' | 'format'> & RegisterDatasetInput['source'],
): Promise<string> {
  const { path, uploadId, ...rest } = input;
  const { registerDataset: registered } = await caller.ok(RegisterDatasetDetailsDocument, {
    input: { ...rest, source: { path, uploadId } },
  });
  return registered.dataset.id;
}

/** Miles per gallon of cars, by a small network. */
export const CARS_CONFIG: TrainingConfigInput = {
  algorithm: 'MLP_REGRESSOR',
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

export async function startTraining(
  caller: Caller,
  input: StartTrainingInput,
): Promise<{ jobId: string; runId: string }> {
  const { startTraining: started } = await caller.ok(StartTrainingDetailsDocument, { input });
  return { jobId: started.job.id, runId: started.run.id };
}

export async function trainingJob(caller: Caller, id: string): Promise<TrainingView> {
  const { trainingJob: job } = await caller.ok(TrainingJobDetailsDocument, { id });
  return { ...job, result: job.result as TrainingView['result'], run: job.run! };
}

/** Repeats the query until the training is as expected. */
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
