import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { contributedEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const EventTypeEnum = contributedEnum('EventType', 'Type of an event in the lifecycle of a model.');

@ObjectType('LifecycleEvent', {
  description: 'An event in the lifecycle of a model. It is written in the same transaction as the change.',
})
export class LifecycleEventType {
  @Field(() => ID, { description: 'Unique event id (UUIDv7), the same on every channel.' })
  id!: string;

  @Field(() => EventTypeEnum.values, { description: 'What has changed or happened.' })
  type!: string;

  @Field(() => SafeInt, {
    nullable: true,
    description:
      'Sequence number; it grows over all tenants and may have gaps. Null for a moment, until the ' +
      'event is numbered.',
  })
  seq?: number | null;

  @Field(() => String, { description: 'Type of the object that the event happened to, e.g. `modelVersion`.' })
  subjectType!: string;

  @Field(() => ID, { description: 'Id of the object that the event happened to.' })
  subjectId!: string;

  @Field(() => ID, { nullable: true, description: 'Id of the model that the event is about; null when there is none.' })
  modelId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Id of the endpoint that the event is about; null when there is none.',
  })
  endpointId?: string | null;

  @Field(() => Json, { description: 'Details as JSON; the fields depend on the event type.' })
  payload!: Record<string, unknown>;

  @Field(() => DateTime, { description: 'Time of the event, UTC.' })
  createdAt!: Date;
}

export const LifecycleEventConnection = connectionOf(LifecycleEventType, 'LifecycleEvent', 'lifecycle events');

@InputType({ description: 'Filter for events; all given fields must match.' })
export class EventFilterInput {
  @Field(() => [EventTypeEnum.values], { nullable: true, description: 'Events of one of these types.' })
  types?: string[] | null;

  @Field(() => ID, { nullable: true, description: 'Events about this model. NOT_FOUND when it does not exist.' })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Events about this endpoint. NOT_FOUND when it does not exist.' })
  endpointId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Events about the object with this id. NOT_FOUND when there is no event about it.',
  })
  subjectId?: string | null;
}

export const EventOrderField = describeOrderFields<'createdAt'>(
  'EventOrderField',
  'Fields by which events can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of the event.'],
  },
);

@InputType({
  description: 'Sort order of a list of events: field and direction. Items with equal values are sorted by id.',
})
export class EventOrderInput {
  @Field(() => EventOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}
