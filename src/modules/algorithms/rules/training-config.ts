import { z } from 'zod';
import { listIn, numberIn, type InputRange } from '../../core/index.js';

export const MODEL_TYPES = [
  'LOGISTIC_REGRESSION',
  'LINEAR_REGRESSION',
  'MLP_CLASSIFIER',
  'MLP_REGRESSOR',
  'BOOSTED_TREES_CLASSIFIER',
  'BOOSTED_TREES_REGRESSOR',
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
  BOOSTED_TREES_CLASSIFIER: 'CLASSIFICATION',
  BOOSTED_TREES_REGRESSOR: 'REGRESSION',
  KMEANS: 'CLUSTERING',
};

/** SOLVER: closed form or L-BFGS, until it converges; linear models only. ADAM: steps over minibatches. */
export const OPTIMIZERS = ['SOLVER', 'ADAM'] as const;
export type Optimizer = (typeof OPTIMIZERS)[number];

/** The ways in which a model can use a column. A timestamp becomes its parts (UTC). */
export const FEATURE_KINDS = ['NUMERIC', 'CATEGORICAL', 'TIMESTAMP'] as const;
export type FeatureKind = (typeof FEATURE_KINDS)[number];

/** The ranges of a configuration, which the API declares and the schemas below check. */
export const TRAINING_RANGES = {
  fraction: { above: 0, below: 1 },
  partValues: { min: 1, max: 100, unit: 'values' },
  classWeights: { min: 1, max: 1_000, unit: 'classes' },
  classWeight: { above: 0, max: 1e6 },
  cost: { above: 0, max: 1e9 },
  epochs: { min: 1, max: 10_000, unit: 'epochs' },
  batchSize: { min: 1, max: 65_536, unit: 'rows' },
  learningRate: { above: 0, max: 10 },
  l2: { min: 0, max: 10 },
  hiddenLayers: { max: 8, unit: 'layers', each: { min: 1, max: 4_096, unit: 'units' } },
  clusters: { min: 2, max: 1_000, unit: 'clusters' },
  maxCategories: { min: 1, max: 2_000, unit: 'categories' },
  maxLeaves: { min: 2, max: 4_096, unit: 'leaves' },
  maxDepth: { min: 0, max: 64, unit: 'levels' },
  minLeafRows: { min: 1, max: 1_000_000, unit: 'rows' },
  share: { above: 0, max: 1 },
  features: { min: 1, max: 1_000, unit: 'columns' },
  sampleRows: { min: 0, max: 100_000_000, unit: 'rows' },
  patience: { min: 1, max: 1_000, unit: 'epochs' },
  minDelta: { min: 0 },
  seed: { min: 0, max: 2 ** 31 - 1 },
} satisfies Record<string, InputRange>;

const count = (range: InputRange) => numberIn(range, z.int());
const amount = (range: InputRange) => numberIn(range, z.number());

const fraction = amount(TRAINING_RANGES.fraction);

const partValues = listIn(TRAINING_RANGES.partValues, z.string());

/** Fractions of the rows. The rows that are neither validation nor holdout rows are used for training. */
export const splitSchema = z.discriminatedUnion('by', [
  /** A shuffle with a seed. */
  z.strictObject({ by: z.literal('RATIO'), validation: fraction, holdout: fraction }),
  /**
   * Ordered by a timestamp column. The latest rows are the holdout, so that the training sees no data of the future.
   */
  z.strictObject({ by: z.literal('TIME'), column: z.string(), validation: fraction, holdout: fraction }),
  /** A column of the user says to which part each row belongs. */
  z.strictObject({
    by: z.literal('COLUMN'),
    column: z.string(),
    values: z
      .strictObject({ train: partValues.optional(), validation: partValues.optional(), holdout: partValues })
      .optional(),
    /** If no value marks validation rows, this fraction of the training rows is used for validation. */
    validation: fraction.default(0.1),
  }),
]);
export type SplitConfig = z.infer<typeof splitSchema>;

/** Usual names of the parts; upper or lower case does not matter. */
export const USUAL_PARTS = {
  train: ['train', 'training'],
  validation: ['validation', 'valid', 'val', 'dev'],
  holdout: ['holdout', 'test', 'testing'],
} as const;

/**
 * The weight of a row of each class in the loss. BALANCED: rare classes get larger weights, so that all classes count
 * the same.
 */
const classWeightsSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('BALANCED') }),
  z.strictObject({
    by: z.literal('GIVEN'),
    weights: listIn(
      TRAINING_RANGES.classWeights,
      z.strictObject({ class: z.string(), weight: amount(TRAINING_RANGES.classWeight) }),
    ),
  }),
]);

