import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';

export const StageEnum = describeEnum('Stage', 'Where a model version stands on its way to production and out of it.', {
  DEVELOPMENT: 'New, or sent back: nothing is proven.',
  STAGING: 'Passed the validation pipeline.',
  PRODUCTION: 'Serves; one version per model at most.',
  ARCHIVED: 'Was in production and has been replaced or taken out.',
});
export type StageName = keyof typeof StageEnum;

export const ModelTaskEnum = describeEnum('ModelTask', 'Task of a model: the kind of its answers.', {
  CLASSIFICATION: 'One of several classes, with probabilities.',
  REGRESSION: 'A number per row.',
  CLUSTERING: 'The cluster of each row.',
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

  @Field(() => ModelTaskEnum, { description: 'Task of the model.' })
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

  @Field(() => String, { description: 'Subject of the token that made the creation request.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, {
    description:
      'Time of the last change, UTC. New versions, deleted versions and stage changes count; ' +
      'changes of single tags do not.',
  })
  updatedAt!: Date;

  /** Shown otherwise. */
  gatePolicy?: Record<string, unknown> | null;
  tags!: Record<string, string>;
}

export const ModelConnection = connectionOf(ModelType, 'Model', 'models');

@InputType({ description: 'Filter for models; all given fields must match.' })
export class ModelFilterInput {
  @Field(() => String, {
    nullable: true,
    description:
      'Text that the name, the description, or the key or value of a tag contains, ' +
      'case-insensitive; at most 200 characters.',
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
    description: 'Models with this task.',
  })
  task?: keyof typeof ModelTaskEnum | null;

  @Field(() => [KeyValueInput], {
    nullable: true,
    description: 'Tags that the model must have, all of them; at most 100.',
  })
  tags?: KeyValueInput[] | null;
}

@InputType({
  description: 'Sort order of a list of models: field and direction. Items with equal values are sorted by id.',
})
export class ModelOrderInput {
  @Field(() => ModelOrderField, { description: 'Field to sort by.' })
  field!: 'createdAt' | 'updatedAt' | 'name' | 'lastVersion';

  @Field(() => OrderDirection, { description: 'Direction of the order.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A new model: a name for versions, and the purpose of the model.' })
export class CreateModelInput {
  @Field(() => String, {
    description: 'Name, unique in the tenant: 1 to 256 visible characters without / and :, such as `churn`.',
  })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Purpose of the model, as Markdown.' })
  description?: string | null;

  @Field(() => ModelTaskEnum, {
    description: 'Task of the model. Versions from runs must have the same task, unless it is OTHER.',
  })
  task!: keyof typeof ModelTaskEnum;

  @Field(() => String, { description: 'Kind of model, e.g. `MLP_CLASSIFIER`: 1 to 250 visible characters.' })
  modelType!: string;

  @Field(() => String, { nullable: true, description: 'Format in which the versions are stored; `onnx` when absent.' })
  framework?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'At most 100 tags.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Changes to a model; absent fields stay as they are.' })
export class UpdateModelInput {
  @Field(() => ID, { description: 'The model. NOT_FOUND when it does not exist.' })
  id!: string;

  @Field(() => String, {
    nullable: true,
    description: 'New name; its files stay where they are stored. CONFLICT when taken.',
  })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @Field(() => ModelTaskEnum, {
    nullable: true,
    description:
      'What its answers are. What gates have decided for another task counts no more. CONFLICT when a ' +
      'version was trained for another one, or stands in STAGING or PRODUCTION by gates for it.',
  })
  task?: keyof typeof ModelTaskEnum | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'All tags from now on, at most 100.' })
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
  @Field(() => ID, { description: 'Id of the deleted object.' })
  deletedId!: string;
}

@ObjectType('StageTransition', { description: 'A version’s step from one stage to another, kept for good.' })
export class StageTransitionType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => StageEnum, { description: 'Where the version was until then.' })
  fromStage!: StageName;

  @Field(() => StageEnum, { description: 'Where it was from then on.' })
  toStage!: StageName;

  @Field(() => String, { description: 'Reason that was given; may be empty.' })
  reason!: string;

  @Field(() => Boolean, { description: 'True when an ADMIN passed gates without their evidence.' })
  override!: boolean;

  @Field(() => String, { description: 'Subject of the token that made the request.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When, UTC; all steps of one change share the instant.' })
  createdAt!: Date;

  /** Shown as an object. */
  modelVersionId!: string;
}

export const StageTransitionConnection = connectionOf(StageTransitionType, 'StageTransition', 'stage transitions');

@InputType({ description: 'Which steps of a model’s history; every given field must hold.' })
export class StageTransitionFilterInput {
  @Field(() => [StageEnum], { nullable: true, description: 'Steps to one of these stages; all when empty.' })
  toStage?: StageName[] | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True for steps that an ADMIN forced without evidence, false for the others.',
  })
  override?: boolean | null;

  @Field(() => String, { nullable: true, description: 'Steps that this token subject asked for, exactly.' })
  createdBy?: string | null;

  @Field(() => DateTime, { nullable: true, description: 'Steps from this time on, inclusive.' })
  from?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Steps before this time.' })
  to?: Date | null;
}

export const StageTransitionOrderField = describeOrderFields<'createdAt'>(
  'StageTransitionOrderField',
  'What steps between stages can be ordered by.',
  { CREATED_AT: ['createdAt', 'When they were made.'] },
);

@InputType({
  description: 'The order of a history: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class StageTransitionOrderInput {
  @Field(() => StageTransitionOrderField, { description: 'Field to sort by.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Direction of the order.' })
  direction!: OrderDirection;
}

@ObjectType({ description: 'Model with the given name, and whether this call created it.' })
export class GetOrCreateModelPayload extends ModelPayload {
  @Field(() => Boolean, { description: 'True when this call created it; false when it already existed.' })
  created!: boolean;
}
