import { z } from 'zod';

export const MODEL_TYPES = ['LOGISTIC_REGRESSION', 'LINEAR_REGRESSION', 'MLP_CLASSIFIER', 'MLP_REGRESSOR', 'KMEANS'] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

export const TASKS = ['CLASSIFICATION', 'REGRESSION', 'CLUSTERING'] as const;
export type Task = (typeof TASKS)[number];

export const TASK_OF: Record<ModelType, Task> = {
  LOGISTIC_REGRESSION: 'CLASSIFICATION',
  MLP_CLASSIFIER: 'CLASSIFICATION',
  LINEAR_REGRESSION: 'REGRESSION',
  MLP_REGRESSOR: 'REGRESSION',
  KMEANS: 'CLUSTERING',
};

/** The ways a column enters a model. A timestamp becomes hour-of-day and day-of-week indicators (UTC). */
export const FEATURE_KINDS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

const fraction = z.number().gt(0).lt(1);

/** Shares of rows; what validation and holdout leave is trained on. */
export const splitSchema = z.discriminatedUnion('by', [
  /** A seeded shuffle. */
  z.strictObject({ by: z.literal('RATIO'), validation: fraction, holdout: fraction }),
  /** Ordered by a timestamp column, the latest rows being the holdout, so that no future leaks into training. */
  z.strictObject({ by: z.literal('TIME'), column: z.string(), validation: fraction, holdout: fraction }),
]);

/** Turns a numeric column into a two-class target: 1 where value > threshold. */
export const targetSchema = z.strictObject({
  column: z.string(),
  greaterThan: z.number().optional(),
});

export const hyperparametersSchema = z.strictObject({
  epochs: z.int().min(1).max(10_000).default(20),
  batchSize: z.int().min(1).max(65_536).default(128),
  learningRate: z.number().positive().max(10).default(0.001),
  /** L2 penalty on weights (not on biases). */
  l2: z.number().min(0).max(10).default(0),
  hiddenLayers: z.array(z.int().min(1).max(4096)).max(8).default([64, 32]),
  /** Clusters of k-means. */
  clusters: z.int().min(2).max(1000).default(8),
  /** Categories kept per column, the rest being one "other"; most frequent first. */
  maxCategories: z.int().min(1).max(2000).default(100),
});

/** What `startTraining` asks for, already checked for shape and range; columns are checked against the dataset. */
export const trainingConfigSchema = z.strictObject({
  modelType: z.enum(MODEL_TYPES),
  /** Absent for clustering only. */
  target: targetSchema.optional(),
  features: z
    .array(z.strictObject({ column: z.string(), kind: z.enum(FEATURE_KINDS) }))
    .min(1)
    .max(1000),
  split: splitSchema,
  /** Only rows whose timestamp column lies in [from, to), ISO 8601; either end may be open. */
  window: z.strictObject({ column: z.string(), from: z.iso.datetime().optional(), to: z.iso.datetime().optional() }).optional(),
  /** A seeded random sample of this many rows; 0 = all. */
  sampleRows: z.int().min(0).max(100_000_000).default(0),
  hyperparameters: hyperparametersSchema.prefault({}),
  /** Stop when the validation loss has not improved by minDelta for `patience` epochs; the best epoch's weights are kept. */
  earlyStopping: z.strictObject({ patience: z.int().min(1).max(1000), minDelta: z.number().min(0).default(0) }).optional(),
  checkpointEveryEpochs: z.int().min(1).max(10_000).default(1),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(42),
});
export type TrainingConfig = z.infer<typeof trainingConfigSchema>;
