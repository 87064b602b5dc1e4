import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root, Subscription } from 'type-graphql';
import { logsTopic } from '../../modules/platform/index.js';
import type { RequestContext } from '../request-context.js';
import { toConnection } from '../types/connection.js';
import { SafeInt } from '../types/scalars.js';
import { FOLLOW, followRun, type RunFeedArgs } from './run-feed.js';
import { AppendRunLogsInput, AppendRunLogsPayload, RunLogArgs, RunLogConnection, RunLogLine } from './run-log.types.js';
import { RunType } from './run.types.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';
import { SEQUENCE } from '../../modules/core/index.js';

@Resolver(() => RunType)
export class RunLogResolver {
  @Mutation(() => AppendRunLogsPayload, {
    description: 'Appends lines to the log of a run; subscribers receive them within milliseconds.',
  })
  async appendRunLogs(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => AppendRunLogsInput, { description: 'Run and log lines.' }) input: AppendRunLogsInput,
  ): Promise<AppendRunLogsPayload> {
    return { lastSeq: await ctx.run((session) => ctx.services.runLogs.append(session, input.runId, input.lines)) };
  }

  @ArgumentRange('after', SEQUENCE)
  @Subscription(() => RunLogLine, {
    description:
      'Log lines of a run as they are logged, each exactly once and in the order of `seq`; ' +
      'completes when the run has ended and all lines were sent. Reconnect with the last `seq` as ' +
      '`after`.',
    subscribe: ({ args, context }) => followLogs(context as RequestContext, args as RunFeedArgs),
  })
  runLogs(
    @Root() line: RunLogLine,
    @Arg('runId', () => ID, { description: 'The run. NOT_FOUND when it does not exist.' }) _runId: string,
    @Arg('after', () => SafeInt, {
      nullable: true,
      description: 'Sends lines with a greater `seq`, past lines first; 0 sends all; only new lines when absent.',
    })
    _after?: number,
    @Arg('follow', () => Boolean, { nullable: true, description: FOLLOW }) _follow?: boolean,
  ): RunLogLine {
    return line;
  }

  @FieldResolver(() => RunLogConnection, {
    description: 'Log of the run, oldest line first; the cursors are the `seq` of the lines.',
  })
  async logs(
    @Root() run: RunType,
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => RunLogArgs) page: RunLogArgs,
  ): Promise<object> {
    const result = await ctx.loaders.runLogPages.load({ runId: run.id, page });
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }
}

function followLogs(ctx: RequestContext, args: RunFeedArgs): Promise<AsyncIterableIterator<RunLogLine>> {
  const { runId } = args;
  return followRun(ctx, args, logsTopic(runId), (session, seq, limit) =>
    ctx.services.runLogs.after(session, runId, seq, limit),
  );
}
