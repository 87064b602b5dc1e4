import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';
import { Range } from '../types/range.js';
import { MAX_DAYS, MAX_IDS } from '../../modules/garbage/index.js';

@InputType({
  description: 'What to remove permanently: runs, experiments and logged models that were deleted long enough ago.',
})
export class CollectGarbageInput {
  @Range({ min: 0, max: MAX_DAYS, unit: 'days' })
  @Field(() => Float, {
    defaultValue: 30,
    description: 'Minimum time since the deletion; 0 removes everything that is deleted now.',
  })
  olderThanDays!: number;

  @Range({ min: 1, max: MAX_IDS, unit: 'ids' })
  @Field(() => [ID], {
    nullable: true,
    description: 'Only these experiments and their content. NOT_FOUND when one does not exist.',
  })
  experimentIds?: string[] | null;

  @Range({ min: 1, max: MAX_IDS, unit: 'ids' })
  @Field(() => [ID], {
    nullable: true,
    description:
      'Only these runs. With `experimentIds`: runs that are in either list. NOT_FOUND when one does not exist.',
  })
  runIds?: string[] | null;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether to search for orphans too: stored files without a database row, and rows whose file ' +
      'is missing. They are reported, not removed.',
  })
  checkStorage!: boolean;
}

@InputType({ description: 'Garbage collection to resume, by its job id.' })
export class ResumeGarbageCollectionInput {
  @Field(() => ID, {
    description: 'The job, FAILED or CANCELLED. NOT_FOUND when it does not exist, CONFLICT with any other status.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The queued job that removes deleted objects permanently.' })
export class GarbageCollectionPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` counts the removed objects (runs, loggedModels, experiments, ' +
      'metricPoints, logLines, files), and lists at the end what was kept and why.',
  })
  job!: JobType;
}
