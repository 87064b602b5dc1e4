import { Field, Float, ID, InputType, ObjectType, Int } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { Range, RangeOfModule } from '../types/range.js';
import { MAX_WAIT_MS } from '../../modules/platform/index.js';
import {
  LOG_ARCHIVE_DAYS,
  LOG_ARCHIVE_DELAY_HOURS,
  LOG_RETENTION_DAYS,
  REDACTED_FIELDS,
  SLA_LATENCY_MS,
} from '../../modules/serving/index.js';
import { PATH_NAME, SEARCH_TEXT } from '../../modules/core/index.js';
import { ALIAS } from '../../modules/registry/index.js';

export const FollowedStage = describeEnum('FollowedStage', 'A stage that an endpoint can follow.', {
  STAGING: 'The version with the highest number in STAGING.',
  PRODUCTION: 'The version in PRODUCTION.',
});

export const UnknownCategoryPolicy = describeEnum(
  'UnknownCategoryPolicy',
  'How an endpoint handles a category that the training data did not contain.',
  {
    ACCEPT: 'Answers the request, and lists the category in `unknownCategories`.',
    REFUSE: 'Refuses the request with INVALID_TENSOR, which names row and column.',
  },
);

export const BatchingPolicy = describeEnum(
  'BatchingPolicy',
  'Whether requests that wait at the same time may run in one batch.',
  {
    AUTO:
      'In one batch where the signature of the model proves that rows are independent (`signature { ' +
      'rowIndependence { proven } }`).',
    NEVER: 'Every request runs alone; slower under load.',
  },
);

type EndpointOrderBy = 'createdAt' | 'updatedAt' | 'name';

export const EndpointOrderField = describeOrderFields<EndpointOrderBy>(
  'EndpointOrderField',
  'Fields by which endpoints can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of creation.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change of settings.'],
    NAME: ['name', 'Name, in code point order.'],
  },
);

@ObjectType({
  description:
    'A rule of a traffic policy: requests whose attribute has one of the values go to one deployment, whatever ' +
    'its weight. The first rule that matches counts.',
})
export class TrafficRule {
  @Field(() => String, {
    description:
      'Name of the attribute: one that callers give in `attributes`, `header.<name>` with the name of an HTTP ' +
      'header in lower case, or `caller.subject`, `caller.role` or `caller.tenant` of the token.',
  })
  attribute!: string;

  @Field(() => [String], { description: 'Values that match, compared exactly.' })
  values!: string[];

  @Field(() => ID, { description: 'Id of the deployment that answers. The rule is removed when it is stopped.' })
  deploymentId!: string;
}

@ObjectType('Endpoint', {
  description: 'A stable name under which clients call a model, independent of the deployed versions.',
})
export class EndpointType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique in the tenant: letters, digits and ._-, at most 128.' })
  name!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage whose version the endpoint serves. A promotion or rollback moves the traffic; the new ' +
      'version is loaded before the old one stops. Null when the endpoint follows an alias, or ' +
      'follows nothing.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Alias of the model, e.g. `champion`, whose version the endpoint serves. When the alias is ' +
      'set to another version, the traffic moves to it; the new version is loaded before the old ' +
      'one stops. When the alias is deleted, the deployed version continues. Null when the endpoint ' +
      'follows a stage, or follows nothing.',
  })
  followAlias?: string | null;

  /** The API shows the platform's where none was given. */
  slaLatencyP95Ms?: number | null;

  @Field(() => Float, {
    description: 'Fraction of the requests whose inputs and answers are logged for monitoring, 0 to 1.',
  })
  logSampleRate!: number;

  @Field(() => [String], {
    description:
      'Names of columns, or of inputs without named columns, whose values are never logged. They are left out of ' +
      '`predictions`, and monitoring does not compare them. Empty when all are logged.',
  })
  redactedFields!: string[];

  @Field(() => Int, {
    description:
      'Days after which logged requests are deleted, 1 to 365; with an archive, not before they are in a file of it.',
  })
  logRetentionDays!: number;

  @Field(() => Int, {
    description: 'Days for which the hourly files of the log (`requestLogs`) are kept; 0 when there is no archive.',
  })
  logArchiveDays!: number;

  @Field(() => Int, {
    description: 'Hours between the end of an hour and its file, which has the ground truths known by then.',
  })
  logArchiveDelayHours!: number;

  @Field(() => DateTime, {
    nullable: true,
    description: 'What was logged before this time, UTC, is in files of the archive; null before the first hour.',
  })
  logArchivedUntil?: Date | null;

  @Field(() => UnknownCategoryPolicy, {
    description: 'How the endpoint handles categories that the training data did not contain.',
  })
  unknownCategories!: keyof typeof UnknownCategoryPolicy;

  @Field(() => BatchingPolicy, {
    description: 'Whether requests may run in one batch; a deployment can set NEVER for itself.',
  })
  batching!: keyof typeof BatchingPolicy;

  @Field(() => [TrafficRule], {
    description:
      'Rules of the traffic policy, in order; requests that none matches are divided by the weights of the ' +
      'deployments. Empty when there are only weights.',
  })
  trafficRules!: TrafficRule[];

  @Field(() => String, {
    nullable: true,
    description:
      'What sets the weights now, with its id, e.g. `canary 0193…`: until it ends, other changes of the live ' +
      'traffic are a CONFLICT. Null when people set them.',
  })
  trafficHeldBy?: string | null;

  @Field(() => String, { description: 'Subject of the token that made the creation request.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change of settings, UTC.' })
  updatedAt!: Date;

  /** The API shows this id as an object. */
  modelId!: string;
}

