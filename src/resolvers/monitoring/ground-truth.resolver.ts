import { Arg, Ctx, Extensions, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import { Role } from '../../modules/core/index.js';
import type { PredictionLog } from '../../db/entities/serving/prediction-log.entity.js';
import type { RequestContext } from '../request-context.js';
import { ModelVersionType } from '../registry/model-version.types.js';
import { DeploymentType } from '../serving/deployment.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { DateTime } from '../types/scalars.js';
import { JobPayload } from '../jobs/job.types.js';
import {
  ImportGroundTruthInput,
  LiveQualityReport,
  LoggedPredictionConnection,
  LoggedPredictionFilterInput,
  LoggedPredictionType,
  LoggedRow,
  RecordGroundTruthInput,
  RecordGroundTruthPayload,
} from './ground-truth.types.js';
import { loggedAnswersOf } from '../../modules/serving/index.js';
import { readLiveQuality } from '../../modules/monitoring/index.js';
import { ArgsWithRanges, ArgumentRange } from '../types/range.js';

/** The log contains customer data. */
const ENGINEER = { minRole: Role.ENGINEER };
const BY_ID = {
  nullable: true,
  description: 'Id of the endpoint; give exactly one of endpointId and endpointName. NOT_FOUND when it does not exist.',
};
const BY_NAME = { nullable: true, description: 'Name of the endpoint. NOT_FOUND when it does not exist.' };

@Resolver(() => LoggedPredictionType)
export class GroundTruthResolver {
  @Mutation(() => RecordGroundTruthPayload, {
    description:
      'Records the ground truth of rows that an endpoint answered, by request id and row. The same ' +
      'truth again changes nothing, nor does one that became known before the recorded one; another ' +
      'truth replaces the former one, which stays in the history. Valid records are stored and the others are listed under `rejected`. When no record ' +
      'is valid, the call fails with the first reason, and `problems` has all of them.',
  })
  recordGroundTruth(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RecordGroundTruthInput, { description: 'Endpoint and ground truths.' })
    input: RecordGroundTruthInput,
  ): Promise<object> {
    return ctx.services.groundTruth.record(ctx, input);
  }

  @Mutation(() => JobPayload, {
    description:
      'Records the ground truth of rows that an endpoint answered from a dataset, in a background job that ' +
      '`jobProgress` follows. Rows may come late, in any order and several times: a row that names the same prediction ' +
      'as an earlier one revises it, unless it became known before. A row without a label or value is counted as ' +
      'missing. The outcome counts the rest as `recordGroundTruth` does, and lists the first rejected rows. A worker ' +
      'that dies loses nothing: the next one continues after the last rows that were recorded.',
  })
  async importGroundTruth(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => ImportGroundTruthInput, { description: 'Endpoint, dataset, and the meaning of its columns.' })
    input: ImportGroundTruthInput,
  ): Promise<JobPayload> {
    return { job: await ctx.run((session) => ctx.services.groundTruthImports.start(session, input)) };
  }

  @Extensions(ENGINEER)
  @Query(() => LoggedPredictionType, {
    description:
      'One request in the prediction log, with inputs, answers and ground truths. Needs ENGINEER. ' +
      'NOT_FOUND, with the likely reason, when it was not logged or is older than the endpoint keeps its log; ' +
      'CONFLICT ' +
      'when its id was used more than once.',
  })
  prediction(
    @Ctx() ctx: RequestContext,
    @Arg('requestId', () => String, { description: 'Id of the request, as in the answer of `predict`.' })
    requestId: string,
    @Arg('endpointId', () => ID, BY_ID) endpointId?: string | null,
    @Arg('endpointName', () => String, BY_NAME) endpointName?: string | null,
  ): Promise<LoggedPredictionType> {
    return ctx.services.loggedPredictions.get(ctx, { endpointId, endpointName }, requestId);
  }

  @Extensions(ENGINEER)
  @Query(() => LoggedPredictionConnection, {
    description: 'Logged requests of an endpoint, newest first. Needs ENGINEER.',
  })
  async predictions(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('endpointId', () => ID, BY_ID) endpointId?: string | null,
    @Arg('endpointName', () => String, BY_NAME) endpointName?: string | null,
    @Arg('filter', () => LoggedPredictionFilterInput, {
      nullable: true,
      description: 'Filter for requests; all when absent.',
    })
    filter?: LoggedPredictionFilterInput,
  ): Promise<object> {
    const result = await ctx.run((session) =>
      ctx.services.loggedPredictions.list(session, { endpointId, endpointName }, filter ?? {}, page),
    );
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @ArgumentRange('windowMinutes', { min: 1, unit: 'minutes' })
  @Query(() => LiveQualityReport, {
    description:
      'Quality of the live predictions of an endpoint, where ground truth was recorded, in total ' +
      'and by windows of the prediction time.',
  })
  liveQuality(
    @Ctx() ctx: RequestContext,
    @Arg('endpointId', () => ID, BY_ID) endpointId?: string | null,
    @Arg('endpointName', () => String, BY_NAME) endpointName?: string | null,
    @Arg('deploymentId', () => ID, {
      nullable: true,
      description: 'One deployment of the endpoint; all deployments when absent. NOT_FOUND when it does not exist.',
    })
    deploymentId?: string | null,
    @Arg('from', () => DateTime, {
      nullable: true,
      description: 'Rows predicted from this time on; 30 days before the end when absent.',
    })
    from?: Date | null,
    @Arg('to', () => DateTime, { nullable: true, description: 'Rows predicted before this time; now when absent.' })
    to?: Date | null,
    @Arg('windowMinutes', () => Int, {
      nullable: true,
      description:
        'Window length in minutes, from 1; the time range may have at most 1,000 windows; 1,440 (one ' +
        'day) when absent.',
    })
    windowMinutes?: number | null,
  ): Promise<object> {
    return ctx.run((session) =>
      readLiveQuality(session, { endpointId, endpointName }, deploymentId, { from, to, windowMinutes }),
    );
  }

  @FieldResolver(() => [LoggedRow], { description: 'Answers, row by row; empty for a failed request.' })
  async answers(@Root() logged: PredictionLog, @Ctx() ctx: RequestContext): Promise<object[]> {
    const truths = await ctx.loaders.groundTruths.load(logged.id);
    return loggedAnswersOf(logged).map((answer) => ({
      ...answer,
      truth: truths.find(({ rowIndex }) => rowIndex === answer.row) ?? null,
    }));
  }

  @FieldResolver(() => DeploymentType, { description: 'Deployment that answered the request.' })
  deployment(
    @Root() { deploymentId }: LoggedPredictionType,
    @Ctx() ctx: RequestContext,
  ): Promise<DeploymentType | null> {
    return ctx.loaders.deployment.load(deploymentId);
  }

  @FieldResolver(() => ModelVersionType, { description: 'Version that computed the answer.' })
  modelVersion(
    @Root() { modelVersionId }: LoggedPredictionType,
    @Ctx() ctx: RequestContext,
  ): Promise<ModelVersionType | null> {
    return ctx.loaders.modelVersion.load(modelVersionId);
  }
}
