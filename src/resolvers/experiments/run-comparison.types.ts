import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, KeyValue } from '../types/common.types.js';
import { MetricValue, SafeInt } from '../types/scalars.js';
import { RunType } from './run.types.js';

export const MetricDirection = describeEnum('MetricDirection', 'Which end of a metric is better.', {
  MINIMIZE: 'Less is better: losses, errors, latencies.',
  MAXIMIZE: 'More is better: accuracies and other scores.',
});

export const DatasetUse = describeEnum('DatasetUse', 'What a run did with data.', {
  TRAINING: 'Learnt from the rows of a registered dataset.',
  EVALUATION: 'Judged a model by a registered dataset.',
  BATCH_INPUT: 'Predicted for the rows of a registered dataset.',
  INPUT: 'Read it, as its client logged.',
  OUTPUT: 'Wrote it, as its client logged.',
});

export const CurveAxis = describeEnum('CurveAxis', 'What courses of metrics are laid along.', {
  STEP: 'The step that a point was logged at.',
  TIME: 'Seconds since the run’s own start.',
});

@InputType({ description: 'Which end of one metric is better, where its name would mislead.' })
export class MetricDirectionInput {
  @Field(() => String, { description: 'Name of the metric, as it was logged.' })
  key!: string;

  @Field(() => MetricDirection, { description: 'The better end.' })
  direction!: keyof typeof MetricDirection;
}

@InputType({ description: 'Runs to lay side by side.' })
export class CompareRunsInput {
  @Field(() => [ID], {
    description: '2 to 20 runs, each once; answers keep their order. NOT_FOUND for an id that is none.',
  })
  runIds!: string[];

  @Field(() => ID, {
    nullable: true,
    description: 'One of them, which the others are measured against; the first when absent.',
  })
  baselineRunId?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Metrics to show, at most 500; the first 500 by name when absent.',
  })
  metricKeys?: string[] | null;

  @Field(() => [MetricDirectionInput], {
    nullable: true,
    description:
      'Better ends that are not to be guessed. The guess is MINIMIZE when a word of the name is one such as ' +
      'loss, error, rmse, mae, inertia, latency or time, and MAXIMIZE otherwise and for scikit-learn’s neg_… ' +
      'scores.',
  })
  directions?: MetricDirectionInput[] | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Parameters that only seed chance, whatever their case: runs that differ in nothing else are ' +
      'repetitions. When absent: seed, random_state, random_seed, rng_seed, manual_seed and the like.',
  })
  seedParams?: string[] | null;
}

@ObjectType({ description: 'A parameter or tag in which runs differ.' })
export class ComparedText {
  @Field(() => String, { description: 'The name that it was logged under.' })
  key!: string;

  @Field(() => [String], {
    nullable: 'items',
    description: 'One text per run, in the order of `runs`; null for a run without it.',
  })
  values!: (string | null)[];
}

@ObjectType({ description: 'Parameters or tags of several runs, those that differ apart from those that do not.' })
export class ComparedTexts {
  @Field(() => [ComparedText], { description: 'Not the same in all runs, or missing in some; by name.' })
  differing!: ComparedText[];

  @Field(() => [KeyValue], { description: 'The same in all runs; by name.' })
  equal!: KeyValue[];
}

@ObjectType({ description: 'A run’s newest value of a metric, against the baseline’s.' })
export class ComparedValue {
  @Field(() => RunType, { description: 'Whose value it is.' })
  run!: RunType;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'The value of the greatest step; null when the run lacks the metric.',
  })
  value?: number | null;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'Step that it was logged at; null when the run lacks the metric.',
  })
  step?: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Value minus the baseline’s; null when either is missing, NaN or infinite.',
  })
  delta?: number | null;

  @Field(() => MetricValue, {
    nullable: true,
    description:
      'Delta over the absolute value of the baseline’s, as a share; null where there is no delta, or the ' +
      'baseline has 0.',
  })
  relativeDelta?: number | null;

  @Field(() => Boolean, {
    description: 'Whether no other run has a better finite value; false for all when only one run has one.',
  })
  isBest!: boolean;
}

@ObjectType({ description: 'Runs that are alike but for their seed: repetitions of one setting.' })
export class RunGroup {
  @Field(() => [RunType], { description: 'Its members, in the order of the compared runs.' })
  runs!: RunType[];

  @Field(() => [KeyValue], {
    description: 'What tells this setting from those of the other groups; seeds are not among it.',
  })
  params!: KeyValue[];

  @Field(() => [String], {
    nullable: 'items',
    description: 'Seed of each member, in the order of `runs`; null where none was logged.',
  })
  seeds!: (string | null)[];
}

@ObjectType({ description: 'The two ends of a range that holds the true value with 95 % confidence.' })
export class ConfidenceInterval {
  @Field(() => MetricValue, { description: 'Lower end.' })
  low!: number;

  @Field(() => MetricValue, { description: 'Upper end.' })
  high!: number;
}

@ObjectType({ description: 'How surely two settings differ: Welch’s t-test and Hedges’ g over their repetitions.' })
export class GroupTestResult {
  @Field(() => MetricValue, { description: 'Mean of the group minus mean of the baseline’s group.' })
  difference!: number;

