import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  DriftFindings,
  MonitoringWindowConnection,
  MonitoringWindowType,
  RunMonitoringInput,
  RunMonitoringPayload,
  TrafficFindings,
} from './monitoring.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => MonitoringWindowType)
export class MonitoringResolver {
  @Query(() => MonitoringWindowConnection, {
    description: 'Monitoring windows of a deployment’s live traffic, newest first.',
  })
  async monitoringWindows(
    @Ctx() ctx: RequestContext,
    @Arg('deploymentId', () => ID, { description: 'The deployment. NOT_FOUND when it does not exist.' })
    deploymentId: string,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
  ): Promise<object> {
    const result = await ctx.run((session) => ctx.services.monitoring.windows(session, deploymentId, page));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => RunMonitoringPayload, {
    description:
      'Analyses the new traffic of a live deployment now, before the next scheduled analysis: ' +
      'drift, latency and errors, each when there is enough traffic.',
  })
  runMonitoring(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RunMonitoringInput, { description: 'Live deployment whose traffic to analyse.' })
    input: RunMonitoringInput,
  ): Promise<RunMonitoringPayload> {
    return ctx.run((session) => ctx.services.monitoring.run(session, input.deploymentId));
  }

  @FieldResolver(() => DriftFindings, {
    nullable: true,
    description:
      'Drift of features and predictions; null when there are too few logged rows, or the version ' +
      'has no reference profile.',
  })
  drift(@Root() { report }: MonitoringWindowType): DriftFindings | null {
    return report.drift && { ...report.drift, from: new Date(report.drift.from) };
  }

  @FieldResolver(() => TrafficFindings, {
    nullable: true,
    description: 'Latency and errors; null when there are too few requests.',
  })
  traffic(@Root() { report }: MonitoringWindowType): TrafficFindings | null {
    return report.traffic && { ...report.traffic, from: new Date(report.traffic.from) };
  }
}
