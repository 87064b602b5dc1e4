import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import type { Role } from '../../modules/core/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { RoleEnum } from './audit-log.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { MAX_LIFE_SECONDS, MIN_LIFE_SECONDS, TOKEN_ENDPOINTS, TOKEN_NAME } from '../../modules/platform/index.js';
import { SEARCH_TEXT } from '../../modules/core/index.js';

export const AccessScope = describeEnum(
  'AccessScope',
  'Operations that a token allows, within the limits of its role.',
  {
    EVERYTHING: 'All operations that the role of the token allows.',
    READ: 'Queries, subscriptions and downloads. No changes and no predictions.',
    PREDICT: 'Predictions at the named endpoints, over GraphQL or REST. No other operations.',
    WRITE_RUN:
      'Logging to one run over GraphQL or MLflow, with files, reading the run and ending it. No other operations.',
  },
);

type AccessTokenOrderBy = 'createdAt' | 'expiresAt' | 'name';

export const AccessTokenOrderField = describeOrderFields<AccessTokenOrderBy>(
  'AccessTokenOrderField',
  'Fields by which access tokens can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of issue.'],
    EXPIRES_AT: ['expiresAt', 'Time of expiry.'],
    NAME: ['name', 'Name, in code point order.'],
  },
);

@ObjectType('AccessToken', {
  description:
    'An access token that this service has issued. The service does not store the token itself ' +
    'and cannot show it again.',
})
export class AccessTokenType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7); the `jti` claim of the token.' })
  id!: string;

  @Field(() => String, {
    description:
      'Purpose of the token. The audit log names the bearer `token:` followed by this text. Need not be unique.',
  })
  name!: string;

  @Field(() => RoleEnum, { description: 'Role of the bearer: the upper limit of the rights.' })
  role!: keyof typeof RoleEnum;

  @Field(() => AccessScope, { description: 'Operations that the token allows within its role.' })
  scope!: keyof typeof AccessScope;

  @Field(() => DateTime, { description: 'Time of expiry, UTC.' })
  expiresAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time of the last use, UTC, accurate to about a minute; null when the token was never used.',
  })
  lastUsedAt?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Time of the revocation, UTC; null when the token was not revoked.',
  })
  revokedAt?: Date | null;

  @Field(() => String, {
    description: 'Subject of the token with which this token was issued; `operator` for the command line.',
  })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of issue, UTC.' })
  createdAt!: Date;

  /** The API shows these ids as objects. */
  endpointIds!: string[];
  runId?: string | null;
}

export const AccessTokenConnection = connectionOf(AccessTokenType, 'AccessToken', 'access tokens');

@InputType({ description: 'Filter for access tokens; all given fields must match.' })
export class AccessTokenFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => RoleEnum, { nullable: true, description: 'Tokens with exactly this role.' })
  role?: Role | null;

  @Field(() => AccessScope, { nullable: true, description: 'Tokens with exactly this scope.' })
  scope?: keyof typeof AccessScope | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: tokens that are neither revoked nor expired. False: revoked or expired tokens.',
  })
  active?: boolean | null;
}

@InputType({
  description: 'Sort order of a list of access tokens: field and direction. Items with equal values are sorted by id.',
})
export class AccessTokenOrderInput {
  @Field(() => AccessTokenOrderField, { description: 'Field whose values determine the order.' })
  field!: AccessTokenOrderBy;

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Token to issue for the caller’s tenant.' })
export class IssueAccessTokenInput {
  @RangeOfModule(TOKEN_NAME)
  @Field(() => String, { description: 'Purpose of the token. Need not be unique.' })
  name!: string;

  @Field(() => RoleEnum, {
    description: 'Role of the bearer. FORBIDDEN above the caller’s own role; the scope WRITE_RUN needs ENGINEER.',
  })
  role!: Role;

  @Field(() => AccessScope, {
    nullable: true,
    description: 'Operations that the token allows; EVERYTHING when absent.',
  })
  scope?: keyof typeof AccessScope | null;

  @RangeOfModule(TOKEN_ENDPOINTS)
  @Field(() => [String], {
    nullable: true,
    description:
      'Required for the scope PREDICT, not allowed otherwise. NOT_FOUND when one does not exist. If an ' +
      'endpoint is deleted and created again, the token does not apply to the new endpoint.',
  })
  endpointNames?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Required for the scope WRITE_RUN, not allowed otherwise: the run. NOT_FOUND when it does not exist.',
  })
  runId?: string | null;

  @Range({ min: MIN_LIFE_SECONDS, max: MAX_LIFE_SECONDS, unit: 'seconds' })
  @Field(() => Float, {
    nullable: true,
    description: 'Lifetime, up to ten years; 90 days when absent.',
  })
  lifeSeconds?: number | null;
}

@InputType({ description: 'Id of the access token that must stop working.' })
export class RevokeAccessTokenInput {
  @Field(() => ID, { description: 'Id of the token, not the token itself. NOT_FOUND when it does not exist.' })
  id!: string;
}

@ObjectType({ description: 'A token that was just issued.' })
export class IssueAccessTokenPayload {
  @Field(() => String, { description: 'The bearer token. It is shown only once, so store it.' })
  token!: string;

  @Field(() => AccessTokenType, { description: 'Metadata of the token: name, role, scope and times.' })
  accessToken!: AccessTokenType;
}

@ObjectType({ description: 'The token after the mutation.' })
export class AccessTokenPayload {
  @Field(() => AccessTokenType, {
    description: 'Metadata of the token after this change, as a query would show it now.',
  })
  accessToken!: AccessTokenType;
}
