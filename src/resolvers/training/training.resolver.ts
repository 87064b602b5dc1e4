import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Job } from '../../db/entities/jobs/job.entity.js';
import type { TrainingConfigInput as RawTrainingConfig } from '../../modules/algorithms/index.js';
import { listJobs } from '../jobs/job.resolver.js';
import { JobConnection, JobOrderInput, JobType } from '../jobs/job.types.js';
import { TRAINING } from '../../modules/training/index.js';
import type { RequestContext } from '../request-context.js';
import { DatasetType } from '../datasets/dataset.types.js';
import type { RunType } from '../experiments/run.types.js';
import { PageArgs } from '../types/connection.js';
import type { TrainingConfigInput } from './training-config.types.js';
import {
  ResumeTrainingInput,
  StartTrainingInput,
  TrainingCheckpoint,
  TrainingJobFilterInput,
  TrainingPayload,
} from './training.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => JobType)
export class TrainingResolver {
  @Query(() => JobType, { description: 'One training job. NOT_FOUND when there is no training job with this id.' })
  trainingJob(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the job. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<JobType> {
    return ctx.run((session) => ctx.services.jobs.get(session, id, TRAINING));
  }

  @Query(() => JobConnection, { description: 'Training jobs of the tenant, newest first by default.' })
  trainingJobs(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => TrainingJobFilterInput, {
      nullable: true,
      description: 'Filter for training jobs; all when absent.',
    })
    filter?: TrainingJobFilterInput,
    @Arg('orderBy', () => JobOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: JobOrderInput,
  ): Promise<object> {
    return listJobs(ctx, page, { ...filter, kind: TRAINING.kind }, orderBy);
  }

  @Mutation(() => TrainingPayload, {
    description:
      'Checks the configuration against the dataset, creates a run and queues its training. ' +
      'BAD_USER_INPUT names the first wrong field.',
  })
  async startTraining(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartTrainingInput, { description: 'Configuration, dataset and experiment of the training.' })
    input: StartTrainingInput,
  ): Promise<TrainingPayload> {
    const config = configOf(input.config);
    await ctx.services.trainings.requireBackend({ ...input, config });
    return withRun(ctx, (session) => ctx.services.trainings.start(session, { ...input, config }));
  }

  @Mutation(() => TrainingPayload, {
    description:
      'Resumes a failed or cancelled training from its last valid checkpoint. The result is the ' +
      'same as without the interruption.',
  })
  resumeTraining(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeTrainingInput, { description: 'FAILED or CANCELLED training to resume.' })
    input: ResumeTrainingInput,
  ): Promise<TrainingPayload> {
    return withRun(ctx, (session) => ctx.services.trainings.resume(session, input.jobId));
  }

  @FieldResolver(() => [TrainingCheckpoint], {
    description: 'Checkpoints of a training that are kept (the last three), newest first; empty for other jobs.',
  })
  checkpoints(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<TrainingCheckpoint[]> {
    return ctx.loaders.jobCheckpoints.load(job.id);
  }

  @FieldResolver(() => DatasetType, {
    nullable: true,
    description: 'Dataset of the job; null for jobs without a dataset.',
  })
  dataset(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<DatasetType | null> | null {
    return job.datasetId ? ctx.loaders.dataset.load(job.datasetId) : null;
  }
}

function withRun(
  ctx: RequestContext,
  work: (session: Parameters<Parameters<RequestContext['run']>[0]>[0]) => Promise<Job>,
): Promise<TrainingPayload> {
  return ctx.run(async (session) => {
    const job = await work(session);
    const run: RunType = await ctx.services.runs.get(session, job.runId!);
    return { job, run };
  });
}

/** The service parses it, and checks there what a client may leave out or set to null. */
export function configOf(input: TrainingConfigInput): RawTrainingConfig {
  return present(input) as RawTrainingConfig;
}

/** The same input as plain objects, without null values, and with times as texts. */
export function present(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(present);
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null && inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [key, present(inner)]));
}
