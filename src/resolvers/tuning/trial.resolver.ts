import { Arg, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import { SEQUENCE } from '../../modules/core/index.js';
import { abortable } from '../../modules/platform/index.js';
import { reportsOf, STUDY_RANGES, studyTopic } from '../../modules/tuning/index.js';
import { RunType } from '../experiments/run.types.js';
import { JobType } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SafeInt } from '../types/scalars.js';
import { StudyType } from './study.types.js';
import {
  AskTrialInput,
  AskTrialPayload,
  ReportTrialInput,
  ReportTrialPayload,
  TellTrialInput,
  TrialConnection,
  TrialFilterInput,
  TrialOrderInput,
  TrialPayload,
  TrialReport,
  TrialRunType,
  TrialType,
  TrialUpdate,
} from './trial.types.js';

/** Intermediate values of a trial, unless a client asks for more or fewer. */
const SHOWN_REPORTS = 1_000;

@Resolver(() => TrialType)
export class TrialResolver {
  @Query(() => TrialType, { description: 'One trial. NOT_FOUND when it does not exist.' })
  trial(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the trial. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<TrialType> {
    return ctx.run((session) => ctx.services.studies.trial(session, id));
  }

  @Query(() => TrialConnection, { description: 'Trials of a study, by number by default.' })
  async trials(
    @Ctx() ctx: RequestContext,
    @Arg('studyId', () => ID, { description: 'The study. NOT_FOUND when it does not exist.' }) studyId: string,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => TrialFilterInput, { nullable: true, description: 'Filter for trials; all when absent.' })
    filter?: TrialFilterInput,
    @Arg('orderBy', () => TrialOrderInput, { nullable: true, description: 'Sort order; by number when absent.' })
    orderBy?: TrialOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'number' as const, direction: OrderDirection.ASC };
    const result = await ctx.run((session) => ctx.services.studies.trials(session, studyId, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => AskTrialPayload, {
    description:
      'Gives a trainer outside this service its next trial, with parameters and a run to log to. Report intermediate ' +
      'values with reportTrial, and the result with tellTrial.',
  })
  askTrial(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => AskTrialInput, { description: 'Study that gives out the trial.' }) input: AskTrialInput,
  ): Promise<AskTrialPayload> {
    return ctx.run((session) => ctx.services.trials.ask(session, input.studyId));
  }

  @Mutation(() => ReportTrialPayload, {
    description:
      'Reports an intermediate value of a trial, and says whether the pruner would stop it. The call is also a sign ' +
      'of life of the trainer. A trial takes 10,000 steps; BAD_USER_INPUT for a further one.',
  })
  async reportTrial(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ReportTrialInput, { description: 'Trial, step and value.' }) input: ReportTrialInput,
  ): Promise<ReportTrialPayload> {
    const { trial, reason } = await ctx.run((session) => ctx.services.trials.report(session, input));
    return { trial, shouldPrune: reason !== null, reason };
  }

  @Mutation(() => TrialPayload, {
    description:
      'Tells how a trial of an outside trainer ended. The same result again changes nothing. The study ends with the ' +
      'last trial of its budget.',
  })
  tellTrial(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => TellTrialInput, { description: 'Trial and result.' }) input: TellTrialInput,
  ): Promise<TrialPayload> {
    return ctx.run((session) => ctx.services.trials.tell(session, input));
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => TrialUpdate, {
    description:
      'Trials of a study as they change, in the order of `seq`: each trial with its newest state. Completes when the ' +
      'study ends. Reconnect with the last `seq` as `after`: no change is missed, and of several changes of a trial ' +
      'meanwhile the last one comes.',
    subscribe: ({ args, context }) =>
      followStudy(context as RequestContext, args as { studyId: string; after?: number }),
  })
  trialUpdates(
    @Root() update: TrialUpdate,
    @Arg('studyId', () => ID, { description: 'The study. NOT_FOUND when it does not exist.' }) _studyId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Sends changes with a greater `seq`; every trial first when absent or 0.',
    })
    _after?: number,
  ): TrialUpdate {
    return update;
  }

  @FieldResolver(() => StudyType, { nullable: true, description: 'The study to which it belongs.' })
  study(@Root() { studyId }: TrialType, @Ctx() ctx: RequestContext): Promise<StudyType | null> {
    return ctx.loaders.study.load(studyId);
  }

  @ArgumentRange('last', STUDY_RANGES.reports)
  @FieldResolver(() => [TrialReport], { description: 'Intermediate values, by step; the newest when there are more.' })
  reports(
    @Root() trial: TrialType,
    @Arg('last', () => Int, { defaultValue: SHOWN_REPORTS, description: 'How many of the newest are returned.' })
    last: number,
  ): TrialReport[] {
    return reportsOf(trial, last).map(reportOf);
  }

  @FieldResolver(() => [TrialRunType], { description: 'Its runs: one, or one for each repeated seed.' })
  runs(@Root() { id }: TrialType, @Ctx() ctx: RequestContext): Promise<TrialRunType[]> {
    return ctx.loaders.trialRuns.load(id);
  }
}

@Resolver(() => TrialRunType)
export class TrialRunResolver {
  @FieldResolver(() => RunType, { nullable: true, description: 'The run, with its metrics live.' })
  run(@Root() { runId }: TrialRunType, @Ctx() ctx: RequestContext): Promise<RunType | null> {
    return ctx.loaders.run.load(runId);
  }

  @FieldResolver(() => JobType, { nullable: true, description: 'The TRAINING job; null for an outside trainer.' })
  job(@Root() { jobId }: TrialRunType, @Ctx() ctx: RequestContext): Promise<JobType | null> | null {
    return jobId ? ctx.loaders.job.load(jobId) : null;
  }
}

const reportOf = ({ step, values }: { step: number; values: readonly number[] }): TrialReport => ({
  ...{ step, values },
  value: values[0]!,
});

async function followStudy(
  ctx: RequestContext,
  { studyId, after }: { studyId: string; after?: number },
): Promise<AsyncIterableIterator<TrialUpdate>> {
  const { feeds, studies } = ctx.services;
  const key = `${ctx.principal.tenant}/${studyTopic(studyId)}`;
  await feeds.together(key, () => ctx.run((session) => studies.hasEnded(session, studyId)));
  const read = (seq: number, limit: number) =>
    ctx.run(async (session) => {
      // Asked before the rows are read, so that they contain the last change.
      const hasEnded = await studies.hasEnded(session, studyId);
      const rows = (await studies.trialsAfter(session, studyId, seq, limit)).map(updateOf);
      return { rows, hasEnded };
    });
  return abortable((signal) => feeds.follow(key, studyTopic(studyId), read, after ?? 0, signal));
}

function updateOf(trial: TrialType): TrialUpdate {
  const { seq, id, number, status, params, values = null, reason = null } = trial;
  const lastReport = reportsOf(trial, 1).map(reportOf)[0] ?? null;
  return { seq, trialId: id, number, status, params, values, reason, lastReport };
}
