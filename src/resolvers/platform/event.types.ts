import { Field, ID, InputType, ObjectType, registerEnumType } from 'type-graphql';
import { EventType } from '../../modules/platform/index.js';
import { describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

registerEnumType(EventType, {
  name: 'EventType',
  description: 'What happens in a model’s life.',
  valuesConfig: {
    MODEL_TRAINING_STARTED: { description: 'A training was asked for and queued.' },
    MODEL_TRAINING_COMPLETED: { description: 'A training ended well; its model is stored with the run.' },
    MODEL_TRAINING_FAILED: { description: 'A training was given up.' },
    MODEL_CREATED: { description: 'A model was created, as yet without versions.' },
    MODEL_REGISTERED: { description: 'A model version was registered.' },
    MODEL_EVALUATED: { description: 'A version was measured on a holdout and compared with its baseline.' },
    MODEL_VALIDATED: { description: 'The validation pipeline of a version ended, passed or not.' },
    MODEL_CONVERTED: {
      description: 'A version of another framework got its model.onnx, which answers like the original.',
    },
    MODEL_STAGE_CHANGED: { description: 'A version went to another stage.' },
    MODEL_TAG_CHANGED: { description: 'A tag of a model or a version was set, or deleted (`value` is null).' },
    MODEL_ALIAS_CHANGED: {
      description: 'An alias was pointed to a version, or taken from it (payload: version null).',
    },
    MODEL_APPROVED: { description: 'Somebody approved a version’s way to a stage; the payload counts the approvals.' },
    MODEL_REJECTED: { description: 'Somebody rejected a version’s way to a stage, which keeps it back.' },
    MODEL_COMMENTED: {
      description: 'Somebody wrote about a model or a version; the payload has the comment’s id and first words.',
    },
    MODEL_DEPLOYED: { description: 'A deployment became ready to serve.' },
    MODEL_UNDEPLOYED: { description: 'A deployment was stopped.' },
    MODEL_DEPLOYMENT_FAILED: { description: 'A deployment could not be loaded; the payload says why.' },
    TRAFFIC_CHANGED: { description: 'An endpoint’s traffic was split anew among its live deployments.' },
    MODEL_DRIFT_DETECTED: { description: 'Live traffic differs from the training data.' },
    SHADOW_EVALUATED: { description: 'The shadow gate of a version was decided, passed or not.' },
    BATCH_INFERENCE_COMPLETED: { description: 'A batch inference ended well.' },
    ALERT_OPENED: { description: 'An alert was opened.' },
    ALERT_UPDATED: { description: 'An open alert has new figures.' },
    ALERT_RESOLVED: { description: 'An alert was resolved: what it warned of is over.' },
    RETRAINING_STARTED: { description: 'An alert started a training by policy.' },
    RETRAINING_SKIPPED: { description: 'An alert did not start a training; the payload says why.' },
  },
});

@ObjectType('LifecycleEvent', {
  description: 'Something that happened in a model’s life, written in the transaction that made it true.',
})
export class LifecycleEventType {
  @Field(() => ID, { description: 'Unique id (UUIDv7), the same on every channel.' })
  id!: string;

  @Field(() => EventType, { description: 'What happened.' })
  type!: EventType;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'Sequence number, growing over all tenants with gaps; null for the instant before it is numbered.',
  })
  seq?: number | null;

  @Field(() => String, { description: 'Kind of thing that it happened to, e.g. `modelVersion`.' })
  subjectType!: string;

  @Field(() => ID, { description: 'Id of the thing that it happened to.' })
  subjectId!: string;

  @Field(() => ID, { nullable: true, description: 'Model that it concerns, if any.' })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Endpoint that it concerns, if any.' })
  endpointId?: string | null;

  @Field(() => Json, { description: 'Details, by type.' })
  payload!: Record<string, unknown>;

  @Field(() => DateTime, { description: 'When it happened, UTC.' })
  createdAt!: Date;
}

export const LifecycleEventConnection = connectionOf(LifecycleEventType, 'LifecycleEvent', 'lifecycle events');

@InputType({ description: 'Which events; every given field must hold.' })
export class EventFilterInput {
  @Field(() => [EventType], { nullable: true, description: 'Events of one of these types.' })
  types?: EventType[] | null;

  @Field(() => ID, { nullable: true, description: 'Events that concern this model. NOT_FOUND when there is none.' })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Events that concern this endpoint. NOT_FOUND when there is none.' })
  endpointId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Events that happened to this thing. NOT_FOUND when nothing ever did.',
  })
  subjectId?: string | null;
}

export const EventOrderField = describeOrderFields<'createdAt'>('EventOrderField', 'What events can be ordered by.', {
  CREATED_AT: ['createdAt', 'When they happened.'],
});

@InputType({
  description:
    'The order of a list of events: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class EventOrderInput {
  @Field(() => EventOrderField, { description: 'What to order by.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}
