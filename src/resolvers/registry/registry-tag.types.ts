import { Field, ID, InputType } from 'type-graphql';
import { KeyValueInput } from '../types/common.types.js';
import { RangeOfModule } from '../types/range.js';
import { ANY_TEXT, entriesOf } from '../../modules/core/index.js';

@InputType({ description: 'Tags to add to a model or to change.' })
export class SetModelTagsInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], {
    description: 'Tags to set; an existing key gets the new value. A model has at most 1,000 tags.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tags to add to a version or to change.' })
export class SetModelVersionTagsInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], {
    description: 'Tags to set; an existing key gets the new value. A version has at most 1,000 tags.',
  })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tag to delete from a model, by its key.' })
export class DeleteModelTagInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the model has no tag with this key.' })
  key!: string;
}

@InputType({ description: 'Tag to delete from a version, by its key.' })
export class DeleteModelVersionTagInput {
  @Field(() => ID, { description: 'The version. NOT_FOUND when it does not exist.' })
  modelVersionId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the version has no tag with this key.' })
  key!: string;
}
