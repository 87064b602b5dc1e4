import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
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

@Resolver(() => ExperimentType)
export class ExperimentResolver {
  @Query(() => ExperimentType, {
    description: 'One experiment, by exactly one of `id` and `name`. NOT_FOUND when there is none.',
  })
  experiment(
    @Ctx() ctx: RequestContext,
    @Arg('id', () => ID, {
      nullable: true,
      description: 'Id (UUID) of the experiment; NOT_FOUND for one of another tenant, as for one that never was.',
    })
    id?: string | null,
    @Arg('name', () => String, { nullable: true, description: 'Its exact name, instead of `id`; case matters.' })
    name?: string | null,
  ): Promise<ExperimentType> {
    requireOneWay({ id, name });
    const { experiments } = ctx.services;
    return ctx.run((session) => (id == null ? experiments.getByName(session, name!) : experiments.get(session, id)));
  }

  @Query(() => ExperimentConnection, {
    description: 'Experiments of the tenant, newest first unless ordered otherwise.',
  })
  async experiments(
    @Ctx() ctx: RequestContext,
    @Args(() => PageArgs) page: PageArgs,
    @Arg('filter', () => ExperimentFilterInput, {
      nullable: true,
      description: 'Which experiments; active ones when absent.',
    })
    filter?: ExperimentFilterInput,
    @Arg('orderBy', () => ExperimentOrderInput, { nullable: true, description: 'Order; newest first when absent.' })
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
      'The experiment of a name, made when there is none: a script may begin with it however often it runs, ' +
      'and of several at once one makes it. One that is there stays as it is, whatever else is given. ' +
      'CONFLICT when it is deleted.',
  })
  getOrCreateExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => CreateExperimentInput, { description: 'The name, and what a new experiment has besides.' })
    input: CreateExperimentInput,
  ): Promise<GetOrCreateExperimentPayload> {
    return ctx.run((session) => ctx.services.experiments.getOrCreate(session, input));
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Changes an experiment. NOT_FOUND when there is none, CONFLICT when the name is taken.',
  })
  async updateExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => UpdateExperimentInput, { description: 'What to change.' }) input: UpdateExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.update(session, input)) };
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Puts an experiment aside together with its active runs; nothing is lost yet.',
  })
  async deleteExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteExperimentInput, { description: 'Which one to put aside.' }) input: DeleteExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.remove(session, input.id)) };
  }

  @Mutation(() => ExperimentPayload, {
    description:
      'Brings an experiment back with the runs that were put aside with it; runs that were deleted before stay so.',
  })
  async restoreExperiment(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => RestoreExperimentInput, { description: 'Which one to bring back.' })
    input: RestoreExperimentInput,
  ): Promise<ExperimentPayload> {
    return { experiment: await ctx.run((session) => ctx.services.experiments.restore(session, input.id)) };
  }

  @Mutation(() => ExperimentPayload, {
    description: 'Sets some tags of an experiment; the others stay. `updateExperiment` replaces all.',
  })
  async setExperimentTags(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => SetExperimentTagsInput, { description: 'The experiment and the tags to set.' })
    input: SetExperimentTagsInput,
  ): Promise<ExperimentPayload> {
    return {
      experiment: await ctx.run(async (session) => {
        await ctx.services.experiments.setTags(session, input.experimentId, input.tags);
        return ctx.services.experiments.get(session, input.experimentId);
      }),
    };
  }

  @Mutation(() => ExperimentPayload, { description: 'Takes one tag off an experiment; the others stay.' })
  async deleteExperimentTag(
    @Ctx() ctx: RequestContext,
    @Arg('input', () => DeleteExperimentTagInput, { description: 'The experiment and the key.' })
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
