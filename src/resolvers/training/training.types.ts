import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { FEATURE_KINDS, MODEL_TYPES, Optimizer } from '../../modules/algorithms/index.js';
import { JobStatusEnum, JobType } from '../jobs/job.types.js';
import { RunType } from '../experiments/run.types.js';
import { describeEnum } from '../types/common.types.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { RangeOfModule, Range } from '../types/range.js';
import { NAME } from '../../modules/core/index.js';
import { TRAINING_RANGES } from '../../modules/algorithms/index.js';

export const ModelTypeEnum = describeEnum<(typeof MODEL_TYPES)[number]>('ModelType', 'Algorithm of a training.', {
  LOGISTIC_REGRESSION: 'Classification by a linear softmax; probabilities per class.',
  LINEAR_REGRESSION: 'Regression by a linear function with an L2 penalty (ridge).',
  MLP_CLASSIFIER: 'Classification by a multilayer perceptron.',
  MLP_REGRESSOR: 'Regression by a multilayer perceptron.',
  BOOSTED_TREES_CLASSIFIER:
    'Classification by gradient-boosted decision trees. They use missing values and categories as they are, and need no scaling.',
  BOOSTED_TREES_REGRESSOR: 'Regression by gradient-boosted decision trees, of the mean or of a quantile.',
  KMEANS: 'Clustering by k-means.',
});

export const OptimizerEnum = describeEnum<Optimizer>('Optimizer', 'Method that fits the weights of a model.', {
  SOLVER:
    'A closed form for linear regression (L-BFGS above 2,000 encoded columns), L-BFGS for ' +
    'logistic regression; until it has converged, or `epochs` iterations are done. The default of ' +
    'both.',
  ADAM: 'Adam over minibatches; the only one for perceptrons.',
});

export const MonotoneEnum = describeEnum('Monotone', 'Direction in which a prediction may change with a feature.', {
  INCREASING: 'The prediction does not fall when the feature rises.',
  DECREASING: 'The prediction does not rise when the feature rises.',
});

export const FeatureKindEnum = describeEnum<(typeof FEATURE_KINDS)[number]>(
  'FeatureKind',
  'How a column is encoded as a feature.',
  {
    NUMERIC:
      'A NUMBER or BOOLEAN column; missing values are replaced by the median, and values are ' +
      'scaled. Boosted trees use values and missing values as they are.',
    CATEGORICAL:
      'A column of any type, as one indicator per category; boosted trees use the categories as ' +
      'they are. The categories are the texts of the file; numbers, booleans and times are used as ' +
      'texts.',
    TIMESTAMP:
      'A TIMESTAMP column, as its parts in UTC: hour, weekday, month, day of year, year, and days ' +
      'since 1970. Parts with only one value are left out.',
  },
);

export const SplitBy = describeEnum('SplitBy', 'How rows are assigned to training, validation and holdout.', {
  RATIO: 'At random, with the seed; not stratified.',
  TIME: 'By a timestamp column: the latest rows are the holdout, the ones before them validation.',
  COLUMN: 'By the value of a column.',
});

@InputType({ description: 'Target of a training: the column to predict. Rows without a value there are not used.' })
export class TargetInput {
  @Field(() => String, { description: 'Name of the column; case-sensitive.' })
  column!: string;

  @Field(() => Float, {
    nullable: true,
    description:
      'Makes two classes out of a NUMBER column: 1 where its value is greater than this number, 0 ' +
      'otherwise. Classification only.',
  })
  greaterThan?: number | null;
}

@InputType({ description: 'A feature: a column that is an input of the model.' })
export class FeatureInput {
  @Field(() => String, { description: 'Column of the dataset. The input of the model has the same name.' })
  column!: string;

  @Field(() => FeatureKindEnum, { description: 'Encoding of the column; it must fit the type of the column.' })
  kind!: keyof typeof FeatureKindEnum;

  @Field(() => MonotoneEnum, {
    nullable: true,
    description:
      'Constraint on the effect of a NUMERIC feature of boosted trees; none when absent. For two classes it is about ' +
      'the probability of the second class.',
  })
  monotone?: keyof typeof MonotoneEnum | null;
}

