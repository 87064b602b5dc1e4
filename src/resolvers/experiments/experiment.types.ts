import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';
import { entriesOf, NAME, SEARCH_TEXT } from '../../modules/core/index.js';
import { Range, RangeOfModule } from '../types/range.js';
import { EXPERIMENT_TAG_VALUE } from '../../modules/experiments/index.js';

export const ExperimentState = describeEnum('ExperimentState', 'Whether an experiment is active or deleted.', {
  ACTIVE: 'In use: new runs can be added.',
  DELETED:
    'Deleted together with its runs, until it is restored or removed by the garbage collection. ' +
    'Its name stays taken.',
});

export const ExperimentOrderField = describeOrderFields<'createdAt' | 'updatedAt' | 'name'>(
  'ExperimentOrderField',
  'Fields by which experiments can be sorted.',
  {
    CREATED_AT: ['createdAt', 'Time of creation.'],
    UPDATED_AT: ['updatedAt', 'Time of the last change.'],
    NAME: ['name', 'Name, in code point order.'],
  },
);

@ObjectType('Experiment', { description: 'An experiment: a named group of runs that answer one question.' })
export class ExperimentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique in the tenant; 1 to 250 characters.' })
  name!: string;

  @Field(() => String, { description: 'Description of the experiment, as Markdown; may be empty.' })
  description!: string;

  @Field(() => ExperimentState, { description: 'Whether the experiment is active or deleted.' })
  state!: keyof typeof ExperimentState;

  @Field(() => Boolean, {
    description:
      'Whether this is the default experiment of the tenant, for runs without an experiment ' +
      '(MLflow’s experiment 0).',
  })
  isDefault!: boolean;

  @Field(() => DateTime, { nullable: true, description: 'Time of the deletion, UTC; null when not deleted.' })
  deletedAt?: Date | null;

  @Field(() => String, { description: 'Subject of the token that created the experiment.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of creation, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'Time of the last change, UTC.' })
  updatedAt!: Date;

  /** The API shows this as a list of entries. */
  tags!: Record<string, string>;
}

export const ExperimentConnection = connectionOf(ExperimentType, 'Experiment', 'experiments');

@InputType({ description: 'Filter for experiments; all given fields must match.' })
export class ExperimentFilterInput {
  @Range(SEARCH_TEXT)
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, case-insensitive.',
  })
  search?: string | null;

  @Field(() => ExperimentState, { nullable: true, description: 'State; ACTIVE when absent.' })
  state?: keyof typeof ExperimentState | null;
}

@InputType({
  description: 'Sort order of a list of experiments: field and direction. Items with equal values are sorted by id.',
})
export class ExperimentOrderInput {
  @Field(() => ExperimentOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt' | 'updatedAt' | 'name';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A new experiment: a named group of runs.' })
export class CreateExperimentInput {
  @RangeOfModule(NAME)
  @Field(() => String, { description: 'Name, unique in the tenant.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Description for people, as Markdown.' })
  description?: string | null;

  @RangeOfModule(entriesOf(EXPERIMENT_TAG_VALUE))
  @Field(() => [KeyValueInput], { nullable: true, description: 'Tags of the experiment.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Changes of an experiment; absent fields do not change.' })
export class UpdateExperimentInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when it does not exist.' })
  id!: string;

  @RangeOfModule(NAME)
  @Field(() => String, { nullable: true, description: 'New name. CONFLICT when taken.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @RangeOfModule(entriesOf(EXPERIMENT_TAG_VALUE))
  @Field(() => [KeyValueInput], { nullable: true, description: 'New set of tags; it replaces all tags.' })
  tags?: KeyValueInput[] | null;

  @Field(() => ExperimentState, {
    nullable: true,
    description:
      'DELETED deletes the experiment as `deleteExperiment` does; ACTIVE restores it as `restoreExperiment` does.',
  })
  state?: keyof typeof ExperimentState | null;
}

@InputType({ description: 'Experiment to delete; it can be restored.' })
export class DeleteExperimentInput {
  @Field(() => ID, {
    description:
      'The experiment. NOT_FOUND when it does not exist, CONFLICT when it is already deleted or a ' +
      'training runs in it.',
  })
  id!: string;
}

@InputType({ description: 'Deleted experiment to restore, by its id.' })
export class RestoreExperimentInput {
  @Field(() => ID, {
    description: 'The experiment. NOT_FOUND when it does not exist, CONFLICT when it is not deleted.',
  })
  id!: string;
}

@InputType({ description: 'Tags to add to an experiment or to change.' })
export class SetExperimentTagsInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  experimentId!: string;

  @RangeOfModule(entriesOf(EXPERIMENT_TAG_VALUE))
  @Field(() => [KeyValueInput], { description: 'Tags to set; an existing key gets the new value.' })
  tags!: KeyValueInput[];
}

@InputType({ description: 'Tag to delete from an experiment, by its key.' })
export class DeleteExperimentTagInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  experimentId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the experiment has no tag with this key.' })
  key!: string;
}

@ObjectType({ description: 'The experiment after the mutation.' })
export class ExperimentPayload {
  @Field(() => ExperimentType, { description: 'The experiment after this change, as a query would show it now.' })
  experiment!: ExperimentType;
}

@ObjectType({ description: 'Experiment with the given name, and whether this call created it.' })
export class GetOrCreateExperimentPayload extends ExperimentPayload {
  @Field(() => Boolean, { description: 'True when this call created it; false when it already existed.' })
  created!: boolean;
}
