import { z } from 'zod';

export const MODEL_TYPES = [
  'LOGISTIC_REGRESSION',
  'LINEAR_REGRESSION',
  'MLP_CLASSIFIER',
  'MLP_REGRESSOR',
  'KMEANS',
] as const;
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

/** SOLVER: closed form, or L-BFGS, until it has converged; linear models only. ADAM: steps over minibatches. */
export const OPTIMIZERS = ['SOLVER', 'ADAM'] as const;
export type Optimizer = (typeof OPTIMIZERS)[number];

/** The ways a column enters a model. A timestamp becomes its parts (UTC). */
export const FEATURE_KINDS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

const fraction = z.number().gt(0).lt(1);

const partValues = z.array(z.string()).min(1).max(100);

/** Shares of rows; what validation and holdout leave is trained on. */
export const splitSchema = z.discriminatedUnion('by', [
  /** By a seeded shuffle. */
  z.strictObject({ by: z.literal('RATIO'), validation: fraction, holdout: fraction }),
  /** Ordered by a timestamp column, the latest rows being the holdout, so that no future leaks into training. */
  z.strictObject({ by: z.literal('TIME'), column: z.string(), validation: fraction, holdout: fraction }),
  /** By what a column of the user's says of each row. */
  z.strictObject({
    by: z.literal('COLUMN'),
    column: z.string(),
    values: z
      .strictObject({ train: partValues.optional(), validation: partValues.optional(), holdout: partValues })
      .optional(),
    /** Share of the training rows that is watched where no value says which rows are. */
    validation: fraction.default(0.1),
  }),
]);
export type SplitConfig = z.infer<typeof splitSchema>;

/** Values that usually say which part a row is in, in any case. */
export const USUAL_PARTS = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'val', 'dev'],
  holdout: ['holdout', 'test', 'testing'],
} as const;

/**
 * What a row of each class counts in the loss. BALANCED: as much as the class is rare, so that every class weighs the
 * same.
 */
const classWeightsSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('BALANCED') }),
  z.strictObject({
    by: z.literal('GIVEN'),
    weights: z
      .array(z.strictObject({ class: z.string(), weight: z.number().positive().max(1e6) }))
      .min(1)
      .max(1000),
  }),
]);

/**
 * From which probability on a row of two classes is called the second one. F1 and COST: what is best on the validation
 * rows.
 */
const decisionThresholdSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('F1') }),
  z.strictObject({
    by: z.literal('COST'),
    falsePositive: z.number().positive().max(1e9),
    falseNegative: z.number().positive().max(1e9),
  }),
  z.strictObject({ by: z.literal('FIXED'), value: fraction }),
]);
export type DecisionRule = z.infer<typeof decisionThresholdSchema>;

/** Turns a numeric column into a two-class target: 1 where value > threshold. */
export const targetSchema = z.strictObject({
  column: z.string(),
  greaterThan: z.number().optional(),
});

export const hyperparametersSchema = z.strictObject({
  /** Linear models: SOLVER when absent. Networks: ADAM alone. */
  optimizer: z.enum(OPTIMIZERS).optional(),
  /** Passes over the rows; the most iterations of a solver or of k-means. */
  epochs: z.int().min(1).max(10_000).optional(),
  /** ADAM only. Absent: 128, or fewer where an epoch would have too few steps. */
  batchSize: z.int().min(1).max(65_536).optional(),
  /** ADAM only. */
  learningRate: z.number().positive().max(10).optional(),
  /**
   * L2 penalty on weights (not on biases), added to the mean loss. Absent: scikit-learn's default for SOLVER, else
   * none.
   */
  l2: z.number().min(0).max(10).optional(),
  hiddenLayers: z.array(z.int().min(1).max(4096)).max(8).default([64, 32]),
  /** Clusters of k-means. */
  clusters: z.int().min(2).max(1000).default(8),
  /** Categories kept per column, the rest being one "other"; most frequent first. */
  maxCategories: z.int().min(1).max(2000).default(100),
});

const SOLVER_ITERATIONS = 1000;
const NETWORK_EPOCHS = 500;
const NETWORK_PATIENCE = 20;
/** Epochs between two checkpoints when the number of epochs was not set. */
const CHECKPOINT_EPOCHS = 10;
/** Of Adam. */
export const LEARNING_RATE = 0.001;
const ADAM_EPOCHS = 20;

