import { Field, ID, InputType } from 'type-graphql';
import { DateTime } from '../types/scalars.js';
import { RunStatus } from './run.types.js';

@InputType({ description: 'Changes to a run; absent fields stay as they are.' })
export class UpdateRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, CONFLICT when it is deleted.' })
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

@InputType({ description: 'A run to make another one from.' })
export class CloneRunInput {
  @Field(() => ID, { description: 'Run whose parameters and tags the new one gets. NOT_FOUND when there is none.' })
  runId!: string;

  @Field(() => String, { nullable: true, description: 'Name of the new run; that of the original when absent.' })
  name?: string | null;

  @Field(() => ID, { nullable: true, description: 'Experiment of the new run; that of the original when absent.' })
  experimentId?: string | null;

  @Field(() => Boolean, { defaultValue: true, description: 'Whether it is said to read the same data.' })
  withDatasets!: boolean;
}

@InputType({ description: 'A run to put aside.' })
export class DeleteRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, CONFLICT while a training works on it.' })
  runId!: string;
}

@InputType({ description: 'A deleted run to bring back.' })
export class RestoreRunInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, and when it was collected as garbage.' })
  runId!: string;
}

@InputType({ description: 'A label to take off a run.' })
export class DeleteRunTagInput {
  @Field(() => ID, { description: 'The run. NOT_FOUND when there is none, CONFLICT when it is deleted.' })
  runId!: string;

  @Field(() => String, { description: 'Key of the tag. NOT_FOUND when the run has none with it.' })
  key!: string;
}
