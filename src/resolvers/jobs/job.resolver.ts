import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import { isRetried, jobTopic } from '../../modules/jobs/index.js';
import { abortable, withoutGap, MAX_WAIT_MS } from '../../modules/platform/index.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  CancelJobInput,
  CloneJobInput,
  ExternalJob,
  JobConnection,
  JobFailure,
  JobEvent,
  JobFilterInput,
  JobOrderInput,
  JobPayload,
  JobResources,
  JobSubjectType,
  JobType,
  PauseJobInput,
  ResumeJobInput,
} from './job.types.js';
import { RunType } from '../experiments/run.types.js';
import { Json, SafeInt } from '../types/scalars.js';
import { JobOutcome, outcomeOf } from './job-outcome.js';
import { ArgumentRange, ArgsWithRanges } from '../types/range.js';
import { SEQUENCE } from '../../modules/core/index.js';

@Resolver(() => JobType)
export class JobResolver {
  @Query(() => JobType, {
    description:
      'One background job. With `waitMs` the call waits until the job has ended, so that a script ' +
      'need not poll. NOT_FOUND when it does not exist.',
  })
  @ArgumentRange('waitMs', { min: 0, max: MAX_WAIT_MS, unit: 'milliseconds' })
  job(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the job. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
    @Arg('waitMs', () => Int, {
      nullable: true,
      description:
        'Maximum time to wait for the end of the job; without it the call returns at once. ' +
        'RESOURCE_EXHAUSTED when 200 calls of the tenant wait already.',
    })
    waitMs?: number | null,
  ): Promise<JobType> {
    return ctx.services.jobs.afterWait(ctx, id, waitMs ?? 0);
  }

  @Query(() => JobConnection, { description: 'Background jobs of the tenant, newest first by default.' })
  jobs(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => JobFilterInput, { nullable: true, description: 'Filter for jobs; all when absent.' })
    filter?: JobFilterInput,
    @Arg('orderBy', () => JobOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: JobOrderInput,
  ): Promise<object> {
    return listJobs(ctx, page, filter ?? {}, orderBy);
  }

