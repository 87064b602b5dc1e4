import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';
import { RangeOfModule } from '../types/range.js';
import { NAME } from '../../modules/core/index.js';

@InputType({ description: 'Experiment to export into an archive file.' })
export class ExportExperimentInput {
  @Field(() => ID, { description: 'The experiment; it may be deleted. NOT_FOUND when it does not exist.' })
  experimentId!: string;
}

@InputType({ description: 'Uploaded archive to import, and a name for the experiment.' })
export class ImportExperimentInput {
  @Field(() => ID, {
    description: 'Uploaded archive, made by `exportExperiment`. NOT_FOUND when the upload does not exist.',
  })
  uploadId!: string;

  @RangeOfModule(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the experiment; its original name when absent, with the time added when that name is taken.',
  })
  name?: string | null;
}

@ObjectType({ description: 'The queued job that writes the archive.' })
export class ExportExperimentPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` has the `artifactId` to GET at /artifacts/:id, the size, the SHA-256, ' +
      'and the numbers of runs, points and files in the archive.',
  })
  job!: JobType;
}

@ObjectType({ description: 'The queued job that reads and stores the content.' })
export class ImportExperimentPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` has the `experimentId`, whether ids were kept, and counts. With a ' +
      'wrong archive the job has the status FAILED and says what is wrong; nothing is imported.',
  })
  job!: JobType;
}
