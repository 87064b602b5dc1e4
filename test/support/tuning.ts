import { expect } from 'vitest';
import {
  StartTuningDocument,
  StudyDocument,
  type StartTuningInput,
  type StudyQuery,
} from '../../schema/generated/operations.js';
import { TrialsOfStudyDocument, type TrialsOfStudyQuery } from '../generated/operations.js';
import type { Caller } from './service.js';
import { CARS_CONFIG } from './training.js';

export type StudyView = StudyQuery['study'];
export type TrialView = TrialsOfStudyQuery['trials']['nodes'][number];

/** A training of a fraction of a second. */
export const SHORT_CONFIG = {
  ...CARS_CONFIG,
  hyperparameters: { epochs: 4, batchSize: 64, hiddenLayers: [4] },
};

/** Without a search space of its own, a test searches the learning rate. */
export const RATES = {
  parameters: [{ name: 'learningRate', kind: 'FLOAT' as const, low: 0.0005, high: 0.1, log: true }],
};

export async function startTuning(
  caller: Caller,
  input: Pick<StartTuningInput, 'experimentId' | 'datasetId'> & Partial<StartTuningInput>,
): Promise<{ studyId: string; jobId: string }> {
  const { startTuning: started } = await caller.ok(StartTuningDocument, {
    input: { name: 'rates', config: SHORT_CONFIG, space: RATES, stop: { maxTrials: 4 }, seed: 1, ...input },
  });
  return { studyId: started.study.id, jobId: started.job.id };
}

export async function studyOf(caller: Caller, id: string): Promise<StudyView> {
  return (await caller.ok(StudyDocument, { id })).study;
}

export async function trialsOf(caller: Caller, studyId: string): Promise<TrialView[]> {
  return (await caller.ok(TrialsOfStudyDocument, { studyId, first: 500 })).trials.nodes;
}

/** Repeats the query until the study is as expected. */
export async function studyWhen(
  caller: Caller,
  id: string,
  wanted: (study: StudyView) => boolean,
  timeoutMs = 90_000,
): Promise<StudyView> {
  for (const deadline = Date.now() + timeoutMs; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const study = await studyOf(caller, id);
    if (wanted(study)) return study;
    if (Date.now() > deadline) throw new Error(`The study did not come there: ${JSON.stringify(study)}`);
  }
}

export async function studyEnd(
  caller: Caller,
  id: string,
  status = 'COMPLETED',
  timeoutMs?: number,
): Promise<StudyView> {
  const study = await studyWhen(caller, id, ({ status: now }) => now !== 'RUNNING', timeoutMs);
  expect(study.status, study.reason ?? '').toBe(status);
  return study;
}
