import { Arg, Ctx, FieldResolver, Int, Query, Resolver, Root } from 'type-graphql';
import { GROUP_TEST_METHOD } from '../../modules/statistics/index.js';
import type { ComparedMetric as Metric } from '../../modules/experiments/index.js';
import type { RequestContext } from '../request-context.js';
import { DatasetType } from '../datasets/dataset.types.js';
import {
  ComparedDataset,
  ComparedMetric,
  CompareRunsInput,
  CurveAxis,
  CurveSeries,
  GroupComparison,
  MetricCurves,
  RunComparison,
} from './run-comparison.types.js';
import { RunType } from './run.types.js';
import { ArgumentRange } from '../types/range.js';
import { CURVES, CURVE_POINTS } from '../../modules/experiments/index.js';

@Resolver(() => RunComparison)
export class RunComparisonResolver {
  @Query(() => RunComparison, {
    description:
      'Compares runs: differing parameters, tags and data, metrics against a baseline, aligned ' +
      'curves, statistical tests over seeds.',
  })
  compareRuns(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CompareRunsInput, { description: 'Runs, baseline and metrics.' })
    input: CompareRunsInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.runComparisons.compare(session, input));
  }

  @ArgumentRange('metricKeys', CURVES)
  @ArgumentRange('maxPoints', CURVE_POINTS)
  @FieldResolver(() => [MetricCurves], {
    description:
      'Curves of metrics for all runs on one axis. If there are more than `maxPoints` points, the ' +
      'database splits the axis into equal intervals, each with its last, smallest and largest ' +
      'value. In histories of 65,536 points or more, only the points that `metricHistory` would ' +
      'show are used.',
  })
  curves(
    @Root() { runs }: RunComparison,
    @Ctx() ctx: RequestContext,
    @Arg('metricKeys', () => [String], { description: 'Names of metrics.' }) metricKeys: string[],
    @Arg('axis', () => CurveAxis, { defaultValue: 'STEP', description: 'Horizontal axis of the curves: step or time.' })
    axis: keyof typeof CurveAxis,
    @Arg('maxPoints', () => Int, {
      defaultValue: 200,
      description: 'Maximum number of positions on the axis.',
    })
    maxPoints: number,
  ): Promise<object[]> {
    const runIds = runs.map(({ id }) => id);
    return ctx.run((session) => ctx.services.runComparisons.curves(session, runIds, metricKeys, axis, maxPoints));
  }
}

@Resolver(() => ComparedMetric)
export class ComparedMetricResolver {
  @FieldResolver(() => [GroupComparison], {
    description:
      'Repetitions of each setting compared with those of the baseline’s setting, where seeds were ' +
      'repeated; empty when all runs have the same setting. For at most 50 metrics per request.',
  })
  significance(@Root() metric: ComparedMetric): Promise<object[]> {
    return (metric as unknown as Metric).significance();
  }
}

@Resolver(() => GroupComparison)
export class GroupComparisonResolver {
  @FieldResolver(() => String, { description: 'Names of the statistical procedures behind `result`.' })
  method(): string {
    return GROUP_TEST_METHOD;
  }
}

@Resolver(() => ComparedDataset)
export class ComparedDatasetResolver {
  @FieldResolver(() => DatasetType, {
    nullable: true,
    description: 'The registered dataset; null for data that only the client knows.',
  })
  dataset(@Root() { datasetId }: ComparedDataset, @Ctx() ctx: RequestContext): Promise<object | null> | null {
    return datasetId === null ? null : ctx.loaders.dataset.load(datasetId);
  }
}

@Resolver(() => CurveSeries)
export class CurveSeriesResolver {
  @FieldResolver(() => RunType, { description: 'Run whose metric values the curve shows.' })
  run(@Root() { runId }: CurveSeries, @Ctx() ctx: RequestContext): Promise<object | null> {
    return ctx.loaders.run.load(runId);
  }
}
