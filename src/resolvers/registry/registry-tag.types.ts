import { Field, ID, InputType } from 'type-graphql';
import { KeyValueInput } from '../types/common.types.js';

@InputType({ description: 'Tags that a model shall carry beside those that it has.' })
export class SetModelTagsInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => [KeyValueInput], {
    description: 'At most 100, each in place of the one with its key; 1,000 on a model at most.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tags that a version shall carry beside those that it has.' })
export class SetModelVersionTagsInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => [KeyValueInput], {
    description: 'At most 100, each in place of the one with its key; 1,000 on a version at most.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tag to delete from a model.' })
export class DeleteModelTagInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the model has no tag with this key.' })
  key!: string;
}

@InputType({ description: 'Tag to delete from a version.' })
export class DeleteModelVersionTagInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the version has no tag with this key.' })
  key!: string;
}
