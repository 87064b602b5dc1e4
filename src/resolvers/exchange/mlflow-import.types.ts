import { Field, InputType, ObjectType } from 'type-graphql';
import { JobType } from '../jobs/job.types.js';
import { Range, RangeOfModule } from '../types/range.js';
import { OUTBOUND_URL } from '../../modules/core/index.js';
import { IMPORTED_NAMES, SECRET } from '../../modules/exchange/index.js';

@InputType({ description: 'MLflow tracking server to import from, and what to import.' })
export class ImportFromMlflowInput {
  @RangeOfModule(OUTBOUND_URL)
  @Field(() => String, {
    description:
      'Address of the server, as in MLFLOW_TRACKING_URI of its clients, such as ' +
      'https://mlflow.example.com. URL_NOT_ALLOWED for http:// and private addresses, unless the ' +
      'installation allows them.',
  })
  trackingUri!: string;

  @Range(SECRET)
  @Field(() => String, {
    nullable: true,
    description: 'Bearer token for the server. It is kept until the job ends and never shown.',
  })
  token?: string | null;

  @Range(SECRET)
  @Field(() => String, {
    nullable: true,
    description: 'User name for Basic authentication; requires `password`.',
  })
  username?: string | null;

  @Range(SECRET)
  @Field(() => String, {
    nullable: true,
    description: 'Password of the user. It is kept until the job ends and never shown.',
  })
  password?: string | null;

  @Range(IMPORTED_NAMES)
  @Field(() => [String], {
    nullable: true,
    description: 'Only experiments with these exact names; all experiments when absent.',
  })
  experimentNames?: string[] | null;

  @Range(IMPORTED_NAMES)
  @Field(() => [String], {
    nullable: true,
    description: 'Only registered models with these exact names; all models when absent.',
  })
  modelNames?: string[] | null;

  @Field(() => Boolean, {
    defaultValue: true,
    description: 'Whether to import the files of runs and logged models too.',
  })
  withArtifacts!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether to import deleted experiments and runs too; they are then deleted here.',
  })
  withDeleted!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether versions keep their stages from the other server, without passing the gates; each ' +
      'such change is recorded as an override in history and audit log. Needs ADMIN. Otherwise the ' +
      'stage is stored in the tag matih.importedStage.',
  })
  keepStages!: boolean;
}

@ObjectType({ description: 'The queued job that reads and stores the content.' })
export class MlflowImportPayload {
  @Field(() => JobType, {
    description:
      'The job. Its `result` counts added, changed and unchanged objects (experiments, runs, ' +
      'loggedModels, models, modelVersions), also metricPoints, artifacts, aliases and stages, and ' +
      'lists what was left out under `problems`.',
  })
  job!: JobType;
}
