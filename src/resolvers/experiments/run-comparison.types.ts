import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, KeyValue } from '../types/common.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';
import { RunType } from './run.types.js';
import { Range } from '../types/range.js';
import { MAX_COMPARED_RUNS, MAX_COMPARED_KEYS } from '../../modules/experiments/index.js';

export const MetricDirection = describeEnum(
  'MetricDirection',
  'Whether a larger or a smaller value of a metric is better.',
  {
    MINIMIZE: 'Smaller is better: losses, errors, latencies.',
    MAXIMIZE: 'Larger is better: accuracies and other scores.',
  },
);

export const DatasetUse = describeEnum('DatasetUse', 'What a run did with data.', {
  TRAINING: 'Trained on the rows of a registered dataset.',
  EVALUATION: 'Evaluated a model on a registered dataset.',
  BATCH_INPUT: 'Predicted for the rows of a registered dataset.',
  INPUT: 'Read the data, according to the client.',
  OUTPUT: 'Wrote the data, according to the client.',
});

export const CurveAxis = describeEnum('CurveAxis', 'Horizontal axis of metric curves.', {
  STEP: 'Step at which a point was logged.',
  TIME: 'Seconds since the start of the run.',
});

@InputType({ description: 'Better direction of one metric, when the guess from its name would be wrong.' })
export class MetricDirectionInput {
  @Field(() => String, { description: 'Name of the metric, as it was logged.' })
  key!: string;

  @Field(() => MetricDirection, { description: 'Whether larger or smaller values are better.' })
  direction!: keyof typeof MetricDirection;
}

@InputType({ description: 'Runs, metrics and baseline of a comparison.' })
export class CompareRunsInput {
  @Range({ min: 2, max: MAX_COMPARED_RUNS, unit: 'runs' })
  @Field(() => [ID], {
    description: 'Different runs; the answer keeps their order. NOT_FOUND when one does not exist.',
  })
  runIds!: string[];

  @Field(() => ID, {
    nullable: true,
    description: 'Baseline run, one of `runIds`; the first one when absent.',
  })
  baselineRunId?: string | null;

  @Range({ max: MAX_COMPARED_KEYS, unit: 'metrics' })
  @Field(() => [String], {
    nullable: true,
    description: 'Metrics to show; the first 500 by name when absent.',
  })
  metricKeys?: string[] | null;

  @Range({ max: MAX_COMPARED_KEYS, unit: 'metrics' })
  @Field(() => [MetricDirectionInput], {
    nullable: true,
    description:
      'Metrics for which to set the better direction. Otherwise it is guessed: MINIMIZE when the ' +
      'name contains a word such as loss, error, rmse, mae, inertia, latency or time; MAXIMIZE ' +
      'otherwise, and for scikit-learn’s neg_… scores.',
  })
  directions?: MetricDirectionInput[] | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Names of parameters that only set a random seed, case-insensitive. Runs that differ only in ' +
      'these parameters are repetitions. When absent: seed, random_state, random_seed, rng_seed, ' +
      'manual_seed and similar names.',
  })
  seedParams?: string[] | null;
}

@ObjectType({ description: 'A parameter or tag of the compared runs.' })
export class ComparedText {
  @Field(() => String, { description: 'Name of the parameter or tag.' })
  key!: string;

  @Field(() => [String], {
    nullable: 'items',
    description: 'One text per run, in the order of `runs`; null for a run without this parameter or tag.',
  })
  values!: (string | null)[];
}

@ObjectType({ description: 'Parameters or tags of several runs, split into differing and equal ones.' })
export class ComparedTexts {
  @Field(() => [ComparedText], {
    description: 'Parameters or tags that differ between runs or are missing in some, sorted by name.',
  })
  differing!: ComparedText[];

  @Field(() => [KeyValue], { description: 'Parameters or tags that are the same in all runs, sorted by name.' })
  equal!: KeyValue[];
}

@ObjectType({ description: 'Newest value of a metric in one run, compared with the baseline.' })
export class ComparedValue {
  @Field(() => RunType, { description: 'Run that has the value.' })
  run!: RunType;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Value at the greatest step; null when the run lacks the metric.',
  })
  value?: number | null;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'Step of the value; null when the run lacks the metric.',
  })
  step?: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Value minus the value of the baseline; null when either is missing, NaN or infinite.',
  })
  delta?: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Delta divided by the absolute value of the baseline, as a fraction; null when there is no ' +
      'delta, or the value of the baseline is 0.',
  })
  relativeDelta?: number | null;

  @Field(() => Boolean, {
    description:
      'Whether no other run has a better finite value; false for all runs when only one run has a finite value.',
  })
  isBest!: boolean;
}

@ObjectType({ description: 'Group of runs with the same parameters except for the seed: repetitions of one setting.' })
export class RunGroup {
  @Field(() => [RunType], { description: 'Runs of the group, in the order of the compared runs.' })
  runs!: RunType[];

  @Field(() => [KeyValue], {
    description: 'Parameters that distinguish this setting from those of the other groups; without seeds.',
  })
  params!: KeyValue[];

  @Field(() => [String], {
    nullable: 'items',
    description: 'Seed of each run, in the order of `runs`; null when no seed was logged.',
  })
  seeds!: (string | null)[];
}

@ObjectType({ description: 'Bounds of a 95 % confidence interval.' })
export class ConfidenceInterval {
  @Field(() => MetricValue, { description: 'Lower bound.' })
  low!: number;

  @Field(() => MetricValue, { description: 'Upper bound.' })
  high!: number;
}

