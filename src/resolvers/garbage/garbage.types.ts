import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';

@InputType({
  description: 'What to remove for good: runs, experiments and logged models that were deleted long enough ago.',
})
export class CollectGarbageInput {
  @Field(() => Float, {
    defaultValue: 30,
    description:
      'How many days ago they must have been deleted at least, 0 to 36,500; 0 takes everything that is deleted now.',
  })
  olderThanDays!: number;

  @Field(() => [ID], {
    nullable: true,
    description: 'Only these experiments and what is in them, at most 1,000. NOT_FOUND for an id that is none.',
  })
  experimentIds?: string[] | null;

  @Field(() => [ID], {
    nullable: true,
    description:
      'Only these runs, at most 1,000; together with `experimentIds`, runs of either. NOT_FOUND for an id ' +
      'that is none.',
  })
  runIds?: string[] | null;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether to look for orphans too: files that no row names and rows whose file is gone. They are ' +
      'reported, not removed.',
  })
  checkStorage!: boolean;
}

@InputType({ description: 'A collection to go on with.' })
export class ResumeGarbageCollectionInput {
  @Field(() => ID, {
    description: 'The job, FAILED or CANCELLED. NOT_FOUND when there is none, CONFLICT in any other state.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The work that the mutation has begun.' })
export class GarbageCollectionPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` counts what is gone so far (runs, loggedModels, experiments, metricPoints, ' +
      'logLines, files) and at the end lists what was kept and why.',
  })
  job!: JobType;
}
