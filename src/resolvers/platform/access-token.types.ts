import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import type { Role } from '../../modules/core/index.js';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { RoleEnum } from './audit-log.types.js';

export const AccessScope = describeEnum('AccessScope', 'What a token may be used for; its role bounds it besides.', {
  EVERYTHING: 'Everything that its role may do.',
  READ: 'Queries, subscriptions and downloads; nothing that changes anything, and no predictions.',
  PREDICT: 'Predictions at named endpoints, over GraphQL or REST, and nothing else.',
  WRITE_RUN: 'Logging to one run over GraphQL or MLflow, its files included, ending it and reading it; nothing else.',
});

type AccessTokenOrderBy = 'createdAt' | 'expiresAt' | 'name';

export const AccessTokenOrderField = describeOrderFields<AccessTokenOrderBy>(
  'AccessTokenOrderField',
  'What access tokens can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were issued.'],
    EXPIRES_AT: ['expiresAt', 'When they end.'],
    NAME: ['name', 'Their names, in code point order.'],
  },
);

@ObjectType('AccessToken', {
  description: 'A token that this service has issued. The token itself is not kept and cannot be shown again.',
})
export class AccessTokenType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7); it stands in the token as `jti`.' })
  id!: string;

  @Field(() => String, {
    description: 'What it is for. Whoever acts with it is `token:` and this name in the audit log. Need not be unique.',
  })
  name!: string;

  @Field(() => RoleEnum, { description: 'What its bearer may do at most.' })
  role!: keyof typeof RoleEnum;

  @Field(() => AccessScope, { description: 'What it may be used for within that role.' })
  scope!: keyof typeof AccessScope;

  @Field(() => DateTime, { description: 'When it ends by itself, UTC.' })
  expiresAt!: Date;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it was last used, UTC, to about a minute; null when never.',
  })
  lastUsedAt?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it was revoked, UTC; null when it was not.' })
  revokedAt?: Date | null;

  @Field(() => String, { description: 'Subject of the token that issued it; `operator` for the command line.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was issued, UTC.' })
  createdAt!: Date;

  /** Shown as objects. */
  endpointIds!: string[];
  runId?: string | null;
}

export const AccessTokenConnection = connectionOf(AccessTokenType, 'AccessToken', 'access tokens');

@InputType({ description: 'Which access tokens to list; every given field must hold.' })
export class AccessTokenFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => RoleEnum, { nullable: true, description: 'Only those whose bearers have exactly this role.' })
  role?: Role | null;

  @Field(() => AccessScope, { nullable: true, description: 'Only those that may be used for exactly this.' })
  scope?: keyof typeof AccessScope | null;

  @Field(() => Boolean, { nullable: true, description: 'True: neither revoked nor expired. False: one of the two.' })
  active?: boolean | null;
}

@InputType({
  description:
    'The order of a list of access tokens: by what, and which end comes first. Equal ones are in the order ' +
    'of their ids.',
})
export class AccessTokenOrderInput {
  @Field(() => AccessTokenOrderField, { description: 'What to order by.' })
  field!: AccessTokenOrderBy;

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A new token of the caller’s tenant.' })
export class IssueAccessTokenInput {
  @Field(() => String, { description: 'What it is for: 1 to 128 visible characters. Need not be unique.' })
  name!: string;

  @Field(() => RoleEnum, {
    description: 'Role of its bearer. FORBIDDEN above the caller’s own; WRITE_RUN needs ENGINEER.',
  })
  role!: Role;

  @Field(() => AccessScope, { nullable: true, description: 'What it may be used for; EVERYTHING when absent.' })
  scope?: keyof typeof AccessScope | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'For PREDICT, and for no other scope: names of 1 to 100 endpoints. NOT_FOUND when there is none of a ' +
      'name. An endpoint that is deleted and made anew is another one.',
  })
  endpointNames?: string[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'For WRITE_RUN, and for no other scope: the run. NOT_FOUND when there is none.',
  })
  runId?: string | null;

  @Field(() => Float, {
    nullable: true,
    description: 'How long it holds, in seconds: 60 to 316,224,000 (ten years); 90 days when absent.',
  })
  lifeSeconds?: number | null;
}

@InputType({ description: 'Which token shall hold no longer.' })
export class RevokeAccessTokenInput {
  @Field(() => ID, { description: 'Id of the token, which is not the token itself. NOT_FOUND when there is none.' })
  id!: string;
}

@ObjectType({ description: 'A token that was just issued.' })
export class IssueAccessTokenPayload {
  @Field(() => String, { description: 'The bearer token: shown this once, so keep it.' })
  token!: string;

  @Field(() => AccessTokenType, { description: 'What is kept of it.' })
  accessToken!: AccessTokenType;
}

@ObjectType({ description: 'The token after the mutation.' })
export class AccessTokenPayload {
  @Field(() => AccessTokenType, { description: 'What is kept of it, as a query would show it now.' })
  accessToken!: AccessTokenType;
}
