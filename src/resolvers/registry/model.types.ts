import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { Range, RangeOfModule } from '../types/range.js';
import { ANY_TEXT, entriesOf, MODEL_NAME, NAME, SEARCH_TEXT, TAG_VALUE } from '../../modules/core/index.js';

export const StageEnum = describeEnum('Stage', 'Stage of a model version on the way to production and after it.', {
  DEVELOPMENT: 'New, or moved back from another stage; no evidence required.',
  STAGING: 'Promoted from DEVELOPMENT; by default this requires the gate VALIDATION.',
  PRODUCTION: 'In production; at most one version per model.',
  ARCHIVED: 'Was in production, and was replaced by a promotion or archived by a person.',
});
export type StageName = keyof typeof StageEnum;

export const ModelTaskEnum = describeEnum('ModelTask', 'Task of a model: the kind of its answers.', {
  CLASSIFICATION: 'One of several classes, with probabilities.',
  REGRESSION: 'A number per row.',
  CLUSTERING: 'The cluster of each row.',
  TEXT_GENERATION: 'A text that continues a chat or another text: a language model. The service does not evaluate it.',
  OTHER: 'Any other task; the service cannot evaluate such versions.',
});

export const ModelOrderField = describeOrderFields<'createdAt' | 'updatedAt' | 'name' | 'lastVersion'>(
  'ModelOrderField',
  'Fields by which models can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of creation.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change, new versions included.'],
    NAME: ['name', 'Name, in code point order.'],
    LAST_VERSION: ['lastVersion', 'Number of the last version.'],
  },
);

@ObjectType('Model', { description: 'A registered model: a name with numbered versions.' })
export class ModelType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique in the tenant and part of addresses such as `models:/churn/1`.' })
  name!: string;

  @Field(() => String, { description: 'Purpose of the model, as Markdown; may be empty.' })
  description!: string;

  @Field(() => ModelTaskEnum, { description: 'Task, e.g. classification: the kind of answers.' })
  task!: keyof typeof ModelTaskEnum;

  @Field(() => Boolean, {
    description:
      'True when nobody has set the task: it is then OTHER, or guessed from the outputs of the ' +
      'first version. `updateModel`, or the tag `matih.task` of the model or of a version, sets the ' +
      'task.',
  })
  taskGuessed!: boolean;

  @Field(() => String, { description: 'Kind of model, e.g. `MLP_CLASSIFIER`; free text, 1 to 250 characters.' })
  modelType!: string;

  @Field(() => String, { description: 'Format in which the versions are stored, e.g. `onnx`.' })
  framework!: string;

  @Field(() => String, { description: 'Subject of the token that created the model.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    description:
      'Time of the last change, UTC. New versions, deleted versions and stage changes count; ' +
      'changes of single tags do not.',
  })
  updatedAt!: Date;

  /** The API shows these in another form. */
  gatePolicy?: Record<string, unknown> | null;
  tags!: Record<string, string>;
}

export const ModelConnection = connectionOf(ModelType, 'Model', 'models');

