import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { DateTime } from '../types/scalars.js';
import { RangeOfModule } from '../types/range.js';
import { ALIAS } from '../../modules/registry/index.js';

@ObjectType('ModelAlias', {
  description: 'An alias: a name such as `champion` that points to one version of a model and can be changed.',
})
export class ModelAliasType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7); it stays the same when the alias is set to another version.' })
  id!: string;

  @Field(() => String, { description: 'Name of the alias, unique in its model; case-sensitive.' })
  alias!: string;

  @Field(() => String, { description: 'Subject of the token that first set it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time when the alias was first set, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time when the alias was last set, UTC.' })
  updatedAt!: Date;

  /** The API shows these ids as objects. */
  modelId!: string;
  modelVersionId!: string;
}

@InputType({ description: 'Alias and the version that it points to.' })
export class SetModelAliasInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => ID, {
    description:
      'A version of the model, in any stage. NOT_FOUND when it does not exist; BAD_USER_INPUT when ' +
      'it belongs to another model.',
  })
  modelVersionId!: string;

  @RangeOfModule(ALIAS)
  @Field(() => String, {
    description: 'Name of the alias; not `latest` and not v with a number, in lower or upper case. Case-sensitive.',
  })
  alias!: string;
}

@InputType({ description: 'Alias to delete from a model, by its name.' })
export class DeleteModelAliasInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  modelId!: string;

  @Field(() => String, { description: 'Name of the alias. NOT_FOUND when the model has no such alias.' })
  alias!: string;
}

@ObjectType({ description: 'The alias after the mutation.' })
export class ModelAliasPayload {
  @Field(() => ModelAliasType, { description: 'The alias, with its current version.' })
  modelAlias!: ModelAliasType;
}
