import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { WindowReport } from '../../modules/monitoring/index.js';
import { AlertType } from '../alerts/alert.types.js';
import { describeEnum } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, SafeInt } from '../types/scalars.js';

export const DriftFeatureKind = describeEnum('DriftFeatureKind', 'How a feature is compared.', {
  NUMERIC: 'By deciles and the Kolmogorov–Smirnov test.',
  CATEGORICAL: 'By categories and the chi-square test.',
});

@ObjectType({ description: 'One feature of a window against what the version was trained on.' })
export class FeatureDrift {
  @Field(() => String, { description: 'Name of the column.' })
  feature!: string;

  @Field(() => DriftFeatureKind, { description: 'How it was compared.' })
  kind!: keyof typeof DriftFeatureKind;

  @Field(() => Float, { description: 'Population stability index, 0 or more; above 0.2 counts as a shift.' })
  psi!: number;

  @Field(() => Float, {
    description: 'Kolmogorov–Smirnov distance (0 to 1) of a numeric feature, chi-square of a categorical one.',
  })
  statistic!: number;

  @Field(() => Float, { description: 'p-value of the test, 0 to 1, for this feature alone.' })
  pValue!: number;

  @Field(() => Float, {
    description: 'p-value adjusted over the window’s features by Holm’s method, 0 to 1; below 0.01 counts.',
  })
  adjustedPValue!: number;

  @Field(() => Float, { description: 'Share of rows without a value, 0 to 1.' })
  missingShare!: number;

  @Field(() => Int, {
    nullable: true,
    description:
      'Rows of a CATEGORICAL feature whose category the model never saw in its training; null for other ' +
      'features, for models whose categories nobody recorded, and in windows of earlier releases.',
  })
  unknownCount?: number | null;

  @Field(() => Boolean, {
    description: 'True when both the index and the adjusted p-value say so, over at least 100 rows.',
  })
  drifted!: boolean;
}

@ObjectType({ description: 'The predictions of a window against those on the holdout of the training.' })
export class PredictionShift {
  @Field(() => Float, {
    description: 'Mean prediction of the window: probability of class 1 or of the top class, or the value.',
  })
  mean!: number;

  @Field(() => Float, { description: 'Mean prediction over the reference.' })
  referenceMean!: number;

  @Field(() => Float, {
    description:
      'Their difference in standard deviations of the means of reference windows of the same size; negative ' +
      'when the window is below.',
  })
  sigmas!: number;

  @Field(() => Boolean, { description: 'True beyond 2 standard deviations, over at least 100 rows.' })
  drifted!: boolean;
}

@ObjectType({ description: 'Drift of a window: its logged rows against the reference profile of the version.' })
export class DriftFindings {
  @Field(() => DateTime, { description: 'Logged requests after this time were compared, UTC.' })
  from!: Date;

  @Field(() => Int, { description: 'Rows compared: the newest, at most 5,000.' })
  rows!: number;

  @Field(() => Boolean, { description: 'True when a feature or the predictions drifted.' })
  drifted!: boolean;

  @Field(() => [FeatureDrift], {
    description: 'One result per feature. Timestamps are left out, since time always moves on.',
  })
  features!: FeatureDrift[];

  @Field(() => PredictionShift, { description: 'How far their mean moved from that of the training data.' })
  prediction!: PredictionShift;
}

@ObjectType({ description: 'Latency and errors of a window, from exact counters.' })
export class TrafficFindings {
  @Field(() => DateTime, { description: 'Requests since this time were counted that no earlier window counted, UTC.' })
  from!: Date;

  @Field(() => SafeInt, { description: 'Requests, failed ones included; 50 or more.' })
  requests!: number;

  @Field(() => SafeInt, { description: 'Requests that failed.' })
  errors!: number;

  @Field(() => Float, {
    description: '95th percentile of the latency in milliseconds, from a histogram whose buckets grow by 19 %.',
  })
  latencyP95Ms!: number;
}

@ObjectType('MonitoringWindow', {
  description:
    'A stretch of a deployment’s live traffic and what it was found to be. A part without enough traffic is ' +
    'null, and its traffic goes into a later window.',
})
export class MonitoringWindowType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => DateTime, { description: 'Beginning of the traffic, UTC.' })
  windowFrom!: Date;

  @Field(() => DateTime, { description: 'When it was judged, UTC.' })
  windowTo!: Date;

  /** Shown as `drift` and `traffic`. */
  report!: WindowReport;
}

export const MonitoringWindowConnection = connectionOf(MonitoringWindowType, 'MonitoringWindow', 'monitoring windows');

@InputType({ description: 'A deployment to look at.' })
export class RunMonitoringInput {
  @Field(() => ID, {
    description: 'The deployment. NOT_FOUND when there is none, CONFLICT when it takes no live traffic.',
  })
  deploymentId!: string;
}

@ObjectType({ description: 'What a look at a deployment’s traffic came to.' })
export class RunMonitoringPayload {
  @Field(() => MonitoringWindowType, {
    nullable: true,
    description: 'The window; null when there was too little new traffic to judge.',
  })
  window!: MonitoringWindowType | null;

  @Field(() => String, {
    nullable: true,
    description: 'What is still missing for a window, with counts; null with a window.',
  })
  reason!: string | null;

  @Field(() => [AlertType], { description: 'Alerts that the window opened, changed or resolved.' })
  alerts!: AlertType[];
}
