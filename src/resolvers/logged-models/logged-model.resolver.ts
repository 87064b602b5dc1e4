import { Arg, Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import { toHexId } from '../../modules/core/index.js';
import type { RequestContext } from '../request-context.js';
import { KeyValue, OrderDirection, toKeyValues } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import { ArtifactType } from '../artifacts/artifact.types.js';
import { ExperimentType } from '../experiments/experiment.types.js';
import {
  LoggedModelConnection,
  LoggedModelFilterInput,
  LoggedModelMetricType,
  LoggedModelOrderInput,
  LoggedModelType,
  RunLoggedModel,
} from './logged-model.types.js';
import { RunType } from '../experiments/run.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => LoggedModelType)
export class LoggedModelResolver {
  @Query(() => LoggedModelType, {
    description: 'One logged model; it may be deleted. NOT_FOUND when it does not exist.',
  })
  loggedModel(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      description:
        'Id (UUID) of the logged model: MLflow’s m-… with hyphens. NOT_FOUND when it does not exist ' +
        'or belongs to another tenant.',
    })
    id: string,
  ): Promise<LoggedModelType> {
    return ctx.run((session) => ctx.services.loggedModels.get(session, id));
  }

  @Query(() => LoggedModelConnection, {
    description: 'Logged models of the tenant that are not deleted, newest first by default.',
  })
  async loggedModels(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => LoggedModelFilterInput, {
      nullable: true,
      description: 'Filter for logged models; all when absent.',
    })
    filter?: LoggedModelFilterInput,
    @Arg('orderBy', () => LoggedModelOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: LoggedModelOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.loggedModels.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @FieldResolver(() => String, {
    description: 'Id in MLflow clients: `m-` and the id as 32 hexadecimal digits.',
  })
  mlflowId(@Root() model: LoggedModelType): string {
    return `m-${toHexId(model.id)}`;
  }

  @FieldResolver(() => ExperimentType, { description: 'Experiment in which the model was logged.' })
  experiment(@Root() model: LoggedModelType, @Ctx() ctx: RequestContext): Promise<ExperimentType | null> {
    return ctx.loaders.experiment.load(model.experimentId);
  }

  @FieldResolver(() => RunType, {
    nullable: true,
    description: 'Run that made the model; null when the code named no run, or the run was deleted for good.',
  })
  run(@Root() model: LoggedModelType, @Ctx() ctx: RequestContext): Promise<RunType | null> | null {
    return model.runId ? ctx.loaders.run.load(model.runId) : null;
  }

  @FieldResolver(() => [KeyValue], {
    description: 'Parameters of the model, each key once; values of up to 100,000 characters.',
  })
  params(@Root() model: LoggedModelType): KeyValue[] {
    return toKeyValues(model.params);
  }

  @FieldResolver(() => [KeyValue], { description: 'Tags, each key once; values of up to 100,000 characters.' })
  tags(@Root() model: LoggedModelType): KeyValue[] {
    return toKeyValues(model.tags);
  }

  @FieldResolver(() => [LoggedModelMetricType], {
    description:
      'Newest value of each metric on each dataset, by key: the value with the latest time, then ' +
      'with the greatest step.',
  })
  metrics(@Root() model: LoggedModelType, @Ctx() ctx: RequestContext): Promise<LoggedModelMetricType[]> {
    return ctx.loaders.loggedModelMetrics.load(model.id);
  }

  @FieldResolver(() => [LoggedModelMetricType], {
    description: 'The newest thousand values of one metric, from all runs and on all datasets, in the order of time.',
  })
  metricHistory(
    @Root() model: LoggedModelType,
    @Ctx() ctx: RequestContext,
    @Arg('key', () => String, {
      description: 'Name of the metric; the list is empty when the metric was never logged.',
    })
    key: string,
  ): Promise<LoggedModelMetricType[]> {
    return ctx.loaders.loggedModelHistory.load({ loggedModelId: model.id, key });
  }

  @FieldResolver(() => [ArtifactType], {
    description: 'Files of the logged model by path, including the MLmodel file.',
  })
  artifacts(@Root() model: LoggedModelType, @Ctx() ctx: RequestContext): Promise<ArtifactType[]> {
    return ctx.loaders.loggedModelArtifacts.load(model.id);
  }
}

@Resolver(() => LoggedModelMetricType)
export class LoggedModelMetricResolver {
  @FieldResolver(() => RunType, {
    description: 'Run that measured the value; it may differ from the run that made the model.',
  })
  run(@Root() metric: LoggedModelMetricType, @Ctx() ctx: RequestContext): Promise<RunType | null> {
    return ctx.loaders.run.load(metric.runId);
  }
}

/** The logged models of a run. */
@Resolver(() => RunType)
export class RunLoggedModelsResolver {
  @FieldResolver(() => [RunLoggedModel], {
    description:
      'Logged models that the run made or read and that are not deleted, the newest hundred, in the ' +
      'order of their creation; one entry per step.',
  })
  async loggedModels(@Root() run: RunType, @Ctx() ctx: RequestContext): Promise<RunLoggedModel[]> {
    const uses = await ctx.loaders.runLoggedModels.load(run.id);
    const models = await Promise.all(uses.map(({ loggedModelId }) => ctx.loaders.loggedModel.load(loggedModelId)));
    return uses.flatMap(({ direction, step }, i) => {
      const loggedModel = models[i];
      return loggedModel ? [{ direction, step, loggedModel }] : [];
    });
  }
}
