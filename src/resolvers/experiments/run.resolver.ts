import {
  Arg,
  Args,
  Ctx,
  Extensions,
  FieldResolver,
  ID,
  Int,
  Mutation,
  Query,
  Resolver,
  Root,
  Subscription,
} from 'type-graphql';
import { SHOWN_AS_FIELDS } from '../../modules/experiments/index.js';
import { metricsTopic } from '../../modules/platform/index.js';
import type { RequestContext } from '../request-context.js';
import { KeyValue } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ExperimentType } from './experiment.types.js';
import { FOLLOW, followRun, type RunFeedArgs } from './run-feed.js';
import {
  CreateRunInput,
  FinishRunInput,
  LatestMetric,
  LogMetricsInput,
  LogMetricsPayload,
  LogParamsInput,
  MetricPoint,
  RunConnection,
  RunPayload,
  RunType,
  SetRunTagsInput,
} from './run.types.js';
import { RunFilterInput, RunOrderInput } from './run-filter.types.js';
import { SafeInt } from '../types/scalars.js';

@Resolver(() => RunType)
export class RunResolver {
  @Query(() => RunType, { description: 'One run. NOT_FOUND when there is none with this id.' })
  run(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the run; NOT_FOUND for one of another tenant, as for one that never was.',
    })
    id: string,
  ): Promise<RunType> {
    return ctx.run((session) => ctx.services.runs.get(session, id));
  }

  @Query(() => RunConnection, { description: 'Runs of the tenant, newest first unless ordered otherwise.' })
  async runs(
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => RunFilterInput, { nullable: true, description: 'Which runs; all when absent.' })
    filter?: RunFilterInput,
    @Arg('where', () => String, {
      nullable: true,
      description:
        "A filter as text, which must hold besides `filter`, e.g. `metrics.loss < 0.3 AND (params.lr = '0.1' " +
        "OR tags.team LIKE 'a%')`. Keys begin with metrics. params. tags. attributes. or datasets., and " +
        'stand in backticks when they hold other characters than letters, digits and _ . / -. Operators: = ' +
        '!= < <= > >= LIKE ILIKE IN, NOT IN, IS NULL, IS NOT NULL, joined by AND, OR, NOT and parentheses; ' +
        "at most 50 comparisons. MLflow's filters are among them. BAD_USER_INPUT says at which character " +
        'something else was expected.',
    })
    where?: string,
    @Arg('orderBy', () => [RunOrderInput], {
      nullable: true,
      description:
        'Order, the first key first, at most 10; newest first when absent. Runs that lack what is ordered by ' +
        'come last.',
    })
    orderBy?: RunOrderInput[],
  ): Promise<object> {
    const result = await ctx.run((session) =>
      ctx.services.runSearch.list(session, filter ?? {}, where ?? null, page, orderBy ?? []),
    );
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => RunPayload, { description: 'Starts a run that code outside this service logs to.' })
  async createRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateRunInput, { description: 'The new run.' }) input: CreateRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runs.create(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description: 'Says how a run ended, and when: now. Its metrics, parameters and tags stay.',
  })
  async finishRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => FinishRunInput, { description: 'The run and how it ended.' }) input: FinishRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.finish(session, input.runId, input.status)) };
  }

  @Extensions({ direct: logMetrics })
  @Mutation(() => LogMetricsPayload, {
    description: 'Logs metric values in bulk; followers of the run see them within milliseconds.',
  })
  logMetrics(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogMetricsInput, { description: 'The run and its points.' }) input: LogMetricsInput,
  ): Promise<LogMetricsPayload> {
    return logMetrics(ctx, input);
  }

  @Mutation(() => RunPayload, {
    description:
      'Logs parameters of a run. The same value again is allowed, another is CONFLICT. A run has at most 10,000, of ' +
      '16 MiB together: BAD_USER_INPUT beyond.',
  })
  async logParams(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogParamsInput, { description: 'The run and its parameters.' }) input: LogParamsInput,
  ): Promise<RunPayload> {
    return {
      run: await ctx.run(async (session) => {
        await ctx.services.runs.logParams(session, input.runId, input.params);
        return ctx.services.runs.get(session, input.runId);
      }),
    };
  }

  @Mutation(() => RunPayload, {
    description:
      'Adds tags to a run, or gives them other values; tags that are not named stay. A run has at most 10,000, of 16 ' +
      'MiB together: BAD_USER_INPUT beyond.',
  })
  async setRunTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetRunTagsInput, { description: 'The run and its tags.' }) input: SetRunTagsInput,
  ): Promise<RunPayload> {
    return {
      run: await ctx.run(async (session) => {
        await ctx.services.runs.setTags(session, input.runId, input.tags);
        return ctx.services.runs.get(session, input.runId);
      }),
    };
  }

  @Subscription(() => MetricPoint, {
    description:
      'Metric points of a run as they are logged, each exactly once and in the order of `seq`; completes ' +
      'when the run has ended and all were sent. Reconnect with the last `seq` as `after`.',
    subscribe: ({ args, context }) => followMetrics(context as RequestContext, args as RunFeedArgs),
  })
  runMetrics(
    @Root() point: MetricPoint,
    @Arg('runId', () => ID, { description: 'The run. NOT_FOUND when it does not exist.' }) _runId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Points with a greater `seq` are sent, past ones first; 0 for all; only new ones when absent.',
    })
    _after?: number,
    @Arg('follow', () => Boolean, { nullable: true, description: FOLLOW }) _follow?: boolean,
  ): MetricPoint {
    return point;
  }

  @FieldResolver(() => ExperimentType, { description: 'The named group of runs that it was started in.' })
  experiment(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<ExperimentType | null> {
    return ctx.loaders.experiment.load(run.experimentId);
  }

  @FieldResolver(() => [KeyValue], { description: 'Parameters, by key.' })
  params(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<KeyValue[]> {
    return ctx.loaders.runParams.load(run.id);
  }

  @FieldResolver(() => [KeyValue], {
    description:
      'Free labels, in the order of their keys; `setRunTags` changes them. Name and parent are fields, not shown here.',
  })
  async tags(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<KeyValue[]> {
    return (await ctx.loaders.runTags.load(run.id)).filter(({ key }) => !SHOWN_AS_FIELDS.includes(key));
  }

  @FieldResolver(() => [LatestMetric], { description: 'The newest value of every metric, by key.' })
  metrics(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<LatestMetric[]> {
    return ctx.loaders.runLatestMetrics.load(run.id);
  }

  @FieldResolver(() => [MetricPoint], {
    description:
      'History of one metric in step order. With more than `maxPoints` points it is thinned: every stretch ' +
      'keeps its smallest and its largest value, and a NaN where it has one, beside the first and the last ' +
      'point of all, so that a chart looks as with all of them (M4, Jugel et al. 2014). Of long histories, ' +
      'from 65,536 points on, stretches are of points logged one after another. Several keys (as aliases) ' +
      'and runs are read together.',
  })
  metricHistory(
    @Root() run: RunType,
    @Ctx() ctx: RequestContext,
    @Arg('key', () => String, { description: 'Name of the metric.' }) key: string,
    @Arg('maxPoints', () => Int, { defaultValue: 1000, description: 'How many points at most, 2 to 10,000.' })
    maxPoints: number,
  ): Promise<MetricPoint[]> {
    return ctx.loaders.metricHistory.load({ runId: run.id, key, maxPoints });
  }
}

async function logMetrics(ctx: RequestContext, { runId, metrics }: LogMetricsInput): Promise<LogMetricsPayload> {
  return { addedCount: await ctx.run((session) => ctx.services.runs.logMetrics(session, runId, metrics)) };
}

function followMetrics(ctx: RequestContext, args: RunFeedArgs): Promise<AsyncIterableIterator<MetricPoint>> {
  const { runId } = args;
  return followRun(ctx, args, metricsTopic(runId), (session, seq, limit) =>
    ctx.services.runs.metricsAfter(session, runId, seq, limit),
  );
}
