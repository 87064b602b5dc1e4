import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const JobKindEnum = describeEnum('JobKind', 'What a background job does.', {
  TRAINING: 'Trains a model from a dataset.',
  EVALUATION: 'Measures a version on a holdout and compares it with its baseline.',
  VALIDATION: 'Checks a version: signature, sample predictions, thresholds, latency, agreement.',
  BATCH_INFERENCE: 'Predicts for every row of a dataset.',
  CONVERSION: 'Makes a model.onnx of another framework’s files and compares the two.',
  RELEASE: 'Validates, evaluates and promotes a version as far as its gates let it.',
  RUN_ARCHIVE: 'Stores log and metric histories of a run that has ended as files of it.',
  GARBAGE_COLLECTION: 'Removes for good what was deleted long ago.',
  EXPERIMENT_EXPORT: 'Writes an experiment into an archive.',
  EXPERIMENT_IMPORT: 'Brings an archived experiment in.',
  MLFLOW_IMPORT: 'Brings over what another tracking server holds.',
});

export const JobStatusEnum = describeEnum('JobStatus', 'Where a background job stands.', {
  QUEUED: 'Waits for a worker.',
  RUNNING: 'A worker is at it.',
  SUCCEEDED: 'Done; `outcome` holds what came out.',
  FAILED: 'Given up; `errorCode` and `errorMessage` say why.',
  CANCELLED: 'Ended by a person.',
});

export const JobOrderField = describeOrderFields<'createdAt'>('JobOrderField', 'What jobs can be ordered by.', {
  CREATED_AT: ['createdAt', 'When they were created.'],
});

@ObjectType('Job', {
  description: 'A piece of background work that survives crashes, shows its progress and can be cancelled.',
})
export class JobType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => JobKindEnum, { description: 'What it does.' })
  kind!: keyof typeof JobKindEnum;

  @Field(() => JobStatusEnum, { description: 'Where it stands.' })
  status!: keyof typeof JobStatusEnum;

  @Field(() => Float, { description: 'Share of the work that is done, 0 to 1.' })
  progress!: number;

  @Field(() => String, { description: 'What it is doing, in words.' })
  message!: string;

  @Field(() => Int, { description: 'Number of the present attempt, from 1; a lost worker leads to another attempt.' })
  attempt!: number;

  @Field(() => Json, { description: 'What was asked for.' })
  config!: Record<string, unknown>;

  @Field(() => String, { nullable: true, description: 'Code of the error that ended it; null unless FAILED.' })
  errorCode?: string | null;

  @Field(() => String, { nullable: true, description: 'What went wrong, in words; null unless FAILED.' })
  errorMessage?: string | null;

  @Field(() => String, { description: 'Subject of the token that asked for it.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'When it was asked for, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'When a worker first took it, UTC.' })
  startedAt?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'When it ended, UTC.' })
  endedAt?: Date | null;

  /** Shown as objects. */
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
}

export const JobConnection = connectionOf(JobType, 'Job', 'jobs');

@ObjectType({ description: 'What became of a job at one moment: its status, progress and message then.' })
export class JobEvent {
  @Field(() => ID, { description: 'The job that took this step.' })
  jobId!: string;

  @Field(() => SafeInt, { description: 'Sequence number within the job; pass the last one as `after` to go on.' })
  seq!: number;

  @Field(() => JobStatusEnum, { description: 'Where the job stood then.' })
  status!: keyof typeof JobStatusEnum;

  @Field(() => Int, { description: 'Which try took the step, from 1; a lost or failed one is followed by the next.' })
  attempt!: number;

  @Field(() => Float, { description: 'Share of the work done, 0 to 1.' })
  progress!: number;

  @Field(() => String, { description: 'What happened, in words.' })
  message!: string;

  @Field(() => DateTime, { description: 'When, UTC.' })
  loggedAt!: Date;
}

@InputType({ description: 'Which jobs to list; every given field must hold.' })
export class JobFilterInput {
  @Field(() => JobKindEnum, { nullable: true, description: 'Only trainings, only evaluations, and so on.' })
  kind?: keyof typeof JobKindEnum | null;

  @Field(() => [JobStatusEnum], { nullable: true, description: 'Jobs in one of these states.' })
  status?: (keyof typeof JobStatusEnum)[] | null;

  @Field(() => ID, { nullable: true, description: 'Jobs of this run. NOT_FOUND when there is none.' })
  runId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Jobs of this model version. NOT_FOUND when there is none.' })
  modelVersionId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Jobs over this dataset. NOT_FOUND when there is none.' })
  datasetId?: string | null;
}

@InputType({
  description:
    'The order of a list of jobs: by what, and which end comes first. Equal ones are in the order of their ids.',
})
export class JobOrderInput {
  @Field(() => JobOrderField, { description: 'What to order by.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Which end comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'Which background work to end before it is done.' })
export class CancelJobInput {
  @Field(() => ID, { description: 'The job. NOT_FOUND when there is none, CONFLICT when it has ended.' })
  jobId!: string;
}

@ObjectType({ description: 'The job after the mutation.' })
export class JobPayload {
  @Field(() => JobType, { description: 'The job after this change, as a query would show it now.' })
  job!: JobType;
}
