import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DateTime } from '../types/scalars.js';

@ObjectType('ModelAlias', {
  description: 'A name that points to one version of a model, such as `champion`, until it is pointed elsewhere.',
})
export class ModelAliasType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7); stays when the alias is pointed to another version.' })
  id!: string;

  @Field(() => String, { description: 'The name, unique in its model; case matters.' })
  alias!: string;

  @Field(() => String, { description: 'Subject of the token that first set it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was first set, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it was last pointed somewhere, UTC.' })
  updatedAt!: Date;

  /** Shown as objects. */
  modelId!: string;
  modelVersionId!: string;
}

@InputType({ description: 'An alias and the version that it points to from now on.' })
export class SetModelAliasInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when there is none.' })
  modelId!: string;

  @Field(() => ID, {
    description:
      'A version of that model, in any stage. NOT_FOUND when there is none; BAD_USER_INPUT for another model’s.',
  })
  modelVersionId!: string;

  @Field(() => String, {
    description:
      '1 to 255 letters, digits, _ and -; neither `latest` nor v with a number, whatever their case. Case matters.',
  })
  alias!: string;
}

@InputType({ description: 'An alias that shall point nowhere any more.' })
export class DeleteModelAliasInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when there is none.' })
  modelId!: string;

  @Field(() => String, { description: 'The name to free. NOT_FOUND when the model has no such alias.' })
  alias!: string;
}

@ObjectType({ description: 'The alias after the mutation.' })
export class ModelAliasPayload {
  @Field(() => ModelAliasType, { description: 'The alias, with the version that it points to now.' })
  modelAlias!: ModelAliasType;
}
