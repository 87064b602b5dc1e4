import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';

@ObjectType('ModelComment', { description: 'What somebody wrote about a model or one of its versions.' })
export class ModelCommentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, {
    description: 'The text as it was written: plain text, which a page must escape like any other.',
  })
  body!: string;

  @Field(() => String, { description: 'Subject of the token that wrote it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was written, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When its author last changed it, UTC; as `createdAt` when never.' })
  updatedAt!: Date;

  /** Shown as objects. */
  modelId!: string;
  modelVersionId?: string | null;
}

export const ModelCommentConnection = connectionOf(ModelCommentType, 'ModelComment', 'comments');

export const ModelCommentOrderField = describeOrderFields<'createdAt' | 'updatedAt'>(
  'ModelCommentOrderField',
  'What comments can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were written.'],
    UPDATED_AT: ['updatedAt', 'When their authors last changed them.'],
  },
);

@InputType({ description: 'Which comments; every given field must hold.' })
export class ModelCommentFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Comments whose text contains this, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Comments of this token subject, exactly.' })
  createdBy?: string | null;
}

@InputType({
  description:
    'The order of a list of comments: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class ModelCommentOrderInput {
  @Field(() => ModelCommentOrderField, { description: 'What to order by.' })
  field!: 'createdAt' | 'updatedAt';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A comment to write, on a model or on a version: exactly one of the two.' })
export class CreateModelCommentInput {
  @Field(() => ID, {
    nullable: true,
    description: 'The model that it is about as a whole. NOT_FOUND when there is none.',
  })
  modelId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The version that it is about. NOT_FOUND when there is none.' })
  modelVersionId?: string | null;

  @Field(() => String, { description: 'Plain text, 1 to 10,000 characters, not all blank.' })
  body!: string;
}

@InputType({ description: 'A new text for a comment.' })
export class UpdateModelCommentInput {
  @Field(() => ID, { description: 'The comment. NOT_FOUND when there is none; FORBIDDEN for others than its author.' })
  id!: string;

  @Field(() => String, { description: 'Plain text, 1 to 10,000 characters, not all blank.' })
  body!: string;
}

@InputType({ description: 'Which text shall be gone.' })
export class DeleteModelCommentInput {
  @Field(() => ID, {
    description: 'The comment. NOT_FOUND when there is none; FORBIDDEN for others than its author and ADMIN.',
  })
  id!: string;
}

@ObjectType({ description: 'The comment after the mutation.' })
export class ModelCommentPayload {
  @Field(() => ModelCommentType, { description: 'The comment as it stands now.' })
  comment!: ModelCommentType;
}
