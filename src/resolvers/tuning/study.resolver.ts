import { Arg, Ctx, FieldResolver, ID, Int, Query, Resolver, Root } from 'type-graphql';
import type { RequestContext } from '../request-context.js';
import { DatasetType } from '../datasets/dataset.types.js';
import { ExperimentType } from '../experiments/experiment.types.js';
import { RunType } from '../experiments/run.types.js';
import { JobType } from '../jobs/job.types.js';
import { OrderDirection } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArgsWithRanges } from '../types/range.js';
import { PrunerEnum, SamplerEnum } from './study-input.types.js';
import {
  ObjectiveType,
  SearchSpaceType,
  StopRuleType,
  StudyConnection,
  StudyFilterInput,
  StudyOrderInput,
  StudyType,
  TrialCountsType,
} from './study.types.js';
import { TrialType } from './trial.types.js';

@Resolver(() => StudyType)
export class StudyResolver {
  @Query(() => StudyType, { description: 'One study. NOT_FOUND when it does not exist.' })
  study(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description: 'Id (UUID) of the study. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id: string,
  ): Promise<StudyType> {
    return ctx.run((session) => ctx.services.studies.get(session, id));
  }

  @Query(() => StudyConnection, { description: 'Studies of the tenant, newest first by default.' })
  async studies(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => StudyFilterInput, { nullable: true, description: 'Filter for studies; all when absent.' })
    filter?: StudyFilterInput,
    @Arg('orderBy', () => StudyOrderInput, { nullable: true, description: 'Sort order; newest first when absent.' })
    orderBy?: StudyOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.studies.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @FieldResolver(() => [ObjectiveType], { description: 'What it improves.' })
  objectives(@Root() { spec }: StudyType): ObjectiveType[] {
    return spec.objectives;
  }

  @FieldResolver(() => SearchSpaceType, { description: 'Where it searches.' })
  space(@Root() { spec }: StudyType): SearchSpaceType {
    const parameters = spec.space.parameters.map((parameter) =>
      parameter.kind === 'CATEGORICAL' ? parameter : { log: false, ...parameter },
    );
    return { ...spec.space, parameters };
  }

  @FieldResolver(() => SamplerEnum, { description: 'How parameters are chosen; what AUTO has become.' })
  sampler(@Root() { spec }: StudyType): string {
    return spec.sampler;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'Why AUTO has chosen the sampler; null when the request named it.',
  })
  samplerReason(@Root() { spec }: StudyType): string | null {
    return spec.samplerReason;
  }

  @FieldResolver(() => PrunerEnum, { description: 'When running trials are stopped early.' })
  pruner(@Root() { spec }: StudyType): string {
    return spec.pruner.kind;
  }

  @FieldResolver(() => ObjectiveType, { description: 'Metric of the intermediate values, which the pruner compares.' })
  reported(@Root() { spec }: StudyType): ObjectiveType {
    return spec.curve;
  }

  @FieldResolver(() => Int, { description: 'Trainings of each trial, each with another seed.' })
  repeats(@Root() { spec }: StudyType): number {
    return spec.repeats;
  }

  @FieldResolver(() => StopRuleType, { description: 'When no further trial begins.' })
  stop(@Root() { stopRule }: StudyType): StopRuleType {
    return stopRule;
  }

  @FieldResolver(() => ExperimentType, { nullable: true, description: 'Where the runs of its trials are listed.' })
  experiment(@Root() { experimentId }: StudyType, @Ctx() ctx: RequestContext): Promise<ExperimentType | null> {
    return ctx.loaders.experiment.load(experimentId);
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Parent of the runs of its trials; its metric `best.…` is the best value so far.',
  })
  run(@Root() { runId }: StudyType, @Ctx() ctx: RequestContext): Promise<RunType | null> {
    return ctx.loaders.run.load(runId);
  }

  @FieldResolver(() => JobType, {
    nullable: true,
    description: 'Newest TUNING job that drives it; null when an outside trainer does.',
  })
  job(@Root() { jobId }: StudyType, @Ctx() ctx: RequestContext): Promise<JobType | null> | null {
    return jobId ? ctx.loaders.job.load(jobId) : null;
  }

  @FieldResolver(() => DatasetType, { nullable: true, description: 'Dataset of its trainings; null for others.' })
  dataset(@Root() { datasetId }: StudyType, @Ctx() ctx: RequestContext): Promise<DatasetType | null> | null {
    return datasetId ? ctx.loaders.dataset.load(datasetId) : null;
  }

  @FieldResolver(() => TrialCountsType, { description: 'Number of its trials by status.' })
  async trialCounts(@Root() { id }: StudyType, @Ctx() ctx: RequestContext): Promise<TrialCountsType> {
    const counts = await ctx.loaders.studyTrialCounts.load(id);
    return {
      ...{ queued: counts.QUEUED, running: counts.RUNNING, complete: counts.COMPLETE },
      ...{ pruned: counts.PRUNED, failed: counts.FAILED, cancelled: counts.CANCELLED },
    };
  }

  @FieldResolver(() => TrialType, {
    nullable: true,
    description: 'Best feasible trial; null without a result, and with several objectives.',
  })
  bestTrial(@Root() { id, spec }: StudyType, @Ctx() ctx: RequestContext): Promise<TrialType | null> | null {
    return spec.objectives.length === 1 ? ctx.loaders.studyBestTrial.load(id) : null;
  }
}
