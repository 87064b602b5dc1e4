import { Field, Float, InputType, Int } from 'type-graphql';
import { TRAINING_RANGES, type AlgorithmName, type Reading } from '../../modules/algorithms/index.js';
import { describeEnum } from '../types/common.types.js';
import { RangeOfModule } from '../types/range.js';
import { DateTime, JsonObject } from '../types/scalars.js';
import { AlgorithmEnum } from './algorithm.types.js';
import { CrossValidationInput } from './cross-validation.types.js';
import { FeatureKindEnum } from './feature-kind.js';

export const MonotoneEnum = describeEnum('Monotone', 'Direction in which a prediction may change with a feature.', {
  INCREASING: 'The prediction does not fall when the feature rises.',
  DECREASING: 'The prediction does not rise when the feature rises.',
});

export const SplitBy = describeEnum('SplitBy', 'How rows are assigned to training, validation and holdout.', {
  RATIO: 'At random, with the seed; not stratified.',
  TIME: 'By a timestamp column: the latest rows are the holdout, the ones before them validation.',
  COLUMN: 'By the value of a column.',
});

const TrainingReadingEnum = describeEnum<Reading>('TrainingReading', 'How a training reads its rows.', {
  WHOLE: 'All rows are in memory.',
  BLOCKS:
    'Memory does not grow with the rows, except that boosted trees hold the bins and scores of each (about 60 bytes a ' +
    'row). At most 500,000 rows each of validation, holdout and a sample of the training rows are in memory; the ' +
    'encoding is fitted to the sample; all training rows are learnt from. Rows are divided one by one, with the seed, ' +
    'so that the parts have about the size that the split asks for.',
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
      'the probability of the second class. Not with the hyperparameter `quantile`.',
  })
  monotone?: keyof typeof MonotoneEnum | null;

  @RangeOfModule(TRAINING_RANGES.maxTerms)
  @Field(() => Int, {
    nullable: true,
    description: 'TEXT: number of terms; the most frequent of the training rows are kept. 300 when absent.',
  })
  maxTerms?: number | null;

  @RangeOfModule(TRAINING_RANGES.ngrams)
  @Field(() => Int, {
    nullable: true,
    description: 'TEXT: the most words that follow each other and make one term; 1 when absent.',
  })
  ngrams?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'TEXT: whether upper and lower case are the same; true when absent.',
  })
  lowercase?: boolean | null;
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
    'Weights of the rows: a row of weight 2 counts in the loss and in the metrics of the training as two rows do, ' +
    'and a row of weight 0 not at all. They multiply the class weights.',
})
export class SampleWeightInput {
  @Field(() => String, {
    description:
      'NUMBER column with the weights: none missing or negative, and some above 0 in each of the parts training, ' +
      'validation and holdout. When no features are given, it is none.',
  })
  column!: string;
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
  @Field(() => AlgorithmEnum, { description: 'Algorithm; `algorithms` lists them with their hyperparameters.' })
  algorithm!: AlgorithmName;

  @Field(() => TargetInput, {
    nullable: true,
    description: 'Target; required, except for clustering, which has no target.',
  })
  target?: TargetInput | null;

  @RangeOfModule(TRAINING_RANGES.features)
  @Field(() => [FeatureInput], {
    nullable: true,
    description:
      'Input columns of the model, each once, without the target. When absent: all columns except ' +
      'those that cannot help (without values or with only one value, ids, short texts of which more than ' +
      'half are different); numbers as NUMERIC, texts and booleans as CATEGORICAL, timestamps as ' +
      'TIMESTAMP, mostly different texts of five words or more on average as TEXT. The run has a warning with the reason for each column that is left out.',
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

  @Field(() => JsonObject, {
    nullable: true,
    description:
      'Hyperparameters by name, e.g. `{"maxLeaves": 15, "learningRate": 0.05}`; the defaults for those that are absent ' +
      'or null. `algorithms` says for each algorithm which there are, with meaning, type, range and default. ' +
      'BAD_USER_INPUT names a parameter that the algorithm does not have, or whose value it refuses, e.g. ' +
      '`input.config.hyperparameters.maxLeaves`.',
  })
  hyperparameters?: Record<string, unknown> | null;

  @Field(() => EarlyStoppingInput, {
    nullable: true,
    description:
      'Early stopping, for algorithms with `canStopEarly`. When both this and `epochs` are absent, algorithms with `stopsEarly` stop ' +
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

  @Field(() => SampleWeightInput, {
    nullable: true,
    description: 'Weights of the rows, for algorithms with `sampleWeights`; all equal when absent.',
  })
  sampleWeight?: SampleWeightInput | null;

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

  @Field(() => TrainingReadingEnum, {
    nullable: true,
    description:
      'How the rows are read. When absent: BLOCKS when all rows would need more than a gigabyte of memory and the ' +
      'training can read blocks (linear models, networks and boosted trees of the backend LOCAL, without a ' +
      'cross-validation); otherwise WHOLE.',
  })
  reading?: Reading | null;

  @Field(() => CrossValidationInput, {
    nullable: true,
    description:
      'Cross-validation before the training, which stays the same. The run gets the metrics of each ' +
      'fold as it ends, at the step of its number, e.g. `cross_validation.log_loss`, and those of the ' +
      'folds so far, e.g. `cross_validation.log_loss.mean` and `cross_validation.log_loss.std`.',
  })
  crossValidation?: CrossValidationInput | null;

  @RangeOfModule(TRAINING_RANGES.seed)
  @Field(() => Int, {
    nullable: true,
    description:
      'Seed of everything that is random in the training; 42 when absent. The same data, ' +
      'configuration and seed give the same model file.',
  })
  seed?: number | null;
}