export const ClassWeightsBy = describeEnum(
  'ClassWeightsBy',
  'Whether the class weights are computed from the data or given by you.',
  {
    BALANCED:
      'The total weight of each class in the training rows is the same: rows of rare classes have a larger weight.',
    GIVEN: 'The weights in the field `weights`.',
  },
);

export const DecisionThresholdBy = describeEnum(
  'DecisionThresholdBy',
  'How the decision threshold is set; COST and F1 choose it on the validation rows.',
  {
    F1: 'Highest F1 score of the second class.',
    COST: 'Lowest total cost of false positives and false negatives.',
    FIXED: 'Fixed: the threshold in `value`.',
  },
);

@InputType({ description: 'Values of the split column, spelled as in the file, each in one list.' })
export class SplitValuesInput {
  @RangeOfModule(TRAINING_RANGES.partValues)
  @Field(() => [String], {
    nullable: true,
    description: 'Values of the training rows; when absent, all values that are not in the other lists.',
  })
  train?: string[] | null;

  @RangeOfModule(TRAINING_RANGES.partValues)
  @Field(() => [String], {
    nullable: true,
    description: 'Values of the validation rows; when absent, a fraction of the training rows is used.',
  })
  validation?: string[] | null;

  @RangeOfModule(TRAINING_RANGES.partValues)
  @Field(() => [String], { description: 'Values of the holdout rows.' })
  holdout!: string[];
}

@InputType({ description: 'How much each row of one class counts in the loss.' })
export class ClassWeightInput {
  @Field(() => String, { description: 'The class, spelled as in the file; 0 or 1 with `target.greaterThan`.' })
  class!: string;

  @RangeOfModule(TRAINING_RANGES.classWeight)
  @Field(() => Float, { description: 'Weight of a row of this class.' })
  weight!: number;
}

@InputType({
  description:
    'Class weights: the weight of a row in the loss. A larger weight of a class shifts the ' +
    'probabilities towards that class.',
})
export class ClassWeightsInput {
  @Field(() => ClassWeightsBy, { description: 'Source of the weights.' })
  by!: keyof typeof ClassWeightsBy;

  @RangeOfModule(TRAINING_RANGES.classWeights)
  @Field(() => [ClassWeightInput], {
    nullable: true,
    description: 'Required with GIVEN, not allowed otherwise. Other classes have weight 1.',
  })
  weights?: ClassWeightInput[] | null;
}

@InputType({
  description:
    'Decision threshold: the probability from which the label is the second of two classes. The ' +
    'classes are sorted: numbers ascending, texts alphabetically; with `target.greaterThan`, 1 is ' +
    'the second class. The exported model (model.onnx) and the metrics use the threshold.',
})
export class DecisionThresholdInput {
  @Field(() => DecisionThresholdBy, { description: 'How the threshold is set.' })
  by!: keyof typeof DecisionThresholdBy;

  @RangeOfModule(TRAINING_RANGES.fraction)
  @Field(() => Float, {
    nullable: true,
    description: 'Required with FIXED, not allowed otherwise: the threshold.',
  })
  value?: number | null;

  @RangeOfModule(TRAINING_RANGES.cost)
  @Field(() => Float, {
    nullable: true,
    description:
      'Required with COST, not allowed otherwise: cost of a false positive (a row of the first class ' +
      'that is predicted as the second).',
  })
  falsePositive?: number | null;

  @RangeOfModule(TRAINING_RANGES.cost)
  @Field(() => Float, {
    nullable: true,
    description:
      'Required with COST, not allowed otherwise: cost of a false negative (a row of the second class ' +
      'that is predicted as the first).',
  })
  falseNegative?: number | null;
}

@InputType({
  description: 'How the rows are divided into training, validation and holdout.',
})
export class SplitInput {
  @Field(() => SplitBy, { description: 'How rows are assigned.' })
  by!: keyof typeof SplitBy;

