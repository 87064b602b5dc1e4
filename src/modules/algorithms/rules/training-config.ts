import { z } from 'zod';
import { listIn, numberIn, type InputRange } from '../../core/index.js';
import { type Algorithm, FEATURE_KINDS, type Task } from './algorithm.js';
import { crossValidationSchema } from './cross-validation.js';
import { EPOCHS } from './entries/common.js';
import { hyperparametersOf } from './hyperparameters.js';
import type { ValuesOf } from './parameters.js';
import { ALGORITHM_NAMES, algorithmOf, type AlgorithmName, type AnyAlgorithm, type NameIn } from './registry.js';

/** The ranges of a configuration, which the API declares and the schemas below check. */
export const TRAINING_RANGES = {
  fraction: { above: 0, below: 1 },
  partValues: { min: 1, max: 100, unit: 'values' },
  classWeights: { min: 1, max: 1_000, unit: 'classes' },
  classWeight: { above: 0, max: 1e6 },
  cost: { above: 0, max: 1e9 },
  epochs: EPOCHS,
  features: { min: 1, max: 1_000, unit: 'columns' },
  maxTerms: { min: 1, max: 5_000, unit: 'terms' },
  ngrams: { min: 1, max: 3, unit: 'words' },
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

/** How a training reads its rows. */
const READINGS = ['WHOLE', 'BLOCKS'] as const;
export type Reading = (typeof READINGS)[number];

const PATIENCE = 20;
/** Terms of a TEXT feature. */
export const DEFAULT_TERMS = 300;
/** Epochs between two checkpoints when the number of epochs was not set. */
const CHECKPOINT_EPOCHS = 10;

const featuresSchema = listIn(
  TRAINING_RANGES.features,
  z.strictObject({
    column: z.string(),
    kind: z.enum(FEATURE_KINDS),
    /** For NUMERIC features of boosted trees: the prediction may only rise, or only fall, with the feature. */
    monotone: z.enum(['INCREASING', 'DECREASING']).optional(),
    /** TEXT: the most frequent terms are kept; 300 when absent. */
    maxTerms: count(TRAINING_RANGES.maxTerms).optional(),
    /** TEXT: the most words of a term; 1 when absent. */
    ngrams: count(TRAINING_RANGES.ngrams).optional(),
    /** TEXT: whether capitals are lowered; true when absent. */
    lowercase: z.boolean().optional(),
  }),
);

const configShape = z.strictObject({
  algorithm: z.enum(ALGORITHM_NAMES),
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
  /** By name, as the algorithm says. */
  hyperparameters: z.record(z.string(), z.unknown()).prefault({}),
  /**
   * Stops when the validation loss has not improved by minDelta for `patience` epochs; the weights of the best epoch
   * are kept. This is the default of algorithms that stop early by themselves, when the number of epochs is absent too.
   */
  earlyStopping: z
    .strictObject({ patience: count(TRAINING_RANGES.patience), minDelta: amount(TRAINING_RANGES.minDelta).default(0) })
    .optional(),
  /** When absent: 1, or 10 when `epochs` is absent too. */
  checkpointEveryEpochs: count(TRAINING_RANGES.epochs).optional(),
  classWeights: classWeightsSchema.optional(),
  /** How much each row counts in the loss and in the metrics: a NUMBER column; all the same when absent. */
  sampleWeight: z.strictObject({ column: z.string() }).optional(),
  /** For two classes only. When absent, the more probable class is predicted. */
  decisionThreshold: decisionThresholdSchema.optional(),
  /**
   * After the evaluation on the holdout, trains again on all rows for the best number of epochs. The result is that
   * model.
   */
  refit: z.boolean().optional(),
  /** How the rows are read; WHOLE when absent. */
  reading: z.enum(READINGS).optional(),
  /** Measures one more model per fold before the training, which is not changed by it. */
  crossValidation: crossValidationSchema.optional(),
  seed: count(TRAINING_RANGES.seed).default(42),
});

type Shape = z.infer<typeof configShape>;
interface Common extends Omit<Shape, 'algorithm' | 'hyperparameters' | 'features'> {
  checkpointEveryEpochs: number;
}
/** A configuration of each algorithm: `algorithm` says which hyperparameters there are. */
type ConfigOf<A extends AnyAlgorithm, Features> = A extends AnyAlgorithm
  ? Common & { features: Features; algorithm: A['name']; hyperparameters: ValuesOf<A['parameters']> }
  : never;

export type TrainingConfig = ConfigOf<AnyAlgorithm, Shape['features']>;
export type TrainingRequestConfig = ConfigOf<AnyAlgorithm, Shape['features'] | undefined>;
export type LinearConfig = Extract<TrainingConfig, { algorithm: NameIn<'LINEAR'> }>;
export type NetworkConfig = Extract<TrainingConfig, { algorithm: NameIn<'NETWORK'> }>;
export type TreesConfig = Extract<TrainingConfig, { algorithm: NameIn<'TREES'> }>;
export type PythonConfig = Extract<TrainingConfig, { algorithm: NameIn<'PYTHON'> }>;
export type KMeansConfig = Extract<TrainingConfig, { algorithm: NameIn<'KMEANS'> }>;

/**
 * The configuration that `startTraining` gets. This checks shape and ranges and fills in all defaults; the columns are
 * checked against the dataset later.
 */
export const trainingConfigSchema = configShape.transform((config, ctx) => withDefaults(config, ctx) as TrainingConfig);

/** The same, but `features` may be absent: the service then takes all columns that can help. */
export const trainingRequestSchema = configShape
  .extend({ features: featuresSchema.optional() })
  .transform((config, ctx) => withDefaults(config, ctx) as TrainingRequestConfig);

/** Checks the hyperparameters, and fills in what depends on the algorithm. */
function withDefaults(config: Omit<Shape, 'features'>, ctx: z.RefinementCtx) {
  const { earlyStopping, checkpointEveryEpochs } = config;
  const algorithm = algorithmOf(config.algorithm);
  const { values, faults } = hyperparametersOf(algorithm, config.hyperparameters);
  for (const { path, expected } of faults)
    ctx.addIssue({ code: 'custom', path: ['hyperparameters', ...path], message: expected });
  const isOpen = config.hyperparameters.epochs === undefined;
  return {
    ...config,
    hyperparameters: values,
    ...(algorithm.stopsEarly && isOpen && !earlyStopping && { earlyStopping: { patience: PATIENCE, minDelta: 0 } }),
    checkpointEveryEpochs: checkpointEveryEpochs ?? (isOpen ? CHECKPOINT_EPOCHS : 1),
  };
}

export function isLinear(config: TrainingConfig): config is LinearConfig {
  return familyOf(config) === 'LINEAR';
}

export function isNetwork(config: TrainingConfig): config is NetworkConfig {
  return familyOf(config) === 'NETWORK';
}

export function isPython(config: TrainingConfig): config is PythonConfig {
  return familyOf(config) === 'PYTHON';
}

export function isTrees(config: TrainingConfig): config is TreesConfig {
  return familyOf(config) === 'TREES';
}

export function isKMeans(config: TrainingConfig): config is KMeansConfig {
  return familyOf(config) === 'KMEANS';
}

/** The quantile that a regression predicts; undefined when it predicts the mean. */
export function quantileOf(config: TrainingConfig): number | undefined {
  return 'quantile' in config.hyperparameters ? config.hyperparameters.quantile : undefined;
}

function familyOf({ algorithm }: { algorithm: AlgorithmName }): Algorithm['family'] {
  return algorithmOf(algorithm).family;
}

/** Whether the predictions of this task have a loss on labelled rows. */
export function hasLoss(task: Task | 'TEXT_GENERATION' | 'OTHER'): boolean {
  return task === 'CLASSIFICATION' || task === 'REGRESSION';
}
