import { expect } from 'vitest';
import type { Caller } from './service.js';
import { createExperiment, fixtureBytes, registerDataset, startTraining, trainingEnd } from './training.js';
import { CreateModelDocument, type CreateModelInput } from '../../schema/generated/operations.js';
import {
  type EvaluateModelVersionInput,
  type PromoteModelVersionInput,
  type PromotionStage,
  type PromoteModelVersionDetailsMutation,
  type RegisterModelVersionInput,
  type TrainingConfigInput,
  EvaluateModelVersionDetailsDocument,
  JobDetailsDocument,
  PromoteModelVersionDetailsDocument,
  RegisterModelVersionDetailsDocument,
  ValidateModelVersionDetailsDocument,
} from '../generated/operations.js';

export type VersionView = PromoteModelVersionDetailsMutation['promoteModelVersion']['modelVersion'];

/** Whether a tumour is benign, by logistic regression: good after an epoch or two. */
export const TUMOUR_CONFIG: TrainingConfigInput = {
  algorithm: 'LOGISTIC_REGRESSION',
  target: { column: 'target' },
  features: ['radius', 'texture', 'smoothness', 'concavity', 'symmetry'].map((column) => ({ column, kind: 'NUMERIC' })),
  split: { by: 'RATIO', validation: 0.2, holdout: 0.3 },
  hyperparameters: { epochs: 20 },
  seed: 3,
};

export async function createModel(caller: Caller, input: Partial<CreateModelInput> = {}): Promise<string> {
  const { createModel: created } = await caller.ok(CreateModelDocument, {
    input: {
      name: `m-${Math.random().toString(36).slice(2)}`,
      task: 'CLASSIFICATION',
      modelType: 'LOGISTIC_REGRESSION',
      ...input,
    },
  });
  return created.model.id;
}

export async function trainTumours(
  caller: Caller,
  overrides: Partial<TrainingConfigInput> = {},
): Promise<{ runId: string; datasetId: string; jobId: string }> {
  const { uploadId } = await caller.upload('tumours.csv', fixtureBytes('breast-cancer.csv'));
  const datasetId = await registerDataset(caller, { name: `tumours-${Math.random().toString(36).slice(2)}`, uploadId });
  return { datasetId, ...(await trainOn(caller, datasetId, { ...TUMOUR_CONFIG, ...overrides })) };
}

export async function trainOn(
  caller: Caller,
  datasetId: string,
  config: TrainingConfigInput,
): Promise<{ runId: string; jobId: string }> {
  const started = await startTraining(caller, { experimentId: await createExperiment(caller), datasetId, config });
  await trainingEnd(caller, started.jobId);
  return started;
}

export async function register(caller: Caller, input: RegisterModelVersionInput): Promise<VersionView> {
  const { registerModelVersion } = await caller.ok(RegisterModelVersionDetailsDocument, {
    input,
  });
  return registerModelVersion.modelVersion;
}

export async function registerUpload(
  caller: Caller,
  modelId: string,
  bytes: Uint8Array,
  rest: Partial<RegisterModelVersionInput> = {},
): Promise<VersionView> {
  const { uploadId } = await caller.upload('model.onnx', Buffer.from(bytes));
  return register(caller, { modelId, uploadId, ...rest });
}

export interface JobView {
  status: string;
  result: Record<string, unknown> | null;
  errorCode: string | null;
  errorMessage: string | null;
}

export async function jobEnd(caller: Caller, id: string, status = 'SUCCEEDED', timeoutMs = 60_000): Promise<JobView> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const { job } = await caller.ok(JobDetailsDocument, { id });
    if (['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(job.status)) {
      expect(job.status, `${job.errorCode}: ${job.errorMessage}`).toBe(status);
      return { ...job, result: job.result as JobView['result'] };
    }
    if (Date.now() > deadline) throw new Error(`The job is still ${job.status} after ${timeoutMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export async function evaluate(
  caller: Caller,
  input: EvaluateModelVersionInput,
  status?: string,
): Promise<JobView & { id: string }> {
  const { evaluateModelVersion } = await caller.ok(EvaluateModelVersionDetailsDocument, { input });
  return { id: evaluateModelVersion.job.id, ...(await jobEnd(caller, evaluateModelVersion.job.id, status)) };
}

export async function validate(caller: Caller, modelVersionId: string): Promise<JobView> {
  const { validateModelVersion } = await caller.ok(ValidateModelVersionDetailsDocument, { input: { modelVersionId } });
  return jobEnd(caller, validateModelVersion.job.id);
}

export async function promote(
  caller: Caller,
  modelVersionId: string,
  toStage: PromotionStage,
  rest: Partial<PromoteModelVersionInput> = {},
): Promise<VersionView> {
  const { promoteModelVersion } = await caller.ok(PromoteModelVersionDetailsDocument, {
    input: { modelVersionId, toStage, ...rest },
  });
  return promoteModelVersion.modelVersion;
}

/** Moves it to production without its gates, as an ADMIN. */
export async function forceToProduction(
  admin: Caller,
  modelVersionId: string,
  expectedProductionVersionId: string | null,
): Promise<void> {
  const rest = { override: true, reason: 'a fixture of the tests' };
  await promote(admin, modelVersionId, 'STAGING', rest);
  await promote(admin, modelVersionId, 'PRODUCTION', { ...rest, expectedProductionVersionId });
}