  @Field(() => ConfidenceInterval, { description: '95 % of the difference, with Welch’s degrees of freedom.' })
  differenceInterval!: ConfidenceInterval;

  @Field(() => MetricValue, { description: 'Difference over its standard error.' })
  t!: number;

  @Field(() => MetricValue, { description: 'Degrees of freedom by Satterthwaite; need not be whole.' })
  dof!: number;

  @Field(() => MetricValue, { description: 'Two-sided: how likely so great a |t| is when the settings do not differ.' })
  pValue!: number;

  @Field(() => MetricValue, {
    description: 'p-value adjusted by Holm over all groups that were compared on this metric.',
  })
  pValueAdjusted!: number;

  @Field(() => MetricValue, {
    description:
      'Hedges’ g: the difference in pooled standard deviations, corrected for few runs. About 0.2 is small, 0.8 large.',
  })
  hedgesG!: number;

  @Field(() => ConfidenceInterval, { description: '95 % of Hedges’ g, exact for normal values of equal variance.' })
  hedgesGInterval!: ConfidenceInterval;
}

@ObjectType({ description: 'A group’s repetitions against those of the baseline’s group, on one metric.' })
export class GroupComparison {
  @Field(() => RunGroup, { description: 'The setting that is judged.' })
  group!: RunGroup;

  @Field(() => MetricValue, {
    nullable: true,
    description: 'Mean over the group’s runs; null when none has the metric.',
  })
  mean?: number | null;

  @Field(() => MetricValue, { nullable: true, description: 'The same over the baseline’s group.' })
  baselineMean?: number | null;

  @Field(() => GroupTestResult, {
    nullable: true,
    description: 'What the tests found; null when they cannot be made, see `reason`.',
  })
  result?: GroupTestResult | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why there is no result: too few runs, values that do not vary, NaN or infinity.',
  })
  reason?: string | null;
}

@ObjectType({ description: 'One metric over the compared runs.' })
export class ComparedMetric {
  @Field(() => String, { description: 'Name that it was logged under.' })
  key!: string;

  @Field(() => MetricDirection, { description: 'The better end: given in the input, or guessed from the name.' })
  direction!: keyof typeof MetricDirection;

  @Field(() => [ComparedValue], { description: 'One per run, in the order of `runs`.' })
  values!: ComparedValue[];
}

@ObjectType({ description: 'Data that at least one of the runs read or wrote.' })
export class ComparedDataset {
  @Field(() => String, { description: 'Name that it was registered or logged under.' })
  name!: string;

  @Field(() => String, {
    description: 'Digest of its content: SHA-256 of a registered dataset, else what the client gave.',
  })
  digest!: string;

  @Field(() => DatasetUse, { description: 'What it served for.' })
  use!: keyof typeof DatasetUse;

  @Field(() => [Boolean], { description: 'One per run, in the order of `runs`: whether it used this data so.' })
  usedBy!: boolean[];

  /** Shown as `dataset`. */
  datasetId!: string | null;
}

@ObjectType({
  description: 'One run’s course of a metric, at the places of `MetricCurves.places`; null where nothing was logged.',
})
export class CurveSeries {
  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'The last value up to each place, since the place before.',
  })
  values!: (number | null)[];

  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'The smallest number in each stretch, so that dips stay visible.',
  })
  lows!: (number | null)[];

  @Field(() => [MetricValue], {
    nullable: 'items',
    description: 'The largest number in each stretch, so that peaks stay visible.',
  })
  highs!: (number | null)[];

  /** Shown as `run`. */
  runId!: string;
}

@ObjectType({ description: 'Courses of one metric over all compared runs, on one axis.' })
export class MetricCurves {
  @Field(() => String, { description: 'Name of the metric.' })
  key!: string;

  @Field(() => CurveAxis, { description: 'What `places` counts.' })
  axis!: keyof typeof CurveAxis;

  @Field(() => [MetricValue], {
    description: 'Steps, or seconds since each run’s start; ascending, shared by all series.',
  })
  places!: number[];

  @Field(() => [CurveSeries], { description: 'One per run, in the order of the compared runs.' })
  series!: CurveSeries[];
}

@ObjectType({
  description: 'Runs side by side: what they were made with, what came out, and whether the difference may be chance.',
})
export class RunComparison {
  @Field(() => [RunType], { description: 'The compared runs, as they were asked for.' })
  runs!: RunType[];

  @Field(() => RunType, { description: 'What deltas and tests are against.' })
  baseline!: RunType;

  @Field(() => ComparedTexts, { description: 'What the runs were made with.' })
  params!: ComparedTexts;

  @Field(() => ComparedTexts, { description: 'Labels of the runs, apart from those that are fields of a run.' })
  tags!: ComparedTexts;

  @Field(() => [ComparedMetric], { description: 'Newest values by metric, in the order asked for or by name.' })
  metrics!: ComparedMetric[];

  @Field(() => [RunGroup], { description: 'The runs grouped into settings: the same parameters but for the seed.' })
  groups!: RunGroup[];

  @Field(() => [ComparedDataset], { description: 'Data that the runs read and wrote, at most 500.' })
  datasets!: ComparedDataset[];

  @Field(() => Boolean, {
    description: 'Whether there were more than 500 parameters, tags or metrics, of which the first 500 are shown.',
  })
  isCut!: boolean;
}
