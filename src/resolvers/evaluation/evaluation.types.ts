import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { EvaluationReport } from '../../modules/model-quality/index.js';
import { describeEnum } from '../types/common.types.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const VerdictEnum = describeEnum('Verdict', 'Conclusion from the 95 % interval of a loss difference.', {
  BETTER: 'The whole interval lies below 0: the candidate has the smaller loss.',
  WORSE: 'The whole interval lies above 0: the candidate has the larger loss.',
  NO_DIFFERENCE: 'The interval contains 0: no significant difference.',
});

@ObjectType('MetricEstimate', { description: 'Metric of the evaluated rows with its 95 % bootstrap interval.' })
export class MetricEstimateType {
  @Field(() => String, {
    description:
      'Name of the metric: accuracy, precision, recall, f1, roc_auc, average_precision, log_loss, ' +
      'brier; rmse, mae, r2; silhouette, inertia.',
  })
  name!: string;

  @Field(() => Float, { description: 'Value of the metric on the evaluated rows, in its unit.' })
  value!: number;

  @Field(() => Float, { nullable: true, description: 'Lower bound of the interval; null without an interval.' })
  low?: number | null;

  @Field(() => Float, { nullable: true, description: 'Upper bound of the interval; null without an interval.' })
  high?: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Metric of the baseline version on the same rows; null without a baseline version.',
  })
  baseline?: number | null;
}

@ObjectType('LossComparison', {
  description: 'Comparison of the loss of a candidate and a reference, on the same rows.',
})
export class LossComparisonType {
  @Field(() => String, { description: 'Name of the metric: `log_loss` (nats) or `rmse` (units of the target).' })
  metric!: string;

  @Field(() => Float, { description: 'Metric value of the candidate.' })
  candidate!: number;

  @Field(() => Float, { description: 'Metric value of the reference.' })
  reference!: number;

  @Field(() => Float, {
    description:
      'Metric of the candidate minus metric of the reference, in the units of the metric; below 0 ' +
      'the candidate is better.',
  })
  difference!: number;

  @Field(() => Float, { description: 'Lower bound of the 95 % bootstrap interval of the difference.' })
  low!: number;

  @Field(() => Float, { description: 'Upper bound of the 95 % bootstrap interval of the difference.' })
  high!: number;

  @Field(() => VerdictEnum, { description: 'Conclusion from the interval.' })
  verdict!: keyof typeof VerdictEnum;
}

@ObjectType({ description: 'Confusion matrix: counts of true and predicted classes.' })
export class ConfusionMatrix {
  @Field(() => [String], { description: 'Class names, in the order of rows and columns.' })
  classNames!: string[];

  @Field(() => [[SafeInt]], {
    description: 'Number of evaluated rows by true class (outer list) and predicted class (inner list).',
  })
  counts!: number[][];
}

@ObjectType('ReliabilityBin', {
  description:
    'A bin of a reliability diagram: rows with similar predicted probabilities, compared with the ' +
    'observed fraction.',
})
export class ReliabilityBinType {
  @Field(() => SafeInt, { description: 'Number of evaluated rows in this bin.' })
  rows!: number;

  @Field(() => Float, { description: 'Mean predicted probability, 0 to 1.' })
  meanScore!: number;

  @Field(() => Float, { description: 'Observed fraction: rows in which the predicted class was true, 0 to 1.' })
  observed!: number;
}

@ObjectType('Calibration', {
  description:
    'Calibration: how well predicted probabilities match observed frequencies. For two classes: ' +
    'of the second class; for more: of the predicted class.',
})
export class CalibrationType {
  @Field(() => [ReliabilityBinType], {
    description: 'At most ten bins with equal row counts, in ascending order of the score.',
  })
  bins!: ReliabilityBinType[];

  @Field(() => Float, {
    description:
      'Expected calibration error: mean distance between predicted probability and observed ' +
      'fraction, weighted by rows, 0 to 1.',
  })
  expectedCalibrationError!: number;
}

@ObjectType({
  description: 'A slice: metrics of the rows with the same value of a categorical input; at least 100 rows.',
})
export class EvaluationSlice {
  @Field(() => String, { description: 'Column of the dataset that the slice is based on.' })
  column!: string;

  @Field(() => String, { nullable: true, description: 'Value of the column; null for rows without a value.' })
  value?: string | null;

  @Field(() => SafeInt, { description: 'Number of evaluated rows with this value.' })
  rows!: number;

  @Field(() => [MetricEstimateType], { description: 'Metrics of the slice, without confidence intervals.' })
  metrics!: MetricEstimateType[];
}

@ObjectType('Evaluation', { description: 'An evaluation: a version measured on rows that it was not trained on.' })
export class EvaluationType {
  @Field(() => ID, { description: 'Opaque id; the same as the id of the job that made the evaluation.' })
  id!: string;

  @Field(() => String, { description: 'Subject of the token that requested the evaluation.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => Json, { description: 'Complete report as stored, as JSON.' })
  report!: EvaluationReport;

  /** The API shows these ids as objects. */
  modelVersionId!: string;
  baselineVersionId?: string | null;
  datasetId!: string;
}

@InputType({ description: 'Target: the column that an uploaded model predicts.' })
export class EvaluationTargetInput {
  @Field(() => String, { description: 'Name of the column. BAD_USER_INPUT when the dataset has no such column.' })
  column!: string;

  @Field(() => Float, {
    nullable: true,
    description: 'Makes two classes of a numeric column: the second class where the value is greater than this number.',
  })
  greaterThan?: number | null;
}

@InputType({ description: 'Version to evaluate, with the rows and the baseline.' })
export class EvaluateModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'Dataset whose rows are all used for the evaluation; the holdout of the version’s training ' +
      'when absent. Required for uploaded versions.',
  })
  datasetId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Version of the same model to compare with; the version in PRODUCTION when absent. The base ' +
      'rate is always compared too.',
  })
  baselineVersionId?: string | null;

  @Field(() => EvaluationTargetInput, {
    nullable: true,
    description:
      'Target, for uploaded versions only. BAD_USER_INPUT for other versions, whose training defines the target.',
  })
  target?: EvaluationTargetInput | null;
}

@InputType({ description: 'Version to check for STAGING.' })
export class ValidateModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;
}

@ObjectType({ description: 'Values of a column for which there are no slices.' })
export class SliceOmission {
  @Field(() => String, { description: 'Column of the dataset with the omitted values.' })
  column!: string;

  @Field(() => Int, { description: 'Number of values left out because they have fewer than 100 rows.' })
  tooSmall!: number;

  @Field(() => Int, { description: 'Number of values left out because only the twenty most frequent have a slice.' })
  tooMany!: number;
}
