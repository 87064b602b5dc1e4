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

@Resolver(() => RunComparison)
export class RunComparisonResolver {
  @Query(() => RunComparison, {
    description:
      'Runs side by side: parameters, tags and data that differ, metrics against a baseline, aligned curves, ' +
      'tests over seeds.',
  })
  compareRuns(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CompareRunsInput, { description: 'Which runs, against which one, on which metrics.' })
    input: CompareRunsInput,
  ): Promise<object> {
    return ctx.run((session) => ctx.services.runComparisons.compare(session, input));
  }

  @FieldResolver(() => [MetricCurves], {
    description:
      'Courses of metrics on one axis for all runs. With more than `maxPoints` points the axis is parted ' +
      'into equal stretches in the database, each with its last, smallest and largest value. Of long ' +
      'histories, from 65,536 points on, those points take part that `metricHistory` would show.',
  })
  curves(
    @Root() { runs }: RunComparison,
    @Ctx() ctx: RequestContext,
    @Arg('metricKeys', () => [String], { description: '1 to 20 metrics, by name.' }) metricKeys: string[],
    @Arg('axis', () => CurveAxis, { defaultValue: 'STEP', description: 'What to lay them along.' })
    axis: keyof typeof CurveAxis,
    @Arg('maxPoints', () => Int, { defaultValue: 200, description: 'Places on the axis at most, 2 to 2,000.' })
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
  @FieldResolver(() => RunType, { description: 'Run of the curve.' })
  run(@Root() { runId }: CurveSeries, @Ctx() ctx: RequestContext): Promise<object | null> {
    return ctx.loaders.run.load(runId);
  }
}
