import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { EventType } from '../../modules/platform/index.js';
import { describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

registerEnumType(EventType, {
  name: 'EventType',
  description: 'Type of an event in the lifecycle of a model.',
  valuesConfig: {
    MODEL_TRAINING_STARTED: { description: 'A training was requested and queued.' },
    MODEL_TRAINING_COMPLETED: { description: 'A training succeeded; its model is stored with the run.' },
    MODEL_TRAINING_FAILED: { description: 'A training failed.' },
    MODEL_CREATED: { description: 'A model was created; it has no versions yet.' },
    MODEL_REGISTERED: { description: 'A model version was registered.' },
    MODEL_EVALUATED: { description: 'A version was evaluated on a holdout and compared with its baseline.' },
    MODEL_VALIDATED: { description: 'The validation pipeline of a version ended; it passed or failed.' },
    MODEL_CONVERTED: {
      description: 'A version of another framework was converted: it has a model.onnx that gives the same answers.',
    },
    MODEL_STAGE_CHANGED: { description: 'A version moved to another stage.' },
    MODEL_TAG_CHANGED: { description: 'A tag of a model or a version was set or deleted (`value` null).' },
    MODEL_ALIAS_CHANGED: {
      description: 'An alias was set to a version, or removed (payload: version null).',
    },
    MODEL_APPROVED: {
      description: 'A person approved the next stage of a version; the payload has the number of approvals.',
    },
    MODEL_REJECTED: { description: 'A person rejected the next stage of a version, which blocks its promotion.' },
    MODEL_COMMENTED: {
      description:
        'A person commented on a model or a version; the payload has the id and the first words of the comment.',
    },
    MODEL_DEPLOYED: { description: 'A deployment is READY to serve.' },
    MODEL_UNDEPLOYED: { description: 'A deployment was stopped.' },
    MODEL_DEPLOYMENT_FAILED: { description: 'A deployment could not be loaded; the payload says why.' },
    TRAFFIC_CHANGED: { description: 'The traffic weights of an endpoint’s live deployments changed.' },
    MODEL_DRIFT_DETECTED: { description: 'Live traffic differs from the training data (drift).' },
    SHADOW_EVALUATED: { description: 'The gate SHADOW of a version was decided; it passed or failed.' },
    BATCH_INFERENCE_COMPLETED: { description: 'A batch inference succeeded.' },
    ALERT_OPENED: { description: 'An alert was opened.' },
    ALERT_UPDATED: { description: 'An open alert has new values.' },
    ALERT_RESOLVED: { description: 'An alert was resolved: the problem has ended.' },
    RETRAINING_STARTED: { description: 'An alert started a retraining, according to the policy.' },
    RETRAINING_SKIPPED: { description: 'An alert did not start a retraining; the payload says why.' },
  },
});

@ObjectType('LifecycleEvent', {
  description: 'An event in the lifecycle of a model. It is written in the same transaction as the change.',
})
export class LifecycleEventType {
  @Field(() => ID, { description: 'Unique event id (UUIDv7), the same on every channel.' })
  id!: string;

  @Field(() => EventType, { description: 'What has changed or happened.' })
  type!: EventType;

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
  @Field(() => [EventType], { nullable: true, description: 'Events of one of these types.' })
  types?: EventType[] | null;

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
