import { Field, ID, InputType } from 'type-graphql';
import { DateTime } from '../types/scalars.js';
import { RunStatus } from './run.types.js';

@InputType({ description: 'Changes to a run; absent fields stay as they are.' })
export class UpdateRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @Field(() => String, { nullable: true, description: 'New name: 1 to 250 visible characters.' })
  name?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'New notes, as Markdown, at most 8,000 characters; empty takes them away.',
  })
  description?: string | null;

  @Field(() => RunStatus, { nullable: true, description: 'New status; one that has not ended has no end time.' })
  status?: keyof typeof RunStatus | null;

  @Field(() => DateTime, {
    nullable: true,
    description: 'When it ended, UTC; now when absent and the status says that it did.',
  })
  endedAt?: Date | null;
}

@InputType({ description: 'A run that has ended and is to go on.' })
export class ResumeRunInput {
  @Field(() => ID, {
    description: 'The run. NOT_FOUND when there is none, CONFLICT when it has not ended or is that of a training.',
  })
  runId!: string;
}

@InputType({ description: 'Run to clone.' })
export class CloneRunInput {
  @Field(() => ID, { description: 'Run from which parameters and tags are copied. NOT_FOUND when it does not exist.' })
  runId!: string;

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

@InputType({ description: 'A deleted run to bring back.' })
export class RestoreRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, and when it was collected as garbage.' })
  runId!: string;
}

@InputType({ description: 'Tag to delete from a run.' })
export class DeleteRunTagInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when it does not exist, CONFLICT when it is deleted.' })
  runId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the run has no tag with this key.' })
  key!: string;
}
