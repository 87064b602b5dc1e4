import { Field, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';

@InputType({ description: 'Another tracking server, and what of it to bring over.' })
export class ImportFromMlflowInput {
  @Field(() => String, {
    description:
      'Its address as clients have it in MLFLOW_TRACKING_URI, such as https://mlflow.example.com. ' +
      'URL_NOT_ALLOWED for http:// and private addresses unless the installation allows them.',
  })
  trackingUri!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Bearer token for it. Kept until the job ends and shown nowhere.',
  })
  token?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'User there, for Basic authentication; together with `password`.',
  })
  username?: string | null;

  @Field(() => String, { nullable: true, description: 'Of the user. Kept until the job ends and shown nowhere.' })
  password?: string | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Only experiments with these exact names, at most 1,000; all when absent.',
  })
  experimentNames?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Only registered models with these exact names, at most 1,000; all when absent.',
  })
  modelNames?: string[] | null;

  @Field(() => Boolean, { defaultValue: true, description: 'Whether files of runs and logged models come too.' })
  withArtifacts!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether deleted experiments and runs come too, and are deleted here then.',
  })
  withDeleted!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether versions move to their stages of there, past gates that they have not passed; each such step ' +
      'is an override in history and audit log. Needs ADMIN. Otherwise stages come as the tag ' +
      'matih.importedStage.',
  })
  keepStages!: boolean;
}

@ObjectType({ description: 'The import that was begun.' })
export class MlflowImportPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` counts what was added, changed and found unchanged: experiments, runs, ' +
      'loggedModels, models, modelVersions; metricPoints, artifacts, aliases, stages; and lists what was ' +
      'left out under problems.',
  })
  job!: JobType;
}
