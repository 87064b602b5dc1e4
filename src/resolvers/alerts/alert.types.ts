import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import type { ALERT_EVENTS } from '../../modules/alerts/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';
import { Range } from '../types/range.js';
import { ALERT_REASON } from '../../modules/alerts/index.js';

export const AlertKindEnum = describeEnum('AlertKind', 'Kind of problem that an alert reports.', {
  DRIFT: 'A feature or the predictions differ from those of the training data.',
  LATENCY: 'The 95th percentile of the latency is above the limit of the endpoint.',
  ERROR_RATE: 'More than 1 % of the requests fail, with 95 % confidence.',
});

export const AlertStatusEnum = describeEnum('AlertStatus', 'Whether the problem of an alert continues.', {
  OPEN: 'The problem continues.',
  RESOLVED: 'The alert was resolved by two clean windows in a row, by a person, or because the deployment ended.',
});

export const AlertOrderField = describeOrderFields<'createdAt' | 'updatedAt'>(
  'AlertOrderField',
  'Fields by which alerts can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of opening.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change of values or status.'],
  },
);

@ObjectType('Alert', {
  description:
    'A warning about a deployment. At most one alert per kind is open for a deployment. An open ' +
    'alert is updated while the problem lasts, and is then resolved.',
})
export class AlertType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => AlertKindEnum, { description: 'Kind of problem: drift, latency or errors.' })
  kind!: keyof typeof AlertKindEnum;

  @Field(() => AlertStatusEnum, { description: 'Current status: open or resolved.' })
  status!: keyof typeof AlertStatusEnum;

  @Field(() => Float, {
    description:
      'Newest measured value. DRIFT: the largest population stability index, or the shift in ' +
      'standard deviations when the predictions drifted. LATENCY: milliseconds. ERROR_RATE: a ' +
      'fraction, 0 to 1.',
  })
  value!: number;

  @Field(() => Float, { description: 'Limit that the value exceeds, in the same unit as `value`.' })
  threshold!: number;

  @Field(() => String, { description: 'Description of the problem in one sentence.' })
  message!: string;

  @Field(() => Json, {
    description:
      'Evidence as JSON: `windowId` of the newest window that exceeded the limit, `features` that ' +
      'drifted, `predictionSigmas`, `retraining` (the retraining that the alert led to), ' +
      '`resolution` (who or what resolved the alert).',
  })
  details!: Record<string, unknown>;

  @Field(() => DateTime, { description: 'Time when the alert was opened, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change of values or status, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time when the alert was resolved, UTC; null while the alert is open.',
  })
  resolvedAt?: Date | null;

  /** The API shows these ids as objects. */
  modelId!: string;
  endpointId!: string;
  deploymentId!: string;
}

export const AlertConnection = connectionOf(AlertType, 'Alert', 'alerts');

@InputType({ description: 'Filter for alerts; all given fields must match.' })
export class AlertFilterInput {
  @Field(() => AlertStatusEnum, { nullable: true, description: 'Alerts with this status: open or resolved.' })
  status?: keyof typeof AlertStatusEnum | null;

  @Field(() => AlertKindEnum, { nullable: true, description: 'Alerts of this kind: drift, latency or errors.' })
  kind?: keyof typeof AlertKindEnum | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Alerts about versions of this model. NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Alerts about deployments of this endpoint. NOT_FOUND when it does not exist.',
  })
  endpointId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Alerts about this deployment. NOT_FOUND when it does not exist.' })
  deploymentId?: string | null;
}

@InputType({
  description: 'Sort order of a list of alerts: field and direction. Items with equal values are sorted by id.',
})
export class AlertOrderInput {
  @Field(() => AlertOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'updatedAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Open alert to resolve, with the reason.' })
export class ResolveAlertInput {
  @Field(() => ID, {
    description: 'The alert. NOT_FOUND when it does not exist, CONFLICT when it is already resolved.',
  })
  alertId!: string;

  @Range(ALERT_REASON)
  @Field(() => String, { description: 'Reason, for later readers.' })
  reason!: string;
}

@ObjectType({ description: 'The alert after the mutation.' })
export class AlertPayload {
  @Field(() => AlertType, { description: 'The alert after this change, as a query would show it now.' })
  alert!: AlertType;
}

export const AlertChangeEnum = describeEnum('AlertChange', 'How an alert changed: opened, updated or resolved.', {
  OPENED: 'The alert was opened.',
  UPDATED: 'Another window exceeded the limit; the alert has the values of that window.',
  RESOLVED: 'The alert was resolved by clean windows, by a person, or because the deployment ended.',
});

@ObjectType({ description: 'A change of an alert, with the values of the alert at that time.' })
export class AlertEvent {
  @Field(() => SafeInt, {
    description: 'Sequence number; it grows and may have gaps. Pass the last one as `after` to continue.',
  })
  seq!: number;

  @Field(() => AlertChangeEnum, { description: 'What has changed or happened.' })
  change!: keyof typeof AlertChangeEnum;

  @Field(() => AlertKindEnum, { description: 'Kind of problem that the alert reports.' })
  kind!: keyof typeof AlertKindEnum;

  @Field(() => Float, { description: 'Measured value at that time, in the unit of `Alert.value`.' })
  value!: number;

  @Field(() => Float, { description: 'Limit at that time, in the same unit as `value`.' })
  threshold!: number;

  @Field(() => String, { description: 'Description of the problem at that time, in one sentence.' })
  message!: string;

  @Field(() => DateTime, { description: 'Time of the event, UTC.' })
  createdAt!: Date;

  /** The API shows this as `alert`. */
  alertId!: string;
}

/** The events of `AlertEvent`, and their names in the API. */
export const ALERT_CHANGES = {
  ALERT_OPENED: 'OPENED',
  ALERT_UPDATED: 'UPDATED',
  ALERT_RESOLVED: 'RESOLVED',
} as const satisfies Partial<Record<keyof typeof ALERT_EVENTS, keyof typeof AlertChangeEnum>>;
