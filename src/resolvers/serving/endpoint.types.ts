import { Field, Float, ID, InputType, ObjectType, Int } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const FollowedStage = describeEnum('FollowedStage', 'A stage whose version an endpoint can follow.', {
  STAGING: 'The highest version in STAGING.',
  PRODUCTION: 'The version in PRODUCTION.',
});

export const UnknownCategoryPolicy = describeEnum(
  'UnknownCategoryPolicy',
  'What an endpoint does with a category that its model never saw in the training.',
  {
    ACCEPT: 'Answers, and names it in `unknownCategories`.',
    REFUSE: 'Refuses the request with INVALID_TENSOR, which names row and column.',
  },
);

export const BatchingPolicy = describeEnum(
  'BatchingPolicy',
  'Whether requests that wait at one time may run together.',
  {
    AUTO:
      'Together where the model’s signature says that its rows are proven independent (`signature { ' +
      'rowIndependence { proven } }`).',
    NEVER: 'Each request alone, always: slower under load.',
  },
);

type EndpointOrderBy = 'createdAt' | 'updatedAt' | 'name';

export const EndpointOrderField = describeOrderFields<EndpointOrderBy>(
  'EndpointOrderField',
  'What endpoints can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were created.'],
    UPDATED_AT: ['updatedAt', 'When their settings last changed.'],
    NAME: ['name', 'Their names, in code point order.'],
  },
);

@ObjectType('Endpoint', {
  description: 'The stable name under which clients call a model, whatever versions serve it.',
})
export class EndpointType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique in the tenant: letters, digits and ._-, at most 128.' })
  name!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage whose version serves it: a promotion or rollback moves its traffic, the new version loaded ' +
      'before the old one leaves. Null when it follows an alias, or people decide.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Alias of the model, e.g. `champion`, whose version serves it: pointing the alias elsewhere moves its ' +
      'traffic, the new version loaded before the old one leaves. When the alias is deleted, what serves ' +
      'goes on. Null when it follows a stage, or people decide.',
  })
  followAlias?: string | null;

  @Field(() => Float, {
    description:
      'What it promises: 95 % of the requests answered within so many milliseconds. Alerts and the shadow ' +
      'gate hold it against this.',
  })
  slaLatencyP95Ms!: number;

  @Field(() => Float, {
    description: 'Share of its requests, 0 to 1, whose inputs and scores are logged for monitoring.',
  })
  logSampleRate!: number;

  @Field(() => UnknownCategoryPolicy, { description: 'What it does with categories that its model never saw.' })
  unknownCategories!: keyof typeof UnknownCategoryPolicy;

  @Field(() => BatchingPolicy, {
    description: 'Whether its requests may run together; a deployment can say NEVER for itself.',
  })
  batching!: keyof typeof BatchingPolicy;

  @Field(() => String, { description: 'Subject of the token that created it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was created, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When its settings last changed, UTC.' })
  updatedAt!: Date;

  /** Shown as an object. */
  modelId!: string;
}

export const EndpointConnection = connectionOf(EndpointType, 'Endpoint', 'endpoints');

@InputType({ description: 'Which endpoints to list; every given field must hold.' })
export class EndpointFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => ID, { nullable: true, description: 'Endpoints of this model. NOT_FOUND when there is none.' })
  modelId?: string | null;
}

@InputType({
  description:
    'The order of a list of endpoints: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class EndpointOrderInput {
  @Field(() => EndpointOrderField, { description: 'What to order by.' })
  field!: EndpointOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A stable name for clients to call, and what it promises them.' })
export class CreateEndpointInput {
  @Field(() => String, {
    description: 'Name, unique in the tenant: letters, digits and ._-, at most 128, a letter or digit first.',
  })
  name!: string;

  @Field(() => ID, { description: 'Model whose versions serve it. NOT_FOUND when there is none.' })
  modelId!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage to follow: its version, if there is one, is deployed at once. Absent, without an alias too: ' +
      'deploy versions yourself.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Alias to follow instead: its version is deployed at once, or, when the model has no such alias yet, ' +
      'as soon as it is set. BAD_USER_INPUT beside a stage.',
  })
  followAlias?: string | null;

  @Field(() => Float, {
    nullable: true,
    description:
      '95th percentile of the latency to promise, in milliseconds: above 0, at most 600,000; 100 when absent.',
  })
  slaLatencyP95Ms?: number | null;

  @Field(() => Float, { nullable: true, description: 'Share of requests to log, 0 to 1; 1 when absent.' })
  logSampleRate?: number | null;

  @Field(() => UnknownCategoryPolicy, {
    nullable: true,
    description: 'What to do with categories that the model never saw; ACCEPT when absent.',
  })
  unknownCategories?: keyof typeof UnknownCategoryPolicy | null;

  @Field(() => BatchingPolicy, { nullable: true, description: 'Whether requests may run together; AUTO when absent.' })
  batching?: keyof typeof BatchingPolicy | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'Answers when the endpoint serves, when it will not by itself, or at the latest after so many ' +
      'milliseconds: 0 to 60,000, at once when absent.',
  })
  waitMs?: number | null;
}

@InputType({ description: 'Changes to an endpoint; absent fields stay as they are.' })
export class UpdateEndpointInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when there is none.' })
  id!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage to follow from now on, instead of an alias too; null stops following a stage and leaves what serves now.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Alias to follow from now on, instead of a stage too; null stops following an alias and leaves what ' +
      'serves now. BAD_USER_INPUT beside a stage.',
  })
  followAlias?: string | null;

  @Field(() => Float, {
    nullable: true,
    description: '95th percentile of the latency to promise, in milliseconds: above 0, at most 600,000.',
  })
  slaLatencyP95Ms?: number | null;

  @Field(() => Float, { nullable: true, description: 'Share of requests to log, 0 to 1.' })
  logSampleRate?: number | null;

  @Field(() => UnknownCategoryPolicy, {
    nullable: true,
    description: 'What to do from now on with categories that the model never saw.',
  })
  unknownCategories?: keyof typeof UnknownCategoryPolicy | null;

  @Field(() => BatchingPolicy, { nullable: true, description: 'Whether requests may run together from now on.' })
  batching?: keyof typeof BatchingPolicy | null;
}

@InputType({ description: 'Which endpoint to remove together with its deployments, counters and logs.' })
export class DeleteEndpointInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when there is none.' })
  id!: string;
}

@ObjectType({ description: 'The endpoint after the mutation.' })
export class EndpointPayload {
  @Field(() => EndpointType, { description: 'The endpoint after this change, as a query would show it now.' })
  endpoint!: EndpointType;

  @Field(() => Boolean, { description: 'Whether it answers predictions now.' })
  serves!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Why it does not serve, or not what it follows, and what to do, as a sentence; null when it serves as it should.',
  })
  servingProblem!: string | null;
}

@ObjectType({ description: 'The endpoint of a name, and whether this call made it.' })
export class GetOrCreateEndpointPayload extends EndpointPayload {
  @Field(() => Boolean, { description: 'True when there was none of this name; false for one that was there before.' })
  created!: boolean;
}

@ObjectType({ description: 'What was deleted.' })
export class DeleteEndpointPayload {
  @Field(() => ID, {
    description: 'Id of the endpoint that is gone, with its deployments, their counters, logs and alerts.',
  })
  deletedId!: string;
}
