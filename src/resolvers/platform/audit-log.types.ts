import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json } from '../types/scalars.js';

export const RoleEnum = describeEnum('Role', 'Role of the bearer of a token; each role includes the roles before it.', {
  VIEWER: 'May read all data of the tenant, and call endpoints that serve a production version.',
  ENGINEER: 'May change all data of the tenant.',
  ADMIN: 'May also override gates and read the audit log.',
});

export const AuditOrderField = describeOrderFields<'createdAt'>(
  'AuditOrderField',
  'Fields by which audit entries can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of the change.'],
  },
);

@ObjectType('AuditEntry', {
  description:
    'One change that somebody made. The entry is written in the same transaction as the change ' +
    'and cannot be altered.',
})
export class AuditEntryType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, {
    description: 'Subject of the token that made the change; `monitoring` for changes by the service itself.',
  })
  actor!: string;

  @Field(() => RoleEnum, { description: 'Role of the token at the time of the change.' })
  role!: keyof typeof RoleEnum;

  @Field(() => String, {
    description: 'Name of the mutation, e.g. `promoteModelVersion`; `retrain` when an alert started a training.',
  })
  action!: string;

  @Field(() => String, { description: 'Type of the changed object, e.g. `model`.' })
  subjectType!: string;

  @Field(() => ID, { description: 'Id of the changed object, which may have been deleted since.' })
  subjectId!: string;

  @Field(() => Json, {
    nullable: true,
    description:
      'State before the change; null for a creation. An update has only the values that differ. A text of more than ' +
      '2,000 characters is replaced by its beginning, its size in bytes and its SHA-256.',
  })
  before?: Record<string, unknown> | null;

  @Field(() => Json, {
    nullable: true,
    description: 'State after the change, in the same form as `before`; null for a deletion.',
  })
  after?: Record<string, unknown> | null;

  @Field(() => ID, {
    description: 'Id of the request that made the change, as in the `x-request-id` header and the log.',
  })
  requestId!: string;

  @Field(() => DateTime, { description: 'Time, UTC.' })
  createdAt!: Date;
}

export const AuditEntryConnection = connectionOf(AuditEntryType, 'AuditEntry', 'audit entries');

@InputType({ description: 'Filter for audit entries; all given fields must match.' })
export class AuditFilterInput {
  @Field(() => String, { nullable: true, description: 'Entries of exactly this token subject.' })
  actor?: string | null;

  @Field(() => String, { nullable: true, description: 'Entries of this mutation (exact name).' })
  action?: string | null;

  @Field(() => String, { nullable: true, description: 'Entries about objects of this type, e.g. `model`.' })
  subjectType?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Entries about this object. NOT_FOUND when the log has no entry about it.',
  })
  subjectId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Entries from this time on (inclusive).' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Entries before this time (exclusive).' })
  to?: Date | null;
}

@InputType({
  description: 'Sort order of a list of audit entries: field and direction. Items with equal values are sorted by id.',
})
export class AuditOrderInput {
  @Field(() => AuditOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}
