import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json } from '../types/scalars.js';

export const RoleEnum = describeEnum('Role', 'What a token’s bearer may do; each role includes the ones before it.', {
  VIEWER: 'Reads everything of its tenant, and calls endpoints that serve a production version.',
  ENGINEER: 'Changes everything of its tenant.',
  ADMIN: 'Also overrides gates and reads the audit log.',
});

export const AuditOrderField = describeOrderFields<'createdAt'>(
  'AuditOrderField',
  'What audit entries can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When it was done.'],
  },
);

@ObjectType('AuditEntry', {
  description:
    'One change that somebody made. Entries are written in the transaction of the change and cannot be altered.',
})
export class AuditEntryType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Subject of the token that acted; `monitoring` for the service itself.' })
  actor!: string;

  @Field(() => RoleEnum, { description: 'Role that the token had.' })
  role!: keyof typeof RoleEnum;

  @Field(() => String, {
    description: 'Name of the mutation, e.g. `promoteModelVersion`; `retrain` when an alert started a training.',
  })
  action!: string;

  @Field(() => String, { description: 'Kind of thing that was changed, e.g. `model`.' })
  subjectType!: string;

  @Field(() => ID, { description: 'Id of the thing that was changed; it may be gone by now.' })
  subjectId!: string;

  @Field(() => Json, { nullable: true, description: 'What was changed, as it was; null for something new.' })
  before?: Record<string, unknown> | null;

  @Field(() => Json, { nullable: true, description: 'What was changed, as it became; null for a deletion.' })
  after?: Record<string, unknown> | null;

  @Field(() => ID, { description: 'Request that did it, as in the `x-request-id` header and the log.' })
  requestId!: string;

  @Field(() => DateTime, { description: 'When, UTC.' })
  createdAt!: Date;
}

export const AuditEntryConnection = connectionOf(AuditEntryType, 'AuditEntry', 'audit entries');

@InputType({ description: 'Which audit entries; every given field must hold.' })
export class AuditFilterInput {
  @Field(() => String, { nullable: true, description: 'Entries of this token subject, exactly.' })
  actor?: string | null;

  @Field(() => String, { nullable: true, description: 'Entries of this mutation, by its exact name.' })
  action?: string | null;

  @Field(() => String, { nullable: true, description: 'Entries about this kind of thing, e.g. `model`.' })
  subjectType?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Entries about this thing. NOT_FOUND when nothing was ever done to it.',
  })
  subjectId?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Entries from this time on, inclusive.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Entries before this time.' })
  to?: Date | null;
}

@InputType({
  description:
    'The order of a list of audit entries: by what, and which end comes first. Equal ones are in the order ' +
    'of their ids.',
})
export class AuditOrderInput {
  @Field(() => AuditOrderField, { description: 'What to order by.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}
