import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { NAME } from '../../modules/core/index.js';
import { RunType } from '../experiments/run.types.js';
import { JobRequestInput, JobStatusEnum, JobType } from '../jobs/job.types.js';
import { Range } from '../types/range.js';
import { DateTime, SafeInt } from '../types/scalars.js';
import { WORKERS } from '../../modules/training/index.js';
import { TrainingBackendEnum, TrainingStrategyEnum } from './algorithm.types.js';
import { TrainingConfigInput } from './training-config.types.js';

@InputType({
  description:
    'Configuration, dataset and experiment of a training and, optionally, the model in which its ' +
    'result is registered.',
})
export class StartTrainingInput {
  @Field(() => ID, { description: 'Experiment of the new run. NOT_FOUND when it does not exist.' })
  experimentId!: string;

  @Field(() => ID, { description: 'Dataset version to train on. NOT_FOUND when it does not exist.' })
  datasetId!: string;

  @Field(() => TrainingConfigInput, { description: 'Configuration: what to train and how.' })
  config!: TrainingConfigInput;

  @Range(NAME)
  @Field(() => String, {
    nullable: true,
    description: 'Name of the run; generated from the time when absent.',
  })
  runName?: string | null;

  @Field(() => ID, {
    nullable: true,
    description:
      'Model for which the result is registered as a new version when the training succeeds. ' +
      'NOT_FOUND when it does not exist.',
  })
  registerModelId?: string | null;

  @Field(() => TrainingBackendEnum, {
    nullable: true,
    description:
      'Where the training runs; LOCAL when absent. `algorithms` says which backends an algorithm has. UNAVAILABLE when ' +
      'the cluster is not configured, does not answer, or refuses the token, and when an algorithm of Python finds no ' +
      'PYTHON_PATH here.',
  })
  backend?: keyof typeof TrainingBackendEnum | null;

  @Range(WORKERS)
  @Field(() => Int, {
    nullable: true,
    description:
      'Number of processes that train one model together: on Ray each with a CPU of the cluster, with LOCAL each with ' +
      'the resources of `job`. 1 when absent, 2 with a `strategy`. Only where `algorithms.teamsOn` says so: XGBoost ' +
      'gives each a share of the rows, a random forest on Ray a share of the trees, PyTorch follows `strategy`.',
  })
  workers?: number | null;

  @Field(() => TrainingStrategyEnum, {
    nullable: true,
    description:
      'How the `workers` share the work; when absent, the first one of `algorithms.strategies`. MODEL_PARALLEL and ' +
      'PIPELINE_PARALLEL need two workers and at least one hidden layer.',
  })
  strategy?: keyof typeof TrainingStrategyEnum | null;

  @Field(() => JobRequestInput, {
    nullable: true,
    description: 'Resources, priority and time of the job; those of the kind when absent.',
  })
  job?: JobRequestInput | null;
}

@InputType({ description: 'Failed or cancelled training to resume from its last valid checkpoint.' })
export class ResumeTrainingInput {
  @Field(() => ID, {
    description:
      'The job. NOT_FOUND when there is no such training, CONFLICT unless its status is FAILED or CANCELLED.',
  })
  jobId!: string;
}

@ObjectType({ description: 'The training after the mutation.' })
export class TrainingPayload {
  @Field(() => JobType, { description: 'The training job; subscribe to it with `jobProgress`.' })
  job!: JobType;

  @Field(() => RunType, {
    description: 'Run with the parameters, metrics and files of the training; subscribe to it with `runMetrics`.',
  })
  run!: RunType;
}

@ObjectType({ description: 'A checkpoint: a state from which a training can continue.' })
export class TrainingCheckpoint {
  @Field(() => Int, { description: 'Last completed epoch, from 1.' })
  epoch!: number;

  @Field(() => Int, { description: 'Number of the attempt that wrote the checkpoint, from 1.' })
  attempt!: number;

  @Field(() => SafeInt, {
    description: 'Size of the stored file in bytes; checked before a training continues from it.',
  })
  sizeBytes!: number;

  @Field(() => String, {
    description: 'SHA-256 of the file, hexadecimal; checked before a training continues from it.',
  })
  sha256!: string;

  @Field(() => DateTime, { description: 'Time when the file was stored, UTC.' })
  createdAt!: Date;
}

@InputType({ description: 'Filter for trainings; all given fields must match.' })
export class TrainingJobFilterInput {
  @Field(() => [JobStatusEnum], { nullable: true, description: 'Trainings with one of these statuses.' })
  status?: (keyof typeof JobStatusEnum)[] | null;

  @Field(() => ID, {
    nullable: true,
    description: 'Training that logs to this run; NOT_FOUND when the run does not exist.',
  })
  runId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Trainings on this dataset version.' })
  datasetId?: string | null;
}
