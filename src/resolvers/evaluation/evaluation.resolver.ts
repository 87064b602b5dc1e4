import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { LossComparison } from '../../modules/model-quality/index.js';
import { JobPayload } from '../jobs/job.types.js';
import type { RequestContext } from '../request-context.js';
import { DatasetType } from '../datasets/dataset.types.js';
import { SafeInt } from '../types/scalars.js';
import {
  CalibrationType,
  ConfusionMatrix,
  EvaluateModelVersionInput,
  EvaluationSlice,
  EvaluationType,
  LossComparisonType,
  MetricEstimateType,
  SliceOmission,
  ValidateModelVersionInput,
} from './evaluation.types.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { ModelTaskEnum } from '../registry/model.types.js';

@Resolver(() => EvaluationType)
export class EvaluationResolver {
  @Query(() => EvaluationType, { description: 'One evaluation. NOT_FOUND when it does not exist.' })
  evaluation(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the evaluation. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<EvaluationType> {
    return ctx.run((session) => ctx.services.evaluations.get(session, id));
  }

  @Mutation(() => JobPayload, {
    description:
      'Queues the evaluation of a version on rows that it was not trained on, compared with the ' +
      'version in PRODUCTION and the base rate. The result is the gate EVALUATION; the report is ' +
      '`evaluation(id: <job id>)`.',
  })
  async evaluateModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => EvaluateModelVersionInput, { description: 'Version, rows and baseline.' })
    input: EvaluateModelVersionInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.evaluations.start(session, input)) };
  }

  @Mutation(() => JobPayload, {
    description:
      'Queues the validation of a version: signature, sample predictions, holdout metrics, latency, ' +
      'agreement of trainer and runtime. The result is the gate VALIDATION.',
  })
  async validateModelVersion(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ValidateModelVersionInput, {
      description: 'READY version to validate.',
    })
    input: ValidateModelVersionInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.validations.start(session, input.modelVersionId)) };
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that was evaluated.' })
  modelVersion(@Root() evaluation: EvaluationType, @Ctx() ctx: RequestContext): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(evaluation.modelVersionId);
  }

  @FieldResolver(() => ModelVersionType, {
    nullable: true,
    description: 'Baseline version; null without one.',
  })
  baselineVersion(
    @Root() evaluation: EvaluationType,
    @Ctx() ctx: RequestContext,
  ): Promise<ModelVersionType | null> | null {
    return evaluation.baselineVersionId ? ctx.loaders.modelVersion.load(evaluation.baselineVersionId) : null;
  }

  @FieldResolver(() => DatasetType, { description: 'Dataset of the evaluated rows.' })
  dataset(@Root() evaluation: EvaluationType, @Ctx() ctx: RequestContext): Promise<DatasetType | null> {
    return ctx.loaders.dataset.load(evaluation.datasetId);
  }

  @FieldResolver(() => ModelTaskEnum, { description: 'Task for which the version was evaluated.' })
  task(@Root() { report }: EvaluationType): keyof typeof ModelTaskEnum {
    return report.task;
  }

  @FieldResolver(() => SafeInt, { description: 'Number of evaluated rows.' })
  rows(@Root() { report }: EvaluationType): number {
    return report.rows;
  }

  @FieldResolver(() => [MetricEstimateType], {
    description: 'Metrics with their confidence intervals; metrics that are undefined are left out.',
  })
  metrics(@Root() { report }: EvaluationType): MetricEstimateType[] {
    const baseline = report.task === 'CLUSTERING' ? null : report.baselineMetrics;
    return Object.entries(report.metrics).map(([name, estimate]) => ({
      name,
      ...estimate,
      baseline: baseline?.[name] ?? null,
    }));
  }

  @FieldResolver(() => LossComparisonType, {
    nullable: true,
    description:
      'Comparison with the base rate: the class fractions, or the mean, of the training rows as the ' +
      'answer to every row. Null for clustering.',
  })
  againstBaseRate(@Root() { report }: EvaluationType): LossComparisonType | null {
    return report.task === 'CLUSTERING' ? null : flat(report.baseRate);
  }

  @FieldResolver(() => LossComparisonType, {
    nullable: true,
    description: 'Comparison with the baseline version; null without a baseline version.',
  })
  againstBaseline(@Root() { report }: EvaluationType): LossComparisonType | null {
    return report.task === 'CLUSTERING' || !report.baseline ? null : flat(report.baseline);
  }

  @FieldResolver(() => ConfusionMatrix, {
    nullable: true,
    description: 'Confusion matrix of true and predicted classes; null unless the task is CLASSIFICATION.',
  })
  confusionMatrix(@Root() { report }: EvaluationType): ConfusionMatrix | null {
    return report.task === 'CLASSIFICATION' ? { classNames: report.classNames, counts: report.confusion } : null;
  }

  @FieldResolver(() => CalibrationType, {
    nullable: true,
    description:
      'Calibration: how well predicted probabilities match observed frequencies; null unless the ' +
      'task is CLASSIFICATION.',
  })
  calibration(@Root() { report }: EvaluationType): CalibrationType | null {
    return report.task === 'CLASSIFICATION' ? report.calibration : null;
  }

  @FieldResolver(() => [EvaluationSlice], {
    description:
      'Metrics by value of the categorical inputs: at most twenty values per column, the most frequent first.',
  })
  slices(@Root() { report }: EvaluationType): EvaluationSlice[] {
    if (report.task === 'CLUSTERING') return [];
    return report.slices.slices.map(({ metrics, ...slice }) => ({
      ...slice,
      metrics: Object.entries(metrics).map(([name, value]) => ({ name, value })),
    }));
  }

  @FieldResolver(() => [SliceOmission], { description: 'Columns for which some values have no slice.' })
  omittedSlices(@Root() { report }: EvaluationType): SliceOmission[] {
    return report.task === 'CLUSTERING' ? [] : report.slices.omitted;
  }
}

function flat({ metric, candidate, reference, difference, verdict }: LossComparison): LossComparisonType {
  return {
    metric,
    candidate,
    reference,
    difference: difference.mean,
    low: difference.low,
    high: difference.high,
    verdict,
  };
}
