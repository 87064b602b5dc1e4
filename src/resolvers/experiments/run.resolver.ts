import {
  Arg,
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
import { SHOWN_AS_FIELDS, HISTORY_POINTS } from '../../modules/experiments/index.js';
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
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { FILTER_TEXT, ORDER_KEYS, SEQUENCE } from '../../modules/core/index.js';

@Resolver(() => RunType)
export class RunResolver {
  @Query(() => RunType, { description: 'One run. NOT_FOUND when it does not exist.' })
  run(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the run. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<RunType> {
    return ctx.run((session) => ctx.services.runs.get(session, id));
  }

  @ArgumentRange('where', FILTER_TEXT, { isOfModule: true })
  @ArgumentRange('orderBy', ORDER_KEYS, { isOfModule: true })
  @Query(() => RunConnection, { description: 'Runs of the tenant, newest first by default.' })
  async runs(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => RunFilterInput, { nullable: true, description: 'Filter for runs; all when absent.' })
    filter?: RunFilterInput,
    @Arg('where', () => String, {
      nullable: true,
      description:
        'Filter as text, combined with `filter` (both must match), e.g. `metrics.loss < 0.3 AND ' +
        "(params.lr = '0.1' OR tags.team LIKE 'a%')`. Keys start with metrics. params. tags. " +
        'attributes. or datasets.; keys with characters other than letters, digits and _ . / - need ' +
        'backticks. Operators: = != < <= > >= LIKE ILIKE IN, NOT IN, IS NULL, IS NOT NULL, combined ' +
        'with AND, OR, NOT and parentheses; at most 50 comparisons. Filters in MLflow’s syntax work ' +
        'too. BAD_USER_INPUT names the character where something else was expected.',
    })
    where?: string,
    @Arg('orderBy', () => [RunOrderInput], {
      nullable: true,
      description:
        'Sort order, the most important key first; newest first when absent. Runs ' +
        'without the sort value come last.',
    })
    orderBy?: RunOrderInput[],
  ): Promise<object> {
    const result = await ctx.run((session) =>
      ctx.services.runSearch.list(session, filter ?? {}, where ?? null, page, orderBy ?? []),
    );
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => RunPayload, { description: 'Starts a run for code that runs outside this service.' })
  async createRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateRunInput, { description: 'The new run.' }) input: CreateRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runs.create(session, input)) };
  }

  @Mutation(() => RunPayload, {
    description: 'Finishes a run with the given status; the end time is now. Its metrics, parameters and tags stay.',
  })
  async finishRun(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => FinishRunInput, { description: 'Run and final status.' }) input: FinishRunInput,
  ): Promise<RunPayload> {
    return { run: await ctx.run((session) => ctx.services.runLifecycle.finish(session, input.runId, input.status)) };
  }

  @Extensions({ direct: logMetrics })
  @Mutation(() => LogMetricsPayload, {
    description: 'Logs metric values of a run; subscribers receive them within milliseconds.',
  })
  logMetrics(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogMetricsInput, { description: 'Run and points.' }) input: LogMetricsInput,
  ): Promise<LogMetricsPayload> {
    return logMetrics(ctx, input);
  }

  @Mutation(() => RunPayload, {
    description:
      'Logs parameters of a run. The same value again is allowed; another value is CONFLICT. ' +
      'BAD_USER_INPUT when the run would have more than 10,000 parameters or more than 16 MiB of ' +
      'parameters.',
  })
  async logParams(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => LogParamsInput, { description: 'Run and parameters.' }) input: LogParamsInput,
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
      'Adds tags to a run, or changes their values; other tags stay. BAD_USER_INPUT when the run ' +
      'would have more than 10,000 tags or more than 16 MiB of tags.',
  })
  async setRunTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetRunTagsInput, { description: 'Run and tags.' }) input: SetRunTagsInput,
  ): Promise<RunPayload> {
    return {
      run: await ctx.run(async (session) => {
        await ctx.services.runs.setTags(session, input.runId, input.tags);
        return ctx.services.runs.get(session, input.runId);
      }),
    };
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => MetricPoint, {
    description:
      'Metric points of a run as they are logged, each exactly once and in the order of `seq`; ' +
      'completes when the run has ended and all points were sent. Reconnect with the last `seq` as ' +
      '`after`.',
    subscribe: ({ args, context }) => followMetrics(context as RequestContext, args as RunFeedArgs),
  })
  runMetrics(
    @Root() point: MetricPoint,
    @Arg('runId', () => ID, { description: 'The run. NOT_FOUND when it does not exist.' }) _runId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Sends points with a greater `seq`, past points first; 0 sends all; only new points when absent.',
    })
    _after?: number,
    @Arg('follow', () => Boolean, { nullable: true, description: FOLLOW }) _follow?: boolean,
  ): MetricPoint {
    return point;
  }

  @FieldResolver(() => ExperimentType, { description: 'Experiment that the run belongs to.' })
  experiment(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<ExperimentType | null> {
    return ctx.loaders.experiment.load(run.experimentId);
  }

  @FieldResolver(() => [KeyValue], { description: 'Parameters, by key.' })
  params(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<KeyValue[]> {
    return ctx.loaders.runParams.load(run.id);
  }

  @FieldResolver(() => [KeyValue], {
    description:
      'Tags, in the order of their keys; `setRunTags` changes them. Name and parent have their own ' +
      'fields and are not in this list.',
  })
  async tags(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<KeyValue[]> {
    return (await ctx.loaders.runTags.load(run.id)).filter(({ key }) => !SHOWN_AS_FIELDS.includes(key));
  }

  @FieldResolver(() => [LatestMetric], { description: 'The newest value of every metric, by key.' })
  metrics(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<LatestMetric[]> {
    return ctx.loaders.runLatestMetrics.load(run.id);
  }

  @ArgumentRange('maxPoints', HISTORY_POINTS)
  @FieldResolver(() => [MetricPoint], {
    description:
      'History of one metric in step order. If there are more than `maxPoints` points, it is ' +
      'thinned: each interval keeps its smallest and its largest value, and a NaN if it has one; ' +
      'the first and the last point of the history are kept too, so that a chart looks the same as ' +
      'with all points (M4, Jugel et al. 2014). In histories of 65,536 points or more, an interval ' +
      'contains points that were logged one after another. You can query several keys (with ' +
      'aliases) and runs in one request.',
  })
  metricHistory(
    @Root() run: RunType,
    @Ctx() ctx: RequestContext,
    @Arg('key', () => String, { description: 'Name of the metric.' }) key: string,
    @Arg('maxPoints', () => Int, { defaultValue: 1000, description: 'Maximum number of points.' })
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