export const EndpointConnection = connectionOf(EndpointType, 'Endpoint', 'endpoints');

@InputType({ description: 'Filter for endpoints; all given fields must match.' })
export class EndpointFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => ID, { nullable: true, description: 'Endpoints of this model. NOT_FOUND when it does not exist.' })
  modelId?: string | null;
}

@InputType({
  description: 'Sort order of a list of endpoints: field and direction. Items with equal values are sorted by id.',
})
export class EndpointOrderInput {
  @Field(() => EndpointOrderField, { description: 'Field whose values determine the order.' })
  field!: EndpointOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A stable name that clients call, with its latency limit and its settings.' })
export class CreateEndpointInput {
  @RangeOfModule(PATH_NAME)
  @Field(() => String, {
    description: 'Name, unique in the tenant.',
  })
  name!: string;

  @Field(() => ID, { description: 'Model whose versions the endpoint serves. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage to follow. Its version, if there is one, is deployed at once. Without a stage and an ' +
      'alias, you deploy versions yourself.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @RangeOfModule(ALIAS)
  @Field(() => String, {
    nullable: true,
    description:
      'Alias to follow instead of a stage. Its version is deployed at once; if the model has no ' +
      'such alias yet, when the alias is set. BAD_USER_INPUT together with a stage.',
  })
  followAlias?: string | null;

  @Range(SLA_LATENCY_MS)
  @Field(() => Float, {
    nullable: true,
    description:
      'Latency limit: 95th percentile. When absent, each deployment has that of its own `sla`, or of the platform.',
  })
  slaLatencyP95Ms?: number | null;

  @Range({ min: 0, max: 1 })
  @Field(() => Float, { nullable: true, description: 'Fraction of requests to log; 1 when absent.' })
  logSampleRate?: number | null;

  @Range(REDACTED_FIELDS)
  @Field(() => [String], {
    nullable: true,
    description:
      'Columns, or inputs without named columns, whose values are never logged; none when absent. BAD_USER_INPUT for ' +
      'a name that no version of the model has, with the nearest one.',
  })
  redactedFields?: string[] | null;

  @Range(LOG_RETENTION_DAYS)
  @Field(() => Int, { nullable: true, description: 'Days after which logged requests are deleted; 30 when absent.' })
  logRetentionDays?: number | null;

  @Range(LOG_ARCHIVE_DAYS)
  @Field(() => Int, {
    nullable: true,
    description: 'Days for which hourly Parquet files of the log are kept (`requestLogs`); 0, no archive, when absent.',
  })
  logArchiveDays?: number | null;

  @Range(LOG_ARCHIVE_DELAY_HOURS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Hours that the archive waits after the end of an hour before it writes its file, so that ground truths which ' +
      'come late are in it; at most until the log deletes the requests. 0 when absent.',
  })
  logArchiveDelayHours?: number | null;

  @Field(() => UnknownCategoryPolicy, {
    nullable: true,
    description: 'How to handle categories that the training data did not contain; ACCEPT when absent.',
  })
  unknownCategories?: keyof typeof UnknownCategoryPolicy | null;

  @Field(() => BatchingPolicy, {
    nullable: true,
    description: 'Whether requests may run in one batch; AUTO when absent.',
  })
  batching?: keyof typeof BatchingPolicy | null;

  @Range({ min: 0, max: MAX_WAIT_MS, unit: 'milliseconds' })
  @Field(() => Int, {
    nullable: true,
    description:
      'Time to wait until the endpoint serves; 0 when absent. The ' +
      'call returns earlier when the endpoint serves or cannot serve without your action.',
  })
  waitMs?: number | null;
}

@InputType({ description: 'Changes of an endpoint; absent fields do not change.' })
export class UpdateEndpointInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' })
  id!: string;

