import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { nextStartOf } from '../../modules/schedules/index.js';
import { DatasetType } from '../datasets/dataset.types.js';
import { JobType } from '../jobs/job.types.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { DateTime } from '../types/scalars.js';
import {
  CreateScheduleInput,
  DeleteScheduleInput,
  DeleteSchedulePayload,
  PauseScheduleInput,
  ResumeScheduleInput,
  ScheduleConnection,
  ScheduleFilterInput,
  ScheduleOrderInput,
  SchedulePayload,
  ScheduleStartConnection,
  ScheduleStartFilterInput,
  ScheduleStartOrderInput,
  ScheduleStartPayload,
  ScheduleStartType,
  ScheduleType,
  StartScheduleNowInput,
  UPCOMING,
  UpdateScheduleInput,
} from './schedule.types.js';

const NEWEST_FIRST = { field: 'createdAt' as const, direction: OrderDirection.DESC };

@Resolver(() => ScheduleType)
export class ScheduleResolver {
  @Query(() => ScheduleType, { description: 'One schedule. NOT_FOUND when it does not exist.' })
  schedule(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the schedule. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<ScheduleType> {
    return ctx.run((session) => ctx.services.schedules.get(session, id));
  }

  @Query(() => ScheduleConnection, { description: 'Schedules of the tenant, newest first by default.' })
  async schedules(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ScheduleFilterInput, { nullable: true, description: 'Filter for schedules; all when absent.' })
    filter?: ScheduleFilterInput,
    @Arg('orderBy', () => ScheduleOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: ScheduleOrderInput,
  ): Promise<object> {
    const order = orderBy ?? NEWEST_FIRST;
    const result = await ctx.run((session) => ctx.services.schedules.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Query(() => ScheduleStartConnection, {
    description: 'What became of the starts of a schedule, newest first by default; kept for EVENT_LOG_DAYS.',
  })
  async scheduleStarts(
    @Ctx() ctx: RequestContext,
    @Arg('scheduleId', () => ID, { description: 'The schedule. NOT_FOUND when it does not exist.' }) scheduleId: string,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ScheduleStartFilterInput, {
      nullable: true,
      description: 'Filter for starts; all when absent.',
    })
    filter?: ScheduleStartFilterInput,
    @Arg('orderBy', () => ScheduleStartOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: ScheduleStartOrderInput,
  ): Promise<object> {
    const order = orderBy ?? NEWEST_FIRST;
    const { schedules } = ctx.services;
    const result = await ctx.run((session) => schedules.starts(session, scheduleId, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => SchedulePayload, {
    description:
      'Creates a schedule that starts jobs like an earlier one. The first start is the next one from now on. ' +
      'BAD_USER_INPUT names the wrong field; RESOURCE_EXHAUSTED at 1,000 schedules of the tenant.',
  })
  async createSchedule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateScheduleInput, { description: 'Job, times and rules.' }) input: CreateScheduleInput,
  ): Promise<SchedulePayload> {
    return { schedule: await ctx.run((session) => ctx.services.schedules.create(session, input)) };
  }

  @Mutation(() => SchedulePayload, {
    description: 'Changes a schedule. Jobs that it has started stay as they are; its owner stays, too.',
  })
  async updateSchedule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateScheduleInput, { description: 'Schedule and its changes.' }) input: UpdateScheduleInput,
  ): Promise<SchedulePayload> {
    return { schedule: await ctx.run((session) => ctx.services.schedules.update(session, input)) };
  }

  @Mutation(() => SchedulePayload, {
    description: 'Pauses a schedule: it starts no job until `resumeSchedule`. Jobs that it has started go on.',
  })
  async pauseSchedule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => PauseScheduleInput, { description: 'Which schedule starts no jobs from now on.' })
    input: PauseScheduleInput,
  ): Promise<SchedulePayload> {
    return { schedule: await ctx.run((session) => ctx.services.schedules.pause(session, input.id)) };
  }

  @Mutation(() => SchedulePayload, {
    description: 'Lets a paused schedule go on with its next start. Starts during the pause do not count as missed.',
  })
  async resumeSchedule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ResumeScheduleInput, { description: 'Schedule to continue.' }) input: ResumeScheduleInput,
  ): Promise<SchedulePayload> {
    return { schedule: await ctx.run((session) => ctx.services.schedules.resume(session, input.id)) };
  }

  @Mutation(() => ScheduleStartPayload, {
    description:
      'Starts a job of a schedule at once, by its overlap rule. It is refused like one that a person starts. The next ' +
      'start of the schedule stays.',
  })
  startScheduleNow(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => StartScheduleNowInput, { description: 'Schedule that starts a job.' })
    input: StartScheduleNowInput,
  ): Promise<ScheduleStartPayload> {
    return ctx.services.scheduleStarter.startNow(ctx, input.id);
  }

  @Mutation(() => DeleteSchedulePayload, {
    description: 'Deletes a schedule with its history. Jobs that it has started stay, and go on.',
  })
  async deleteSchedule(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteScheduleInput, { description: 'Which schedule ends; jobs that it started stay.' })
    input: DeleteScheduleInput,
  ): Promise<DeleteSchedulePayload> {
    await ctx.run((session) => ctx.services.schedules.delete(session, input.id));
    return { id: input.id };
  }

  @FieldResolver(() => DateTime, {
    nullable: true,
    description: 'Time of the next start, UTC; null while it is paused, when it watches a dataset, or none comes.',
  })
  nextStartAt(@Root() schedule: ScheduleType): Date | null {
    return nextStartOf(schedule);
  }

  @FieldResolver(() => [DateTime], {
    description: 'Times of the next starts, UTC; empty while it is paused, and when it watches a dataset.',
  })
  @ArgumentRange('first', UPCOMING)
  nextStarts(
    @Root() schedule: ScheduleType,
    @Ctx() ctx: RequestContext,
    @Arg('first', () => Int, { defaultValue: 5, description: 'How many.' }) first: number,
  ): Date[] {
    return ctx.services.schedules.upcoming(schedule, first);
  }

  @FieldResolver(() => ScheduleStartType, {
    nullable: true,
    description: 'What became of the newest start; null before the first one.',
  })
  lastStart(@Root() { id }: ScheduleType, @Ctx() ctx: RequestContext): Promise<ScheduleStartType | null> {
    return ctx.loaders.lastScheduleStart.load(id);
  }

  @FieldResolver(() => DatasetType, {
    nullable: true,
    description: 'Dataset version of the job from which it was made; null without a dataset, or when it was deleted.',
  })
  dataset(@Root() { template }: ScheduleType, @Ctx() ctx: RequestContext): Promise<DatasetType | null> | null {
    return template.datasetId === null ? null : ctx.loaders.dataset.load(template.datasetId);
  }

  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description: 'Model version of the job from which it was made; null without one, or when it was deleted.',
  })
  modelVersion(@Root() { template }: ScheduleType, @Ctx() ctx: RequestContext): Promise<object | null> | null {
    return template.modelVersionId === null ? null : ctx.loaders.modelVersion.load(template.modelVersionId);
  }
}

@Resolver(() => ScheduleStartType)
export class ScheduleStartResolver {
  @FieldResolver(() => JobType, {
    nullable: true,
    description: 'Job that was started; null when none was, or when it was deleted with its run.',
  })
  job(@Root() { jobId }: ScheduleStartType, @Ctx() ctx: RequestContext): Promise<JobType | null> | null {
    return jobId ? ctx.loaders.job.load(jobId) : null;
  }
}

@Resolver(() => JobType)
export class JobScheduleResolver {
  @FieldResolver(() => ScheduleType, {
    nullable: true,
    description: 'Schedule that started the job; null when none did, or when it was deleted.',
  })
  schedule(@Root() { id }: JobType, @Ctx() ctx: RequestContext): Promise<ScheduleType | null> {
    return ctx.loaders.scheduleOfJob.load(id);
  }
}
