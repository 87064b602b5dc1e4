import {
  FAILURE_CLASSES,
  type FailureClass,
  JOB_DURATION,
  JOB_PRIORITY,
  JOB_RESOURCES,
  JOB_WORKERS,
} from '../../modules/jobs/index.js';
import { Range } from '../types/range.js';
import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { contributedEnum, describeEnum, describeOrderFields, OrderDirection } from '../types/common.types.js';
import { connectionOf } from '../types/connection.js';
import { DateTime, Json, SafeInt } from '../types/scalars.js';

export const JobKindEnum = contributedEnum('JobKind', 'Kind of work of a background job.');

export const JobStatusEnum = describeEnum('JobStatus', 'Whether a background job waits, runs or has ended.', {
  QUEUED: 'Waiting for a worker.',
  RUNNING: 'A worker runs the job.',
  SUCCEEDED: 'The job succeeded; `outcome` has its result.',
  FAILED: 'The job failed; `errorCode` and `errorMessage` say why.',
  CANCELLED: 'A person cancelled the job.',
});

export const JobOrderField = describeOrderFields<'createdAt'>('JobOrderField', 'Fields by which jobs can be sorted.', {
  CREATED_AT: ['createdAt', 'Time of creation.'],
});

export const FailureClassEnum = describeEnum(
  'JobFailureClass',
  'Why an attempt of a job failed, and whether another one follows. An attempt that is paused, that makes room, or whose ' +
    'process stops in order has not failed: the next one continues, and it is not counted.',
  FAILURE_CLASSES,
);

@ObjectType({ description: 'Why the last failed attempt of a job failed.' })
export class JobFailure {
  @Field(() => FailureClassEnum, {
    description: 'What kind of failure it was, which decides whether another attempt follows.',
  })
  class!: FailureClass;

  @Field(() => String, { description: 'The reason, as a sentence.' })
  message!: string;

  @Field(() => Boolean, {
    description:
      'Whether failures of this class are retried. The job fails all the same after as many failures in a row, without ' +
      'stored progress in between, as its kind allows.',
  })
  isRetried!: boolean;

  @Field(() => Int, { description: 'Number of failures in a row; 0 when progress was stored since the last one.' })
  inARow!: number;
}

@ObjectType({ description: 'Resources that each worker of a job may use while it runs.' })
export class JobResources {
  @Field(() => Float, { description: 'Number of CPU cores, 0 or more, e.g. 0.25.' })
  cores!: number;

  @Field(() => SafeInt, { description: 'Main memory in bytes, 0 or more.' })
  memoryBytes!: number;

  @Field(() => Int, { description: 'Number of GPUs, 0 or more.' })
  gpus!: number;

  @Field(() => Int, { description: 'Number of workers, 1 or more; the job has the resources as many times.' })
  workers!: number;
}

@ObjectType({ description: 'Work of a job that runs outside this service, e.g. on a cluster.' })
export class ExternalJob {
  @Field(() => String, { description: 'Name of the system that runs the work, e.g. `ray`.' })
  backend!: string;

  @Field(() => String, { description: 'Id of the work in that system.' })
  id!: string;

  @Field(() => String, { description: 'State of the work as that system reported it last.' })
  state!: string;
}

@ObjectType('JobSubject', { description: 'An object that a job refers to.' })
export class JobSubjectType {
  @Field(() => String, { description: 'Type of the object: run, modelVersion, dataset, alert, or another type.' })
  type!: string;

  @Field(() => ID, { description: 'Id (UUID) of the object.' })
  id!: string;
}

@ObjectType('Job', {
  description: 'A background job that survives crashes, reports its progress and can be cancelled.',
})
export class JobType {
  @Field(() => ID, { description: 'Opaque id (UUIDv7).' })
  id!: string;

  @Field(() => JobKindEnum.values, { description: 'Kind of work, e.g. training or evaluation.' })
  kind!: string;

  @Field(() => JobStatusEnum, { description: 'Current state of this object.' })
  status!: keyof typeof JobStatusEnum;