@InputType({ description: 'Filter for models; all given fields must match.' })
export class ModelFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name, the description, or the key or value of a tag contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => StageEnum, { nullable: true, description: 'Models with a version in this stage.' })
  stage?: StageName | null;

  @Field(() => StageEnum, {
    nullable: true,
    description: 'Models whose version with the highest number is in this stage.',
  })
  latestStage?: StageName | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Exact framework of the model or of one of its versions, e.g. `onnx`, `sklearn`, `pytorch`, ' +
      '`tensorflow`, `xgboost`, `lightgbm`.',
  })
  framework?: string | null;

  @Field(() => String, { nullable: true, description: 'Exact kind of model, e.g. `KMEANS`.' })
  modelType?: string | null;

  @Field(() => ModelTaskEnum, {
    nullable: true,
    description: 'Models with exactly this task, e.g. regression.',
  })
  task?: keyof typeof ModelTaskEnum | null;

  @RangeOfModule(entriesOf(TAG_VALUE))
  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that the model must have, all of them.',
  })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description: 'Sort order of a list of models: field and direction. Items with equal values are sorted by id.',
})
export class ModelOrderInput {
  @Field(() => ModelOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'updatedAt' | 'name' | 'lastVersion';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A new model: a name for versions, and the purpose of the model.' })
export class CreateModelInput {
  @RangeOfModule(MODEL_NAME)
  @Field(() => String, {
    description: 'Name, unique in the tenant, such as `churn`.',
  })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Purpose of the model, as Markdown.' })
  description?: string | null;

  @Field(() => ModelTaskEnum, {
    description: 'Task of the model. Versions from runs must have the same task, unless it is OTHER.',
  })
  task!: keyof typeof ModelTaskEnum;

  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Kind of model, e.g. `MLP_CLASSIFIER`.' })
  modelType!: string;

  @RangeOfModule(NAME)
  @Field(() => String, { nullable: true, description: 'Format in which the versions are stored; `onnx` when absent.' })
  framework?: string | null;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of the model.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Changes of a model; absent fields do not change.' })
export class UpdateModelInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  id!: string;

  @RangeOfModule(MODEL_NAME)
  @Field(() => String, {
    nullable: true,
    description: 'New name; the location of the stored files does not change. CONFLICT when the name is taken.',
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @Field(() => ModelTaskEnum, {
    nullable: true,
    description:
      'Task of the model. Gate results for another task no longer count. CONFLICT when a version ' +
      'was trained for another task, or is in STAGING or PRODUCTION on gate results for another ' +
      'task.',
  })
  task?: keyof typeof ModelTaskEnum | null;

  @RangeOfModule(entriesOf(ANY_TEXT))
  @Field(() => [KeyValueInput], { nullable: true, description: 'New set of tags; it replaces all tags.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Model to delete, together with its versions.' })
export class DeleteModelInput {
  @Field(() => ID, {
    description:
      'The model. NOT_FOUND when it does not exist; CONFLICT when an endpoint serves it, or when ' +
      'one of its versions is or was in PRODUCTION, is ARCHIVED, is deployed, or is used by a ' +
      'running job.',
  })
  id!: string;
}

@ObjectType({ description: 'The model after the mutation.' })
export class ModelPayload {
  @Field(() => ModelType, { description: 'The model after this change, as a query would show it now.' })
  model!: ModelType;
}

@ObjectType({ description: 'Result of the deletion.' })
export class DeletedPayload {
  @Field(() => ID, { description: 'Id of the object that no longer exists.' })
  deletedId!: string;
}

@ObjectType('StageTransition', { description: 'A stage change of a version; it is kept permanently.' })
export class StageTransitionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => StageEnum, { description: 'Stage before the change.' })
  fromStage!: StageName;

  @Field(() => StageEnum, { description: 'Stage after the change.' })
  toStage!: StageName;

  @Field(() => String, { description: 'Reason; may be empty.' })
  reason!: string;

  @Field(() => Boolean, { description: 'True when an ADMIN promoted the version without the required gates.' })
  override!: boolean;

  @Field(() => String, { description: 'Subject of the token that changed the stage.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time, UTC; all stage changes of one mutation have the same time.' })
  createdAt!: Date;

  /** The API shows this id as an object. */
  modelVersionId!: string;
}

export const StageTransitionConnection = connectionOf(StageTransitionType, 'StageTransition', 'stage transitions');

@InputType({ description: 'Filter for stage changes; all given fields must match.' })
export class StageTransitionFilterInput {
  @Field(() => [StageEnum], { nullable: true, description: 'Stage changes to one of these stages; all when empty.' })
  toStage?: StageName[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: stage changes that an ADMIN made without the required gates. False: all others.',
  })
  override?: boolean | null;

  @Field(() => String, { nullable: true, description: 'Stage changes made by exactly this token subject.' })
  createdBy?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Stage changes from this time on (inclusive).' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Stage changes before this time (exclusive).' })
  to?: Date | null;
}

export const StageTransitionOrderField = describeOrderFields<'createdAt'>(
  'StageTransitionOrderField',
  'Fields by which stage changes can be sorted.',
  { CREATED_AT: ['createdAt', 'Time of creation.'] },
);

@InputType({
  description: 'Sort order of a history: field and direction. Items with equal values are sorted by id.',
})
export class StageTransitionOrderInput {
  @Field(() => StageTransitionOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@ObjectType({ description: 'Model with the given name, and whether this call created it.' })
export class GetOrCreateModelPayload extends ModelPayload {
  @Field(() => Boolean, { description: 'True when this call created it; false when it already existed.' })
  created!: boolean;
}