  @Field(() => String, {
    nullable: true,
    description:
      'With TIME: the TIMESTAMP column to sort by. With COLUMN: the STRING, BOOLEAN or NUMBER ' +
      'column that says which part a row belongs to. Required with TIME and COLUMN, not allowed ' +
      'with RATIO.',
  })
  column?: string | null;

  @RangeOfModule(TRAINING_RANGES.fraction)
  @Field(() => Float, {
    nullable: true,
    description:
      'Fraction of the rows for validation during training; required with RATIO and TIME, where ' +
      'validation and holdout together are below 1. With COLUMN: used only when no value of the ' +
      'column means validation; fraction of the training rows, 0.1 when absent.',
  })
  validation?: number | null;

  @RangeOfModule(TRAINING_RANGES.fraction)
  @Field(() => Float, {
    nullable: true,
    description:
      'Fraction of the rows for the holdout, which is used only for the final measurement; required ' +
      'with RATIO and TIME, not allowed with COLUMN.',
  })
  holdout?: number | null;

  @Field(() => SplitValuesInput, {
    nullable: true,
    description:
      'With COLUMN only: which values belong to which part. When absent, case-insensitive: `train`, ' +
      '`training` are training rows; `validation`, `valid`, `val`, `dev` validation rows; ' +
      '`holdout`, `test`, `testing` holdout rows; rows with other values are left out.',
  })
  values?: SplitValuesInput | null;
}

@InputType({ description: 'Time window of the rows to use: from ≤ value < to.' })
export class TimeWindowInput {
  @Field(() => String, { description: 'TIMESTAMP column of the dataset.' })
  column!: string;

  @Field(() => DateTime, { nullable: true, description: 'Start, inclusive; no start when absent.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'End, exclusive; no end when absent.' })
  to?: Date | null;
}

@InputType({ description: 'Hyperparameters of the training; each has a default.' })
export class HyperparametersInput {
  @Field(() => OptimizerEnum, {
    nullable: true,
    description:
      'Optimizer; when absent, SOLVER for linear and logistic regression and ADAM for perceptrons. ' +
      'Not used by KMEANS and boosted trees.',
  })
  optimizer?: Optimizer | null;

  @RangeOfModule(TRAINING_RANGES.epochs)
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of epochs of ADAM (passes over the training rows), maximum number of iterations of ' +
      'SOLVER and k-means, or number of boosted trees (for more than two classes, per class). When ' +
      'absent: 500 for perceptrons and 1,000 for boosted trees, both with early stopping (see ' +
      '`earlyStopping`); 20 for linear models with ADAM; 1,000 otherwise.',
  })
  epochs?: number | null;

  @RangeOfModule(TRAINING_RANGES.batchSize)
  @Field(() => Int, {
    nullable: true,
    description: 'Batch size of ADAM. When absent: one twentieth of the training rows, at least 16 and at most 128.',
  })
  batchSize?: number | null;

  @RangeOfModule(TRAINING_RANGES.learningRate)
  @Field(() => Float, {
    nullable: true,
    description: 'Learning rate. When absent: 0.001 for ADAM, 0.1 for boosted trees.',
  })
  learningRate?: number | null;

  @RangeOfModule(TRAINING_RANGES.l2)
  @Field(() => Float, {
    nullable: true,
    description:
      'L2 penalty on the weights (not on the biases), added to the mean loss per row; of boosted ' +
      'trees, on the values of the leaves. When absent: 0 with ADAM and for boosted trees; with ' +
      'SOLVER the default of scikit-learn on standardized columns, which is 1 / (number of training ' +
      'rows): alpha = 1 for a regression, C = 1 for a classification.',
  })
  l2?: number | null;

  @RangeOfModule(TRAINING_RANGES.hiddenLayers)
  @Field(() => [Int], {
    nullable: true,
    description: 'Sizes of the hidden layers of a perceptron; [64, 32] when absent.',
  })
  hiddenLayers?: number[] | null;

  @RangeOfModule(TRAINING_RANGES.clusters)
  @Field(() => Int, { nullable: true, description: 'Number of clusters of k-means; 8 when absent.' })
  clusters?: number | null;

