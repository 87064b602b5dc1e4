import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf } from '../types/connection.js';
import { describeEnum, describeOrderFields, KeyValueInput, OrderDirection } from '../types/common.types.js';
import { DateTime } from '../types/scalars.js';

export const ExperimentState = describeEnum('ExperimentState', 'Whether an experiment is in use.', {
  ACTIVE: 'Takes new runs.',
  DELETED: 'Put aside with its runs until it is restored or collected as garbage; its name stays taken.',
});

export const ExperimentOrderField = describeOrderFields<'createdAt' | 'updatedAt' | 'name'>(
  'ExperimentOrderField',
  'What experiments can be ordered by.',
  {
    CREATED_AT: ['createdAt', 'When they were created.'],
    UPDATED_AT: ['updatedAt', 'When they last changed.'],
    NAME: ['name', 'Their names, in code point order.'],
  },
);

@ObjectType('Experiment', { description: 'A named group of runs that answer one question.' })
export class ExperimentType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => String, { description: 'Name, unique in the tenant; 1 to 250 characters.' })
  name!: string;

  @Field(() => String, { description: 'What the experiment is about, as Markdown; may be empty.' })
  description!: string;

  @Field(() => ExperimentState, { description: 'Whether the experiment is in use.' })
  state!: keyof typeof ExperimentState;

  @Field(() => Boolean, {
    description: 'Whether it is the one that every tenant has, for runs that name none (MLflow’s experiment 0).',
  })
  isDefault!: boolean;

  @Field(() => DateTime, { nullable: true, description: 'When it was put aside, UTC; null for one in use.' })
  deletedAt?: Date | null;

  @Field(() => String, { description: 'Subject of the token that created it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was created, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { description: 'When it last changed, UTC.' })
  updatedAt!: Date;

  /** Shown as entries. */
  tags!: Record<string, string>;
}

export const ExperimentConnection = connectionOf(ExperimentType, 'Experiment', 'experiments');

@InputType({ description: 'Which experiments to list; every given field must hold.' })
export class ExperimentFilterInput {
  @Field(() => String, {
    nullable: true,
    description: 'Text that the name contains, whatever its case; at most 200 characters.',
  })
  search?: string | null;

  @Field(() => ExperimentState, { nullable: true, description: 'State; ACTIVE when absent.' })
  state?: keyof typeof ExperimentState | null;
}

@InputType({
  description:
    'The order of a list of experiments: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class ExperimentOrderInput {
  @Field(() => ExperimentOrderField, { description: 'What to order by.' })
  field!: 'createdAt' | 'updatedAt' | 'name';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'A named group for runs to come.' })
export class CreateExperimentInput {
  @Field(() => String, { description: 'Name, unique in the tenant: 1 to 250 visible characters.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it is about, as Markdown.' })
  description?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'At most 100 tags.' })
  tags?: KeyValueInput[] | null;
}

@InputType({ description: 'Changes to an experiment; absent fields stay as they are.' })
export class UpdateExperimentInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when there is none.' })
  id!: string;

  @Field(() => String, { nullable: true, description: 'New name: 1 to 250 visible characters. CONFLICT when taken.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'New description, as Markdown.' })
  description?: string | null;

  @Field(() => [KeyValueInput], { nullable: true, description: 'All tags from now on, at most 100.' })
  tags?: KeyValueInput[] | null;

  @Field(() => ExperimentState, {
    nullable: true,
    description: 'DELETED puts it aside as `deleteExperiment` does; ACTIVE brings it back as `restoreExperiment` does.',
  })
  state?: keyof typeof ExperimentState | null;
}

@InputType({ description: 'An experiment to put aside.' })
export class DeleteExperimentInput {
  @Field(() => ID, {
    description: 'The experiment. NOT_FOUND when there is none, CONFLICT when it is deleted or a training works in it.',
  })
  id!: string;
}

@InputType({ description: 'A deleted experiment to bring back.' })
export class RestoreExperimentInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when there is none, CONFLICT when it is in use.' })
  id!: string;
}

@InputType({ description: 'Tags that an experiment shall carry beside those that it has.' })
export class SetExperimentTagsInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when there is none, CONFLICT when it is deleted.' })
  experimentId!: string;

  @Field(() => [KeyValueInput], { description: 'At most 100; a key that exists gets the new value.' })
  tags!: KeyValueInput[];
}

@InputType({ description: 'A tag that shall go from an experiment.' })
export class DeleteExperimentTagInput {
  @Field(() => ID, { description: 'The experiment. NOT_FOUND when there is none, CONFLICT when it is deleted.' })
  experimentId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the experiment has none with it.' })
  key!: string;
}

@ObjectType({ description: 'The experiment after the mutation.' })
export class ExperimentPayload {
  @Field(() => ExperimentType, { description: 'The experiment after this change, as a query would show it now.' })
  experiment!: ExperimentType;
}

@ObjectType({ description: 'The experiment of a name, and whether this call made it.' })
export class GetOrCreateExperimentPayload extends ExperimentPayload {
  @Field(() => Boolean, { description: 'True when there was none of this name; false for one that was there before.' })
  created!: boolean;
}
