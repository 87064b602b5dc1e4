import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { FEATURE_KINDS, MODEL_TYPES, Optimizer } from '../../modules/algorithms/index.js';
import { JobStatusEnum, JobType } from '../jobs/job.types.js';
import { RunType } from '../experiments/run.types.js';
import { describeEnum } from '../types/common.types.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const ModelTypeEnum = describeEnum<(typeof MODEL_TYPES)[number]>('ModelType', 'Algorithm of a training.', {
  LOGISTIC_REGRESSION: 'Classification by a linear softmax; probabilities per class.',
  LINEAR_REGRESSION: 'Regression by a linear function with an L2 penalty (ridge).',
  MLP_CLASSIFIER: 'Classification by a multilayer perceptron.',
  MLP_REGRESSOR: 'Regression by a multilayer perceptron.',
  KMEANS: 'Clustering by k-means.',
});

export const OptimizerEnum = describeEnum<Optimizer>('Optimizer', 'How a model is fitted.', {
  SOLVER:
    'By a closed form, or by L-BFGS until it has converged; for linear and logistic regression, and their default.',
  ADAM: 'By Adam over minibatches; the only one for perceptrons.',
});

export const FeatureKindEnum = describeEnum<(typeof FEATURE_KINDS)[number]>(
  'FeatureKind',
  'How a column is encoded as a feature.',
  {
    NUMERIC: 'A NUMBER or BOOLEAN column; missing values are replaced by the median, and values are scaled.',
    CATEGORICAL:
      'A column of any type, as one indicator per category. The categories are the texts of the ' +
      'file; numbers, booleans and times are used as texts.',
    TIMESTAMP:
      'A TIMESTAMP column, as those of its parts that vary (UTC): hour, weekday, month, day of ' +
      'year, year and age.',
  },
);

export const SplitBy = describeEnum('SplitBy', 'How rows are set apart for validation and holdout.', {
  RATIO: 'A seeded shuffle.',
  TIME: 'Order of a timestamp column: the latest rows are the holdout.',
  COLUMN: 'What a column says of each row.',
});

@InputType({ description: 'What is to be learnt.' })
export class TargetInput {
  @Field(() => String, { description: 'The column of the dataset that is predicted; case matters.' })
  column!: string;

  @Field(() => Float, {
    nullable: true,
    description:
      'Makes two classes of a NUMBER column: 1 where its value is greater, 0 elsewhere. Classification only.',
  })
  greaterThan?: number | null;
}

@InputType({ description: 'A feature: a column that is an input of the model.' })
export class FeatureInput {
  @Field(() => String, { description: 'Column of the dataset. The input of the model has the same name.' })
  column!: string;

  @Field(() => FeatureKindEnum, { description: 'Encoding of the column; it must fit the type of the column.' })
  kind!: keyof typeof FeatureKindEnum;
}

export const ClassWeightsBy = describeEnum('ClassWeightsBy', 'Source of the class weights.', {
  BALANCED:
    'The total weight of each class in the training rows is the same: rows of rare classes have a larger weight.',
  GIVEN: 'The weights in the field `weights`.',
});

export const DecisionThresholdBy = describeEnum(
  'DecisionThresholdBy',
  'Rule by which the decision threshold is chosen on the validation rows.',
  {
    F1: 'Highest F1 score of the second class.',
    COST: 'Lowest total cost of false positives and false negatives.',
    FIXED: 'Fixed: the threshold in `value`.',
  },
);

@InputType({ description: 'Values of the splitting column, as the file spells them, each in one list.' })
export class SplitValuesInput {
  @Field(() => [String], {
    nullable: true,
    description: 'Rows to learn from, 1 to 100 values; when absent, all that the other lists do not name.',
  })
  train?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Rows that are watched during training, 1 to 100 values; when absent, a share of those to learn from.',
  })
  validation?: string[] | null;

  @Field(() => [String], { description: 'Rows that are kept for the last measurement, 1 to 100 values.' })
  holdout!: string[];
}

@InputType({ description: 'Weight of the rows of one class.' })
export class ClassWeightInput {
  @Field(() => String, { description: 'The class, spelled as in the file; 0 or 1 with `target.greaterThan`.' })
  class!: string;

  @Field(() => Float, { description: 'Weight of a row of this class, above 0, at most 10^6. The default weight is 1.' })
  weight!: number;
}

@InputType({
  description:
    'Class weights: the weight of a row in the loss. Larger weights shift the probabilities towards that class.',
})
export class ClassWeightsInput {
  @Field(() => ClassWeightsBy, { description: 'Source of the weights.' })
  by!: keyof typeof ClassWeightsBy;

  @Field(() => [ClassWeightInput], {
    nullable: true,
    description: 'Required with GIVEN, not allowed otherwise: 1 to 1,000 classes. Other classes have weight 1.',
  })
  weights?: ClassWeightInput[] | null;
}