  @RangeOfModule(TRAINING_RANGES.maxCategories)
  @Field(() => Int, {
    nullable: true,
    description:
      'Maximum number of categories per column: the most frequent are kept, all others, also those ' +
      'that appear only at prediction, form one more category. When absent: 100, and 1,000 for ' +
      'boosted trees.',
  })
  maxCategories?: number | null;

  @RangeOfModule(TRAINING_RANGES.maxLeaves)
  @Field(() => Int, {
    nullable: true,
    description: 'Boosted trees: maximum number of leaves of a tree; 31 when absent.',
  })
  maxLeaves?: number | null;

  @RangeOfModule(TRAINING_RANGES.maxDepth)
  @Field(() => Int, {
    nullable: true,
    description: 'Boosted trees: maximum depth of a tree; 0 or absent: no limit.',
  })
  maxDepth?: number | null;

  @RangeOfModule(TRAINING_RANGES.minLeafRows)
  @Field(() => Int, {
    nullable: true,
    description: 'Boosted trees: minimum number of training rows in a leaf; 20 when absent.',
  })
  minLeafRows?: number | null;

  @RangeOfModule(TRAINING_RANGES.share)
  @Field(() => Float, {
    nullable: true,
    description: 'Boosted trees: fraction of the training rows, drawn at random, that each tree uses; 1 when absent.',
  })
  rowShare?: number | null;

  @RangeOfModule(TRAINING_RANGES.share)
  @Field(() => Float, {
    nullable: true,
    description: 'Boosted trees: fraction of the features, drawn at random, that each tree uses; 1 when absent.',
  })
  featureShare?: number | null;

  @RangeOfModule(TRAINING_RANGES.fraction)
  @Field(() => Float, {
    nullable: true,
    description: 'BOOSTED_TREES_REGRESSOR: the quantile of the target that the model predicts; the mean when absent.',
  })
  quantile?: number | null;
}

@InputType({
  description: 'Early stopping: when to stop before the last epoch. The weights of the best epoch are kept.',
})
export class EarlyStoppingInput {
  @RangeOfModule(TRAINING_RANGES.patience)
  @Field(() => Int, { description: 'Number of epochs without improvement after which training stops.' })
  patience!: number;

  @RangeOfModule(TRAINING_RANGES.minDelta)
  @Field(() => Float, {
    nullable: true,
    description: 'Smallest decrease of the validation loss that counts as an improvement; 0 when absent.',
  })
  minDelta?: number | null;
}

@InputType({
  description:
    'Configuration of a training. An invalid field gives BAD_USER_INPUT with its path, what was ' +
    'expected and what was sent.',
})
export class TrainingConfigInput {
  @Field(() => ModelTypeEnum, { description: 'Algorithm, e.g. logistic regression.' })
  modelType!: keyof typeof ModelTypeEnum;

  @Field(() => TargetInput, {
    nullable: true,
    description: 'Target; required, except for KMEANS, which has no target.',
  })
  target?: TargetInput | null;

  @RangeOfModule(TRAINING_RANGES.features)
  @Field(() => [FeatureInput], {
    nullable: true,
    description:
      'Input columns of the model, each once, without the target. When absent: all columns except ' +
      'those that cannot help (without values or with only one value, ids, texts of which more than ' +
      'half are different); numbers as NUMERIC, texts and booleans as CATEGORICAL, timestamps as ' +
      'TIMESTAMP. The run has a warning with the reason for each column that is left out.',
  })
  features?: FeatureInput[] | null;

  @Field(() => SplitInput, { description: 'Split into training, validation and holdout rows.' })
  split!: SplitInput;

  @Field(() => TimeWindowInput, { nullable: true, description: 'Only rows of this time window; all rows when absent.' })
  window?: TimeWindowInput | null;

  @RangeOfModule(TRAINING_RANGES.sampleRows)
  @Field(() => Int, {
    nullable: true,
    description: 'Size of a seeded random sample of the rows; 0 or absent: all rows.',
  })
  sampleRows?: number | null;

  @Field(() => HyperparametersInput, { nullable: true, description: 'Hyperparameters; defaults when absent.' })
  hyperparameters?: HyperparametersInput | null;