  @Field(() => Float, { description: 'Fraction of the work that is done, 0 to 1.' })
  progress!: number;

  @Field(() => String, { description: 'Current activity, as a sentence.' })
  message!: string;

  @Field(() => Int, {
    description: 'Number of the current attempt, from 1. When a worker is lost, a new attempt starts.',
  })
  attempt!: number;

  @Field(() => Json, { description: 'Configuration of the job, as requested.' })
  config!: object;

  @Field(() => Int, {
    description:
      'Priority, -100 to 100; 0 for most jobs. Of the waiting jobs of a tenant, the one with the highest priority ' +
      'begins first.',
  })
  priority!: number;

  @Field(() => String, {
    description: 'Name of the queue. A worker takes jobs from the queues in its setting WORKER_QUEUES.',
  })
  queue!: string;

  @Field(() => DateTime, {
    nullable: true,
    description: 'Earliest time of the start, UTC; null when the job may start at once.',
  })
  notBefore?: Date | null;

  @Field(() => DateTime, {
    nullable: true,
    description:
      'Time since when the job is paused, UTC; null for other jobs. A paused job is QUEUED and does not begin; while ' +
      'it is still RUNNING, it stops when its progress is stored.',
  })
  pausedAt?: Date | null;

  @Field(() => SafeInt, {
    nullable: true,
    description: 'Longest time in milliseconds that its attempts may run together; null without such a limit.',
  })
  maxDurationMs?: number | null;

  @Field(() => String, { nullable: true, description: 'Code of the error; null unless the status is FAILED.' })
  errorCode?: string | null;

  @Field(() => String, { nullable: true, description: 'Error message; null unless the status is FAILED.' })
  errorMessage?: string | null;

  @Field(() => String, { description: 'Subject of the token that made the request.' })
  createdBy!: string;

  @Field(() => DateTime, { description: 'Time of the request, UTC.' })
  createdAt!: Date;

  @Field(() => DateTime, { nullable: true, description: 'Time when a worker first started the job, UTC.' })
  startedAt?: Date | null;

  @Field(() => DateTime, { nullable: true, description: 'Time of the end, UTC.' })
  endedAt?: Date | null;

  /** The API shows these ids as objects. */
  parentId?: string | null;
  cores!: number;
  memoryBytes!: number;
  gpus!: number;
  workers!: number;
  failures!: number;
  failureClass?: FailureClass | null;
  failureMessage?: string | null;
  externalBackend?: string | null;
  externalId?: string | null;
  externalState?: string | null;
  runId?: string | null;
  modelVersionId?: string | null;
  datasetId?: string | null;
}

export const JobConnection = connectionOf(JobType, 'Job', 'jobs');

@ObjectType({ description: 'One step of a job: status, progress and message at that time.' })
export class JobEvent {
  @Field(() => ID, { description: 'Id of the job that made this step.' })
  jobId!: string;

  @Field(() => SafeInt, { description: 'Sequence number within the job; pass the last one as `after` to continue.' })
  seq!: number;

  @Field(() => JobStatusEnum, { description: 'Status of the job at that time.' })
  status!: keyof typeof JobStatusEnum;

  @Field(() => Int, {
    description: 'Number of the attempt, from 1. A lost or failed attempt is followed by the next one.',
  })
  attempt!: number;

  @Field(() => Float, { description: 'Fraction of the work that was done, 0 to 1.' })
  progress!: number;

  @Field(() => String, { description: 'Description of the step, as a sentence.' })
  message!: string;

  @Field(() => DateTime, { description: 'Time, UTC.' })
  loggedAt!: Date;
}

@InputType({ description: 'Filter for jobs; all given fields must match.' })
export class JobFilterInput {
  @Field(() => JobKindEnum.values, { nullable: true, description: 'Jobs of this kind, e.g. only trainings.' })
  kind?: string | null;

  @Field(() => [JobStatusEnum], { nullable: true, description: 'Jobs with one of these statuses.' })
  status?: (keyof typeof JobStatusEnum)[] | null;