@ObjectType({
  description: 'Statistical difference of two settings: Welch’s t-test and Hedges’ g over their repetitions.',
})
export class GroupTestResult {
  @Field(() => MetricValue, { description: 'Mean of the group minus mean of the baseline group.' })
  difference!: number;

  @Field(() => ConfidenceInterval, {
    description: '95 % confidence interval of the difference, with Welch’s degrees of freedom.',
  })
  differenceInterval!: ConfidenceInterval;

  @Field(() => MetricValue, { description: 't statistic: difference divided by its standard error.' })
  t!: number;

  @Field(() => MetricValue, { description: 'Degrees of freedom by Satterthwaite; may be a fraction.' })
  dof!: number;

  @Field(() => MetricValue, {
    description: 'Two-sided p-value: probability of an equal or larger |t| when the settings do not differ.',
  })
  pValue!: number;

  @Field(() => MetricValue, {
    description: 'p-value after Holm’s correction over all groups that are compared on this metric.',
  })
  pValueAdjusted!: number;

  @Field(() => MetricValue, {
    description:
      'Effect size Hedges’ g: the difference in pooled standard deviations, corrected for a small ' +
      'number of runs. About 0.2 is small, 0.8 is large.',
  })
  hedgesG!: number;

  @Field(() => ConfidenceInterval, {
    description: '95 % confidence interval of Hedges’ g, exact for normal values of equal variance.',
  })
  hedgesGInterval!: ConfidenceInterval;
}

@ObjectType({ description: 'Comparison of a group’s repetitions with those of the baseline group, on one metric.' })
export class GroupComparison {
  @Field(() => RunGroup, { description: 'The group (setting) that is compared.' })
  group!: RunGroup;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Mean over the runs of the group; null when none has the metric.',
  })
  mean?: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Mean over the runs of the baseline group; null when none has the metric.',
  })
  baselineMean?: number | null;

  @Field(() => GroupTestResult, {
    nullable: true,
    description: 'Test result; null when the test is not possible, see `reason`.',
  })
  result?: GroupTestResult | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why there is no result: too few runs, values that do not vary, NaN or infinity.',
  })
  reason?: string | null;
}

@ObjectType({ description: 'One metric with its value in each compared run.' })
export class ComparedMetric {
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => MetricDirection, { description: 'Better direction: given in the input, or guessed from the name.' })
  direction!: keyof typeof MetricDirection;

  @Field(() => [ComparedValue], { description: 'One value per run, in the order of `runs`.' })
  values!: ComparedValue[];
}

@ObjectType({ description: 'Data that at least one of the compared runs read or wrote.' })
export class ComparedDataset {
  @Field(() => String, { description: 'Name under which the data was registered or logged.' })
  name!: string;

  @Field(() => String, {
    description:
      'Digest of the content: the SHA-256 of a registered dataset, otherwise the digest that the client gave.',
  })
  digest!: string;

  @Field(() => DatasetUse, { description: 'What the runs used the data for.' })
  use!: keyof typeof DatasetUse;

  @Field(() => [Boolean], {
    description: 'One value per run, in the order of `runs`: whether the run used the data in this way.',
  })
  usedBy!: boolean[];

  /** The API shows this as `dataset`. */
  datasetId!: string | null;
}

@ObjectType({
  description: 'Metric curve of one run at the positions of `MetricCurves.places`; null where nothing was logged.',
})
export class CurveSeries {
  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'Last value between the previous position and this position.',
  })
  values!: (number | null)[];

  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'Smallest number in each interval, so that dips stay visible.',
  })
  lows!: (number | null)[];

  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'Largest number in each interval, so that peaks stay visible.',
  })
  highs!: (number | null)[];

  /** The API shows this as `run`. */
  runId!: string;
}

@ObjectType({ description: 'Curves of one metric for all compared runs, on one axis.' })
export class MetricCurves {
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => CurveAxis, { description: 'Unit of `places`.' })
  axis!: keyof typeof CurveAxis;

  @Field(() => [MetricValue], {
    description:
      'Positions on the axis: steps, or seconds since the start of each run; ascending, shared by all curves.',
  })
  places!: number[];

  @Field(() => [CurveSeries], { description: 'One curve per run, in the order of the compared runs.' })
  series!: CurveSeries[];
}

@ObjectType({
  description: 'Comparison of runs: parameters, results, and whether differences are statistically significant.',
})
export class RunComparison {
  @Field(() => [RunType], { description: 'The compared runs, in the requested order.' })
  runs!: RunType[];

  @Field(() => RunType, { description: 'Baseline run of deltas and tests.' })
  baseline!: RunType;

  @Field(() => ComparedTexts, { description: 'Parameters of the runs.' })
  params!: ComparedTexts;

  @Field(() => ComparedTexts, { description: 'Tags of the runs, without those that are fields of a run.' })
  tags!: ComparedTexts;

  @Field(() => [ComparedMetric], { description: 'Newest values by metric, in the requested order or by name.' })
  metrics!: ComparedMetric[];

  @Field(() => [RunGroup], {
    description: 'Groups of runs with the same setting: equal parameters except for the seed.',
  })
  groups!: RunGroup[];

  @Field(() => [ComparedDataset], { description: 'Data that the runs read and wrote, at most 500 entries.' })
  datasets!: ComparedDataset[];

  @Field(() => Boolean, {
    description: 'Whether there are more than 500 parameters, tags or metrics; only the first 500 are shown.',
  })
  isCut!: boolean;
}