@InputType({
  description:
    'Decision threshold: the probability from which the label is the second of two classes. The ' +
    'exported model and the metrics use it.',
})
export class DecisionThresholdInput {
  @Field(() => DecisionThresholdBy, { description: 'Rule by which the threshold is chosen.' })
  by!: keyof typeof DecisionThresholdBy;

  @Field(() => Float, {
    nullable: true,
    description: 'Required with FIXED, not allowed otherwise: the threshold, above 0 and below 1.',
  })
  value?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Required with COST, not allowed otherwise: cost of a false positive (a row of the first ' +
      'class that is predicted as the second); above 0, at most 10^9.',
  })
  falsePositive?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Required with COST, not allowed otherwise: cost of a false negative (a row of the second ' +
      'class that is predicted as the first); above 0, at most 10^9.',
  })
  falseNegative?: number | null;
}

@InputType({ description: 'Shares of rows that are not learnt from; what they leave is.' })
export class SplitInput {
  @Field(() => SplitBy, { description: 'How the rows are chosen.' })
  by!: keyof typeof SplitBy;

  @Field(() => String, {
    nullable: true,
    description:
      'With TIME the TIMESTAMP column to order by, with COLUMN the STRING, BOOLEAN or NUMBER column that ' +
      'says which part a row is in; needed with both, nothing with RATIO.',
  })
  column?: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Share that is watched during training, above 0 and below 1; needed with RATIO and TIME. With COLUMN ' +
      'the share of the rows to learn from, where no value says which; 0.1 when absent.',
  })
  validation?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'Share that is kept for the last measurement, above 0 and below 1; needed with RATIO and TIME, nothing ' +
      'with COLUMN.',
  })
  holdout?: number | null;

  @Field(() => SplitValuesInput, {
    nullable: true,
    description:
      'With COLUMN only: which values stand for which part. When absent: train or training; validation, ' +
      'valid, val or dev; holdout, test or testing, in any case. Rows with other values are left out.',
  })
  values?: SplitValuesInput | null;
}

@InputType({ description: 'A stretch of time to take rows from: from ≤ value < to.' })
export class TimeWindowInput {
  @Field(() => String, { description: 'TIMESTAMP column of the dataset.' })
  column!: string;

  @Field(() => DateTime, { nullable: true, description: 'First instant, inclusive; open when absent.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Last instant, exclusive; open when absent.' })
  to?: Date | null;
}

@InputType({ description: 'Hyperparameters of the training; each has a default.' })
export class HyperparametersInput {
  @Field(() => OptimizerEnum, {
    nullable: true,
    description:
      'Optimizer; when absent, SOLVER for linear and logistic regression and ADAM for perceptrons. ' +
      'Not used by KMEANS.',
  })
  optimizer?: Optimizer | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Number of epochs (passes over the training rows) of ADAM, or maximum number of iterations of ' +
      'SOLVER and k-means, 1 to 10,000. When absent: 500 for perceptrons, with early stopping (see ' +
      'earlyStopping); 20 for linear models with ADAM; 1,000 otherwise.',
  })
  epochs?: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Batch size of ADAM, in rows, 1 to 65,536; when absent 128, reduced down to 16 for fewer than ' +
      '2,560 training rows.',
  })
  batchSize?: number | null;

  @Field(() => Float, { nullable: true, description: 'Learning rate of ADAM, above 0, at most 10; 0.001 when absent.' })
  learningRate?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      'L2 penalty on the weights, added to the mean loss of a row, 0 to 10. When absent: 0 with ' +
      'ADAM; with SOLVER the value of scikit-learn (alpha = 1, C = 1) on standardised columns.',
  })
  l2?: number | null;

  @Field(() => [Int], {
    nullable: true,
    description:
      'Sizes of the hidden layers of a perceptron, at most 8 layers of 1 to 4,096 units; [64, 32] when absent.',
  })
  hiddenLayers?: number[] | null;

  @Field(() => Int, { nullable: true, description: 'Number of clusters of k-means, 2 to 1,000; 8 when absent.' })
  clusters?: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Maximum number of categories per column, the most frequent first, 1 to 2,000; 100 when ' +
      'absent. All other categories form one category.',
  })
  maxCategories?: number | null;
}

@InputType({
  description: 'Early stopping: when to stop before the last epoch. The weights of the best epoch are kept.',
})
export class EarlyStoppingInput {
  @Field(() => Int, { description: 'Number of epochs without improvement after which training stops, 1 to 1,000.' })
  patience!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Smallest decrease of the validation loss that counts as an improvement, 0 or more; 0 when absent.',
  })
  minDelta?: number | null;
}

@InputType({
  description:
    'What to train, on which columns and how. A wrong field is BAD_USER_INPUT with its path, what was ' +
    'expected and what came.',
})
export class TrainingConfigInput {
  @Field(() => ModelTypeEnum, { description: 'What to train.' })
  modelType!: keyof typeof ModelTypeEnum;

