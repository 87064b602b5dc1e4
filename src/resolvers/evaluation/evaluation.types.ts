import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { EvaluationReport } from '../../modules/model-quality/index.js';
import { describeEnum } from '../types/common.types.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const VerdictEnum = describeEnum('Verdict', 'What the 95 % interval of a loss difference says.', {
  BETTER: 'The whole interval lies below 0: the candidate loses less.',
  WORSE: 'The whole interval lies above 0.',
  NO_DIFFERENCE: 'The interval holds 0.',
});

@ObjectType('MetricEstimate', { description: 'A metric of the judged rows with its 95 % bootstrap interval.' })
export class MetricEstimateType {
  @Field(() => String, {
    description:
      'Name: accuracy, precision, recall, f1, roc_auc, average_precision, log_loss, brier; rmse, mae, r2; ' +
      'silhouette, inertia.',
  })
  name!: string;

  @Field(() => Float, { description: 'Its value on the judged rows, in the unit of the metric.' })
  value!: number;

  @Field(() => Float, { nullable: true, description: 'Lower end of its interval; null where there is none.' })
  low?: number | null;

  @Field(() => Float, { nullable: true, description: 'Upper end of its interval; null where there is none.' })
  high?: number | null;

  @Field(() => Float, { nullable: true, description: 'The baseline version’s on the same rows; null without one.' })
  baseline?: number | null;
}

@ObjectType('LossComparison', { description: 'The candidate beside a reference on the same rows.' })
export class LossComparisonType {
  @Field(() => String, { description: '`log_loss` (nats) or `rmse` (units of the target).' })
  metric!: string;

  @Field(() => Float, { description: 'The candidate’s metric.' })
  candidate!: number;

  @Field(() => Float, { description: 'The reference’s metric.' })
  reference!: number;

  @Field(() => Float, {
    description: 'The candidate’s metric less the reference’s, in the metric’s units; below 0 the candidate is better.',
  })
  difference!: number;

  @Field(() => Float, { description: 'Lower end of the difference’s 95 % bootstrap interval.' })
  low!: number;

  @Field(() => Float, { description: 'Upper end of the difference’s 95 % bootstrap interval.' })
  high!: number;

  @Field(() => VerdictEnum, { description: 'What the interval says.' })
  verdict!: keyof typeof VerdictEnum;
}

@ObjectType({ description: 'Counts of true and predicted classes.' })
export class ConfusionMatrix {
  @Field(() => [String], { description: 'Names of the classes, in the order of rows and columns.' })
  classNames!: string[];

  @Field(() => [[SafeInt]], { description: 'Rows of judged data by true class (outer) and predicted class (inner).' })
  counts!: number[][];
}

@ObjectType('ReliabilityBin', { description: 'Rows of neighbouring scores: what the model promised beside what came.' })
export class ReliabilityBinType {
  @Field(() => SafeInt, { description: 'How many judged rows had a probability within it.' })
  rows!: number;

  @Field(() => Float, { description: 'Mean promised probability, 0 to 1.' })
  meanScore!: number;

  @Field(() => Float, { description: 'Share of rows where it came true, 0 to 1.' })
  observed!: number;
}

@ObjectType('Calibration', {
  description:
    'How far promised probabilities come true: of the second class for two classes, of the predicted class for more.',
})
export class CalibrationType {
  @Field(() => [ReliabilityBinType], { description: 'At most ten bins of equal counts, in ascending order of score.' })
  bins!: ReliabilityBinType[];

  @Field(() => Float, { description: 'Mean distance between promise and outcome, weighted by rows, 0 to 1.' })
  expectedCalibrationError!: number;
}

@ObjectType({ description: 'Metrics of the rows that share a value of a categorical input; at least 100 rows.' })
export class EvaluationSlice {
  @Field(() => String, { description: 'Column of the dataset whose values make the slices.' })
  column!: string;

  @Field(() => String, { nullable: true, description: 'The value; null for the rows without one.' })
  value?: string | null;

  @Field(() => SafeInt, { description: 'How many judged rows had this value.' })
  rows!: number;

  @Field(() => [MetricEstimateType], { description: 'Their metrics, without intervals.' })
  metrics!: MetricEstimateType[];
}

@ObjectType('Evaluation', { description: 'A version measured on rows that it never saw.' })
export class EvaluationType {
  @Field(() => ID, { description: 'Opaque id; that of the job which made it.' })
  id!: string;

  @Field(() => String, { description: 'Subject of the token that asked for it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was made, UTC.' })
  createdAt!: Date;

  @Field(() => Json, { description: 'The whole report, as it was stored.' })
  report!: EvaluationReport;

  /** Shown as objects. */
  modelVersionId!: string;
  baselineVersionId?: string | null;
  datasetId!: string;
}

@InputType({ description: 'The column that an uploaded model predicts.' })
export class EvaluationTargetInput {
  @Field(() => String, { description: 'Name of the column. BAD_USER_INPUT when the dataset has none of that name.' })
  column!: string;

  @Field(() => Float, {
    nullable: true,
    description: 'Makes two classes of a number: the second where it is greater than this.',
  })
  greaterThan?: number | null;
}

@InputType({ description: 'Which version to measure, on which rows, beside which other.' })
export class EvaluateModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when there is none.' })
  modelVersionId!: string;

  @Field(() => ID, {
    nullable: true,
    description:
      'All rows of this dataset judge; the holdout of the version’s training when absent. Uploaded versions need it.',
  })
  datasetId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Version of the same model to compare with; the one in PRODUCTION when absent, and the base rate in any case.',
  })
  baselineVersionId?: string | null;

  @Field(() => EvaluationTargetInput, {
    nullable: true,
    description: 'For uploaded versions: the target. BAD_USER_INPUT for others, whose training tells it.',
  })
  target?: EvaluationTargetInput | null;
}

@InputType({ description: 'Which version goes through the checks before STAGING.' })
export class ValidateModelVersionInput {
  @Field(() => ID, { description: 'The version, which must be READY. NOT_FOUND when there is none.' })
  modelVersionId!: string;
}

@ObjectType({ description: 'Values of a column that have no slice of their own.' })
export class SliceOmission {
  @Field(() => String, { description: 'Column of the dataset that was not sliced by.' })
  column!: string;

  @Field(() => Int, { description: 'Values left out for having fewer than 100 rows.' })
  tooSmall!: number;

  @Field(() => Int, { description: 'Values left out beyond the twenty largest.' })
  tooMany!: number;
}
