import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { WindowReport } from '../../modules/monitoring/index.js';
import { AlertType } from '../alerts/alert.types.js';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const DriftFeatureKind = describeEnum('DriftFeatureKind', 'How a feature is compared with the training data.', {
  NUMERIC: 'By deciles, with the Kolmogorov–Smirnov test.',
  CATEGORICAL: 'By categories, with the chi-square test.',
});

@ObjectType({ description: 'Drift of one feature in a window, compared with the training data.' })
export class FeatureDrift {
  @Field(() => String, { description: 'Name of the column.' })
  feature!: string;

  @Field(() => DriftFeatureKind, { description: 'How the feature was compared.' })
  kind!: keyof typeof DriftFeatureKind;

  @Field(() => Float, { description: 'Population stability index, 0 or more; above 0.2 counts as a shift.' })
  psi!: number;

  @Field(() => Float, {
    description:
      'Test statistic: Kolmogorov–Smirnov distance (0 to 1) for a numeric feature, chi-square for a ' +
      'categorical one.',
  })
  statistic!: number;

  @Field(() => Float, { description: 'p-value of the test for this feature alone, 0 to 1.' })
  pValue!: number;

  @Field(() => Float, {
    description: 'p-value after Holm’s correction over the features of the window, 0 to 1; significant below 0.01.',
  })
  adjustedPValue!: number;

  @Field(() => Float, { description: 'Fraction of rows without a value, 0 to 1.' })
  missingShare!: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'Number of rows of a CATEGORICAL feature whose category the training data did not contain. ' +
      'Null for other features, for models whose categories were not recorded, and in windows of ' +
      'earlier releases.',
  })
  unknownCount?: number | null;

  @Field(() => Boolean, {
    description:
      'True when both the population stability index and the adjusted p-value exceed their limits, ' +
      'with at least 100 rows.',
  })
  drifted!: boolean;
}

@ObjectType({ description: 'Shift of the predictions of a window from those on the holdout of the training.' })
export class PredictionShift {
  @Field(() => Float, {
    description:
      'Mean prediction of the window: the probability of class 1 or of the top class, or the predicted value.',
  })
  mean!: number;

  @Field(() => Float, { description: 'Mean prediction on the reference data.' })
  referenceMean!: number;

  @Field(() => Float, {
    description:
      'Difference of the two means, in standard deviations of the means of reference windows of the ' +
      'same size; negative when the mean of the window is smaller.',
  })
  sigmas!: number;

  @Field(() => Boolean, { description: 'True beyond 2 standard deviations, with at least 100 rows.' })
  drifted!: boolean;
}

@ObjectType({ description: 'Drift of a window: its logged rows compared with the reference profile of the version.' })
export class DriftFindings {
  @Field(() => DateTime, { description: 'Start of the compared requests: requests logged after this time, UTC.' })
  from!: Date;

  @Field(() => Int, { description: 'Number of compared rows: the newest rows, at most 5,000.' })
  rows!: number;

  @Field(() => Boolean, { description: 'True when a feature or the predictions drifted.' })
  drifted!: boolean;

  @Field(() => [FeatureDrift], {
    description: 'One result per feature, without timestamp features, because time always moves on.',
  })
  features!: FeatureDrift[];

  @Field(() => PredictionShift, { description: 'Shift of the mean prediction from the mean on the training data.' })
  prediction!: PredictionShift;
}

@ObjectType({ description: 'Latency and errors of a window, from exact counters.' })
export class TrafficFindings {
  @Field(() => DateTime, {
    description: 'Start of the counted requests, UTC: requests since this time that no earlier window counted.',
  })
  from!: Date;

  @Field(() => SafeInt, { description: 'Number of requests, including failed ones; 50 or more.' })
  requests!: number;

  @Field(() => SafeInt, { description: 'Number of failed requests.' })
  errors!: number;

  @Field(() => Float, {
    description: '95th percentile of the latency in milliseconds, from a histogram with buckets that grow by 19 %.',
  })
  latencyP95Ms!: number;
}

@ObjectType('MonitoringWindow', {
  description:
    'A monitoring window: a period of a deployment’s live traffic, and its analysis. A part of ' +
    'the analysis without enough traffic is null, and its traffic goes into a later window.',
})
export class MonitoringWindowType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => DateTime, { description: 'Start of the traffic, UTC.' })
  windowFrom!: Date;

  @Field(() => DateTime, { description: 'Time of the analysis, UTC.' })
  windowTo!: Date;

  /** The API shows this as `drift` and `traffic`. */
  report!: WindowReport;
}

export const MonitoringWindowConnection = connectionOf(MonitoringWindowType, 'MonitoringWindow', 'monitoring windows');

@InputType({ description: 'Deployment to analyse.' })
export class RunMonitoringInput {
  @Field(() => ID, {
    description: 'The deployment. NOT_FOUND when it does not exist, CONFLICT when it has no live traffic.',
  })
  deploymentId!: string;
}

@ObjectType({ description: 'Result of the analysis of a deployment’s traffic.' })
export class RunMonitoringPayload {
  @Field(() => MonitoringWindowType, {
    nullable: true,
    description: 'The new monitoring window; null when there was too little new traffic.',
  })
  window!: MonitoringWindowType | null;

  @Field(() => String, {
    nullable: true,
    description: 'Why there is no window: what is still missing, with counts; null when there is a window.',
  })
  reason!: string | null;

  @Field(() => [AlertType], { description: 'Alerts that the window opened, updated or resolved.' })
  alerts!: AlertType[];
}
