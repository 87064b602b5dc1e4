import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { RUN_TAGS } from '../../modules/experiments/index.js';
import { requireOneWay } from '../look-up.js';
import type { RequestContext } from '../request-context.js';
import { KeyValue, OrderDirection, toKeyValues } from '../types/common.types.js';
import { PageArgs, toConnection } from '../types/connection.js';
import {
  CreateExperimentInput,
  DeleteExperimentInput,
  DeleteExperimentTagInput,
  ExperimentConnection,
  ExperimentFilterInput,
  ExperimentOrderInput,
  ExperimentPayload,
  ExperimentType,
  GetOrCreateExperimentPayload,
  RestoreExperimentInput,
  SetExperimentTagsInput,
  UpdateExperimentInput,
} from './experiment.types.js';
import { ArgsWithRanges } from '../types/range.js';

@Resolver(() => ExperimentType)
export class ExperimentResolver {
  @Query(() => ExperimentType, {
    description: 'One experiment, by exactly one of `id` and `name`. NOT_FOUND when it does not exist.',
  })
  experiment(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the experiment. NOT_FOUND when it does not exist or belongs to another tenant.',
    })
    id?: string | null,
    @Arg('name', () => String, { nullable: true, description: 'Exact name, instead of `id`; case-sensitive.' })
    name?: string | null,
  ): Promise<ExperimentType> {
    requireOneWay({ id, name });
    const { experiments } = ctx.services;
    return ctx.run((session) => (id == null ? experiments.getByName(session, name!) : experiments.get(session, id)));
  }

  @Query(() => ExperimentConnection, {
    description: 'Experiments of the tenant, newest first by default.',
  })
  async experiments(
    @Ctx() ctx: RequestContext,
    @ArgsWithRanges(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ExperimentFilterInput, {
      nullable: true,
      description: 'Filter for experiments; active ones when absent.',
    })
    filter?: ExperimentFilterInput,
    @Arg('orderBy', () => ExperimentOrderInput, {
      nullable: true,
      description: 'Sort order; newest first when absent.',
    })
    orderBy?: ExperimentOrderInput,
  ): Promise<object> {
    const order = orderBy ?? { field: 'createdAt' as const, direction: OrderDirection.DESC };
    const result = await ctx.run((session) => ctx.services.experiments.list(session, filter ?? {}, page, order));
    return toConnection(result, () => ctx.run((session) => result.totalCount(session)));
  }

  @Mutation(() => ExperimentPayload, { description: 'Creates an experiment. CONFLICT when the name is taken.' })
  async createExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateExperimentInput, { description: 'The new experiment.' }) input: CreateExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.create(session, input)) };
  }

  @Mutation(() => GetOrCreateExperimentPayload, {
    description:
      'Returns the experiment with the given name and creates it when it does not exist. A script ' +
      'can call it in every execution; of several calls at the same time, only one creates it. An ' +
      'existing experiment does not change, whatever else is given. CONFLICT when it is deleted.',
  })
  getOrCreateExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateExperimentInput, { description: 'Name, and the other properties of a new experiment.' })
    input: CreateExperimentInput,
  ): Promise<GetOrCreateExperimentPayload> {
    return ctx.run((session) => ctx.services.experiments.getOrCreate(session, input));
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Changes an experiment. NOT_FOUND when it does not exist, CONFLICT when the name is taken.',
  })
  async updateExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateExperimentInput, { description: 'Object and its changes.' }) input: UpdateExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.update(session, input)) };
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Deletes an experiment together with its active runs; they can be restored.',
  })
  async deleteExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteExperimentInput, { description: 'Object to delete.' }) input: DeleteExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.remove(session, input.id)) };
  }

  @Mutation(() => ExperimentPayload, {
    description:
      'Restores an experiment, with the runs that were deleted together with it. Runs that were ' +
      'deleted before stay deleted.',
  })
  async restoreExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RestoreExperimentInput, { description: 'Object to restore.' })
    input: RestoreExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.restore(session, input.id)) };
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Sets some tags of an experiment; the other tags stay. `updateExperiment` replaces all tags.',
  })
  async setExperimentTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetExperimentTagsInput, { description: 'Experiment and tags.' })
    input: SetExperimentTagsInput,
  ): Promise<ExperimentPayload> {
    return {
      experiment: await ctx.run(async (session) => {
        await ctx.services.experiments.setTags(session, input.experimentId, input.tags);
        return ctx.services.experiments.get(session, input.experimentId);
      }),
    };
  }

  @Mutation(() => ExperimentPayload, { description: 'Deletes one tag of an experiment; the other tags stay.' })
  async deleteExperimentTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteExperimentTagInput, { description: 'Experiment and tag key.' })
    input: DeleteExperimentTagInput,
  ): Promise<ExperimentPayload> {
    return {
      experiment: await ctx.run(async (session) => {
        await ctx.services.experiments.deleteTag(session, input.experimentId, input.key);
        return ctx.services.experiments.get(session, input.experimentId);
      }),
    };
  }

  @FieldResolver(() => [KeyValue], {
    description:
      'Tags, in the order in which they were set. The description has its own field and is not in this list.',
  })
  tags(@Root() experiment: ExperimentType): KeyValue[] {
    return toKeyValues(experiment.tags).filter(({ key }) => key !== RUN_TAGS.note);
  }
}