  @Mutation(() => JobPayload, {
    description: 'Cancels a queued or running job at once. CONFLICT when the job has ended.',
  })
  async cancelJob(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CancelJobInput, { description: 'Job to cancel, of any kind: QUEUED or RUNNING.' })
    input: CancelJobInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.jobs.cancel(session, input.jobId)) };
  }

  @Mutation(() => JobPayload, {
    description:
      'Starts another job with the settings of an earlier one: a training, a script or a tuning with a new run, an ' +
      'evaluation or a batch inference. It is checked like a first one, with the same errors.',
  })
  async cloneJob(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CloneJobInput, { description: 'Job to start again, and what it uses anew.' })
    { jobId, ...choice }: CloneJobInput,
  ): Promise<JobPayload> {
    return { job: await ctx.services.jobCloner.clone(ctx, jobId, choice) };
  }

  @Mutation(() => JobPayload, {
    description:
      'Pauses a job: queued, it does not begin; running, it stops as soon as its progress is stored (a training at its ' +
      'next checkpoint) and continues from there after `resumeJob`. CONFLICT when it has ended or is paused.',
  })
  async pauseJob(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PauseJobInput, { description: 'Job to pause.' }) input: PauseJobInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.jobs.pause(session, input.jobId)) };
  }

  @Mutation(() => JobPayload, {
    description: 'Lets a paused job wait for its turn again. CONFLICT unless it is paused.',
  })
  async resumeJob(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeJobInput, { description: 'Paused job.' }) input: ResumeJobInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.jobs.unpause(session, input.jobId)) };
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => JobEvent, {
    description:
      'Steps of a job as they happen, each exactly once and in the order of `seq`; completes when ' +
      'the job ends. Reconnect with the last `seq` as `after`. BAD_USER_INPUT when later steps are ' +
      'no longer kept (EVENT_LOG_DAYS).',
    subscribe: ({ args, context }) => followJob(context as RequestContext, args as { jobId: string; after?: number }),
  })
  jobProgress(
    @Root() event: JobEvent,
    @Arg('jobId', () => ID, { description: 'The job. NOT_FOUND when it does not exist.' }) _jobId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Sends steps with a greater `seq`, past steps first; sends all that are kept when absent or 0.',
    })
    _after?: number,
  ): JobEvent {
    return event;
  }

  @FieldResolver(() => JobOutcome, {
    nullable: true,
    description: 'Result of the job, typed by its kind; null until the job has succeeded.',
  })
  async outcome(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<object | null> {
    const found = await ctx.loaders.jobResult.load(job.id);
    return found?.status === 'SUCCEEDED' ? outcomeOf(found) : null;
  }

  @FieldResolver(() => Json, {
    nullable: true,
    deprecationReason: '`outcome` tells the same, typed and as much of it as you select.',
    description:
      'Result of the job as JSON, without the reference samples of a training. Null until the job ' +
      'has succeeded, except for kinds of jobs that report intermediate results.',
  })
  async result(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<object | null> {
    return (await ctx.loaders.jobResult.load(job.id))?.result ?? null;
  }

  @FieldResolver(() => JobType, {
    nullable: true,
    description: 'Job that started this job, e.g. the RELEASE of an EVALUATION; null when a client started it.',
  })
  parent(@Root() { parentId }: JobType, @Ctx() ctx: RequestContext): Promise<JobType | null> | null {
    return parentId ? ctx.loaders.job.load(parentId) : null;
  }

  @FieldResolver(() => JobFailure, {
    nullable: true,
    description: 'Why the last failed attempt failed, also while a later one runs; null when none has failed.',
  })
  lastFailure(@Root() { failures, failureClass, failureMessage }: JobType): JobFailure | null {
    if (failureClass == null) return null;
    const message = failureMessage ?? '';
    return { class: failureClass, message, isRetried: isRetried(failureClass), inARow: failures };
  }

  @FieldResolver(() => JobResources, { description: 'Resources that the job requests.' })
  resources(@Root() { cores, memoryBytes, gpus, workers }: JobType): JobResources {
    return { cores, memoryBytes, gpus, workers };
  }

  @FieldResolver(() => ExternalJob, {
    nullable: true,
    description: 'Work outside this service; null when a worker of this service runs the job itself.',
  })
  external(@Root() { externalBackend, externalId, externalState }: JobType): ExternalJob | null {
    return externalBackend != null && externalId != null
      ? { backend: externalBackend, id: externalId, state: externalState ?? '' }
      : null;
  }

  @FieldResolver(() => [JobSubjectType], {
    description: 'Objects that the job refers to, e.g. its run and its dataset.',
  })
  subjects(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<JobSubjectType[]> {
    return ctx.loaders.jobSubjects.load(job.id);
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Run that the job writes to; null for jobs without a run.',
  })
  run(@Root() job: JobType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return job.runId ? ctx.loaders.run.load(job.runId) : null;
  }
}

/** Used by `jobs` and by the lists of one kind. */
export async function listJobs(
  ctx: RequestContext,
  page: PageArgs,
  filter: JobFilterInput,
  orderBy?: JobOrderInput,
): Promise<object> {
  const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
  const result = await ctx.run((session) => ctx.services.jobs.list(session, filter, page, order));
  return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
}

async function followJob(
  ctx: RequestContext,
  { jobId, after }: { jobId: string; after?: number },
): Promise<AsyncIterableIterator<JobEvent>> {
  const key = `${ctx.principal.tenant}/${jobTopic(jobId)}`;
  const { feeds, jobs } = ctx.services;
  await feeds.together(key, () => ctx.run((session) => jobs.hasEnded(session, jobId)));
  const read = (seq: number, limit: number) =>
    ctx.run(async (session) => {
      // Asked before the rows are read, so that they contain the last step.
      const hasEnded = await jobs.hasEnded(session, jobId);
      return { rows: withoutGap(seq, await jobs.eventsAfter(session, jobId, seq, limit)), hasEnded };
    });
  return abortable((signal) => feeds.follow(key, jobTopic(jobId), read, after ?? 0, signal));
}