  @Field(() => FollowedStage, {
    nullable: true,
    description:
      'Stage to follow from now on, also instead of an alias. Null: stop following a stage; the ' +
      'deployed version continues.',
  })
  followStage?: keyof typeof FollowedStage | null;

  @RangeOfModule(ALIAS)
  @Field(() => String, {
    nullable: true,
    description:
      'Alias to follow from now on, also instead of a stage. Null: stop following an alias; the ' +
      'deployed version continues. BAD_USER_INPUT together with a stage.',
  })
  followAlias?: string | null;

  @Range(SLA_LATENCY_MS)
  @Field(() => Float, {
    nullable: true,
    description: 'Latency limit: 95th percentile.',
  })
  slaLatencyP95Ms?: number | null;

  @Range({ min: 0, max: 1 })
  @Field(() => Float, { nullable: true, description: 'Fraction of requests to log.' })
  logSampleRate?: number | null;

  @Range(REDACTED_FIELDS)
  @Field(() => [String], {
    nullable: true,
    description:
      'Columns, or inputs without named columns, whose values are not logged from now on, in place of the former ' +
      'ones; requests that were logged before keep theirs. BAD_USER_INPUT for a name that no version of the model ' +
      'has, with the nearest one.',
  })
  redactedFields?: string[] | null;

  @Range(LOG_RETENTION_DAYS)
  @Field(() => Int, {
    nullable: true,
    description: 'Days after which logged requests are deleted, those that are logged already included.',
  })
  logRetentionDays?: number | null;

  @Range(LOG_ARCHIVE_DAYS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Days for which hourly files of the log are kept, those that are there already included. 0 ends the archive ' +
      'and removes its files. It begins with the oldest request that the log still has, or where a former archive ended.',
  })
  logArchiveDays?: number | null;

  @Range(LOG_ARCHIVE_DELAY_HOURS)
  @Field(() => Int, {
    nullable: true,
    description: 'Hours that the archive waits after the end of an hour from now on; files that exist do not change.',
  })
  logArchiveDelayHours?: number | null;

  @Field(() => UnknownCategoryPolicy, {
    nullable: true,
    description: 'How to handle categories that the training data did not contain from now on.',
  })
  unknownCategories?: keyof typeof UnknownCategoryPolicy | null;

  @Field(() => BatchingPolicy, { nullable: true, description: 'Whether requests may run in one batch from now on.' })
  batching?: keyof typeof BatchingPolicy | null;
}

@InputType({ description: 'Endpoint to delete, together with its deployments, counters and logs.' })
export class DeleteEndpointInput {
  @Field(() => ID, { description: 'The endpoint. NOT_FOUND when it does not exist.' })
  id!: string;
}

@ObjectType({ description: 'The endpoint after the mutation.' })
export class EndpointPayload {
  @Field(() => EndpointType, { description: 'The endpoint after this change, as a query would show it now.' })
  endpoint!: EndpointType;

  @Field(() => Boolean, { description: 'Whether the endpoint answers predictions now.' })
  serves!: boolean;

  @Field(() => String, {
    nullable: true,
    description:
      'Why the endpoint does not serve, or does not serve the followed version, and what to do, as ' +
      'a sentence; null when there is no problem.',
  })
  servingProblem!: string | null;
}

@ObjectType({ description: 'Endpoint with the given name, and whether this call created it.' })
export class GetOrCreateEndpointPayload extends EndpointPayload {
  @Field(() => Boolean, { description: 'True when this call created it; false when it already existed.' })
  created!: boolean;
}

@ObjectType({ description: 'Result of the deletion.' })
export class DeleteEndpointPayload {
  @Field(() => ID, {
    description: 'Id of the deleted endpoint. Its deployments and their counters, logs and alerts are deleted too.',
  })
  deletedId!: string;
}
