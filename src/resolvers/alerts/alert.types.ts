import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import type { EventType } from '../../modules/platform/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const AlertKindEnum = describeEnum('AlertKind', 'What an alert warns of.', {
  DRIFT: 'A feature or the predictions differ from what the version was trained on.',
  LATENCY: 'The 95th percentile of the latency is above what the endpoint promises.',
  ERROR_RATE: 'More than one request in a hundred fails, with 95 % confidence.',
});

export const AlertStatusEnum = describeEnum('AlertStatus', 'Where an alert stands.', {
  OPEN: 'What it warns of goes on.',
  RESOLVED: 'Two clean windows in a row, a person, or the end of the deployment ended it.',
});

export const AlertOrderField = describeOrderFields<'createdAt' | 'updatedAt'>(
  'AlertOrderField',
  'What alerts can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they opened.'],
    UPDATED_AT: ['updatedAt', 'When their figures or state last changed.'],
  },
);

@ObjectType('Alert', {
  description:
    'A warning about a deployment. At most one of a kind is open per deployment: it gets new figures while ' +
    'the trouble lasts, and resolves.',
})
export class AlertType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => AlertKindEnum, { description: 'What it warns of.' })
  kind!: keyof typeof AlertKindEnum;

  @Field(() => AlertStatusEnum, { description: 'Where it stands.' })
  status!: keyof typeof AlertStatusEnum;

  @Field(() => Float, {
    description:
      'Newest figure: DRIFT the largest population stability index, or the shift in standard deviations when ' +
      'the predictions drifted; LATENCY milliseconds; ERROR_RATE a share, 0 to 1.',
  })
  value!: number;

  @Field(() => Float, { description: 'The limit that the figure is above, in the same unit.' })
  threshold!: number;

  @Field(() => String, { description: 'The finding in one sentence.' })
  message!: string;

  @Field(() => Json, {
    description:
      'Evidence: `windowId` of the newest breached window, drifted `features`, `predictionSigmas`, ' +
      '`retraining` (what it led to), `resolution` (who or what ended it).',
  })
  details!: Record<string, unknown>;

  @Field(() => DateTime, { description: 'When it opened, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When its figures or state last changed, UTC.' })
  updatedAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When it was resolved, UTC; null while it is open.' })
  resolvedAt?: Date | null;

  /** Shown as objects. */
  modelId!: string;
  endpointId!: string;
  deploymentId!: string;
}

export const AlertConnection = connectionOf(AlertType, 'Alert', 'alerts');

@InputType({ description: 'Which alerts; every given field must hold.' })
export class AlertFilterInput {
  @Field(() => AlertStatusEnum, { nullable: true, description: 'Alerts that stand here.' })
  status?: keyof typeof AlertStatusEnum | null;

  @Field(() => AlertKindEnum, { nullable: true, description: 'Alerts about this alone: drift, latency or errors.' })
  kind?: keyof typeof AlertKindEnum | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Alerts about versions of this model. NOT_FOUND when there is none.',
  })
  modelId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Alerts about deployments of this endpoint. NOT_FOUND when there is none.',
  })
  endpointId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Alerts about this deployment. NOT_FOUND when there is none.' })
  deploymentId?: string | null;
}

@InputType({
  description:
    'The order of a list of alerts: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class AlertOrderInput {
  @Field(() => AlertOrderField, { description: 'What to order by.' })
  field!: 'createdAt' | 'updatedAt';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'An open alert that a person ends, and why.' })
export class ResolveAlertInput {
  @Field(() => ID, { description: 'The alert. NOT_FOUND when there is none, CONFLICT when it is already resolved.' })
  alertId!: string;

  @Field(() => String, { description: 'Why, for those who come after: 1 to 2,000 characters.' })
  reason!: string;
}

@ObjectType({ description: 'The alert after the mutation.' })
export class AlertPayload {
  @Field(() => AlertType, { description: 'The alert after this change, as a query would show it now.' })
  alert!: AlertType;
}

export const AlertChangeEnum = describeEnum('AlertChange', 'What happened to an alert.', {
  OPENED: 'It was opened.',
  UPDATED: 'A further window breached; the figures are its.',
  RESOLVED: 'Clean windows, a person, or the end of the deployment ended it.',
});

@ObjectType({ description: 'A change of an alert, with its figures at that time.' })
export class AlertEvent {
  @Field(() => SafeInt, { description: 'Sequence number, growing with gaps; pass the last one as `after` to go on.' })
  seq!: number;

  @Field(() => AlertChangeEnum, { description: 'What happened.' })
  change!: keyof typeof AlertChangeEnum;

  @Field(() => AlertKindEnum, { description: 'What the alert warns of.' })
  kind!: keyof typeof AlertKindEnum;

  @Field(() => Float, { description: 'Its figure then, in the unit of `Alert.value`.' })
  value!: number;

  @Field(() => Float, { description: 'The limit then, in the same unit.' })
  threshold!: number;

  @Field(() => String, { description: 'The finding then, in one sentence.' })
  message!: string;

  @Field(() => DateTime, { description: 'When it happened, UTC.' })
  createdAt!: Date;

  /** Shown as `alert`. */
  alertId!: string;
}

/** The events behind `AlertEvent`, and how it names them. */
export const ALERT_CHANGES = {
  ALERT_OPENED: 'OPENED',
  ALERT_UPDATED: 'UPDATED',
  ALERT_RESOLVED: 'RESOLVED',
} as const satisfies Partial<Record<keyof typeof EventType, keyof typeof AlertChangeEnum>>;