/**
 * The probability from which a row of two classes is predicted as the second class. F1 and COST: the best one on the
 * validation rows.
 */
const decisionThresholdSchema = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('F1') }),
  z.strictObject({
    by: z.literal('COST'),
    falsePositive: amount(TRAINING_RANGES.cost),
    falseNegative: amount(TRAINING_RANGES.cost),
  }),
  z.strictObject({ by: z.literal('FIXED'), value: fraction }),
]);
export type DecisionRule = z.infer<typeof decisionThresholdSchema>;

/** Turns a numeric column into a target of two classes: 1 where value > threshold. */
export const targetSchema = z.strictObject({
  column: z.string(),
  greaterThan: z.number().optional(),
});

export const hyperparametersSchema = z.strictObject({
  /** Linear models: SOLVER when absent. Neural networks: only ADAM. */
  optimizer: z.enum(OPTIMIZERS).optional(),
  /** Passes over the rows; for a solver or k-means, the maximum number of iterations. */
  epochs: count(TRAINING_RANGES.epochs).optional(),
  /** ADAM only. When absent: 128, or fewer when an epoch would have too few steps. */
  batchSize: count(TRAINING_RANGES.batchSize).optional(),
  /** ADAM only. */
  learningRate: amount(TRAINING_RANGES.learningRate).optional(),
  /**
   * L2 penalty on the weights (not on the biases), added to the mean loss. When absent: the default of scikit-learn for
   * SOLVER, otherwise none.
   */
  l2: amount(TRAINING_RANGES.l2).optional(),
  hiddenLayers: listIn(TRAINING_RANGES.hiddenLayers, count(TRAINING_RANGES.hiddenLayers.each)).default([64, 32]),
  /** Number of clusters of k-means. */
  clusters: count(TRAINING_RANGES.clusters).default(8),
  /** The number of categories per column: the most frequent ones are kept, all others become one "other". */
  maxCategories: count(TRAINING_RANGES.maxCategories).optional(),
  /** Boosted trees: the maximum number of leaves of a tree. */
  maxLeaves: count(TRAINING_RANGES.maxLeaves).optional(),
  /** Boosted trees: the maximum depth of a tree; 0 means no limit. */
  maxDepth: count(TRAINING_RANGES.maxDepth).optional(),
  /** Boosted trees: the minimum number of training rows of a leaf. */
  minLeafRows: count(TRAINING_RANGES.minLeafRows).optional(),
  /** Boosted trees: the fraction of the rows, and of the features, that each tree uses. */
  rowShare: amount(TRAINING_RANGES.share).optional(),
  featureShare: amount(TRAINING_RANGES.share).optional(),
  /** BOOSTED_TREES_REGRESSOR: the quantile that is predicted; the mean when absent. */
  quantile: fraction.optional(),
});

const SOLVER_ITERATIONS = 1000;
const NETWORK_EPOCHS = 500;
/** Trees per output, at most. */
const BOOSTED_TREES = 1000;
const PATIENCE = 20;
const CATEGORIES = 100;
/** The defaults of scikit-learn's HistGradientBoosting, except for the categories, which have no such limit here. */
export const TREE_DEFAULTS = {
  learningRate: 0.1,
  l2: 0,
  maxLeaves: 31,
  maxDepth: 0,
  minLeafRows: 20,
  rowShare: 1,
  featureShare: 1,
  maxCategories: 1000,
};
/** Epochs between two checkpoints when the number of epochs was not set. */
const CHECKPOINT_EPOCHS = 10;
/** The default for Adam. */
export const LEARNING_RATE = 0.001;
const ADAM_EPOCHS = 20;

const featuresSchema = listIn(
  TRAINING_RANGES.features,
  z.strictObject({
    column: z.string(),
    kind: z.enum(FEATURE_KINDS),
    /** For NUMERIC features of boosted trees: the prediction may only rise, or only fall, with the feature. */
    monotone: z.enum(['INCREASING', 'DECREASING']).optional(),
  }),
);