  @Field(() => TargetInput, {
    nullable: true,
    description: 'What is to be learnt; needed but for KMEANS, which takes none.',
  })
  target?: TargetInput | null;

  @Field(() => [FeatureInput], {
    nullable: true,
    description:
      '1 to 1,000 columns, each once, not the target. When absent: all that can help, numbers as NUMERIC, ' +
      'texts and booleans as CATEGORICAL, timestamps as TIMESTAMP; the run warns of each that is left out, ' +
      'with the reason.',
  })
  features?: FeatureInput[] | null;

  @Field(() => SplitInput, { description: 'Rows for validation and holdout.' })
  split!: SplitInput;

  @Field(() => TimeWindowInput, { nullable: true, description: 'Rows of this time only; all when absent.' })
  window?: TimeWindowInput | null;

  @Field(() => Int, {
    nullable: true,
    description: 'A seeded random sample of so many rows, at most 100,000,000; 0 or absent for all.',
  })
  sampleRows?: number | null;

  @Field(() => HyperparametersInput, { nullable: true, description: 'How to fit; defaults when absent.' })
  hyperparameters?: HyperparametersInput | null;

  @Field(() => EarlyStoppingInput, {
    nullable: true,
    description:
      'When to stop early. When absent, perceptrons without a number of epochs stop after 20 epochs without ' +
      'improvement, and nothing else does.',
  })
  earlyStopping?: EarlyStoppingInput | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Epochs between two checkpoints, 1 to 10,000; when absent 1, or 10 without a number of epochs.',
  })
  checkpointEveryEpochs?: number | null;

  @Field(() => ClassWeightsInput, {
    nullable: true,
    description: 'What rows of each class count, for classification; all the same when absent.',
  })
  classWeights?: ClassWeightsInput | null;

  @Field(() => DecisionThresholdInput, {
    nullable: true,
    description:
      'When the second of two classes is the label, for classification; when it is the more probable one when absent.',
  })
  decisionThreshold?: DecisionThresholdInput | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether to train once more on all rows after the holdout has judged the model, for as many epochs as ' +
      'were best; that model is the result. Metrics and evaluations on the holdout stay those of the model ' +
      'before, which never saw it. False when absent.',
  })
  refit?: boolean | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Seed of split, sample, weights and order, 0 to 2^31 - 1; 42 when absent. Equal seeds give equal models.',
  })
  seed?: number | null;
}

@InputType({ description: 'What to train on what, for which experiment, and what to do with the model.' })
export class StartTrainingInput {
  @Field(() => ID, { description: 'Experiment of the new run. NOT_FOUND when there is none.' })
  experimentId!: string;

  @Field(() => ID, { description: 'Dataset version to train on. NOT_FOUND when there is none.' })
  datasetId!: string;

  @Field(() => TrainingConfigInput, { description: 'What to train and how.' })
  config!: TrainingConfigInput;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the run: 1 to 250 visible characters; made from the time when absent.',
  })
  runName?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Model that gets the result as a new version when the training ends well. NOT_FOUND when there is none.',
  })
  registerModelId?: string | null;
}

@InputType({ description: 'A failed or cancelled training that goes on from its last sound checkpoint.' })
export class ResumeTrainingInput {
  @Field(() => ID, {
    description: 'The job. NOT_FOUND when there is no such training, CONFLICT unless it is FAILED or CANCELLED.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The training after the mutation.' })
export class TrainingPayload {
  @Field(() => JobType, { description: 'The job that makes it; `jobProgress` follows it.' })
  job!: JobType;

  @Field(() => RunType, {
    description: 'The run that keeps its parameters, metrics and files; `runMetrics` follows it.',
  })
  run!: RunType;
}

@ObjectType({ description: 'A point that a training can be continued from.' })
export class TrainingCheckpoint {
  @Field(() => Int, { description: 'Last epoch that it contains, from 1.' })
  epoch!: number;

  @Field(() => Int, { description: 'Attempt that wrote it, from 1.' })
  attempt!: number;

  @Field(() => SafeInt, { description: 'Bytes of the stored file, as checked before it is used again.' })
  sizeBytes!: number;

  @Field(() => String, {
    description: 'SHA-256 of the file, hexadecimal; checked before a training continues from it.',
  })
  sha256!: string;

  @Field(() => DateTime, { description: 'Time when the file was stored, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'Which trainings to list; every given field must hold.' })
export class TrainingJobFilterInput {
  @Field(() => [JobStatusEnum], { nullable: true, description: 'Trainings in one of these states.' })
  status?: (keyof typeof JobStatusEnum)[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'The one that logs to this run; NOT_FOUND for a run that the tenant does not have.',
  })
  runId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Trainings on this dataset version.' })
  datasetId?: string | null;
}
