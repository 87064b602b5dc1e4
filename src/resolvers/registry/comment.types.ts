import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { Range } from '../types/range.js';
import { SEARCH_TEXT } from '../../modules/core/index.js';
import { COMMENT } from '../../modules/registry/index.js';

@ObjectType('ModelComment', { description: 'A comment on a model or on one of its versions.' })
export class ModelCommentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, {
    description: 'Text as written: plain text, which a web page must escape.',
  })
  body!: string;

  @Field(() => String, { description: 'Subject of the token that wrote the comment.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time when the comment was written, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    description: 'Time when the author last changed the comment, UTC; equal to `createdAt` when never changed.',
  })
  updatedAt!: Date;

  /** The API shows these ids as objects. */
  modelId!: string;
  modelVersionId?: string | null;
}

export const ModelCommentConnection = connectionOf(ModelCommentType, 'ModelComment', 'comments');

export const ModelCommentOrderField = describeOrderFields<'createdAt' | 'updatedAt'>(
  'ModelCommentOrderField',
  'Fields by which comments can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time when the comment was written.'],
    UPDATED_AT: ['updatedAt', 'Time when the author last changed the comment.'],
  },
);

@InputType({ description: 'Filter for comments; all given fields must match.' })
export class ModelCommentFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Comments whose text contains this text, case-insensitive.',
  })
  search?: string | null;

  @Field(() => String, { nullable: true, description: 'Comments of exactly this token subject.' })
  createdBy?: string | null;
}

@InputType({
  description: 'Sort order of a list of comments: field and direction. Items with equal values are sorted by id.',
})
export class ModelCommentOrderInput {
  @Field(() => ModelCommentOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'updatedAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Comment to write on a model or on a version: give exactly one of the two ids.' })
export class CreateModelCommentInput {
  @Field(() => ID, {
    nullable: true,
    description: 'Model that the comment is about. NOT_FOUND when it does not exist.',
  })
  modelId?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Version that the comment is about. NOT_FOUND when it does not exist.',
  })
  modelVersionId?: string | null;

  @Range(COMMENT)
  @Field(() => String, { description: 'Plain text of the comment.' })
  body!: string;
}

@InputType({ description: 'New text of a comment.' })
export class UpdateModelCommentInput {
  @Field(() => ID, {
    description: 'The comment. NOT_FOUND when it does not exist; FORBIDDEN for everybody except its author.',
  })
  id!: string;

  @Range(COMMENT)
  @Field(() => String, { description: 'New plain text of the comment.' })
  body!: string;
}

@InputType({ description: 'Id of the comment to remove.' })
export class DeleteModelCommentInput {
  @Field(() => ID, {
    description: 'The comment. NOT_FOUND when it does not exist; FORBIDDEN for everybody except its author and ADMIN.',
  })
  id!: string;
}

@ObjectType({ description: 'The comment after the mutation.' })
export class ModelCommentPayload {
  @Field(() => ModelCommentType, { description: 'The comment after this change.' })
  comment!: ModelCommentType;
}