const configShape = z.strictObject({
  modelType: z.enum(MODEL_TYPES),
  /** Absent for clustering only. */
  target: targetSchema.optional(),
  features: featuresSchema,
  split: splitSchema,
  /** Uses only rows whose timestamp is in [from, to), ISO 8601. Both ends are optional. */
  window: z
    .strictObject({ column: z.string(), from: z.iso.datetime().optional(), to: z.iso.datetime().optional() })
    .optional(),
  /** A random sample of this many rows, drawn with the seed; 0 means all rows. */
  sampleRows: count(TRAINING_RANGES.sampleRows).default(0),
  hyperparameters: hyperparametersSchema.prefault({}),
  /**
   * Stops when the validation loss has not improved by minDelta for `patience` epochs; the weights of the best epoch
   * are kept. This is the default for neural networks when the number of epochs is absent too.
   */
  earlyStopping: z
    .strictObject({ patience: count(TRAINING_RANGES.patience), minDelta: amount(TRAINING_RANGES.minDelta).default(0) })
    .optional(),
  /** When absent: 1, or 10 when `epochs` is absent too. */
  checkpointEveryEpochs: count(TRAINING_RANGES.epochs).optional(),
  classWeights: classWeightsSchema.optional(),
  /** For two classes only. When absent, the more probable class is predicted. */
  decisionThreshold: decisionThresholdSchema.optional(),
  /**
   * After the evaluation on the holdout, trains again on all rows for the best number of epochs. The result is that
   * model.
   */
  refit: z.boolean().optional(),
  seed: count(TRAINING_RANGES.seed).default(42),
});

type Shape = z.infer<typeof configShape>;

/**
 * The configuration that `startTraining` gets. This checks shape and ranges and fills in all defaults; the columns are
 * checked against the dataset later.
 */
export const trainingConfigSchema = configShape.transform(withDefaults);
export type TrainingConfig = z.infer<typeof trainingConfigSchema>;

/** The same, but `features` may be absent: the service then takes all columns that can help. */
export const trainingRequestSchema = configShape
  .extend({ features: featuresSchema.optional() })
  .transform(({ features, ...config }) => ({ ...withDefaults(config), features }));

/** Some defaults depend on the algorithm. */
function withDefaults<C extends Omit<Shape, 'features'>>(config: C) {
  const { modelType, hyperparameters, earlyStopping } = config;
  const optimizer = hyperparameters.optimizer ?? OPTIMIZER_OF[modelType];
  const stopsByItself =
    (isNetwork(modelType) || isTrees(modelType)) && hyperparameters.epochs === undefined && earlyStopping === undefined;
  const epochs = hyperparameters.epochs ?? mostEpochs(modelType, optimizer);
  return {
    ...config,
    hyperparameters: {
      maxCategories: CATEGORIES,
      ...(isTrees(modelType) && TREE_DEFAULTS),
      ...hyperparameters,
      epochs,
      ...(optimizer !== undefined && { optimizer }),
      ...(optimizer === 'ADAM' && {
        learningRate: hyperparameters.learningRate ?? LEARNING_RATE,
        l2: hyperparameters.l2 ?? 0,
      }),
    },
    ...(stopsByItself && { earlyStopping: { patience: PATIENCE, minDelta: 0 } }),
    checkpointEveryEpochs:
      config.checkpointEveryEpochs ?? (hyperparameters.epochs === undefined ? CHECKPOINT_EPOCHS : 1),
  };
}

function mostEpochs(modelType: ModelType, optimizer: Optimizer | undefined): number {
  if (isNetwork(modelType)) return NETWORK_EPOCHS;
  if (isTrees(modelType)) return BOOSTED_TREES;
  return optimizer === 'ADAM' ? ADAM_EPOCHS : SOLVER_ITERATIONS;
}

export function isTrees(modelType: ModelType): boolean {
  return modelType === 'BOOSTED_TREES_CLASSIFIER' || modelType === 'BOOSTED_TREES_REGRESSOR';
}

export function isNetwork(modelType: ModelType): boolean {
  return modelType === 'MLP_CLASSIFIER' || modelType === 'MLP_REGRESSOR';
}

/** Undefined for k-means, which has its own iteration. */
export const OPTIMIZER_OF: Record<ModelType, Optimizer | undefined> = {
  LOGISTIC_REGRESSION: 'SOLVER',
  LINEAR_REGRESSION: 'SOLVER',
  MLP_CLASSIFIER: 'ADAM',
  MLP_REGRESSOR: 'ADAM',
  BOOSTED_TREES_CLASSIFIER: undefined,
  BOOSTED_TREES_REGRESSOR: undefined,
  KMEANS: undefined,
};

/** Whether the predictions of this task have a loss on labelled rows. */
export function hasLoss(task: Task | 'OTHER'): boolean {
  return task === 'CLASSIFICATION' || task === 'REGRESSION';
}