const featuresSchema = z
  .array(z.strictObject({ column: z.string(), kind: z.enum(FEATURE_KINDS) }))
  .min(1)
  .max(1000);

const configShape = z.strictObject({
  modelType: z.enum(MODEL_TYPES),
  /** Absent for clustering only. */
  target: targetSchema.optional(),
  features: featuresSchema,
  split: splitSchema,
  /** Only rows whose timestamp column lies in [from, to), ISO 8601; either end may be open. */
  window: z
    .strictObject({ column: z.string(), from: z.iso.datetime().optional(), to: z.iso.datetime().optional() })
    .optional(),
  /** A seeded random sample of this many rows; 0 = all. */
  sampleRows: z.int().min(0).max(100_000_000).default(0),
  hyperparameters: hyperparametersSchema.prefault({}),
  /**
   * Stop when the validation loss has not improved by minDelta for `patience` epochs; the best epoch's weights are
   * kept. Networks do so when neither this nor the number of epochs is given.
   */
  earlyStopping: z
    .strictObject({ patience: z.int().min(1).max(1000), minDelta: z.number().min(0).default(0) })
    .optional(),
  /** 1 when absent, 10 when `epochs` is absent too. */
  checkpointEveryEpochs: z.int().min(1).max(10_000).optional(),
  classWeights: classWeightsSchema.optional(),
  /** Two classes only; the more probable class when absent. */
  decisionThreshold: decisionThresholdSchema.optional(),
  /** After the holdout evaluation, train again on all rows, for the best number of epochs; that model is the result. */
  refit: z.boolean().optional(),
  seed: z
    .int()
    .min(0)
    .max(2 ** 31 - 1)
    .default(42),
});

type Shape = z.infer<typeof configShape>;

/**
 * What `startTraining` asks for, checked for shape and range and with all defaults; columns are checked against the
 * dataset.
 */
export const trainingConfigSchema = configShape.transform(withDefaults);
export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

/** The same, where the features may be left to the service: all columns that can help. */
export const trainingRequestSchema = configShape
  .extend({ features: featuresSchema.optional() })
  .transform(({ features, ...config }) => ({ ...withDefaults(config), features }));

/** Which of the defaults hold depends on what is trained. */
function withDefaults<C extends Omit<Shape, 'features'>>(config: C) {
  const { modelType, hyperparameters, earlyStopping } = config;
  const optimizer = hyperparameters.optimizer ?? OPTIMIZER_OF[modelType];
  const stopsByItself = isNetwork(modelType) && hyperparameters.epochs === undefined && earlyStopping === undefined;
  const epochs = hyperparameters.epochs ?? mostEpochs(modelType, optimizer);
  return {
    ...config,
    hyperparameters: {
      ...hyperparameters,
      epochs,
      ...(optimizer !== undefined && { optimizer }),
      ...(optimizer === 'ADAM' && {
        learningRate: hyperparameters.learningRate ?? LEARNING_RATE,
        l2: hyperparameters.l2 ?? 0,
      }),
    },
    ...(stopsByItself && { earlyStopping: { patience: NETWORK_PATIENCE, minDelta: 0 } }),
    checkpointEveryEpochs:
      config.checkpointEveryEpochs ?? (hyperparameters.epochs === undefined ? CHECKPOINT_EPOCHS : 1),
  };
}

function mostEpochs(modelType: ModelType, optimizer: Optimizer | undefined): number {
  if (isNetwork(modelType)) return NETWORK_EPOCHS;
  return optimizer === 'ADAM' ? ADAM_EPOCHS : SOLVER_ITERATIONS;
}

export function isNetwork(modelType: ModelType): boolean {
  return modelType === 'MLP_CLASSIFIER' || modelType === 'MLP_REGRESSOR';
}

/** None for k-means, which has its own iteration. */
const OPTIMIZER_OF: Record<ModelType, Optimizer | undefined> = {
  LOGISTIC_REGRESSION: 'SOLVER',
  LINEAR_REGRESSION: 'SOLVER',
  MLP_CLASSIFIER: 'ADAM',
  MLP_REGRESSOR: 'ADAM',
  KMEANS: undefined,
};

/** Whether a loss on labelled rows can measure this task's predictions. */
export function hasLoss(task: Task | 'OTHER'): boolean {
  return task === 'CLASSIFICATION' || task === 'REGRESSION';
}
