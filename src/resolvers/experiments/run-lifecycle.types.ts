import { Field, ID, InputType } from 'type-graphql';
import { DateTime } from '../types/scalars.js';
import { RunStatus } from './run.types.js';
import { NAME, TAG_VALUE } from '../../modules/core/index.js';
import { Range, RangeOfModule } from '../types/range.js';

@InputType({ description: 'Changes of a run; absent fields do not change.' })
export class UpdateRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @RangeOfModule(NAME)
  @Field(() => String, { nullable: true, description: 'New name.' })
  name?: string | null;

  @Range(TAG_VALUE)
  @Field(() => String, {
    nullable: true,
    description: 'New notes, as Markdown; an empty text removes them.',
  })
  description?: string | null;

  @Field(() => RunStatus, {
    nullable: true,
    description: 'New status; with a status that is not final, the run has no end time.',
  })
  status?: keyof typeof RunStatus | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'End time, UTC; now when absent and the new status is final.',
  })
  endedAt?: Date | null;
}

@InputType({ description: 'Ended run to resume, by its id.' })
export class ResumeRunInput {
  @Field(() => ID, {
    description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it has not ended or belongs to a training.',
  })
  runId!: string;
}

@InputType({ description: 'Existing run to clone, and changes for the new one.' })
export class CloneRunInput {
  @Field(() => ID, { description: 'Run from which parameters and tags are copied. NOT_FOUND when it does not exist.' })
  runId!: string;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the new run; the name of the original run when absent.',
  })
  name?: string | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Experiment of the new run; the experiment of the original run when absent.',
  })
  experimentId?: string | null;

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'Whether the new run is recorded as reading the same data.',
  })
  withDatasets!: boolean;
}

@InputType({ description: 'Run to delete; it can be restored.' })
export class DeleteRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT while a training runs in it.' })
  runId!: string;
}

@InputType({ description: 'Deleted run to restore, by its id.' })
export class RestoreRunInput {
  @Field(() => ID, {
    description: 'The run. NOT_FOUND when it does not exist, and when the garbage collection has removed it.',
  })
  runId!: string;
}

@InputType({ description: 'Tag to delete from a run, by its key.' })
export class DeleteRunTagInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the run has no tag with this key.' })
  key!: string;
}
