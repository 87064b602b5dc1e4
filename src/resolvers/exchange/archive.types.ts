import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';

@InputType({ description: 'What to put into an archive.' })
export class ExportExperimentInput {
  @Field(() => ID, { description: 'The experiment, deleted or not. NOT_FOUND when there is none.' })
  experimentId!: string;
}

@InputType({ description: 'An archive to bring in.' })
export class ImportExperimentInput {
  @Field(() => ID, {
    description: 'The uploaded archive, as `exportExperiment` made it. NOT_FOUND when there is no such upload.',
  })
  uploadId!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'What to call the experiment, 1 to 250 characters; its own name when absent, with the time behind it ' +
      'where that is taken.',
  })
  name?: string | null;
}

@ObjectType({ description: 'The work that writes the archive.' })
export class ExportExperimentPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` has the `artifactId` to GET at /artifacts/:id, size, SHA-256, and how many ' +
      'runs, points and files are in it.',
  })
  job!: JobType;
}

@ObjectType({ description: 'The work that reads the archive.' })
export class ImportExperimentPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` has the `experimentId`, whether ids were kept, and counts; a wrong archive ' +
      'FAILS it with what is wrong, and nothing is written.',
  })
  job!: JobType;
}
