import { Field, ID, InputType } from 'type-graphql';
import { KeyValueInput } from '../types/common.types.js';

@InputType({ description: 'Tags that a model shall carry beside those that it has.' })
export class SetModelTagsInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when there is none.' })
  modelId!: string;

  @Field(() => [KeyValueInput], {
    description: 'At most 100, each in place of the one with its key; 1,000 on a model at most.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tags that a version shall carry beside those that it has.' })
export class SetModelVersionTagsInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when there is none.' })
  modelVersionId!: string;

  @Field(() => [KeyValueInput], {
    description: 'At most 100, each in place of the one with its key; 1,000 on a version at most.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'A tag that shall go from a model.' })
export class DeleteModelTagInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when there is none.' })
  modelId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the model has none with it.' })
  key!: string;
}

@InputType({ description: 'A tag that shall go from a version.' })
export class DeleteModelVersionTagInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when there is none.' })
  modelVersionId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the version has none with it.' })
  key!: string;
}