  @Field(() => ID, { nullable: true, description: 'Jobs with this run. NOT_FOUND when it does not exist.' })
  runId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Jobs with this model version. NOT_FOUND when it does not exist.' })
  modelVersionId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Jobs with this dataset. NOT_FOUND when it does not exist.' })
  datasetId?: string | null;
}

@InputType({
  description: 'Sort order of a list of jobs: field and direction. Items with equal values are sorted by id.',
})
export class JobOrderInput {
  @Field(() => JobOrderField, { description: 'Field whose values determine the order.' })
  field!: 'createdAt';

  @Field(() => OrderDirection, { description: 'Whether the smallest or the largest value comes first.' })
  direction!: OrderDirection;
}

@InputType({ description: 'What a job requests of the machines, and its place in the queue.' })
export class JobRequestInput {
  @Range(JOB_PRIORITY)
  @Field(() => Int, {
    nullable: true,
    description: 'Priority among the waiting jobs of the tenant: the highest begins first; 0 when absent.',
  })
  priority?: number | null;

  @Range(JOB_RESOURCES.cores)
  @Field(() => Float, { nullable: true, description: 'CPU cores of each worker; those of the kind when absent.' })
  cores?: number | null;

  @Range(JOB_RESOURCES.memoryBytes)
  @Field(() => SafeInt, {
    nullable: true,
    description: 'Main memory of each worker; that of the kind when absent.',
  })
  memoryBytes?: number | null;

  @Range(JOB_RESOURCES.gpus)
  @Field(() => Int, {
    nullable: true,
    description:
      'GPUs of each worker; 0 when absent. BAD_USER_INPUT when no worker process has as many for all workers of the job.',
  })
  gpus?: number | null;

  @Range(JOB_WORKERS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of workers of the job, 1 when absent. The job begins when there is room for all of them, or not at all.',
  })
  workers?: number | null;

  @Range(JOB_DURATION)
  @Field(() => SafeInt, {
    nullable: true,
    description: 'Longest time that its attempts may run together; then it fails with DEADLINE_EXCEEDED.',
  })
  maxDurationMs?: number | null;

  @Field(() => DateTime, { nullable: true, description: 'Earliest time of the start, UTC; at once when absent.' })
  notBefore?: Date | null;
}

@InputType({ description: 'Background job to pause: queued or running.' })
export class PauseJobInput {
  @Field(() => ID, {
    description: 'The job. NOT_FOUND when it does not exist, CONFLICT when it has ended or is paused already.',
  })
  jobId!: string;
}

@InputType({ description: 'Paused job to continue.' })
export class ResumeJobInput {
  @Field(() => ID, { description: 'The job. NOT_FOUND when it does not exist, CONFLICT unless it is paused.' })
  jobId!: string;
}

@InputType({ description: 'Background job to cancel: queued or running.' })
export class CancelJobInput {
  @Field(() => ID, { description: 'The job. NOT_FOUND when it does not exist, CONFLICT when it has ended.' })
  jobId!: string;
}

/** What a clone, or a job of a schedule, takes anew. */
@InputType({ description: 'What a clone takes anew.' })
export class CloneChoiceInput {
  @Field(() => Boolean, {
    defaultValue: false,
    description: 'Whether the new job uses the newest version of the same dataset, in place of the same version.',
  })
  newestDataset!: boolean;

  @Field(() => Boolean, {
    defaultValue: false,
    description:
      'Whether an evaluation or batch inference uses the version of the same model that is in production then, in ' +
      'place of the same version. BAD_USER_INPUT for a job without a model version.',
  })
  productionVersion!: boolean;
}

@InputType({ description: 'Background job of which another one is started.' })
export class CloneJobInput extends CloneChoiceInput {
  @Field(() => ID, {
    description:
      'The job, in any state. NOT_FOUND when it does not exist; BAD_USER_INPUT unless it is a training, a tuning, an ' +
      'evaluation or a batch inference.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The job after the mutation.' })
export class JobPayload {
  @Field(() => JobType, { description: 'The job after this change, as a query would show it now.' })
  job!: JobType;
}