  @Field(() => EarlyStoppingInput, {
    nullable: true,
    description:
      'Early stopping. When both this and `epochs` are absent, perceptrons and boosted trees stop ' +
      'after 20 epochs without improvement; other trainings do not stop early. To switch it off, ' +
      'give `epochs`.',
  })
  earlyStopping?: EarlyStoppingInput | null;

  @RangeOfModule(TRAINING_RANGES.epochs)
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of epochs, iterations or trees between two checkpoints. When absent: 1 if `epochs` is ' +
      'given, otherwise 10.',
  })
  checkpointEveryEpochs?: number | null;

  @Field(() => ClassWeightsInput, {
    nullable: true,
    description: 'Weights of the classes, for classification; all equal when absent.',
  })
  classWeights?: ClassWeightsInput | null;

  @Field(() => DecisionThresholdInput, {
    nullable: true,
    description:
      'Threshold for the second of two classes, for classification; when absent, the label is the ' +
      'more probable class.',
  })
  decisionThreshold?: DecisionThresholdInput | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether to train again on all rows after the measurement on the holdout, for the best number ' +
      'of epochs. The second model is the result and is served; metrics, evaluations on the holdout ' +
      'and so the gates measure the first model, which was not trained on the holdout. False when ' +
      'absent.',
  })
  refit?: boolean | null;

  @RangeOfModule(TRAINING_RANGES.seed)
  @Field(() => Int, {
    nullable: true,
    description:
      'Seed of everything that is random in the training; 42 when absent. The same data, ' +
      'configuration and seed give the same model file.',
  })
  seed?: number | null;
}

@InputType({
  description:
    'Configuration, dataset and experiment of a training and, optionally, the model in which its ' +
    'result is registered.',
})
export class StartTrainingInput {
  @Field(() => ID, { description: 'Experiment of the new run. NOT_FOUND when it does not exist.' })
  experimentId!: string;

  @Field(() => ID, { description: 'Dataset version to train on. NOT_FOUND when it does not exist.' })
  datasetId!: string;

  @Field(() => TrainingConfigInput, { description: 'Configuration: what to train and how.' })
  config!: TrainingConfigInput;

  @Range(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the run; generated from the time when absent.',
  })
  runName?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Model for which the result is registered as a new version when the training succeeds. ' +
      'NOT_FOUND when it does not exist.',
  })
  registerModelId?: string | null;
}

@InputType({ description: 'Failed or cancelled training to resume from its last valid checkpoint.' })
export class ResumeTrainingInput {
  @Field(() => ID, {
    description:
      'The job. NOT_FOUND when there is no such training, CONFLICT unless its status is FAILED or CANCELLED.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The training after the mutation.' })
export class TrainingPayload {
  @Field(() => JobType, { description: 'The training job; subscribe to it with `jobProgress`.' })
  job!: JobType;

  @Field(() => RunType, {
    description: 'Run with the parameters, metrics and files of the training; subscribe to it with `runMetrics`.',
  })
  run!: RunType;
}

@ObjectType({ description: 'A checkpoint: a state from which a training can continue.' })
export class TrainingCheckpoint {
  @Field(() => Int, { description: 'Last completed epoch, from 1.' })
  epoch!: number;

  @Field(() => Int, { description: 'Number of the attempt that wrote the checkpoint, from 1.' })
  attempt!: number;

  @Field(() => SafeInt, {
    description: 'Size of the stored file in bytes; checked before a training continues from it.',
  })
  sizeBytes!: number;

  @Field(() => String, {
    description: 'SHA-256 of the file, hexadecimal; checked before a training continues from it.',
  })
  sha256!: string;

  @Field(() => DateTime, { description: 'Time when the file was stored, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'Filter for trainings; all given fields must match.' })
export class TrainingJobFilterInput {
  @Field(() => [JobStatusEnum], { nullable: true, description: 'Trainings with one of these statuses.' })
  status?: (keyof typeof JobStatusEnum)[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Training that logs to this run; NOT_FOUND when the run does not exist.',
  })
  runId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Trainings on this dataset version.' })
  datasetId?: string | null;
}
